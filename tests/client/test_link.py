"""One connection after the other: several gateways, cuts, restarts, silence, and when there is no use."""

import asyncio

import pytest

from qmq.client import connect
from qmq.errors import QmqError
from qmq.wire import stomp
from tests.client.failing import fails
from tests.client.strangers import Stranger, polite
from tests.helpers import until


def nowhere(scheme="stomp"):
    """An address where nobody listens."""
    return f"{scheme}://127.0.0.1:1"


@pytest.mark.gen_test(timeout=20)
async def test_it_comes_back_and_says_so(relayed):
    node, url, relay = await relayed()
    states, errors = [], []
    async with await connect(url, on_state=states.append, on_error=errors.append) as client:
        assert (client.state, client.generation) == ("open", 1)
        relay.cut()
        await until(lambda: client.generation == 2)
        await client.publish("/topic/a", "x")
        assert node.hub.offset == 1
    assert states == ["open", "waiting", "connecting", "open", "closed"]
    assert [error.code.name for error in errors] == ["connection-lost"]
    assert client.error.code.name == "closed"


@pytest.mark.gen_test(timeout=20)
async def test_it_goes_on_trying(relayed):
    _, url, relay = await relayed()
    target, relay.target, errors = relay.target, None, []
    client = asyncio.create_task(connect(url, patient=True, on_error=errors.append))
    await until(lambda: len(errors) >= 3)
    relay.target = target
    async with await client as client:
        assert client.state == "open"
        assert {error.code.name for error in errors} <= {"connection-lost", "connect-failed"}


@pytest.mark.gen_test(timeout=20)
async def test_a_first_try_that_fails_is_the_end(relayed):
    _, url, relay = await relayed()
    relay.target = None
    with pytest.raises(QmqError, match=r"connect-failed|connection-lost"):
        await connect(url)
    async with fails("connect-failed", "Connection refused"):
        await connect(nowhere())
    async with fails("connect-failed", "no address was given"):
        await connect([])


@pytest.mark.gen_test(timeout=20)
async def test_of_several_gateways_it_takes_one_that_answers(gateway, relayed):
    _, url = await gateway()
    _, other, relay = await relayed()
    async with await connect([nowhere(), other, url]) as client:
        assert relay.opened == 1
        relay.cut()
        await until(lambda: client.generation == 2)
        assert relay.opened == 1  # the next of them is tried first
        await client.publish("/topic/a", "x")
    refused = "Connection refused"
    async with fails("connect-failed", f"reached: {nowhere()}: {refused}; {nowhere('ws')}: {refused}"):
        await connect([nowhere(), nowhere("ws")])


@pytest.mark.gen_test(timeout=20)
async def test_what_does_not_help_to_repeat_is_the_end():
    """A gateway that knows no refusals ends the connection, as STOMP has it."""

    def answer(head):
        if head.command != "SEND":
            return polite(head)
        headers = {"code": "bad-destination", "retry": "false", "receipt-id": head.headers["receipt"]}
        return stomp.encode("ERROR", headers)

    async with Stranger.serving(answer) as server:
        errors = []
        client = await connect(server.url, on_error=errors.append)
        async with fails("bad-destination"):
            await client.publish("/nowhere", "x")
        assert (await client.wait_closed()).code.name == client.error.code.name == "bad-destination"
        assert (client.state, len(errors), client.generation) == ("closed", 1, 1)
        async with fails("bad-destination"):
            await client.publish("/topic/a", "x")
        await client.close()


WRONG = {
    "publish": ("bad-destination", lambda client: client.publish("/nowhere", "x")),
    "pattern": ("bad-pattern", lambda client: client.publish("/topic/a.*", "x")),
    "large body": ("frame-too-large", lambda client: client.publish("/topic/a", b"x" * 2000)),
    "large header": ("headers-too-large", lambda client: client.publish("/topic/a", "x", {"h": "x" * 5000})),
    "subscribe": ("bad-pattern", lambda client: client.subscribe("/topic/a..b")),
    "bounds": ("bad-header", lambda client: client.subscribe("/topic/a", {"overflow": "x"})),
    "full queue": ("queue-full", lambda client: client.publish("/queue/full", "2")),
    "request": ("bad-destination", lambda client: client.request("/nowhere", "x")),
    "many": ("queue-full", lambda client: client.publish_many([("/topic/a", "x"), ("/queue/full", "x")])),
}


@pytest.mark.gen_test(timeout=20)
async def test_one_wrong_call_is_one_wrong_call(gateway):
    _, url = await gateway({"limits.body": 1000, "limits.header_bytes": 4000})
    async with await connect(url) as client:
        await client.request("/manage/declare", {"destination": "/queue/full", "max-length": 1})
        await client.publish("/queue/full", "1")
        reader = await client.subscribe("/topic/seen")
        for number, (name, (code, ask)) in enumerate(WRONG.items()):
            behind = asyncio.create_task(client.publish("/topic/seen", str(number)))
            async with fails(code):
                await ask(client)
            await behind
            assert (await reader.next()).text() == str(number), name
        assert (client.state, client.generation) == ("open", 1)


@pytest.mark.gen_test(timeout=20)
async def test_transaction_with_a_wrong_part_is_refused_as_a_whole(gateway):
    _, url = await gateway()
    async with await connect(url) as client:
        reader = await client.subscribe("/topic/seen")
        async with fails("bad-destination"), client.transaction() as work:
            work.publish("/topic/seen", "1")
            work.publish("/nowhere", "2")
        async with client.transaction() as work:
            work.publish("/topic/seen", "3")
        assert (await reader.next()).text() == "3"
        assert client.generation == 1


