"""What stands at the door of all loops: floods are cut short, limits may change."""

import pytest

from qmq.config import make
from qmq.gateway.door import _TOLD, Door
from qmq.session.policy import OPEN
from tests.gateway.queue_peers import BOTH, TcpPeer, open_peer
from tests.helpers import Closed, Peer, plain, until

pytestmark = pytest.mark.one_thread("counts what one listener accepts, in order")


def test_limits_may_change_while_clients_are_there():
    door = Door(make({"limits.connections_per_address": 1}))
    assert door.census.enter("192.0.2.1") is None
    assert all(door.begin("192.0.2.1") for _ in range(2 + _TOLD)) and not door.begin("192.0.2.1")
    door.reload(make({"trusted_proxies": ("192.0.2.1",), "limits.login_failures": 0}), OPEN)
    assert door.census.enter("192.0.2.1") is None
    assert door.begin("192.0.2.1")
    assert door.proxies.trusts("192.0.2.1") and door.lockout.free == 0
    door.reload(make({"limits.connections_per_address": 1}), OPEN)
    for _ in range(2):
        assert not door.begin("192.0.2.1")
        door.end("192.0.2.1")
    assert door.begin("192.0.2.1")


@pytest.mark.one_thread("several accept in another order")
@pytest.mark.gen_test(timeout=30)
async def test_a_flood_is_told_why_only_so_often(start_node, witness):
    """Above the limit a hundred are told; the rest is closed without a word, and nobody else notices."""
    node = await start_node({**BOTH, "limits.connections_per_address": 2, "limits.linger_seconds": 20.0, "drain": 0.0})
    seen = await witness(node)
    port = node.listen[1]["port"]
    flood = [await TcpPeer.open(port) for _ in range(_TOLD + 50)]
    await until(lambda: node.stats["connections_dropped"] == 49)
    for peer in flood[1 : _TOLD + 1]:
        assert (await peer.frame()).headers["code"] == "too-many-connections"
    with pytest.raises(Closed):
        await flood[-1].frame()
    assert await seen.well() < 1
    for peer in flood:
        peer.close()
    await until(lambda: node.gateway.connections == 1)
    (await open_peer(node, "stomp")).close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.gen_test(timeout=30)
async def test_silent_connections_of_one_address_are_bounded(tls_node, witness, tls_dial, scheme):
    """Nothing has been asked yet, so nothing can be answered."""
    node = await tls_node(limits__connections_per_address=5)
    room = 2 * 5 + _TOLD
    peers = [await tls_dial(node, scheme) for _ in range(room + 15)]
    await until(lambda: node.stats["connections_dropped"] == 15)
    assert [await peer.end() for peer in peers[room:]] == [b""] * 15
    for peer in peers[:room]:
        peer.close()
    await until(lambda: node.gateway.door._beginning.total == 0)
    again = await Peer.open(next(at["port"] for at in node.listen if at["scheme"] == "http"))
    assert (await again.ask(plain("/health/live"))).status == 200
    again.close()
