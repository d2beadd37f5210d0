"""Counters."""

from qmq.stats import Stats


def test_counts_and_snapshot():
    stats = Stats()
    stats.add("b")
    stats.add("a", 3)
    stats.add("b")
    assert (stats["a"], stats["b"], stats["c"]) == (3, 2, 0)
    assert list(stats.snapshot().items()) == [("a", 3), ("b", 2)]