@pytest.mark.gen_test(timeout=20)
async def test_wrong_call_that_nobody_waits_for_is_told_to_the_program(gateway):
    _, url = await gateway()
    errors = []
    async with await connect(url, on_error=errors.append) as client:
        client.publish_nowait("/nowhere", "x")
        await client.publish("/topic/a", "x")
        assert [error.code.name for error in errors] == ["bad-destination"]
        assert client.state == "open"


@pytest.mark.gen_test(timeout=20)
async def test_what_is_refused_on_return_is_not_repeated(relayed):
    _, url, relay = await relayed()
    errors = []
    async with await connect(url, on_error=errors.append) as client:
        target, relay.target = relay.target, None
        relay.cut()
        await until(lambda: client.state == "waiting")
        wrong, right = [asyncio.create_task(client.publish(to, "x")) for to in ("/nowhere", "/topic/a")]
        bad = asyncio.create_task(client.subscribe("/topic/a..b"))
        await asyncio.sleep(0)
        relay.target = target
        async with fails("bad-destination"):
            await wrong
        async with fails("bad-pattern"):
            await bad
        await right
        assert client.generation == 2
        relay.cut()
        await until(lambda: client.generation == 3)
        await client.publish("/topic/a", "x")
        assert client.generation == 3


@pytest.mark.gen_test(timeout=20)
async def test_what_may_help_to_repeat_is_only_the_end_of_the_connection():
    def answer(head):
        if head.headers.get("destination") != "/queue/full":
            return polite(head)
        headers = {"code": "queue-full", "retry": "true", "receipt-id": head.headers["receipt"]}
        return stomp.encode("ERROR", headers) + stomp.encode("ERROR", {"code": "queue-full", "fatal": "false"})

    async with Stranger.serving(answer) as server, await connect(server.url) as client:
        async with fails("queue-full"):
            await client.publish("/queue/full", "2")
        await client.publish("/queue/b", "3")
        assert client.generation == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_gateway_that_stops_says_when_to_come_back(gateway):
    node, url = await gateway()
    errors = []
    client = await connect(url, on_error=errors.append)
    await node.stop()
    await until(lambda: len(errors) >= 2)
    assert [error.code.name for error in errors[:2]] == ["shutting-down", "connect-failed"]
    await client.close()
    assert client.state == "closed"


@pytest.mark.gen_test(timeout=20)
async def test_a_peer_that_falls_silent_is_noticed(relayed):
    _, url, relay = await relayed()
    errors = []
    async with await connect(url, heartbeat=0.2, seconds=1, on_error=errors.append) as client:
        await asyncio.sleep(0.6)  # three beats: a good connection stays
        assert (client.generation, errors) == (1, [])
        relay.deaf_to_gateway = True
        await until(lambda: errors)
        relay.deaf_to_gateway = False
        assert errors[0].code.name == "connection-lost"
        assert "nothing was heard for" in errors[0].detail
        await until(lambda: client.generation == 2)


@pytest.mark.gen_test(timeout=20)
async def test_the_gateway_hears_the_beats(gateway):
    node, url = await gateway()
    async with await connect(url, heartbeat=0.1) as client:
        await asyncio.sleep(0.5)  # the gateway sends away who is silent for 0.2 seconds
        assert client.generation == 1
    assert node.stats["errors_heartbeat-lost"] == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_token_is_asked_for_anew(relayed):
    _, url, relay = await relayed()
    asked = []

    async def token():
        asked.append(len(asked))
        if len(asked) == 2:
            raise ValueError("not now")
        return f"token {len(asked)}"

    errors = []
    async with await connect(url, token=token, on_error=errors.append) as client:
        relay.cut()
        await until(lambda: client.generation == 2)
        assert (len(asked), errors[1].code.name) == (3, "connect-failed")
        assert "not now" in errors[1].detail


@pytest.mark.gen_test(timeout=20)
async def test_whoever_follows_the_states_sees_each(relayed):
    _, url, relay = await relayed()
    client = await connect(url)

    async def follow():
        return [state async for state in client.states()]

    follower = asyncio.create_task(follow())
    await asyncio.sleep(0)
    relay.cut()
    await until(lambda: client.generation == 2)
    await client.close()
    assert await follower == ["open", "waiting", "connecting", "open", "closed"]


@pytest.mark.gen_test(timeout=20)
async def test_patience_grows_until_a_slow_gateway_is_reached(monkeypatch):
    """What answers only after 0.3 seconds is out of reach for a client that waits 0.1, until it waits for longer."""
    monkeypatch.setattr("qmq.client.backoff._FIRST", 0.01)
    errors = []

    async def serve(reader, writer):
        await reader.readuntil(b"\0")
        await asyncio.sleep(0.3)
        writer.write(stomp.encode("CONNECTED", {"version": "1.2"}))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"stomp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = await connect(url, seconds=0.1, patient=True, on_error=errors.append)
    told = [error.detail.removeprefix(f"{url}: ") for error in errors]
    assert told[:2] == ["no answer within 0.1 seconds", "no answer within 0.2 seconds"]
    assert {error.code.name for error in errors} == {"connect-failed"}
    await client.close()
    server.close()
