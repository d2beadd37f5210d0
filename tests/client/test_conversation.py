"""What outlives a connection: subscriptions with their cursors, what was published, and what is told."""

import asyncio
import random

import pytest

from qmq.client import connect
from qmq.errors import QmqError
from tests.client.failing import fails
from tests.helpers import until

WORK = {"ack": "client-individual"}


async def numbers(subscription, count):
    """The bodies of the next messages, as numbers."""
    return [int((await subscription.next()).text()) for _ in range(count)]


@pytest.mark.gen_test(timeout=20)
async def test_a_topic_goes_on_where_it_was(relayed):
    node, url, relay = await relayed()
    told = []
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a", on_recovered=told.append)
        for number in range(10):
            node.publish("/topic/a", str(number))
            if number % 3 == 0:
                relay.cut()
        assert await numbers(reader, 10) == list(range(10))
        await until(lambda: client.state == "open")
        await client.publish("/topic/a", "10")
        assert await numbers(reader, 1) == [10]
        assert (reader.recovered, told) == (True, [True] * (client.generation - 1))
        assert reader.cursor == node.hub.cursor


@pytest.mark.gen_test(timeout=20)
async def test_what_is_gone_is_told(relayed):
    topics = ({"match": "/topic/#", "history_messages": 2},)
    node, url, relay = await relayed({"topics": topics})
    told = []
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a", on_recovered=told.append)
        node.publish("/topic/a", "0")
        assert await numbers(reader, 1) == [0]
        target, relay.target = relay.target, None
        relay.cut()
        for number in range(1, 10):
            node.publish("/topic/a", str(number))
        relay.target = target
        await until(lambda: told)
        assert (told, reader.recovered) == ([False], False)
        node.publish("/topic/a", "10")
        assert await numbers(reader, 1) == [10]
        assert reader.cursor == node.hub.cursor


@pytest.mark.gen_test(timeout=30)
async def test_another_node_in_its_place_is_told_too(relayed, start_node):
    node, url, relay = await relayed()
    other, _, _ = await relayed()
    told = []
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a", on_recovered=told.append)
        relay.target = relayed.port(other)
        await node.stop()
        await until(lambda: told)
        assert told == [False]
        other.publish("/topic/a", "1")
        relay.cut()
        other.publish("/topic/a", "2")
        assert await numbers(reader, 2) == [1, 2]
        await until(lambda: len(told) == 2)
        assert told == [False, True]


@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_that_begins_in_the_past_says_whether_it_was_all_there(gateway):
    node, url = await gateway()
    for number in range(5):
        node.publish("/topic/a", str(number))
    told = []
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a", from_="earliest", on_recovered=told.append)
        messages = [await reader.next() for _ in range(5)]
        assert [message.cursor for message in messages] == [message.id for message in messages]
        rest = await client.subscribe("/topic/a", cursor=messages[2].cursor, on_recovered=told.append)
        assert await numbers(rest, 2) == [3, 4]
        strange = await client.subscribe("/topic/a", cursor="x.y.1", on_recovered=told.append)
        assert told == [True, True, False]
        assert (strange.recovered, strange.cursor) == (False, node.hub.cursor)


@pytest.mark.gen_test(timeout=20)
async def test_subscriptions_come_before_what_was_published_while_away(relayed):
    _, url, relay = await relayed()
    target = relay.target
    async with await connect(url) as client:
        relay.target = None
        relay.cut()
        await until(lambda: client.state != "open")
        subscribing = asyncio.create_task(client.subscribe("/topic/a"))
        await asyncio.sleep(0)
        publishing = [asyncio.create_task(client.publish("/topic/a", str(number))) for number in range(5)]
        await asyncio.sleep(0)
        client.publish_nowait("/topic/a", "5")
        relay.target = target
        assert await numbers(await subscribing, 6) == list(range(6))
        await asyncio.gather(*publishing)
        assert not len(client._talk._journal)


@pytest.mark.gen_test(timeout=20)
async def test_what_has_no_receipt_is_published_once(relayed):
    """The gateway has it, but its receipt is lost."""
    node, url, relay = await relayed()
    async with await connect(url) as client:
        relay.deaf_to_gateway = True
        publishing = asyncio.create_task(client.publish("/topic/a", "x"))
        await until(lambda: node.hub.offset == 1)
        relay.cut()
        relay.deaf_to_gateway = False
        await publishing
        assert client.generation == 2
        await client.publish("/topic/a", "y")
        assert node.hub.offset == 2


