"""Reading the messages of a subscription: what was granted, the end, and a reader that is behind."""

import asyncio
import time

import pytest

from qmq.client import connect
from tests.client.failing import fails
from tests.helpers import until


@pytest.mark.gen_test(timeout=20)
async def test_what_was_granted_is_told(start_node, url):
    node = await start_node({"limits.messages": 50})
    async with await connect(url(node)) as client:
        subscription = await client.subscribe("/topic/a", {"max-messages": "100", "max-bytes": "10"})
        assert subscription.granted == {
            "cursor": node.hub.cursor, "recovered": "true", "max-messages": "50", "max-bytes": "10",
        }  # fmt: skip


@pytest.mark.gen_test(timeout=20)
async def test_unsubscribing_ends_the_iteration_and_only_that(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        one, other = await client.subscribe("/topic/a"), await client.subscribe("/topic/#")
        await client.publish("/topic/a", "1")
        await one.unsubscribe()
        await client.publish("/topic/a", "2")
        assert [message.body async for message in one] == [b"1"]
        assert [(await other.next()).body for _ in range(2)] == [b"1", b"2"]


@pytest.mark.gen_test(timeout=20)
async def test_what_has_ended_stays_ended(start_node, url):
    """Whoever asks once more is told once more, and does not wait for ever."""
    node = await start_node()
    async with await connect(url(node)) as client:
        subscription = await client.subscribe("/topic/a")
        await subscription.unsubscribe()
        for _ in range(3):
            assert await asyncio.wait_for(subscription.next(), 2) is None


@pytest.mark.gen_test(timeout=20)
async def test_two_readers_of_one_subscription_both_learn_of_its_end(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        subscription = await client.subscribe("/topic/a")
        readers = [asyncio.create_task(subscription.next()) for _ in range(2)]
        await asyncio.sleep(0)
        await subscription.unsubscribe()
        done, waiting = await asyncio.wait(readers, timeout=2)
        for task in waiting:
            task.cancel()
        assert [task.result() for task in done] == [None, None]


@pytest.mark.gen_test(timeout=20)
async def test_a_reader_that_is_far_behind_stops_the_reading_and_the_client_still_closes(start_node, url, monkeypatch):
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 5)
    node = await start_node({"limits.linger_seconds": 0.1})
    client = await connect(url(node))
    reader = await client.subscribe("/topic/a")
    for number in range(20):
        await client.publish("/topic/a", str(number), receipt=False)
    await until(lambda: node.hub.offset == 20)
    assert [(await reader.next()).text() for _ in range(20)] == [str(number) for number in range(20)]
    for number in range(20):
        await client.publish("/topic/a", str(number), receipt=False)
    await until(lambda: node.hub.offset == 40)
    begin = time.monotonic()
    await client.close()
    assert time.monotonic() - begin < 2


@pytest.mark.gen_test(timeout=20)
async def test_a_reader_that_is_far_behind_may_wait_for_answers(start_node, url, monkeypatch):
    """They come after the messages that there is no room for."""
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 5)
    node = await start_node()
    async with await connect(url(node)) as client:
        reader = await client.subscribe("/topic/a")
        for number in range(50):
            node.publish("/topic/a", str(number))
        for number in range(50):
            assert (await reader.next()).text() == str(number)
            await asyncio.wait_for(
                asyncio.gather(client.publish("/topic/b", "x"), client.request("/manage/list", {})), 5
            )
        assert reader._asking == 0


@pytest.mark.gen_test(timeout=20)
async def test_what_was_not_settled_is_not_read_after_the_end(start_node, url):
    """The queue has it again, and others may have it already."""
    node = await start_node()
    work = {"ack": "client-individual"}
    async with await connect(url(node)) as client, await connect(url(node)) as other:
        reader = await client.subscribe("/queue/a", work)
        for number in range(3):
            await client.publish("/queue/a", str(number))
        first = await reader.next()
        await until(lambda: len(reader._messages) == 2)
        await reader.unsubscribe()
        await reader.unsubscribe()
        assert await reader.next() is None
        async with fails("unknown-delivery", "was given back"):
            await first.ack()
        again = await other.subscribe("/queue/a", work)
        assert [(await again.next()).text() for _ in range(3)] == ["0", "1", "2"]
        await client.publish("/topic/a", "the connection is as good as before")


