"""What a node has on one loop: it can be mounted elsewhere, and ends without the node."""

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from qmq.config import make
from qmq.node import Node
from tests.helpers import Peer


@pytest.mark.gen_test(timeout=20)
async def test_its_routes_work_in_an_application_of_somebody_else():
    node = Node(make({"drain": 0.1}))
    node.open()
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application(node.routes()))
    server.add_sockets(sockets)
    peer = await Peer.open(sockets[0].getsockname()[1])
    await peer.upgrade()
    await peer.login()
    await peer.subscribe("/topic/a")
    node.publish("/topic/a", "x")
    assert (await peer.frame()).body == b"x"
    assert node.gateway.connections == 1
    peer.close()
    server.stop()
    await node.stop()
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_it_stops_listening_before_it_ends(start_node):
    node = await start_node({"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0")})
    here = await Peer.open(node.listen[0]["port"])
    await here.upgrade()
    await here.login()
    node.branch.close_listeners()
    for at in node.listen:
        with pytest.raises(ConnectionRefusedError):
            await Peer.open(at["port"])
    await here.subscribe("/topic/a")  # who is there is served on
    assert repr(node.branch) == "<branch with 1 connections>"
    here.close()
