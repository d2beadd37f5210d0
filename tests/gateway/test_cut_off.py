"""Whatever is cut off, at any byte, frees all that it had at once: the collector need not look for it."""

import asyncio
import gc
import json

import pytest

from qmq.wire import stomp
from tests.helpers import until

JSON = json.dumps({"destination": "/topic/a", "body": "x" * 40})
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def http(line, headers="", body=b""):
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{line} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n".encode() + body


TYPE = "Content-Type: application/json\r\n"
CHUNKS = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (JSON.encode()[:20], JSON.encode()[20:], b""))
CONNECT = stomp.encode("CONNECT", {"accept-version": "1.2", "host": "x"})
STOMP = (
    CONNECT
    + stomp.encode("SUBSCRIBE", {"id": "1", "destination": "/topic/a"})
    + stomp.encode("SEND", {"destination": "/topic/a"}, b"x" * 40)
)
KINDS = {
    "page": http("GET /"),
    "health": http("GET /health/ready"),
    "JSON": http("POST /api/v1/publish", TYPE, JSON.encode()),
    "JSON in chunks": http("POST /api/v1/publish", f"{TYPE}Transfer-Encoding: chunked\r\n") + CHUNKS,
    "events": http("GET /api/v1/stream?destination=/topic/a"),
    "Avro": http("POST /avro", "Content-Type: avro/binary\r\n", b"\0" * 60),
    "polling": http("POST /poll", "", CONNECT),
    "SockJS": http("POST /sockjs/000/session/xhr_send", "", json.dumps([CONNECT.decode()]).encode()),
    "SockJS stream": http("POST /sockjs/000/other/xhr_streaming"),
    "WebSocket": http("GET /stomp", UPGRADE),
    "STOMP": STOMP,
}  # fmt: skip


async def cut(port, data):
    """Sends this and is gone, with a reset."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    for _ in range(3):
        await asyncio.sleep(0)
    writer.transport.abort()


def kept():
    """Objects of ours and of Tornado's that a request or connection has."""
    own = [type(each) for each in gc.get_objects()]
    return sum(str(kind.__module__).startswith(("qmq.", "tornado.")) or issubclass(kind, asyncio.Task) for kind in own)


@pytest.mark.one_thread("it counts objects of one loop")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.gen_test(timeout=60)
async def test_what_is_cut_off_at_any_byte_leaves_nothing(start_node, kind, logged):
    node = await start_node({"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0"), "limits.linger_seconds": 0.01})
    port, data = node.listen[kind == "STOMP"]["port"], KINDS[kind]
    places = range(1, len(data) + 1)
    for place in (*places[:: len(data) // 4], len(data)):  # what is made once
        await cut(port, data[:place])

    async def rest():
        await until(lambda: len(asyncio.all_tasks()) <= 2)
        node.gateway.abort()  # sessions of polling clients, who may come back
        await until(lambda: not node.gateway.connections and len(asyncio.all_tasks()) <= 2)
        for _ in range(5):
            await asyncio.sleep(0.002)

    await rest()
    gc.collect()
    gc.disable()
    try:
        before = kept()
        for place in places:
            await cut(port, data[:place])
        await rest()
        assert kept() - before < len(data) / 8  # some for the last ones; a leak is several for each
    finally:
        gc.enable()
