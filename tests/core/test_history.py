"""What all topics keep together: rules, time, the ceiling, forgotten names, patterns."""

import gc
from itertools import pairwise

import pytest

from qmq.core.history import History
from qmq.core.memory import OVERHEAD
from qmq.core.message import Envelope, Message, Origin
from qmq.core.scan import Scan
from qmq.core.store import Keep
from qmq.core.timers import Timers
from qmq.session.topics import Start, subscribe
from qmq.stats import Stats
from tests.core.siblings import NUMBERS, WIDE, Reader, Siblings
from tests.worlds import World

ORIGIN = Origin("node", "e")
ALL = (("/topic/#", Keep()),)


class Past:
    """A history, its clock, and who publishes."""

    def __init__(self, rules=ALL, **bounds):
        self.now = 100.0
        self.offset = 0
        self.forgotten = []
        self.unsettled = {}
        self.stats = Stats()
        self.timers = Timers(lambda: self.now, lambda when: None)
        self.history = History(self.timers, rules, stats=self.stats, **bounds)
        self.history.position = lambda: self.offset
        self.history.forget = self.forgotten.append

    def publish(self, name, body=b"", settle=True):
        self.offset += 1
        store = self.history.store(f"/topic/{name}")
        store.append(Message(Envelope(f"/topic/{name}", {}), body, True, ORIGIN, self.offset))
        self.unsettled[store] = None
        if settle:
            self.settle()

    def settle(self):
        """The end of a pass."""
        unsettled, self.unsettled = self.unsettled, {}
        self.history.settle(unsettled)

    def pass_time(self, seconds, step=1.0):
        for _ in range(int(seconds / step)):
            self.now += step
            self.timers.run()

    def after(self, pattern, position=0):
        self.settle()
        found = Scan(self.history, f"/topic/{pattern}", position).read(1 << 30, 1 << 60, 0, 1 << 30)
        return [each.offset for each in found]

    def dropped(self, pattern):
        """The number after which everything is there."""
        self.settle()
        return next(number for number in range(self.offset + 1) if self.history.whole(f"/topic/{pattern}", number))


def test_the_first_rule_that_matches_counts():
    past = Past([("/topic/a.*", Keep(messages=2)), ("/topic/a.b", Keep(messages=3)), ("/topic/c", Keep(messages=1))])
    for name in ("a.b", "c", "d"):
        for _ in range(4):
            past.publish(name)
    assert (past.after("a.b"), past.after("c"), past.after("d")) == ([3, 4], [8], [])
    assert (past.dropped("a.b"), past.dropped("c"), past.dropped("d"), past.dropped("e")) == (2, 7, 12, 0)


def test_a_name_that_was_never_heard_of_has_lost_nothing():
    past = Past()
    past.publish("a")
    assert (past.after("b"), past.dropped("b"), past.dropped("b.#"), past.after("*.b")) == ([], 0, 0, [])


def test_a_pattern_reads_all_names_in_one_order():
    past = Past([("/topic/a.x", Keep(messages=1)), *ALL])
    for name in ("a.x", "a.y", "b.x", "a.x", "a.y", "a", "a.x"):
        past.publish(name)
    assert past.after("a.*") == [2, 5, 7]
    assert (past.dropped("a.*"), past.dropped("b.*"), past.dropped("#")) == (4, 0, 4)
    assert past.after("#", 4) == [5, 6, 7]
    past.publish("a.z")  # a name that comes after the pattern was first asked for
    assert (past.after("a.*", 5), past.after("#", 6)) == ([7, 8], [7, 8])


def test_what_was_not_settled_is_read_too():
    past = Past()
    past.publish("a", settle=False)
    past.publish("b", settle=False)
    assert (past.after("#"), past.after("a")) == ([1, 2], [1])


def test_messages_grow_old():
    past = Past([("/topic/short", Keep(seconds=10)), ("/topic/long", Keep(seconds=1000))])
    past.publish("short")
    past.publish("long")
    past.pass_time(9, 0.5)
    past.publish("short")
    assert past.after("short") == [1, 3]
    past.pass_time(2, 0.5)
    assert (past.after("short"), past.dropped("short"), past.after("long")) == ([3], 1, [2])
    past.pass_time(9, 0.5)
    assert (past.after("short"), past.dropped("short"), past.after("long")) == ([], 3, [2])
    past.pass_time(1020, 10)
    assert (past.after("long"), past.history.used, len(past.timers)) == ([], 0, 0)
    past.publish("short")  # and time begins anew
    past.pass_time(11, 0.5)
    assert (past.after("short"), len(past.timers)) == ([], 0)


def test_no_timer_runs_while_nothing_is_kept():
    past = Past([("/topic/a", Keep(messages=0))])
    past.publish("a")
    assert len(past.timers) == 0
    past.history.store("/topic/a").trim()
    assert len(past.timers) == 0


def test_beyond_the_ceiling_the_oldest_of_all_goes():
    past = Past(ceiling=100 * OVERHEAD)
    for number in range(150):
        past.publish(f"t{number % 3}")
        assert past.history.used <= 100 * OVERHEAD
    kept = sorted(past.after("t0") + past.after("t1") + past.after("t2"))
    assert kept[-1] == 150
    assert past.stats["history_evicted"] > 0
    # Those that are older than some that were dropped are gone, but for what shares a batch.
    assert past.dropped("#") < 150
    assert len(kept) * OVERHEAD == past.history.used


