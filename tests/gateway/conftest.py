"""Peers for the gateway's tests: opened on demand, closed at the end."""

import resource

import pytest

from tests.helpers import Peer, Witness


@pytest.fixture
def dial():
    """Opens TCP connections: `peer = await dial(node)`."""
    peers = []

    async def dial(node, receive_buffer=None):
        peer = await Peer.open(node.listen[0]["port"], receive_buffer)
        peers.append(peer)
        return peer

    yield dial
    for peer in peers:
        peer.close()


@pytest.fixture
def join(dial):
    """Opens connections that are logged in: `peer = await join(node)`."""

    async def join(node, receive_buffer=None, **headers):
        peer = await dial(node, receive_buffer)
        await peer.upgrade()
        await peer.login(**headers)
        return peer

    return join


@pytest.fixture
def witness(join):
    """A good client of a node: `seen = await witness(node)`, and later `await seen.well()`."""

    async def witness(node):
        peer = await join(node)
        await peer.subscribe("/topic/witness")
        seen = Witness(peer)
        await seen.well()
        return seen

    return witness


@pytest.fixture
def many_files():
    """Lets this process have as many sockets as it is allowed to; says how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
