"""A node: what it takes to start and stop one, and to publish from within."""

import json
import socket

import pytest

import qmq
from qmq.config import make
from qmq.errors import ConfigError, QmqError
from qmq.node import Node
from tests.helpers import Peer, plain


@pytest.mark.gen_test(timeout=20)
async def test_a_node_listens_where_it_says(start_node, tmp_path):
    ready = tmp_path / "ready"
    node = await start_node({"listen": ("http://127.0.0.1:0", "http://localhost:0"), "ready_file": str(ready)})
    assert {at["scheme"] for at in node.listen} == {"http"}
    assert {at["host"] for at in node.listen} == {"127.0.0.1", "localhost"}
    assert json.loads(ready.read_text())["listen"] == node.listen
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]
    peer = await Peer.open(node.listen[0]["port"])
    assert (await peer.ask(plain("/health/ready"))).status == 200
    peer.close()


# Tornado forgets to close the socket that it could not bind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_cannot_listen_leaves_nothing_behind():
    """The address that it could have had is free again once it was stopped."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with socket.create_server(("127.0.0.1", 0)) as other:
            free = other.getsockname()[1]
        urls = (f"http://127.0.0.1:{free}", f"http://127.0.0.1:{taken.getsockname()[1]}")
        node = Node(make({"listen": urls, "drain": 0.1}))
        with pytest.raises(ConfigError, match="cannot listen on"):
            await node.start()
        await node.stop()
        with pytest.raises(ConnectionRefusedError):
            await Peer.open(free)


@pytest.mark.gen_test(timeout=20)
async def test_publish_from_within(start_node):
    node = await start_node()
    peer = await Peer.open(node.listen[0]["port"])
    await peer.upgrade()
    await peer.login()
    await peer.subscribe("/topic/a")
    for body, headers in ((b"\xff", None), ("tëxt", {"x": "y"})):
        message = node.publish("/topic/a", body, headers)
        frame = await peer.frame()
        assert frame.headers["message-id"] == message.id
        assert frame.body == (body if isinstance(body, bytes) else body.encode())
    assert frame.headers["x"] == "y"
    for headers in ({"x": None}, {"x": b"y"}):
        with pytest.raises(TypeError, match="header 'x'"):
            node.publish("/topic/a", "x", headers)
    with pytest.raises(TypeError):
        node.publish("/topic/a", None)
    with pytest.raises(QmqError, match="bad-header"):
        node.publish("/topic/a", "x", {"x": "\ud800"})
    node.publish("/topic/a", bytearray(b"z"), {"n": 5})
    assert (await peer.frame()).headers["n"] == "5"
    for destination, code in {"/nowhere": "bad-destination", "/topic/a.*": "bad-pattern"}.items():
        with pytest.raises(QmqError) as error:
            node.publish(destination, "x")
        assert error.value.code.name == code
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_two_nodes_in_one_process_have_nothing_in_common(start_node):
    one, other = await start_node(), await start_node()
    assert one.hub.origin.epoch != other.hub.origin.epoch
    one.publish("/topic/a", "x")
    assert (one.hub.offset, other.hub.offset) == (1, 0)
    peer = await Peer.open(one.listen[0]["port"])
    await peer.upgrade()
    assert (one.gateway.connections, other.gateway.connections) == (1, 0)
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_node_can_be_made_from_the_package_alone():
    node = qmq.Node(qmq.load_config({"listen": ("http://127.0.0.1:0",), "drain": 0.1}))
    await node.start()
    try:
        async with await qmq.connect(f"ws://127.0.0.1:{node.listen[0]['port']}") as client:
            await client.publish("/topic/a", "x")
    finally:
        await node.stop()
    assert repr(node).startswith("<node ")


def test_the_package_exports_what_it_says():
    for name in qmq.__all__:
        assert getattr(qmq, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        qmq.nothing  # noqa: B018
