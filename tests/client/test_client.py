"""The asyncio client, against a real node: publishing, asking, and how a connection ends."""

import asyncio
import contextlib

import pytest

import qmq
from qmq.client import connect
from tests.client.failing import fails
from tests.helpers import until


@pytest.mark.gen_test(timeout=20)
async def test_publish_and_subscribe(start_node, url):
    node = await start_node()
    async with await qmq.connect(url(node)) as client:
        assert isinstance(client, qmq.Client)
        prices = await client.subscribe("/topic/prices.*")
        await client.publish("/topic/prices.eur", b"\xff\0octets")
        await client.publish("/topic/prices.usd", "tëxt", {"x": "a:b\nc"})
        await client.publish("/topic/prices.chf", {"price": [1, None]}, receipt=False)
        first, second, third = [await prices.next() for _ in range(3)]
        assert (first.destination, first.body) == ("/topic/prices.eur", b"\xff\0octets")
        assert "content-type" not in first.headers
        assert first.text() == "\ufffd\0octets"
        assert (second.text(), second.headers["content-type"], second.headers["x"]) == ("tëxt", "text/plain", "a:b\nc")
        assert (third.json(), third.headers["content-type"]) == ({"price": [1, None]}, "application/json")
        assert [message.id.rpartition(".")[2] for message in (first, second, third)] == ["1", "2", "3"]
        with pytest.raises(ValueError, match="Expecting value"):
            second.json()
        assert "prices.eur" in repr(first)
    await until(lambda: node.gateway.connections == 0)
    assert (node.stats["connections_closed_closed"], node.stats["connections_lost"]) == (1, 0)


@pytest.mark.gen_test(timeout=20)
async def test_what_the_server_refuses_is_raised_where_it_was_asked(start_node, url):
    node = await start_node()
    for code, ask in {
        "bad-destination": lambda client: client.publish("/nowhere", "x"),
        "bad-pattern": lambda client: client.subscribe("/topic/a..b"),
        "bad-header": lambda client: client.subscribe("/topic/a", {"overflow": "x"}),
    }.items():
        async with await connect(url(node), reconnect=False) as client:
            async with fails(code):
                await ask(client)
            assert client.error is None


@pytest.mark.gen_test(timeout=20)
async def test_why_a_client_ended_is_raised_from_then_on(start_node, url):
    node = await start_node()
    client = await connect(url(node), reconnect=False)
    reader = await client.subscribe("/topic/other")
    [connection] = (await client.request("/manage/connections", b"")).json()["connections"]
    async with fails("kicked"):
        await client.request("/manage/kick", {"name": connection["name"]})
        await reader.next()
    publish, subscribe = client.publish("/topic/a", "x"), client.subscribe("/topic/a")
    for again in (reader.next(), publish, subscribe, reader.unsubscribe()):
        async with fails("kicked"):
            await again
    await client.close()
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_whoever_waits_when_the_server_stops_is_told(start_node, url):
    node = await start_node()
    client = await connect(url(node), reconnect=False)
    reader = await client.subscribe("/topic/a")
    await client.publish("/topic/a", "read it still")
    waiting = asyncio.create_task(reader.next())
    assert (await waiting).body == b"read it still"
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    await node.stop()
    async with fails("shutting-down"):
        await waiting
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_server_that_goes_without_a_word(start_node, url):
    node = await start_node()
    client = await connect(url(node), reconnect=False)
    reader = await client.subscribe("/topic/a")
    node.gateway.abort()
    async with fails("connection-lost"):
        await reader.next()
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_pings_are_answered(start_node, url):
    node = await start_node({"limits.ping_seconds": 0.05})
    async with await connect(url(node)) as client:
        for _ in range(30):
            await asyncio.sleep(0.01)
            assert client.error is None
        await client.publish("/topic/a", "x")