@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_to_a_queue_is_told_its_prefetch(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        reader = await client.subscribe("/queue/a", {"ack": "client", "prefetch-count": "2"})
        assert reader.granted == {"prefetch-count": "2"}
        for number in range(3):
            await client.publish("/queue/a", str(number))
        second = [await reader.next() for _ in range(2)][-1]
        await asyncio.sleep(0.05)
        assert not reader._messages
        await second.ack()
        assert (await reader.next()).text() == "2"


@pytest.mark.gen_test(timeout=20)
async def test_a_reader_that_lets_too_much_pile_up_while_it_waits_is_ended(gateway, monkeypatch):
    """The messages that came are read, and others are not disturbed."""
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 5)
    monkeypatch.setattr("qmq.client.subscription._MAX_ASKING", 20)
    node, url = await gateway()
    async with await connect(url) as client:
        reader, other = await client.subscribe("/topic/a"), await client.subscribe("/topic/b")
        node.publish("/topic/a", "0")
        await reader.next()
        asking = asyncio.create_task(client.request("/queue/nobody", "x"))
        for number in range(30):
            node.publish("/topic/a", str(number))
        await until(lambda: reader not in client._talk._subscriptions)
        assert [(await reader.next()).text() for _ in range(20)] == [str(number) for number in range(20)]
        async with fails("slow-consumer", "20 messages of /topic/a are not read"):
            await reader.next()
        asking.cancel()
        node.publish("/topic/b", "x")
        assert (await other.next()).text() == "x"
        assert client.generation == 1


@pytest.mark.gen_test(timeout=20)
async def test_what_a_slow_reader_does_not_read_stays_with_the_gateway(gateway, monkeypatch):
    """Its bounds are applied there, and it is told what is missing when it comes back."""
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 10)
    node, url = await gateway({"limits.linger_seconds": 0.1})
    told, errors = [], []
    async with await connect(url, on_error=errors.append) as client:
        reader = await client.subscribe("/topic/a", max_messages=5, on_recovered=told.append)
        body = "x" * 200_000  # more than sockets buffer
        while not node.stats["errors_slow-consumer"]:
            node.publish("/topic/a", body)
            await asyncio.sleep(0)

        async def read():
            seen = []
            while (message := await reader.next()).text() != "the end":
                seen.append(int(message.id.rpartition(".")[2]))
            return seen

        reading = asyncio.create_task(read())
        await until(lambda: told)
        node.publish("/topic/a", "the end")
        seen = await reading
        assert errors[0].code.name == "slow-consumer"
        assert seen[:10] == list(range(1, 11))
        assert seen == sorted(set(seen))  # none twice, none out of order
        assert told == [False] or seen == list(range(1, node.hub.offset))


@pytest.mark.gen_test(timeout=20)
async def test_a_reader_that_has_not_begun_does_not_hold_up_answers_for_ever(gateway, monkeypatch):
    """Who would read is who waits for the answers."""
    monkeypatch.setattr("qmq.client.subscription._MAX_WAITING", 5)
    monkeypatch.setattr("qmq.client.conversation._PATIENCE", 0.02)
    _, url = await gateway()
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/a", max_messages=1000)
        for begin in (0, 500):  # also once it is known to read
            assert await client.publish_many(("/topic/a", str(begin + number)) for number in range(500)) == 500
            assert [int((await reader.next()).text()) for _ in range(500)] == list(range(begin, begin + 500))
        idle = await client.subscribe("/topic/b")
        await client.publish_many([("/topic/b", "x")] * 10)
        await until(lambda: idle.waiting == 10)
        assert reader.waiting == 0
