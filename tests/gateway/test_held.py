"""Answers written by hand: whole and in pieces, to clients that close, read slowly, go, or speak TLS."""

import asyncio
import json

import pytest

from tests.gateway.poll_peer import CONNECT, Http, Poller
from tests.gateway.tls_peers import port
from tests.helpers import DEADLINE, connections_of, until


@pytest.fixture
def poll():
    """Opens sessions that have logged in: `poller = await poll(node)`."""
    pollers = []

    async def poll(node):
        poller = await Poller.open(node)
        pollers.append(poller)
        return await poller.login()

    yield poll
    for poller in pollers:
        poller.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_wants_the_connection_closed(start_node, poll):
    node = await start_node({"limits.poll_hold_seconds": 0.05})
    poller = await poll(node)
    poller.down.ask(f"{poller.path}/receive?ack={poller.ack}", Connection="close")
    status, headers, body = await poller.down.answer()
    assert (status, headers["connection"], body) == (200, "close", b"")
    async with asyncio.timeout(DEADLINE):
        assert await poller.down.reader.read() == b""


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.gen_test(timeout=30)
async def test_an_answer_larger_than_the_sockets_take_at_once(start_node, poll, stream):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/queue/a", ack="client-individual")
    body = "x" * 900_000
    for number in range(8):
        node.publish("/queue/a", f"{number}{body}")
    had = []
    while len(had) < 8:
        poller.ask(stream)
        if stream:
            await poller.down.head()
            rest = b""
            while len(had) < 8 and (chunk := await poller.down.chunk()) is not None:
                rest = poller.take(rest + chunk)
                had += [int(octets[:1]) for _, octets in poller._frames]
                poller._frames.clear()
        else:
            poller.take((await poller.down.answer())[2])
            had += [int(octets[:1]) for _, octets in poller._frames]
            poller._frames.clear()
    assert had == list(range(8))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_goes_while_it_is_held(start_node, poll, stream):
    node = await start_node()
    poller = await poll(node)
    poller.ask(stream)
    [connection] = connections_of(node)
    await until(lambda: connection._held)
    poller.down.cut()
    await until(lambda: connection._held is None)
    assert node.gateway.connections == 1  # its session waits for it
    poller.down = await Http.open(poller.port)
    await poller.subscribe("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_with_tls(tls_node, authority):
    node = await tls_node()
    streams = await asyncio.open_connection("127.0.0.1", port(node, "https"), ssl=authority.trust())
    poller = Poller(port(node, "https"))
    poller.up = poller.down = Http(*streams)  # one connection for all: each request after the answer to the last
    poller.up.ask("/poll", CONNECT)
    poller.path = f"/poll/{json.loads((await poller.up.answer())[2])['session']}"
    await poller.login()
    await poller.subscribe("/topic/a")
    for number in range(20):
        node.publish("/topic/a", str(number))
        assert await poller.bodies(1) == [str(number)]
    [seen] = node.gateway.describe()
    assert seen["tls"]
    poller.close()
