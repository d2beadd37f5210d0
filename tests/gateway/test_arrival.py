"""Connections on their way in: each gets further in time, or is closed and counted, once."""

import asyncio
import socket

import pytest
from tornado.netutil import bind_sockets

from qmq.config import make
from qmq.gateway.arrival import Arrival, Arrivals
from qmq.gateway.listener import Listener
from qmq.stats import Stats
from tests.helpers import Peer, until


class Halls(Arrivals):
    """Notes who has gone, and in what way."""

    def __init__(self):
        super().__init__(make({"limits.connect_seconds": 0.2}).limits, Stats())
        self.left, self.passed = [], []

    def accept(self, sock, address):
        Talk(self, sock, address)

    def gone(self, arrival):
        self.left.append(arrival.address)


class Talk(Arrival):
    """Passes on who says one octet."""

    def look(self):
        data = self._receive(1, socket.MSG_PEEK)
        if data:
            self._forget()
            self._arrivals.passed.append(self._sock)
        elif data is not None:
            self._give_up()


@pytest.fixture
def halls(io_loop):
    """A listener with arrivals; its port is `halls.port`."""
    found = []

    async def begin():
        halls = Halls()
        sockets = bind_sockets(0, "127.0.0.1")
        listener = Listener(halls.accept, halls.stats)
        listener.add_sockets(sockets)
        halls.port = sockets[0].getsockname()[1]
        found.extend((halls, listener))

    io_loop.run_sync(begin)
    yield found[0]
    found[0].stop()
    found[1].stop()
    for sock in found[0].passed:
        sock.close()


@pytest.mark.gen_test(timeout=20)
async def test_who_speaks_is_passed_on_with_what_it_said(halls):
    peer = await Peer.open(halls.port)
    await peer.send(b"hello")
    await until(lambda: halls.passed)
    assert halls.passed[0].recv(10) == b"hello"
    await asyncio.sleep(0.3)  # the time that it had is of no concern any more
    assert halls.stats.snapshot() == {} and halls.left == [peer.sock.getsockname()]
    assert not halls.arrivals
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_who_is_silent_or_goes_is_counted_once(halls):
    silent, gone = await Peer.open(halls.port), await Peer.open(halls.port)
    gone.close()
    assert await silent.end() == b""
    await until(lambda: halls.stats["connections_unfinished"] == 2)
    assert len(halls.left) == 2 and not halls.arrivals
    silent.close()


@pytest.mark.gen_test(timeout=20)
async def test_stopping_closes_them(halls):
    peer = await Peer.open(halls.port)
    await until(lambda: halls.arrivals)
    halls.stop()
    assert await peer.end() == b""
    assert halls.left == [peer.sock.getsockname()] and halls.stats["connections_unfinished"] == 0
    peer.close()
