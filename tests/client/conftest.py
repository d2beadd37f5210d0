"""What the tests of the client share."""

import pytest

from tests.client.relay import Relay

LISTEN = ("http://127.0.0.1:0", "stomp://127.0.0.1:0")


@pytest.fixture
def url():
    """The address of a node."""
    return lambda node: f"ws://127.0.0.1:{node.listen[0]['port']}"


@pytest.fixture(params=["stomp", "ws"])
def gateway(request, start_node):
    """A node and its address, over TCP and over WebSocket: `node, url = await gateway()`."""

    async def gateway(values=None):
        node = await start_node({"listen": LISTEN, **(values or {})})
        return node, f"{request.param}://127.0.0.1:{port(node, request.param)}"

    gateway.scheme = request.param
    return gateway


@pytest.fixture
def relayed(gateway, io_loop, monkeypatch):
    """The same behind a relay, and clients that come back soon: `node, url, relay = await relayed()`."""
    relays = []
    monkeypatch.setattr("qmq.client.backoff._FIRST", 0.05)
    monkeypatch.setattr("qmq.client.backoff._CAP", 0.2)

    async def relayed(values=None):
        node, _ = await gateway(values)
        relay = await Relay.start(port(node, gateway.scheme))
        relays.append(relay)
        return node, f"{gateway.scheme}://127.0.0.1:{relay.port}", relay

    relayed.port = lambda node: port(node, gateway.scheme)
    yield relayed

    async def close():
        for relay in relays:
            await relay.close()

    io_loop.run_sync(close)


def port(node, scheme):
    """Where a node listens for a scheme."""
    return node.listen[0 if scheme == "ws" else 1]["port"]
