"""What came whole before the end of input is worked off, also while a password is tried, on every way in."""

import asyncio
import base64
import json
import socket
import struct

import pytest

from qmq.gateway.stream import untaken
from tests.gateway.poll_peer import Http
from tests.helpers import request, until, ws

LOGIN = b"CONNECT\naccept-version:1.2\nhost:x\nlogin:alice\npasscode:right\n\n\0"
BASIC = f"Basic {base64.b64encode(b'alice:right').decode()}"


def sends(count, size=1000):
    return b"SEND\ndestination:/topic/a.b\ncontent-length:%d\n\n%b\0" % (size, b"x" * size) * count


async def open_way(node, transport):
    """A socket to a node, and what makes octets of STOMP ones of its transport."""
    port = next(each["port"] for each in node.listen if each["scheme"] == ("stomp" if transport == "tcp" else "http"))
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    if transport == "tcp":
        return sock, lambda data: data
    await loop.sock_sendall(sock, request())
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += await loop.sock_recv(sock, 4096)
    return sock, ws


def published(node):
    return node.hub.offset


transports = pytest.mark.parametrize("transport", ["tcp", "websocket"])


@transports
@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.gen_test(timeout=20)
async def test_password_is_tried_while_client_goes(guarded, transport, count):
    node = await guarded()
    sock, framed = await open_way(node, transport)
    await asyncio.get_running_loop().sock_sendall(sock, framed(LOGIN + sends(count)))
    sock.close()
    await until(lambda: published(node) == count)
    await until(lambda: node.gateway.connections == 0)


@transports
@pytest.mark.gen_test(timeout=20)
async def test_client_that_resets_is_heard_to_its_end(guarded, transport):
    """All that has arrived counts, although nothing can be answered any more."""
    node = await guarded()
    sock, framed = await open_way(node, transport)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, framed(LOGIN))
    for _ in range(8):
        await loop.sock_sendall(sock, framed(sends(5)))
    await until(lambda: untaken(sock) == 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    await until(lambda: published(node) == 40)
    await until(lambda: node.gateway.connections == 0)


@transports
@pytest.mark.gen_test(timeout=20)
async def test_wrong_password_of_a_client_that_goes_publishes_nothing(guarded, transport):
    node = await guarded()
    sock, framed = await open_way(node, transport)
    await asyncio.get_running_loop().sock_sendall(sock, framed(LOGIN.replace(b"right", b"wrong") + sends(3)))
    sock.close()
    await until(lambda: node.stats["errors_bad-login"] == 1)
    await until(lambda: node.gateway.connections == 0)
    assert published(node) == 0


@transports
@pytest.mark.gen_test(timeout=20)
async def test_half_closed_client_hears_its_receipts(guarded, transport):
    node = await guarded()
    sock, framed = await open_way(node, transport)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, framed(LOGIN + sends(3) + b"DISCONNECT\nreceipt:bye\n\n\0"))
    sock.shutdown(socket.SHUT_WR)
    seen = b""
    while piece := await loop.sock_recv(sock, 4096):
        seen += piece
    sock.close()
    assert b"receipt-id:bye" in seen
    assert published(node) == 3


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.gen_test(timeout=20)
async def test_publish_over_http_while_its_client_goes(guarded, whole):
    node = await guarded()
    http = await Http.open(node.listen[0]["port"])
    body = json.dumps({"destination": "/topic/a.b", "body": "x"}).encode()
    http.ask("/api/v1/publish", body, Authorization=BASIC, Content_Type="application/json")
    await http.writer.drain()
    if whole:
        http.close()
    else:
        http.writer.write_eof()
        status, _, _ = await http.answer()
        assert status == 200
        http.close()
    await until(lambda: published(node) == 1)
