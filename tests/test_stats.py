"""Counters."""

from qmq.stats import OTHERS, Stats


def test_counts_and_snapshot():
    stats = Stats()
    stats.add("b")
    stats.add("a", 3)
    stats.add("b")
    assert (stats["a"], stats["b"], stats["c"]) == (3, 2, 0)
    assert list(stats.snapshot().items()) == [("a", 3), ("b", 2)]


def test_counters_of_what_nobody_uses_make_room():
    stats = Stats()
    stats.of("/topic/used").add("messages_dropped_oldest")
    for number in range(30_000):
        name = f"/topic/{number}"
        stats.of(name).add("messages_dropped_oldest")
        stats.retire(name)
    assert stats.of("/topic/used")["messages_dropped_oldest"] == 1
    assert len(stats.by_destination()) == len(stats.names()) == 1001 and OTHERS not in stats.names()
    assert stats.of("/topic/29999")["messages_dropped_oldest"] == 1  # used again: it stays
    for number in range(2000):
        stats.of(f"/topic/more.{number}").add("messages_dropped_oldest")
        stats.retire(f"/topic/more.{number}")
    assert "/topic/29999" in stats.names()


def test_counters_that_have_counted_nothing_go_at_once():
    stats = Stats()
    stats.of("/topic/a")
    stats.retire("/topic/a")
    stats.retire("/topic/never")
    assert stats.names() == []


def test_full_counters_forget_the_retired_before_they_share():
    stats = Stats()
    for number in range(10_000):
        stats.of(f"/topic/{number}").add("x")
    stats.retire("/topic/7")
    stats.of("/topic/new").add("x")
    assert "/topic/7" not in stats.names() and "/topic/new" in stats.names()
    stats.of("/topic/newer").add("x")
    stats.retire(OTHERS)
    assert stats.of(OTHERS)["x"] == 1
