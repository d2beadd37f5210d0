"""Timers: order, cancelling, and how few alarms they need."""

import gc
import heapq

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.timers import Timers


class Loop:
    """A loop that calls `run` for every alarm, as asyncio does, also for those that were asked for twice."""

    def __init__(self, early=0.0):
        self.now = 1000.0
        self.early = early
        self.alarms = []
        self.asked = 0
        self.timers = Timers(lambda: self.now, self.alarm)
        self.calls = []

    def alarm(self, when):
        self.asked += 1
        heapq.heappush(self.alarms, when)

    def note(self, name, seconds):
        return self.timers.at(self.now + seconds, lambda: self.calls.append(name))

    def pass_time(self, seconds):
        end = self.now + seconds
        while self.alarms and self.alarms[0] <= end:
            self.now = max(self.now, heapq.heappop(self.alarms) - self.early)
            self.timers.run()
        self.now = end

    def take(self):
        calls, self.calls = self.calls, []
        return calls


def test_each_at_its_time_and_once():
    loop = Loop()
    loop.note("c", 3)
    loop.note("a", 1)
    loop.note("b", 2)
    loop.pass_time(0.9)
    assert loop.take() == []
    loop.pass_time(0.1)
    assert loop.take() == ["a"]
    loop.pass_time(10)
    assert loop.take() == ["b", "c"]
    assert len(loop.timers) == 0


def test_a_late_run_calls_all_that_are_due_in_their_order():
    loop = Loop()
    for name, seconds in [("c", 3), ("a", 1), ("later", 9), ("b", 2)]:
        loop.note(name, seconds)
    loop.now += 5
    loop.timers.run()
    assert loop.take() == ["a", "b", "c"]


def test_what_was_cancelled_is_not_called_nor_kept():
    loop = Loop()
    marker = type("Marker", (), {"call": lambda self: loop.calls.append(1)})()
    timer = loop.timers.at(loop.now + 1, marker.call)
    assert len(loop.timers) == 1
    loop.timers.cancel(timer)
    loop.timers.cancel(timer)
    assert len(loop.timers) == 0
    assert [each for each in gc.get_referrers(marker) if each is not locals()] == []
    loop.pass_time(2)
    assert loop.take() == []


def test_cancelling_what_is_over_does_nothing():
    loop = Loop()
    timer = loop.note("a", 1)
    loop.pass_time(1)
    loop.note("b", 1)
    loop.timers.cancel(timer)
    assert len(loop.timers) == 1


def test_one_that_is_due_may_still_be_cancelled():
    loop = Loop()
    loop.timers.at(loop.now + 1, lambda: loop.timers.cancel(second))
    second = loop.note("second", 2)
    loop.note("third", 3)
    loop.now += 5
    loop.timers.run()
    assert (loop.take(), len(loop.timers)) == (["third"], 0)


def test_the_cancelled_are_swept_out():
    loop = Loop()
    kept = [loop.note(number, 5) for number in range(10)]
    for _ in range(1000):
        loop.timers.cancel(loop.note("x", 5))
    assert len(loop.timers._heap) < 200
    assert len(loop.timers) == len(kept)
    loop.pass_time(5)
    assert sorted(loop.take()) == list(range(10))


def test_what_is_asked_for_at_once_waits_for_the_next_run():
    loop = Loop()

    def again():
        loop.calls.append(loop.now)
        if len(loop.calls) < 3:
            loop.timers.at(loop.now, again)

    loop.timers.at(loop.now, again)
    for expected in (1, 2, 3):
        loop.timers.run()
        assert len(loop.calls) == expected
    assert len(loop.timers) == 0


def test_one_that_raises_does_not_take_the_others_along(logged):
    logged.expect("what was due at .* failed")
    loop = Loop()
    loop.timers.at(loop.now + 1, lambda: 1 / 0)
    loop.note("b", 1)
    loop.note("c", 2)
    loop.now += 3
    loop.timers.run()
    loop.pass_time(0)
    assert (loop.take(), len(loop.timers)) == (["b", "c"], 0)


def test_an_alarm_only_for_what_is_earlier():
    loop = Loop()
    loop.note("a", 10)
    loop.note("b", 20)
    assert loop.alarms == [1010]
    loop.note("c", 5)
    assert loop.alarms == [1005, 1010]
    loop.pass_time(30)
    assert (loop.take(), loop.alarms) == (["c", "a", "b"], [])
    assert loop.asked == 3


def test_alarms_do_not_become_more():
    """Each short timer used to leave one more alarm behind for the long one, for ever."""
    loop = Loop()
    loop.note("long", 1000)
    for _ in range(500):
        loop.note("short", 1)
        loop.pass_time(1)
        assert len(loop.alarms) == 1
    loop.pass_time(1000)
    assert loop.take()[-1] == "long"


def test_an_alarm_that_comes_a_little_early_is_asked_for_again():
    loop = Loop(early=1e-9)
    loop.note("a", 1)
    loop.now = 1001 - 1e-9
    heapq.heappop(loop.alarms)
    loop.timers.run()
    assert (loop.take(), loop.alarms) == ([], [1001])
    loop.early = 0
    loop.pass_time(1)
    assert loop.take() == ["a"]


def test_a_run_that_nobody_asked_for_does_no_harm():
    loop = Loop()
    loop.note("a", 1)
    loop.timers.run()
    loop.timers.run()
    assert loop.alarms == [1001]
    loop.pass_time(1)
    assert loop.take() == ["a"]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("at"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("pass"), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(steps)
def test_everything_is_called_at_its_time_unless_cancelled(steps):
    loop, timers, wanted = Loop(), [], {}
    called = []
    for action, number in steps:
        if action == "at":
            name, when = len(timers), loop.now + number
            timers.append(loop.timers.at(when, lambda name=name: called.append((loop.now, name))))
            wanted[name] = when
        elif action == "cancel" and number < len(timers):
            loop.timers.cancel(timers[number])
            wanted.pop(number, None)
        else:
            loop.pass_time(number)
            due = sorted((when, name) for name, when in wanted.items() if when <= loop.now)
            assert sorted(called) == due
            assert [when for when, _ in called] == [when for when, _ in due]
            called.clear()
            wanted = {name: when for name, when in wanted.items() if when > loop.now}
        assert len(loop.timers) == len(wanted)
