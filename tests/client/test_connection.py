"""One connection: how its login, its sending and its end go, also with servers that misbehave."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.client import connect
from qmq.client.connection import Connection
from qmq.client.transport import Plain
from qmq.errors import CODES
from qmq.wire import stomp
from tests.client.failing import fails
from tests.client.strangers import Stranger, polite
from tests.helpers import until

CONNECTED = stomp.encode("CONNECTED", {"version": "1.2"})

# name: (what is answered to CONNECT, the code)
SERVERS = {
    "goodbye": (None, "connection-lost"),
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "bad-frame"),
    "garbage": (b"\xff\xfe\n\n\0", "bad-utf8"),
    "ERROR": (stomp.encode("ERROR", {"code": "bad-version"}, b"why"), "bad-version"),
    "ERROR without code": (stomp.encode("ERROR", {"message": "no"}), "connection-lost"),
    "garbage after CONNECTED": (CONNECTED + b"hello\n\n\0", "bad-frame"),
    "an endless head": (CONNECTED + b"MESSAGE\n" + b"x" * (2 << 20), "headers-too-large"),
    "a body too large": (CONNECTED + b"MESSAGE\ncontent-length:999999999\n\n", "frame-too-large"),
}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.gen_test(timeout=20)
async def test_servers_that_misbehave(name):
    answer, code = SERVERS[name]
    async with Stranger.serving(lambda head: answer) as server, fails(code):
        client = await connect(server.url, reconnect=False)
        try:
            await (await client.subscribe("/topic/a")).next()
        finally:
            await client.close()


@given(data=st.binary(max_size=400))
def test_any_octets_are_taken_or_end_it(data):
    class Owner:
        ended = None

        def take(self, frame):
            pass

        def lose(self, ended):
            self.ended = ended

    async def feed():
        connection, owner = Connection(Plain(), 1000), Owner()
        connection.own(owner)
        connection.data_received(CONNECTED + data)
        assert connection.session
        assert (owner.ended is None) == (connection.ended is None)

    asyncio.run(feed())


@pytest.mark.gen_test(timeout=20)
async def test_frames_that_are_for_nobody_are_dropped():
    strange = b"".join(
        stomp.encode(command, headers)
        for command, headers in {
            "CONNECTED": {}, "RECEIPT": {"receipt-id": "x"}, "MESSAGE": {"subscription": "x"}, "WHAT": {},
        }.items()
    )  # fmt: skip

    def answer(head):
        return polite(head) + strange

    async with Stranger.serving(answer) as server, await connect(server.url) as client:
        await client.publish("/topic/a", "x")
        assert client.generation == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_code_of_a_later_version_and_what_it_says_about_coming_back():
    errors = []
    code, retry = "new-code", "true"

    def answer(head):
        if head.command != "SEND":
            return polite(head)
        headers = {"code": code, "retry": retry, "retry-after": "20", "receipt-id": head.headers["receipt"]}
        return stomp.encode("ERROR", headers, b"what it is")

    async with Stranger.serving(answer) as server, await connect(server.url, on_error=errors.append) as client:
        async with fails("connection-lost", "what it is"):
            await client.publish("/topic/a", "x")
        assert errors[0].retry_after == 20
        await until(lambda: client.generation == 2)
        retry = "false"
        async with fails("connection-lost", "what it is"):
            await client.publish("/topic/a", "x")
        assert client.state == "closed"


@pytest.mark.parametrize("beats", ["", "1", "x,y", "-1,5", "0,0", f"{'9' * 30},1"])
@pytest.mark.gen_test(timeout=20)
async def test_a_server_without_heartbeats(beats):
    def answer(head):
        if head.command == "CONNECT":
            return stomp.encode("CONNECTED", {"version": "1.2", "heart-beat": beats})
        return polite(head)

    async with Stranger.serving(answer) as server, await connect(server.url, heartbeat=0.01) as client:
        await asyncio.sleep(0.05)
        await client.publish("/topic/a", "x")
        assert client.generation == 1


@pytest.mark.gen_test(timeout=20)
async def test_what_is_sent_waits_for_a_server_that_does_not_read():
    reads, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        writer.write(CONNECTED)
        await reads.wait()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
            writer.close()
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1)
    url = f"stomp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = await connect(url, heartbeat=0, outbox_bytes=100_000)
    body, sent = b"x" * 50_000, 0

    async def publish():
        nonlocal sent
        while True:
            await client.publish("/topic/a", body, receipt=False)
            sent += 1
            await asyncio.sleep(0)

    publishing = asyncio.create_task(publish())
    await until(lambda: client._talk._link.connection.blocked)
    async with fails("outbox-full", "100000 octets wait"):
        client.publish_nowait("/topic/a", body)
    before = sent
    await asyncio.sleep(0.05)
    assert sent <= before + 1
    reads.set()
    await until(lambda: sent > before + 20)
    publishing.cancel()
    client._talk._link.connection.abort()  # nobody answers a DISCONNECT here
    await client.close()
    await ended.wait()
    server.close()
    await server.wait_closed()


def test_codes_that_end_a_client_are_those_without_retry():
    assert not CODES["bad-frame"].retry
    assert CODES["connection-lost"].retry
