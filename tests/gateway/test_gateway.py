"""What all connections share: how many may be there, how they are sent away, and how QMQ is embedded."""

import asyncio
import time

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from qmq.config import make
from qmq.node import Node
from tests.helpers import Closed, Peer, plain, request, until, ws


@pytest.mark.gen_test(timeout=20)
async def test_no_more_connections_than_allowed(start_node, dial, join, witness):
    node = await start_node({"limits.connections": 2, "limits.linger_seconds": 0.1})
    seen = await witness(node)
    second = await join(node)
    refused = await dial(node)
    for _ in range(2):
        answer = await refused.ask(request())
        assert answer.problem() == (503, "too-many-connections")
        assert int(answer.headers["retry-after"]) > 0
    assert (node.stats["errors_too-many-connections"], node.stats["connections_opened"]) == (2, 2)
    assert (await refused.ask(plain("/health/ready"))).status == 200
    await seen.well()
    second.close()
    await until(lambda: node.gateway.connections == 1)
    await refused.upgrade()
    await refused.login()


@pytest.mark.gen_test(timeout=20)
async def test_one_connection_is_kicked_and_no_other(start_node, join, witness):
    node = await start_node({"limits.linger_seconds": 0.2})
    seen, other = await witness(node), await join(node)
    [name] = [each["name"] for each in node.gateway.describe() if not each["subscriptions"]]
    assert node.gateway.kick(name) and not node.gateway.kick("nobody")
    assert (await other.dismissed())[0] == "kicked"
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_stop_tells_every_client_and_waits_for_them(start_node, dial, join):
    node = await start_node({"drain": 0.3, "limits.linger_seconds": 5.0})
    peers = [await join(node) for _ in range(25)]
    early = await dial(node)
    await early.upgrade()
    pauses = []

    async def leave(peer):
        frames, number, reason = await peer.ended()
        assert [(frame.command, frame.headers["code"]) for frame in frames] == [("ERROR", "shutting-down")]
        assert frames[0].headers["retry"] == "true"
        pauses.append(int(frames[0].headers.get("retry-after", 0)))
        assert (number, reason) == (1012, "shutting-down")
        await peer.send(ws(b"\x03\xf4", 8))
        assert await peer.end() == b""

    begin = time.monotonic()
    await asyncio.gather(node.stop(), *[leave(peer) for peer in (*peers, early)])
    assert time.monotonic() - begin < 2
    assert all(0 <= pause < 26 for pause in pauses) and len(set(pauses)) > 1
    assert node.gateway.connections == 0
    assert node.stats["connections_closed_shutting-down"] == 26
    assert node.stats["connections_lost"] == 0
    with pytest.raises(ConnectionRefusedError):
        await dial(node)


@pytest.mark.gen_test(timeout=20)
async def test_stop_does_not_wait_for_a_client_that_never_leaves(start_node, join):
    node = await start_node({"drain": 0.2, "limits.linger_seconds": 60.0})
    reads, stuck = await join(node), await join(node, receive_buffer=4096)
    await stuck.subscribe("/topic/a")
    for _ in range(20):
        node.publish("/topic/a", "x" * 50_000)
        await asyncio.sleep(0)
    begin = time.monotonic()
    await node.stop()
    assert 0.2 < time.monotonic() - begin < 2
    assert (await reads.dismissed())[0] == "shutting-down"
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_drains_is_alive_but_not_ready(start_node, dial, join):
    node = await start_node({"drain": 1.0})
    checker, late, client = await dial(node), await dial(node), await join(node)
    for path in ("/health/live", "/health/ready"):
        answer = await checker.ask(plain(path))
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert answer.headers["cache-control"] == "no-store"
    assert (await late.ask(plain("/health/live"))).status == 200
    stopping = asyncio.ensure_future(node.stop())
    assert (await client.frame()).headers["code"] == "shutting-down"
    assert (await checker.ask(plain("/health/ready"))).problem() == (503, "shutting-down")
    assert (await checker.ask(plain("/health/live"))).status == 200
    answer = await late.ask(request())
    assert answer.problem() == (503, "shutting-down")
    assert "retry-after" in answer.headers
    with pytest.raises(Closed):
        await client.frame()
    client.close()
    await stopping


@pytest.mark.gen_test(timeout=20)
async def test_stop_twice_and_with_half_a_request_under_way(start_node, dial):
    node = await start_node()
    for octets in (b"", b"GET /st", request()[:-2]):
        await (await dial(node)).send(octets)
    await until(lambda: sum(len(branch.servers["http"]._connections) for branch in node.branches) == 3)
    await node.stop()
    await node.stop()


class Hello(RequestHandler):
    def get(self):
        self.write("hello")


@pytest.mark.gen_test(timeout=20)
async def test_a_node_in_an_application_of_somebody_else(logged):
    """`open` and `routes` are all it takes; the application's own pages and server stay as they are."""
    node = Node(make({"name": "embedded"}))
    node.open()
    app = Application([(r"/hello", Hello), *node.routes()], log_function=lambda handler: None)
    server = HTTPServer(app)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    port = sockets[0].getsockname()[1]
    peer, page = await Peer.open(port), await Peer.open(port)
    try:
        assert (await page.ask(plain("/hello"))).body == b"hello"
        assert (await page.ask(plain("/health/ready"))).status == 200
        assert (await page.ask(plain("/qmq.js"))).status == 200
        await peer.upgrade()
        await peer.login()
        await peer.subscribe("/topic/a")
        node.publish("/topic/a", "from within", {"content-type": "text/plain"})
        frame = await peer.frame()
        assert (frame.body, frame.headers["content-type"]) == (b"from within", "text/plain")
        await peer.publish("/topic/b")
        stopping = asyncio.ensure_future(node.stop())
        assert (await peer.frame()).headers["code"] == "shutting-down"
        peer.close()
        await stopping
        assert (await page.ask(plain("/hello"))).body == b"hello"
        assert (await page.ask(plain("/health/ready"))).problem() == (503, "shutting-down")
    finally:
        peer.close()
        page.close()
        server.stop()
        await server.close_all_connections()
