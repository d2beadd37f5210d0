"""How many there are, from where and who: right however connections begin and end."""

import asyncio
import socket
import struct
import threading
from itertools import product

import pytest

from qmq.errors import QmqError
from qmq.gateway.census import Census
from qmq.session.passwords import hashed
from tests.gateway.poll_peer import Http, Poller, problem
from tests.gateway.queue_peers import BOTH, open_peer
from tests.helpers import Closed, Peer, plain, request, until, ws


def test_limits_of_the_node_and_of_an_address():
    census = Census(5, per_address=2)
    assert [census.enter("a") for _ in range(2)] == [None, None]
    refused = census.enter("a")
    assert (refused.code.name, refused.detail) == ("too-many-connections", "2 from one address are allowed")
    assert [census.enter("b") for _ in range(2)] == [None, None]
    assert census.enter("c").detail == "5 are allowed"
    with pytest.raises(QmqError, match="too-many-connections"):
        census.check("d")
    assert not census.has_room("d") and census.has_room("d", 2)
    assert census.snapshot() == ({"a": 3, "b": 2, "c": 1}, {})
    for address in "aaabbc":
        census.leave(address)
    assert (census.total, census.snapshot()) == (0, ({}, {}))
    assert repr(census) == "<census 0 from 0 addresses, 0 principals>"


def test_limits_of_a_principal():
    census = Census(5, per_principal=1)
    census.log_in("ann")
    census.log_in("bob")
    with pytest.raises(QmqError, match="1 of one principal"):
        census.log_in("ann")
    census.log_out("ann")
    census.log_in("ann")
    assert census.snapshot()[1] == {"ann": 1, "bob": 1}


def test_no_more_than_allowed_whoever_comes_at_the_same_time():
    census = Census(100, per_address=50)
    welcome = []

    def come():
        welcome.extend([census.enter(str(number % 3)) is None for number in range(200)])

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(welcome), len(welcome), census.total) == (100, 1600, 1600)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def goodbye(peer):
    await peer.send(ws(b"\x03\xe8", 8))
    await peer.end()


async def disconnect(peer):
    await peer.tell("DISCONNECT", {"receipt": "r"})
    with pytest.raises(Closed):
        while True:
            await peer.frame()


async def nonsense(peer):
    await peer.tell("NONSENSE")
    await peer.ended()


async def just_go(peer):
    peer.close()


async def reset_it(peer):
    reset(peer.sock)


@pytest.mark.parametrize(
    ("transport", "how"),
    [("http", goodbye), *product(("http", "stomp"), (disconnect, nonsense, just_go, reset_it))],
)
@pytest.mark.gen_test(timeout=20)
async def test_however_they_end_nobody_is_left(start_node, transport, how):
    user = {"name": "ann", "password": hashed("right", cost=4)}
    node = await start_node({**BOTH, "limits.linger_seconds": 0.1, "users": (user,)})
    peers = [await open_peer(node, transport, login="ann", passcode="right") for _ in range(5)]
    assert node.gateway.door.census.snapshot() == ({"127.0.0.1": 5}, {"user 'ann'": 5})
    for peer in peers:
        await how(peer)
    await nobody_left(node)
    for peer in peers:
        peer.close()


async def nobody_left(node):
    door = node.gateway.door
    await until(lambda: (door.census.total, door._beginning.total) == (0, 0))
    assert door.census.snapshot() == door._beginning.snapshot() == ({}, {})


@pytest.mark.gen_test(timeout=30)
async def test_those_who_never_come_in_are_not_counted_for_ever(start_node, dial, tls_node, tls_dial):
    """Refused, broken off, silent: on every transport."""
    node = await tls_node(limits__connect_seconds=0.2, limits__linger_seconds=0.1, limits__poll_gone_seconds=0.1)
    at = {each["scheme"]: each["port"] for each in node.listen}
    asks = [
        request(Origin="http://evil.example"), request(Sec_WebSocket_Key="short"), plain("/"), plain("/nothing"),
        plain("/sockjs/info"), plain("/sockjs/000/x/xhr", "PUT"), plain("/sockjs/000/x/xhr", "HEAD"), b"\0" * 40,
        plain("/poll", "POST", Content_Length="0"), plain("/poll/none/receive?ack=0", "POST", Content_Length="0"),
        plain("/poll", "POST", Content_Length="5"), b"GET / HTT", b"",
    ]  # fmt: skip
    peers = []
    for octets in asks:
        for scheme in ("http", "https", "stomp", "stomps"):
            peers.append(await Peer.open(at[scheme]))
            await peers[-1].send(octets)
    await asyncio.sleep(0)
    for number, peer in enumerate(peers):
        if number % 3 == 0:
            peer.close()
        elif number % 3 == 1:
            reset(peer.sock)
    await nobody_left(node)
    for peer in peers:
        peer.close()


@pytest.mark.one_thread("reaches into the loop of the connections")
@pytest.mark.gen_test(timeout=20)
async def test_sessions_of_many_requests_end_too(start_node):
    node = await start_node({"limits.poll_gone_seconds": 0.1})
    pollers = [await Poller.open(node) for _ in range(4)]
    for poller in pollers[:2]:
        await poller.login()
    pollers[0].up.ask(f"{pollers[0].path}/close")
    await pollers[0].up.answer()
    http = await Http.open(node.listen[0]["port"])
    http.ask("/sockjs/000/abc/xhr")
    assert (await http.answer())[2] == b"o\n"
    assert node.gateway.door.census.total == 4
    node.gateway.abort()
    for each in (*pollers, http):
        each.close()
    await nobody_left(node)


@pytest.mark.parametrize("path", ["/poll", "/sockjs/000/abc/xhr", "/stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_no_more_from_one_address_than_allowed(start_node, path):
    node = await start_node({**BOTH, "limits.connections_per_address": 2, "limits.linger_seconds": 0.1})
    peers = [await open_peer(node, transport) for transport in ("http", "stomp")]
    if path == "/stomp":
        peers.append(await Peer.open(node.listen[0]["port"]))
        answer = await peers[-1].ask(request())
        assert answer.problem() == (503, "too-many-connections")
    else:
        http = await Http.open(node.listen[0]["port"])
        http.ask(path)
        status, _, body = await http.answer()
        assert (status, problem(body)) == (503, "too-many-connections")
        http.close()
    with pytest.raises(AssertionError, match="too-many-connections"):
        await open_peer(node, "stomp")
    assert node.stats["errors_too-many-connections"] == 2
    for peer in peers:
        peer.close()
    await nobody_left(node)
    (await open_peer(node, "stomp")).close()
