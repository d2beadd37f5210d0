"""Must hold: whatever a client shows as its cursor, it says a position that could exist, or none.

Only what an origin itself gives as a cursor is one of its positions, and the very one that it gave.
"""

from qmq.core.message import Origin

ORIGIN = Origin("node-a", "k3f9")
SEEDS = [
    b"node-a.k3f9.1042", b"node-a.k3f9.0", b"node-b.x.1,node-a.k3f9.7", b"node-a.k3f9.", b"node-a.k3f9", b",,,", b"",
    b"node-a.old.5", b"node-a.k3f9.-1", b"node-a.k3f9.1,node-a.k3f9.2", "node-a.k3f9.٣".encode(), b"node-a.k3f9.1e5",
]  # fmt: skip
TOKENS = [b"node-a.k3f9.", b"node-a.", b",", b".", b"1", b" ", b"9" * 30]


def check(data):
    text = data.decode("utf-8", "replace")
    position = ORIGIN.position(text)
    assert position is None or 0 <= position < 10**18
    own = ORIGIN.id_of(len(data))
    assert ORIGIN.position(own) == len(data)
    if position is not None:
        assert text.rpartition(".")[0] == "node-a.k3f9" and int(text.rpartition(".")[2]) == position
