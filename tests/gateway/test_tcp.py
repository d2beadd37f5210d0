"""STOMP over TCP: the same conversation with no frame around it, and how it begins, fails and ends."""

import asyncio
import contextlib
import socket

import pytest

from qmq.wire import stomp
from tests.helpers import connections_of, until

BOTH = {"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0")}


class TcpPeer:
    """A client on a bare TCP connection."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.decoder = stomp.Decoder()
        self.frames = []

    def tell(self, command, headers=None, body=b""):
        self.writer.write(stomp.encode(command, headers or {}, body))

    async def frame(self):
        """The next frame; None at the end of the stream."""
        async with asyncio.timeout(10):
            while not self.frames:
                data = await self.reader.read(65536)
                if not data:
                    return None
                self.frames += self.decoder.feed(data)
        head, body = self.frames.pop(0)
        return head.command, head.headers, body

    async def login(self, **headers):
        self.tell("CONNECT", {"accept-version": "1.2", "host": "x", **headers})
        command, answer, _ = await self.frame()
        assert command == "CONNECTED"
        return answer


@pytest.fixture
def tcp(io_loop):
    """Connects: `peer = await tcp(node)`."""
    peers = []

    async def connect(node):
        [port] = [at["port"] for at in node.listen if at["scheme"] == "stomp"]
        peer = TcpPeer(*await asyncio.open_connection("127.0.0.1", port))
        peers.append(peer)
        return peer

    yield connect

    async def close():
        for peer in peers:
            peer.writer.close()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()

    io_loop.run_sync(close)


@pytest.mark.gen_test(timeout=20)
async def test_tcp_and_websocket_meet_on_a_topic(start_node, tcp, join):
    node = await start_node(BOTH)
    one, other = await tcp(node), await join(node)
    assert (await one.login())["version"] == "1.2"
    one.tell("SUBSCRIBE", {"id": "7", "destination": "/topic/*", "receipt": "r"})
    assert await one.frame() == ("RECEIPT", {"receipt-id": "r"}, b"")
    await other.tell("SEND", {"destination": "/topic/a"}, b"\xff\0\n")
    command, headers, body = await one.frame()
    assert (command, headers["subscription"], body) == ("MESSAGE", "7", b"\xff\0\n")


@pytest.mark.gen_test(timeout=20)
async def test_frames_cut_anywhere(start_node, tcp):
    node = await start_node(BOTH)
    peer = await tcp(node)
    await peer.login()
    peer.tell("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "receipt": "r"})
    await peer.frame()
    frame = stomp.encode("SEND", {"destination": "/topic/a", "odd": "a:b\\\n"}, b"x\0y")
    for octet in frame * 3:
        peer.writer.write(bytes((octet,)))
        await peer.writer.drain()
    for _ in range(3):
        _, headers, body = await peer.frame()
        assert (headers["odd"], body) == ("a:b\\\n", b"x\0y")


@pytest.mark.gen_test(timeout=20)
async def test_disconnect_is_answered_and_then_the_stream_ends(start_node, tcp):
    node = await start_node(BOTH)
    peer = await tcp(node)
    await peer.login()
    peer.tell("DISCONNECT", {"receipt": "bye"})
    assert await peer.frame() == ("RECEIPT", {"receipt-id": "bye"}, b"")
    assert await peer.frame() is None
    peer.writer.close()
    await until(lambda: node.gateway.connections == 0)
    assert node.stats["connections_closed_closed"] == 1


FOREIGN = {
    "http": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n\0",
    "nothing known": b"HELLO\n\n\0",
    "too early": stomp.encode("SEND", {"destination": "/topic/a"}),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_no_stomp_gets_an_error_and_the_end(start_node, tcp, witness, name):
    node = await start_node(BOTH)
    seen = await witness(node)
    peer = await tcp(node)
    peer.writer.write(FOREIGN[name])
    command, headers, _ = await peer.frame()
    assert command == "ERROR"
    assert await peer.frame() is None
    assert node.stats[f"errors_{headers['code']}"] == 1
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_no_login_in_time(start_node, tcp):
    node = await start_node({**BOTH, "limits.connect_seconds": 0.1, "limits.linger_seconds": 0.1})
    peer = await tcp(node)
    assert (await peer.frame())[1]["code"] == "connect-timeout"
    assert await peer.frame() is None


@pytest.mark.gen_test(timeout=20)
async def test_one_too_many(start_node, tcp):
    node = await start_node({**BOTH, "limits.connections": 1})
    first = await tcp(node)
    await first.login()
    second = await tcp(node)
    assert (await second.frame())[1]["code"] == "too-many-connections"
    assert await second.frame() is None
    first.tell("SEND", {"destination": "/topic/a", "receipt": "r"})
    assert (await first.frame())[0] == "RECEIPT"


@pytest.mark.gen_test(timeout=20)
async def test_silence_is_no_death_without_heart_beats_and_the_kernel_is_asked(start_node, tcp):
    node = await start_node({**BOTH, "limits.ping_seconds": 0.02})
    peer = await tcp(node)
    await peer.login()
    await until(lambda: connections_of(node))
    [connection] = connections_of(node)
    assert connection._stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for _ in range(10):  # ten periods of the tick, by the connection's own clock
        timer = connection._timer
        await until(lambda timer=timer: connection._timer is not timer)
    peer.tell("SEND", {"destination": "/topic/a", "receipt": "r"})
    assert (await peer.frame())[0] == "RECEIPT"


@pytest.mark.gen_test(timeout=20)
async def test_missing_heart_beats_end_it(start_node, tcp):
    node = await start_node(BOTH)
    peer = await tcp(node)
    await peer.login(**{"heart-beat": "100,0"})
    assert (await peer.frame())[1]["code"] == "heartbeat-lost"


@pytest.mark.gen_test(timeout=20)
async def test_a_stopping_node_tells_tcp_clients_too(start_node, tcp):
    node = await start_node(BOTH)
    peer = await tcp(node)
    await peer.login()
    stopping = asyncio.ensure_future(node.stop())
    assert (await peer.frame())[1]["code"] == "shutting-down"
    assert await peer.frame() is None
    peer.writer.close()
    await stopping
    assert node.gateway.connections == 0
