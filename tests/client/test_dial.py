"""Reaching a gateway, and servers that misbehave."""

import asyncio
import contextlib

import pytest

from qmq.client import connect
from qmq.wire import stomp, websocket
from qmq.wire.websocket import BINARY, CLOSE, PING, TEXT
from tests.client.failing import fails


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
        client = await connect(address, reconnect=False)
        assert not early
        try:
            await (await client.subscribe("/topic/a")).next()
        finally:
            await client.close()
    await asyncio.wait_for(served.wait(), 5)
    server.close()
    await server.wait_closed()
