"""Connections between held requests: they cost little, wake up for the next request, and do not stay for ever."""

import asyncio
import contextlib
import json

import pytest

from qmq.gateway.quiet import Quiet
from qmq.wire import stomp
from tests.helpers import DEADLINE, connections_of

CONNECT = stomp.encode("CONNECT", {"accept-version": "1.2", "host": "x", "heart-beat": "0,0"}, b"", "1.2")


def request(path, body=b""):
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


async def answer(reader):
    """The body of the next answer."""
    async with asyncio.timeout(DEADLINE):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20"), head
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""


@pytest.fixture
def open_session():
    """Opens a session on a connection of its own: `reader, writer, path = await open_session(node)`."""
    writers = []

    async def open_session(node):
        reader, writer = await asyncio.open_connection("127.0.0.1", node.listen[0]["port"])
        writers.append(writer)
        writer.write(request("/poll", CONNECT))
        return reader, writer, f"/poll/{json.loads(await answer(reader))['session']}"

    yield open_session
    for writer in writers:
        writer.close()


async def resting(node, number):
    """Waits until so many connections rest."""
    server = node.branch.servers["http"]
    async with asyncio.timeout(DEADLINE):
        while len(server._resting) != number:
            await asyncio.sleep(0.005)
    assert all(isinstance(stream, Quiet) for stream in server._resting)


@pytest.mark.one_thread("looks at streams that rest where their session lives")
@pytest.mark.gen_test(timeout=20)
async def test_the_same_connection_serves_request_after_request(start_node, open_session):
    node = await start_node()
    reader, writer, path = await open_session(node)
    writer.write(request(f"{path}/receive?ack=0"))
    assert (await answer(reader)).startswith(b"1 ")
    await resting(node, 1)
    assert not node.branch.servers["http"]._connections  # Tornado knows nothing of it
    for seq in range(1, 6):
        send = stomp.encode("SUBSCRIBE", {"id": str(seq), "destination": "/topic/a", "receipt": str(seq)}, b"", "1.2")
        writer.write(request(f"{path}/send?seq={seq}&ack={seq}", send))
        assert await answer(reader) == b""
        writer.write(request(f"{path}/receive?ack={seq}"))
        assert b"receipt-id:%d\n" % seq in await answer(reader)
    await resting(node, 1)


@pytest.mark.gen_test(timeout=20)
async def test_requests_that_come_together_are_answered_in_turn(start_node, open_session):
    node = await start_node()
    reader, writer, path = await open_session(node)
    writer.write(request(f"{path}/receive?ack=0") + request(f"{path}/receive?ack=0") + request(f"{path}/close"))
    first = await answer(reader)
    assert first.startswith(b"1 ")
    assert await answer(reader) == first
    assert await answer(reader) == b""


@pytest.mark.gen_test(timeout=20)
async def test_a_request_that_comes_while_one_is_held_waits_for_it(start_node, open_session):
    node = await start_node({"limits.poll_hold_seconds": 0.2})
    reader, writer, path = await open_session(node)
    writer.write(request(f"{path}/receive?ack=0"))
    await answer(reader)
    writer.write(request(f"{path}/receive?ack=1"))
    await writer.drain()
    while not any(connection._held for connection in connections_of(node)):
        await asyncio.sleep(0.005)
    half = request(f"{path}/close")
    writer.write(half[:20])
    assert await answer(reader) == b""
    writer.write(half[20:])
    assert await answer(reader) == b""
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_connection_on_which_nothing_more_comes_is_closed(start_node, open_session):
    node = await start_node({"limits.connect_seconds": 0.3})
    opened = [await open_session(node) for _ in range(3)]
    for reader, writer, path in opened:
        writer.write(request(f"{path}/receive?ack=0"))
        await answer(reader)
    async with asyncio.timeout(DEADLINE):
        for reader, *_ in opened:
            assert await reader.read() == b""
    await resting(node, 0)
    reader, writer, path = await open_session(node)  # and it is looked at again
    writer.write(request(f"{path}/receive?ack=0"))
    await answer(reader)
    async with asyncio.timeout(DEADLINE):
        assert await reader.read() == b""


@pytest.mark.one_thread("looks at streams that rest where their session lives")
@pytest.mark.gen_test(timeout=20)
async def test_one_that_goes_while_it_rests_is_forgotten(start_node, open_session):
    node = await start_node()
    reader, writer, path = await open_session(node)
    writer.write(request(f"{path}/receive?ack=0"))
    await answer(reader)
    await resting(node, 1)
    writer.close()
    await resting(node, 0)


@pytest.mark.one_thread("looks at streams that rest where their session lives")
@pytest.mark.gen_test(timeout=20)
async def test_stopping_closes_those_that_rest(start_node, open_session):
    node = await start_node({"drain": 0.1})
    reader, writer, path = await open_session(node)
    writer.write(request(f"{path}/receive?ack=0"))
    await answer(reader)
    await resting(node, 1)
    await node.stop()
    async with asyncio.timeout(DEADLINE):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    assert not node.branch.servers["http"]._resting


@pytest.mark.gen_test(timeout=30)
async def test_many_who_come_back_together_are_all_served(start_node, open_session):
    node = await start_node()
    opened = [await open_session(node) for _ in range(100)]
    for reader, writer, path in opened:
        writer.write(request(f"{path}/receive?ack=0"))
        await answer(reader)
    for _, writer, path in opened:
        writer.write(request(f"{path}/close"))
    for reader, *_ in opened:
        assert await answer(reader) == b""
    assert node.gateway.connections == 0
