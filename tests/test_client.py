"""The asyncio client, against a real node, and against servers that misbehave."""

import asyncio
import contextlib
import time

import pytest

import qmq
from qmq.client import connect
from qmq.errors import QmqError
from qmq.wire import stomp, websocket
from qmq.wire.websocket import BINARY, CLOSE, PING, TEXT
from tests.helpers import until


@pytest.fixture
def url():
    """The address of a node."""
    return lambda node: f"ws://127.0.0.1:{node.listen[0]['port']}"


@contextlib.asynccontextmanager
async def fails(code, text=""):
    with pytest.raises(QmqError) as error:
        yield
    assert error.value.code.name == code
    assert text in str(error.value)


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
async def test_what_the_server_refuses_is_raised_where_it_was_asked(start_node, url):
    node = await start_node()
    for code, ask in {
        "bad-destination": lambda client: client.publish("/nowhere", "x"),
        "bad-pattern": lambda client: client.subscribe("/topic/a..b"),
        "bad-header": lambda client: client.subscribe("/topic/a", {"overflow": "x"}),
    }.items():
        client = await connect(url(node))
        reader = await client.subscribe("/topic/other")
        async with fails(code):
            await ask(client)
        assert client.error.code.name == code
        publish, subscribe = client.publish("/topic/a", "x"), client.subscribe("/topic/a")
        for again in (reader.next(), publish, subscribe, reader.unsubscribe()):
            async with fails(code):
                await again
        await client.close()
        await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_whoever_waits_when_the_server_stops_is_told(start_node, url):
    node = await start_node()
    client = await connect(url(node))
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
    client = await connect(url(node))
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
async def test_a_reader_that_is_far_behind_stops_the_reading_and_the_client_still_closes(start_node, url, monkeypatch):
    monkeypatch.setattr("qmq.client._MAX_WAITING", 5)
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


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1", "127.0.0.1:80", "", "ws://", "ws://[::1", "ws://127.0.0.1:99999"]
)
@pytest.mark.gen_test(timeout=20)
async def test_addresses_that_are_none(address):
    async with fails("connect-failed"):
        await connect(address)


@pytest.mark.gen_test(timeout=20)
async def test_paths_and_schemes(start_node, url):
    node = await start_node()
    for address in (url(node), url(node) + "/", url(node) + "/stomp", url(node).replace("ws:", "http:")):
        async with await connect(address, "login", "passcode") as client:
            await client.publish("/topic/a", "x")
    async with fails("connect-failed", "404 Not Found"):
        await connect(url(node) + "/elsewhere")


@pytest.mark.gen_test(timeout=20)
async def test_the_query_of_an_address_is_sent():
    asked = []

    async def serve(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for rest in ("", "?token=a%20b", "/?x", "/x/y?z=1&w=2#part"):
        async with fails("connect-failed", "the server ended the WebSocket handshake"):
            await connect(address + rest)
    paths = (b"/stomp", b"/stomp?token=a%20b", b"/stomp?x", b"/x/y?z=1&w=2")
    assert asked == [b"GET %b HTTP/1.1" % path for path in paths]
    server.close()
    await server.wait_closed()


@pytest.mark.gen_test(timeout=20)
async def test_a_server_that_is_full_says_so(start_node, url):
    node = await start_node({"limits.connections": 1})
    async with await connect(url(node)), fails("connect-failed", "503 Service Unavailable"):
        await connect(url(node))


# Servers that are none of ours: each is a function from the request to what it sends.


def accept(request):
    key = next(line.split(": ")[1] for line in request.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    answer = f"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept:{websocket.accept_key(key)}\r\n\r\n"
    return answer.encode()


def text(command, headers=None, body=b""):
    return websocket.encode(TEXT, stomp.encode(command, headers or {}, body))


CONNECTED = text("CONNECTED", {"version": "1.2"})

# name: (what is sent, the code, whether `connect` itself fails)
SERVERS = {
    "nothing": (lambda request: b"", "connect-failed", True),
    "garbage": (lambda request: b"hello\r\n\r\n", "connect-failed", True),
    "half a handshake": (lambda request: accept(request)[:-4], "connect-failed", True),
    "endless handshake": (lambda request: b"x" * 500_000, "connect-failed", True),
    "wrong key": (lambda request: accept(request).replace(b"accept:", b"accept:x"), "connect-failed", True),
    "no accept": (lambda request: b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "connect-failed", True),
    "goes before CONNECTED": (accept, "connection-lost", True),
    "close before CONNECTED": (lambda r: accept(r) + websocket.encode_close(1012), "shutting-down", True),
    "ERROR before CONNECTED": (lambda r: accept(r) + text("ERROR", {"code": "bad-version"}), "bad-version", True),
    "ERROR without code": (lambda r: accept(r) + text("ERROR", {"message": "no"}), "connection-lost", True),
    "ERROR of a stranger": (lambda r: accept(r) + CONNECTED + text("ERROR", {"code": "x"}), "connection-lost", False),
    "masked frames": (lambda r: accept(r) + websocket.encode_masked(TEXT, b"x", b"mask"), "bad-websocket", True),
    "no STOMP": (lambda r: accept(r) + CONNECTED + websocket.encode(TEXT, b"hello\n\n\0"), "bad-frame", False),
    "no UTF-8": (lambda r: accept(r) + CONNECTED + websocket.encode(TEXT, b"\xff"), "bad-utf8", False),
    "a strange close": (lambda r: accept(r) + CONNECTED + websocket.encode_close(4999, "x"), "connection-lost", False),
    "a close without code": (lambda r: accept(r) + CONNECTED + websocket.encode(CLOSE, b""), "connection-lost", False),
    "strangers' frames": (
        lambda r: accept(r) + CONNECTED + CONNECTED + text("MESSAGE", {"subscription": "x"}, b"y")
        + text("RECEIPT", {"receipt-id": "x"}) + text("RECEIPT") + text("MESSAGE") + websocket.encode(BINARY, b"\n")
        + websocket.encode(PING, b"x"),
        "connection-lost", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.gen_test(timeout=20)
async def test_servers_that_misbehave(name):
    answer, code, early = SERVERS[name]

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
            writer.write_eof()
            while await reader.read(1 << 16):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        served.set()

    served = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with fails(code):
        client = await connect(address)
        assert not early
        try:
            await (await client.subscribe("/topic/a")).next()
        finally:
            await client.close()
    await asyncio.wait_for(served.wait(), 5)
    server.close()
    await server.wait_closed()
