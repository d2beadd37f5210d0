"""STOMP over SockJS: the same bounds, back-pressure and last words as everywhere."""

import json

import pytest

from qmq.errors import QmqError
from tests.gateway.sockjs_peer import CONNECT, SUBSCRIBE, SockJs
from tests.helpers import connections_of, until


@pytest.fixture
def sockjs():
    """Opens sessions over xhr: `peer = await sockjs(node)`."""
    peers = []

    async def open_session(node, session="s1"):
        peers.append(await SockJs.open(node, session))
        return peers[-1]

    yield open_session
    for peer in peers:
        peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_what_is_published_between_polls_comes_with_the_next(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    assert await peer.login(SUBSCRIBE) == ["RECEIPT\nreceipt-id:s\n\n\0"]
    for number in range(3):
        node.publish("/topic/a", f"{number} € \u2028")
    assert [message.rpartition("\n")[2] for message in await peer.frames()] == [
        f"{number} € \u2028\0" for number in range(3)
    ]


@pytest.mark.gen_test(timeout=20)
async def test_binary_bodies_go_both_ways_in_base64(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login(SUBSCRIBE)
    assert await peer.send("SEND\ndestination:/topic/a\ncontent-transfer-encoding:base64\n\n/wCA\0") == 204
    (message,) = await peer.frames()
    head, _, body = message.partition("\n\n")
    assert body == "/wCA\0"
    assert {"content-transfer-encoding:base64", "content-length:4"} <= set(head.split("\n"))


@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_is_not_base64_ends_the_session_with_its_code(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login()
    assert await peer.send("SEND\ndestination:/topic/a\ncontent-transfer-encoding:base64\n\n%\0") == 204
    (error,) = await peer.frames()
    assert error.startswith("ERROR\n") and "\ncode:bad-frame\n" in error
    assert (await peer.poll()).endswith('"bad-frame"]')
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_does_not_poll_is_bound_as_any_other(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login("SUBSCRIBE\nid:1\ndestination:/topic/a\nmax-messages:2\noverflow:disconnect\nreceipt:s\n\n\0")
    for _ in range(3):
        node.publish("/topic/a", "x")
    (error,) = await peer.frames()
    assert "\ncode:slow-consumer\n" in error
    assert (await peer.poll()).endswith('"slow-consumer"]')


@pytest.mark.gen_test(timeout=20)
async def test_a_client_whose_replies_pile_up_is_not_answered_before_it_has_read_them(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login()
    piled = "".join(f"SEND\ndestination:/topic/none\nreceipt:{number:0200}\n\n\0" for number in range(600))
    peer.up.ask(f"{peer.path}/xhr_send", json.dumps([piled]).encode())
    (connection,) = connections_of(node)
    await until(lambda: connection._paused)
    assert not connection._reading.done()
    seen = 0
    while seen < 600:
        seen += len(await peer.frames())
    assert (await peer.up.answer())[0] == 204


@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_stops_says_so(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login()
    peer.down.ask(f"{peer.path}/xhr")
    (connection,) = connections_of(node)
    await until(lambda: not connection._blocked)
    connection.fail(QmqError("shutting-down"))
    status, _, body = await peer.down.answer()
    assert (status, b"\ncode:shutting-down\n" in json.loads(body[1:])[0].encode()) == (200, True)
    assert (await peer.poll()).endswith('"shutting-down"]')


@pytest.mark.gen_test(timeout=20)
async def test_operators_see_what_it_is(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.send(CONNECT)
    (found,) = node.gateway.describe()
    assert (found["transport"], found["tls"]) == ("sockjs", False)