@pytest.mark.gen_test(timeout=20)
async def test_too_much_is_not_kept_while_away(relayed):
    node, url, relay = await relayed()
    async with await connect(url, outbox_messages=3, outbox_bytes=1000) as client:
        target, relay.target = relay.target, None
        relay.cut()
        await until(lambda: client.state != "open")
        publishing = [asyncio.create_task(client.publish("/topic/a", "x")) for _ in range(3)]
        await asyncio.sleep(0)
        async with fails("outbox-full", "3 messages"):
            await client.publish("/topic/a", "x")
        async with fails("outbox-full"):
            client.publish_nowait("/topic/a", "x")
        async with fails("outbox-full"):
            await client.request("/manage/list", {})
        relay.target = target
        await asyncio.gather(*publishing)
        assert node.hub.offset == 3
        relay.target = None
        relay.cut()
        await until(lambda: client.state != "open")
        large = asyncio.create_task(client.publish("/topic/a", "x" * 5000))  # alone it fits
        await asyncio.sleep(0)
        async with fails("outbox-full"):
            await client.publish("/topic/a", "x")
        relay.target = target
        await large


@pytest.mark.gen_test(timeout=20)
async def test_those_who_wait_for_room_are_told_when_the_connection_ends(relayed):
    node, url, relay = await relayed()
    async with await connect(url, outbox_messages=2) as client:
        relay.deaf = True
        publishing = [asyncio.create_task(client.publish("/topic/a", "x")) for _ in range(4)]
        await until(lambda: len(client._talk._journal._waiting) == 2)
        target, relay.target = relay.target, None
        relay.cut()
        for refused in publishing[2:]:
            async with fails("outbox-full"):
                await refused
        relay.deaf, relay.target = False, target
        await asyncio.gather(*publishing[:2])
        assert node.hub.offset == 2


@pytest.mark.gen_test(timeout=20)
async def test_what_was_not_settled_comes_again_and_its_old_face_cannot_be_settled(relayed):
    node, url, relay = await relayed()
    async with await connect(url) as client:
        work = await client.subscribe("/queue/a", WORK)
        await client.publish_many([("/queue/a", "1"), ("/queue/a", "2")])
        first = await work.next()
        await until(lambda: len(work._messages) == 1)
        relay.cut()
        await until(lambda: client.generation == 2)
        for settle in (first.ack, first.nack):
            async with fails("unknown-delivery", "its connection has ended, and its queue has it again"):
                await settle()
        again = [await work.next() for _ in range(2)]
        assert [(message.text(), message.redelivered) for message in again] == [("1", True), ("2", True)]
        for message in again:
            await message.ack()
        assert client.generation == 2
        queue = node.registry.queues["/queue/a"]
        assert (len(queue), queue.unsettled) == (0, 0)


@pytest.mark.gen_test(timeout=20)
async def test_a_request_whose_reply_cannot_come_fails(relayed):
    node, url, relay = await relayed()
    async with await connect(url) as client:
        sent = asyncio.create_task(client.request("/queue/nobody", "x"))
        await until(lambda: "/queue/nobody" in node.registry.queues)
        relay.cut()
        async with fails("connection-lost"):
            await sent
        waits = asyncio.create_task(client.request("/manage/list", {}))  # for the next connection
        assert (await waits).json()["more"] is False
        assert not len(client._talk._journal)


