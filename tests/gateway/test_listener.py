"""Accepting: what comes is served, and when there is no file descriptor left, those who are there do not notice."""

import asyncio
import contextlib
import itertools
import os
import resource
import socket

import pytest
from tornado.netutil import bind_sockets

from qmq.gateway.listener import Listener
from qmq.stats import Stats
from tests.helpers import Peer, plain, until

pytestmark = pytest.mark.one_thread("each thread has listeners of its own, all alike")


@pytest.fixture
def few_files():
    """Leaves room for a few more file descriptors only: `few_files(3)`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []

    def leave(count):
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for _ in range(count):
            os.close(held.pop())

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for number in held:
        os.close(number)


@pytest.mark.one_thread("counts how often one loop tries")
@pytest.mark.gen_test(timeout=20)
async def test_without_file_descriptors_it_waits(start_node, witness, few_files):
    node = await start_node()
    seen = await witness(node)
    waiting = [socket.socket() for _ in range(6)]
    few_files(3)
    for sock in waiting:
        sock.connect(("127.0.0.1", node.listen[0]["port"]))
    await until(lambda: node.stats["accepts_postponed"] >= 2)
    assert await seen.well() < 1
    before = node.stats["accepts_postponed"]
    await asyncio.sleep(0.3)
    assert node.stats["accepts_postponed"] - before < 6  # it does not try all the time
    for sock in waiting[:5]:
        sock.close()
    last = Peer(waiting[5])
    last.sock.setblocking(False)
    assert (await last.ask(plain("/health/live"))).status == 200
    last.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_crowd_is_taken_over_many_passes():
    taken = []
    listener = Listener(lambda sock, address: taken.append(sock), Stats())
    sockets = bind_sockets(0, "127.0.0.1")
    with contextlib.ExitStack() as stack:
        stack.callback(listener.stop)
        for _ in range(50):
            stack.enter_context(socket.create_connection(sockets[0].getsockname()))
        listener.add_sockets(sockets)
        seen = [0]
        while seen[-1] < 50:
            await asyncio.sleep(0)  # one pass
            seen.append(len(taken))
            for sock in taken:
                sock.close()
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 2


@pytest.mark.gen_test(timeout=20)
async def test_a_server_that_fails_is_asked_again(logged):
    accepted = []

    def accept(sock, address):
        accepted.append(address)
        if len(accepted) == 1:
            raise RuntimeError("as asked")
        sock.close()

    logged.expect("a new connection could not be served")
    listener = Listener(accept, Stats())
    sockets = bind_sockets(0, "127.0.0.1")
    listener.add_sockets(sockets)
    for number in range(2):
        peer = await Peer.open(sockets[0].getsockname()[1])
        assert await peer.end() == b""
        assert accepted[number] == peer.sock.getsockname()
        peer.close()
    listener.stop()
    assert sockets[0].fileno() < 0