def test_a_ceiling_of_nothing():
    past = Past(ceiling=0)
    past.publish("a")
    assert (past.after("a"), past.dropped("a"), past.history.used) == ([], 1, 0)


def test_a_forgotten_name_makes_every_older_position_doubtful():
    past = Past([("/topic/gone", Keep(messages=0)), *ALL], max_names=2)
    past.publish("gone")
    past.publish("a")
    past.publish("b")  # for which `gone` is forgotten, as it had nothing
    assert past.forgotten == ["/topic/gone"]
    # Nothing that another rule keeps is in doubt.
    assert (past.dropped("gone"), past.dropped("a"), past.dropped("new"), past.dropped("#")) == (1, 0, 0, 1)
    past.publish("c")  # for which `a` is, which was published to longest ago
    assert past.forgotten == ["/topic/gone", "/topic/a"]
    assert (past.after("#"), past.dropped("b"), len(past.history)) == ([3, 4], 2, 2)
    assert past.stats["history_evicted"] == 1
    assert past.history.used == 2 * OVERHEAD


def test_names_of_one_pass_are_all_kept_until_its_end():
    past = Past(max_names=1)
    for name in "abc":
        past.publish(name, settle=False)
    assert past.forgotten == []
    past.settle()
    assert (past.forgotten, past.dropped("a"), past.after("#")) == (["/topic/a", "/topic/b"], 2, [3])


def test_the_name_that_was_published_to_longest_ago_is_forgotten_though_it_is_not_the_oldest():
    past = Past(max_names=2)
    for name in "abac":
        past.publish(name)
    assert (past.forgotten, past.after("#"), past.dropped("a")) == (["/topic/b"], [1, 3, 4], 2)


def test_names_that_have_nothing_are_forgotten_first_and_the_longest_unused_of_them():
    past = Past([("/topic/none.#", Keep(messages=0)), *ALL], max_names=4)
    past.publish("kept")
    for name in ("none.a", "none.b", "none.a", "x", "none.c"):
        past.publish(name)
    assert (past.forgotten, past.after("#")) == (["/topic/none.b"], [1, 5])


def test_more_patterns_than_are_kept_at_hand():
    past = Past()
    for number in range(600):
        assert past.after(f"t{number}.#") == []
    for number in range(600):
        past.publish(f"t{number}.x")
    assert [past.after(f"t{number}.#") for number in range(600)] == [[number + 1] for number in range(600)]


def objects():
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("several", [False, True], ids=["one thread", "several"])
def test_nothing_stays_of_forgotten_names_and_those_who_wanted_them(several):
    world = Siblings(2) if several else World()
    history, hub = (world.sequence.history, world.hubs[1]) if several else (world.history, world.hub)
    history.max_names = 50
    sizes = []
    for wave in range(6):
        for number in range(40):
            names = [f"/topic/{wave}.{number}.{each}" for each in "abcdefghij"]
            reader = Reader()
            subscriptions = [hub.subscribe(name, NUMBERS, reader.outbox, WIDE) for name in names]
            for name in [*names, f"/topic/same.{number}"]:
                hub.publish(Envelope(name, {}), b"x", True)
            hub.flush()
            begun = subscribe(hub, f"/topic/{wave}.#", NUMBERS, reader.outbox, WIDE, Start("node.e.1", earliest=True))
            for _ in range(5):
                hub.flush()
            begun.subscription.end()
            for subscription in subscriptions:
                hub.unsubscribe(subscription)
        assert (len(history), hub._stats.names(), len(hub._routes)) == (50, [], 0)
        del reader, subscriptions, begun
        sizes.append(objects())
    assert max(sizes[2:]) - min(sizes[2:]) < 50  # of 2400 names


def test_rings_that_are_empty_leave_nothing_while_an_older_message_stays():
    """A message that is too large empties its ring, whose place in the order by age is not the first."""
    past = Past([("/topic/#", Keep(bytes=3 * OVERHEAD))], max_names=20)
    past.publish("old")
    for number in range(1000):
        past.publish(f"t.{number}")
        past.publish(f"t.{number}", bytes(3 * OVERHEAD))
        past.publish("old", settle=False) if number % 10 == 0 else None
        assert len(past.history._shelves[0]._heap) < 50
    assert past.after("old")


def test_much_that_grows_too_old_at_once_is_dropped_in_steps():
    past = Past([("/topic/#", Keep(seconds=10))])
    for number in range(2000):
        past.publish(f"t.{number}", settle=False)
    past.settle()
    past.now += 5
    past.timers.run()
    past.now += 20
    left, runs = [], 0
    while past.history.used:
        past.timers.run()
        runs += 1
        left.append(past.history.used // OVERHEAD)
    assert all(before - after <= 512 for before, after in pairwise(left))
    assert runs >= 4
    assert (past.dropped("#"), len(past.timers)) == (2000, 0)


def test_what_there_is():
    past = Past()
    past.publish("a")
    past.publish("a")
    past.history.store("/topic/b")
    assert [(ring.destination, len(ring)) for ring in past.history.describe()] == [("/topic/a", 2)]