@pytest.mark.gen_test(timeout=20)
async def test_what_is_given_up_leaves_nothing(relayed):
    node, url, relay = await relayed()
    async with await connect(url) as client:
        target, relay.target = relay.target, None
        relay.cut()
        await until(lambda: client.state != "open")
        tasks = [
            asyncio.create_task(ask)
            for ask in (client.publish("/topic/a", "x"), client.request("/queue/a", "x"), client.subscribe("/topic/a"))
        ]
        await until(lambda: len(client._talk._journal) == 2 and len(client._talk._subscriptions))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not len(client._talk._journal)
        assert not len(client._talk._published)
        assert not len(client._talk._requests.answers)
        assert not len(client._talk._subscriptions)
        relay.target = target
        await until(lambda: client.state == "open")
        await client.publish("/topic/b", "x")
        assert node.hub.offset == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_that_ends_with_the_connection_is_not_made_again(relayed):
    _, url, relay = await relayed()
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a")
        relay.deaf = True
        leaving = asyncio.create_task(reader.unsubscribe())
        await asyncio.sleep(0)
        relay.cut()
        relay.deaf = False
        await leaving
        assert await reader.next() is None
        away = await client.subscribe("/topic/b")
        target, relay.target = relay.target, None
        relay.cut()
        await until(lambda: client.state != "open")
        await away.unsubscribe()
        relay.target = target
        await client.publish("/topic/a", "x")
        assert not len(client._talk._subscriptions)


@pytest.mark.gen_test(timeout=20)
async def test_an_exchange_cannot_be_resumed_and_says_so(relayed):
    _, url, relay = await relayed()
    told = []
    async with await connect(url) as client:
        own = await client.subscribe("/exchange/amq.topic/a", on_recovered=told.append)
        acked = await client.subscribe("/topic/a", ack="client", on_recovered=told.append)
        await client.subscribe("/queue/a", on_recovered=told.append)
        assert (own.recovered, acked.recovered, told) == (True, True, [])
        relay.cut()
        await until(lambda: len(told) == 2)
        assert (own.recovered, acked.recovered, told) == (False, False, [False, False])


@pytest.mark.gen_test(timeout=20)
async def test_a_listener_that_fails_disturbs_nothing(relayed, logged):
    logged.expect("failed")
    _, url, relay = await relayed()

    def fail(what):
        raise ValueError(what)

    async with await connect(url, on_state=fail, on_error=fail) as client:
        await client.subscribe("/topic/a", on_recovered=fail)
        relay.cut()
        await until(lambda: client.generation == 2)
        await client.publish("/topic/a", "x")


@pytest.mark.gen_test(timeout=20)
async def test_closing_while_away_is_quick_and_tells_all_that_wait(relayed):
    _, url, relay = await relayed()
    client = await connect(url)
    reader = await client.subscribe("/topic/a")
    relay.target = None
    relay.cut()
    await until(lambda: client.state != "open")
    waiting = [asyncio.create_task(each) for each in (client.publish("/topic/a", "x"), client.request("/queue/a", "x"))]
    await asyncio.sleep(0)
    await asyncio.wait_for(client.close(), 2)
    for task in (*waiting, reader.next(), client.subscribe("/topic/a")):
        async with fails("closed"):
            await task


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.gen_test(timeout=60)
async def test_whatever_is_cut_nothing_is_lost_and_nothing_comes_twice(relayed, seed, monkeypatch):
    """Each message of a topic comes once and in order, and each job is done, while connections end in mid-frame."""
    monkeypatch.setattr("qmq.client.backoff._CAP", 0.05)
    node, url, relay = await relayed()
    chance = random.Random(seed)
    count, told, seen, done = 500, [], [], {}
    async with await connect(url) as publisher, await connect(url) as reader:
        topic = await reader.subscribe("/topic/a", on_recovered=told.append)
        work = await reader.subscribe("/queue/a", WORK, prefetch=10)
        relay.patience = lambda: chance.randrange(500, 12_000)
        relay.cut()

        async def publish(destination):
            for number in range(0, count, 10):
                each = range(number, number + 10)
                await asyncio.gather(*[publisher.publish(destination, str(body)) for body in each])

        async def read():
            while len(seen) < count:
                seen.append(int((await topic.next()).text()))

        async def job():
            while True:
                message = await work.next()
                done[message.id] = int(message.text())
                try:
                    await message.ack()
                except QmqError as error:
                    assert error.code.name in ("unknown-delivery", "connection-lost"), error

        working = asyncio.create_task(job())
        await asyncio.gather(publish("/topic/a"), publish("/queue/a"), read())
        queue = node.registry.queues["/queue/a"]
        await until(lambda: not len(queue) and not queue.unsettled)
        working.cancel()
        assert seen == sorted(done.values()) == list(range(count))
        assert set(told) == {True}
        assert publisher.generation > 3
        assert reader.generation > 3