@pytest.mark.gen_test(timeout=20)
async def test_many_at_once_over_one_connection(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        reader = await client.subscribe("/topic/#")
        await asyncio.gather(*[client.publish(f"/topic/{number}", str(number)) for number in range(300)])
        assert [(await reader.next()).text() for _ in range(300)] == [str(number) for number in range(300)]


@pytest.mark.gen_test(timeout=20)
async def test_a_header_that_is_no_utf8_is_refused_and_the_connection_stays(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        for ask in (client.publish("/topic/\udcff", "x"), client.request("/queue/a", "x", {"k": "\udcff"})):
            async with fails("bad-header", "is no UTF-8"):
                await ask
        await client.publish("/topic/a", "x")


# Requests.


async def serve(client, destination, answer):
    """Answers requests until it is cancelled."""
    async for message in await client.subscribe(destination, {"ack": "client-individual", "prefetch-count": "100"}):
        await answer(message)
        await message.ack()


@pytest.fixture
def answering(url):
    """Runs a back end that answers: `async with answering(node, "/queue/a", answer): ...`."""

    @contextlib.asynccontextmanager
    async def run(node, destination, answer):
        async with await connect(url(node)) as client:
            task = asyncio.create_task(serve(client, destination, answer))
            try:
                yield client
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return run


@pytest.mark.gen_test(timeout=20)
async def test_a_request_gets_its_reply(start_node, url, answering):
    node = await start_node()
    asked = []

    async def add(message):
        asked.append(message)
        await message.reply({"sum": sum(message.json())}, {"x": "y"})

    async with answering(node, "/queue/sums", add), await connect(url(node)) as client:
        reply = await client.request("/queue/sums", [1, 2], {"k": "v"}, seconds=5)
        assert (reply.json(), reply.headers["x"]) == ({"sum": 3}, "y")
        assert (asked[0].headers["k"], asked[0].headers["expiration"]) == ("v", "4000")
        assert asked[0].headers["content-type"] == "application/json"
        async with fails("unknown-delivery", "it came settled"):
            await reply.ack()
        async with fails("missing-header", "no reply-to"):
            await reply.reply("x")


@pytest.mark.gen_test(timeout=20)
async def test_many_requests_at_once_get_each_their_own_reply(start_node, url, answering):
    node = await start_node()
    held = []

    async def answer(message):
        held.append(message)
        if len(held) == 200:
            for each in reversed(held):
                await each.reply(each.body, receipt=False)

    async with answering(node, "/topic/echo", answer) as other:
        await until(lambda: len(other._talk._subscriptions))
        async with await connect(url(node)) as client:
            replies = await asyncio.gather(*[client.request("/topic/echo", str(number)) for number in range(200)])
            assert [reply.text() for reply in replies] == [str(number) for number in range(200)]
            assert not len(client._talk._requests.answers)


@pytest.mark.gen_test(timeout=20)
async def test_a_request_times_out_and_its_late_reply_is_dropped(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client, await connect(url(node)) as worker:
        work = await worker.subscribe("/queue/slow")
        async with fails("request-timeout", "none from /queue/slow in 0.05 seconds"):
            await client.request("/queue/slow", "x", seconds=0.05)
        await (await work.next()).reply("late")
        assert not len(client._talk._requests.answers)
        stats = await client.request("/manage/stats", b"")
        assert stats.json()["counters"]["connections_opened"] >= 2
        for seconds in (0, -1):
            async with fails("request-timeout"):
                await client.request("/queue/nobody", "x", seconds=seconds)
        await until(lambda: not len(node.registry.queues["/queue/nobody"]))  # nobody works for nobody


@pytest.mark.gen_test(timeout=20)
async def test_request_that_no_consumer_takes_comes_back_as_such(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        async with fails("no-consumer", "/exchange/amq.direct/nobody"):
            await client.request("/exchange/amq.direct/nobody", "x")  # at once: there is no queue
        async with fails("no-consumer", "/queue/nobody"):
            await client.request("/queue/nobody", "x", seconds=3)  # once it is too late for anybody to answer
        assert node.stats["requests_declined"] == 2
        assert client.state == "open"


@pytest.mark.gen_test(timeout=20)
async def test_request_whose_handler_fails_comes_back_as_such(start_node, url):
    node = await start_node()
    calls, told = [], []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["message"]))
    async with await connect(url(node)) as client, await connect(url(node)) as worker:

        @worker.handler("/queue/sums")
        async def add(message):
            calls.append(message.redelivered)
            return 1 / message.json()

        assert (await client.request("/queue/sums", 2)).json() == 0.5
        async with fails("handler-failed"):
            await client.request("/queue/sums", 0)
        assert (await client.request("/queue/sums", 4)).json() == 0.25
        assert calls == [False, False, True, False]
        assert len(told) == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_request_may_wait_for_as_long_as_there_is_time(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        assert (await client.request("/manage/list", {}, seconds=float("inf"))).json()["more"] is False


@pytest.mark.gen_test(timeout=20)
async def test_the_end_of_the_connection_ends_a_request(start_node, url):
    node = await start_node()
    client = await connect(url(node), reconnect=False)
    waiting = asyncio.create_task(client.request("/queue/nobody", "x"))
    await until(lambda: "/queue/nobody" in node.registry.queues)
    await node.stop()
    for ask in (waiting, client.request("/queue/nobody", "x")):
        async with fails("shutting-down"):
            await ask
    await client.close()
    client = await connect(url(await start_node()), reconnect=False)
    async with fails("bad-destination"):
        await client.request("/nowhere", "x")
    await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_request_that_is_given_up_leaves_nothing(start_node, url):
    node = await start_node()
    async with await connect(url(node)) as client:
        waiting = asyncio.create_task(client.request("/queue/nobody", "x"))
        await until(lambda: len(client._talk._requests.answers))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not len(client._talk._requests.answers)


# Over both transports.


@pytest.mark.gen_test(timeout=30)
async def test_many_are_published_in_order(gateway):
    node, url = await gateway()
    async with await connect(url, outbox_messages=1000) as client:
        reader = await client.subscribe("/topic/a", max_messages=100_000, max_bytes=16 << 20)
        assert await client.publish_many(("/topic/a", str(number)) for number in range(5000)) == 5000
        assert node.hub.offset == 5000
        for number in range(2500):
            await client.publish("/topic/a", str(number), receipt=False)
        for number in range(2500):
            client.publish_nowait("/topic/a", str(number), {"k": "v"})
        await client.publish("/topic/a", "the last")
        found = [(await reader.next()).text() for _ in range(10_001)]
        assert found == [*map(str, range(5000)), *map(str, range(2500)), *map(str, range(2500)), "the last"]
        assert await client.publish_many([]) == 0
        assert not len(client._talk._journal)


@pytest.mark.gen_test(timeout=20)
async def test_one_of_many_that_is_refused(gateway):
    _, url = await gateway()
    client = await connect(url)
    async with fails("bad-destination"):
        await client.publish_many([("/topic/a", "1"), ("/nowhere", "2"), ("/topic/a", "3")])
    await client.close()
    async with await connect(url) as client:
        async with fails("bad-header"):
            await client.publish_many([("/topic/a", "1"), ("/topic/\udcff", "2")])
        with pytest.raises(TypeError):
            await client.publish("/topic/a", object())
        await client.publish("/topic/a", "still here")
        assert (len(client._talk._journal), len(client._talk._published)) == (0, 0)


@pytest.mark.gen_test(timeout=20)
async def test_bounds_by_name(gateway):
    _, url = await gateway()
    async with await connect(url) as client:
        reader = await client.subscribe(
            "/topic/a", max_messages=7, max_bytes=700, overflow="conflate", conflate_key="symbol"
        )
        assert (reader.granted["max-messages"], reader.granted["max-bytes"]) == ("7", "700")
        work = await client.subscribe("/queue/a", ack="client", prefetch=3)
        assert work.granted == {"prefetch-count": "3"}
        async with await client.subscribe("/topic/b") as other:
            await client.publish("/topic/b", "x")
            assert (await other.next()).text() == "x"
        assert await other.next() is None
        async with fails("bad-header"):
            await client.subscribe("/topic/a", {"k": "\udcff"})
        assert set(client._talk._subscriptions) == {reader, work}


@pytest.mark.gen_test(timeout=20)
async def test_closing_sends_what_was_published_before(gateway):
    node, url = await gateway()
    async with await connect(url) as client:
        for number in range(1000):
            client.publish_nowait("/topic/a", str(number))
    assert node.hub.offset == 1000
    assert (await client.wait_closed()) is client.error
    async with fails("closed"):
        client.publish_nowait("/topic/a", "x")
