"""Peers for the gateway's tests: opened on demand, closed at the end."""

import resource

import pytest

from tests.gateway import entrances
from tests.gateway.api_peer import ApiPeer, Listener
from tests.gateway.entrances import RULES, USERS
from tests.gateway.poll_peer import Http
from tests.gateway.queue_peers import open_peer
from tests.gateway.tls_peers import LISTEN, StompsPeer, TlsPeer, port
from tests.helpers import Peer, Witness
from tests.tokens import SECRET


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
def enter():
    """Opens connections that are logged in, over `http` or `stomp`: `peer = await enter(node, "stomp")`."""
    peers = []

    async def enter(node, transport, receive_buffer=None, **headers):
        peers.append(await open_peer(node, transport, receive_buffer, **headers))
        return peers[-1]

    yield enter
    for peer in peers:
        peer.close()


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


@pytest.fixture
def tls_node(start_node, authority):
    """Starts a node that listens in all four ways: `node = await tls_node()`."""

    async def tls_node(**values):
        certificate = {"tls.certificate": values.pop("certificate", None) or authority.certificate()}
        more = {name.replace("__", "."): value for name, value in values.items()}
        return await start_node({"listen": LISTEN, **certificate, **more})

    return tls_node


@pytest.fixture
def tls_dial():
    """Opens connections without a word: `peer = await tls_dial(node, "https")`."""
    peers = []

    async def tls_dial(node, scheme="https", kind=Peer, receive_buffer=None):
        peer = await kind.open(port(node, scheme), receive_buffer)
        peers.append(peer)
        return peer

    yield tls_dial
    for peer in peers:
        peer.close()


@pytest.fixture
def tls_shake(tls_dial, authority):
    """Opens TLS connections: `peer = await tls_shake(node, "stomps")`."""

    async def tls_shake(node, scheme="https", context=None, **more):
        peer = await tls_dial(node, scheme, StompsPeer if scheme == "stomps" else TlsPeer, **more)
        return await peer.shake(context or authority.trust())

    return tls_shake


@pytest.fixture
def tls_join(tls_shake):
    """Opens TLS connections that are logged in, over WebSocket or not: `peer = await tls_join(node, "stomps")`."""

    async def tls_join(node, scheme="https", **more):
        peer = await tls_shake(node, scheme, **more)
        if scheme == "https":
            await peer.upgrade()
        await peer.login()
        return peer

    return tls_join


@pytest.fixture
def http():
    """Opens connections: `http = await http(node)`."""
    opened = []

    async def http(node):
        opened.append(await Http.open(node.listen[0]["port"]))
        return opened[-1]

    yield http
    for each in opened:
        each.close()


@pytest.fixture
def api(start_node):
    """Opens connections to the JSON API of one node: `peer = await api()`, or `await api({"manage": False})`."""
    opened, nodes = [], []

    async def api(values=None, kind=ApiPeer):
        if not nodes:
            nodes.append(await start_node(values))
        opened.append(await kind.open(nodes[0].listen[0]["port"]))
        opened[-1].node = nodes[0]
        return opened[-1]

    yield api
    for each in opened:
        each.close()


@pytest.fixture
def listen(api):
    """Opens streams of events: `listener = await listen("destination=/topic/a")`, which has been told `subscribed`."""

    async def listen(query, values=None, **headers):
        listener = await api(values, Listener)
        status, _ = await listener.listen(query, **headers)
        assert status == 200
        name, listener.granted = await listener.event()
        assert name == "subscribed"
        return listener

    return listen


@pytest.fixture
def guarded(start_node, tmp_path):
    """Starts a node with a user, a key and some rules: `node = await guarded()`. More of it: `limits__body=100`."""
    (tmp_path / "secret").write_text(SECRET)

    async def guarded(reread=None, **values):
        return await start_node(
            {**guarded.values, **{name.replace("__", "."): values[name] for name in values}}, reread
        )

    guarded.values = {
        "listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0"),
        "users": USERS,
        "rules": RULES,
        "tokens.keys": (str(tmp_path / "secret"),),
        "tokens.cookie": "session",
    }
    return guarded


@pytest.fixture
def enter_all():
    """Lets clients in whose credentials are shown, and closes them at the end."""
    clients = []

    async def enter_all(*arguments, **more):
        clients.append(await entrances.enter(*arguments, **more))
        return clients[-1]

    yield enter_all
    for client in clients:
        client.close()
