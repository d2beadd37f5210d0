"""The order of what waits: priorities, places, and what is taken out of the middle."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.message import Envelope, Message, Origin
from qmq.core.ready import Entry, Ready

ORIGIN = Origin("n", "e")


def entry(place, priority=0, expires=0.0, body=b"12"):
    return Entry(Message(Envelope("/queue/a", {}, priority=priority), body, True, ORIGIN, place), place, expires)


def take(ready, way="pop"):
    """Takes out all, and returns their places."""
    found = []
    while (one := getattr(ready, way)()) is not None:
        found.append(one.place)
    return found


def test_first_in_first_out_and_what_it_weighs():
    ready = Ready(0)
    for place in range(3):
        ready.append(entry(place))
    assert (ready.count, ready.octets) == (3, 6)
    assert [each.place for each in ready] == [0, 1, 2]
    assert take(ready) == [0, 1, 2]
    assert (ready.count, ready.octets) == (0, 0)


def test_what_comes_back_stands_at_its_old_place():
    ready = Ready(0)
    for place in range(5):
        ready.append(entry(place))
    taken = [ready.pop() for _ in range(4)]
    for number in (3, 0, 2):
        ready.put_back(taken[number])
    assert [each.place for each in ready] == [0, 2, 3, 4]
    assert take(ready) == [0, 2, 3, 4]


def test_the_more_urgent_first_and_the_least_for_dropping():
    ready = Ready(5)
    for place, priority in enumerate((0, 9, 3, 3, 5)):
        ready.append(entry(place, priority))
    assert ready.pop_least().place == 0
    assert [each.place for each in ready] == [1, 4, 2, 3]
    assert take(ready) == [1, 4, 2, 3]


def test_without_priorities_all_are_equal():
    ready = Ready(0)
    for place, priority in enumerate((0, 9, 3)):
        ready.append(entry(place, priority))
    assert take(ready) == [0, 1, 2]


def expire(ready, now):
    """Takes out what has expired, as a queue does; returns the places."""
    found = []
    while (one := ready.pop_expired(now)) is not None:
        found.append(one.place)
        one.message = None
    ready.sweep()
    return found


def test_expired_ones_go_also_from_the_middle_but_not_those_that_a_consumer_has():
    ready = Ready(0)
    for place, expires in enumerate((5.0, 0.0, 3.0, 4.0)):
        ready.append(entry(place, expires=expires))
    held = ready.pop()
    held.given = 1.0
    assert ready.next_expiry == 3.0
    assert expire(ready, 10.0) == [2, 3]
    assert ready.next_expiry == 0.0
    ready.put_back(held)
    assert ready.next_expiry == 5.0
    assert expire(ready, 10.0) == [0]
    assert take(ready) == [1]


def test_marks_of_the_expired_are_swept_out():
    ready = Ready(0)
    ready.append(entry(0))
    for place in range(1, 1000):
        ready.append(entry(place, expires=2.0))
    expire(ready, 3.0)
    assert ready.count == 1
    assert len(ready._lanes[0].fresh) < 10


def test_expiries_of_what_has_left_take_no_room():
    ready = Ready(0)
    for place in range(5000):
        one = entry(place, expires=1e9)
        ready.append(one)
        ready.pop()
        one.message = None
    assert len(ready._expiries) < 200


def test_clearing_gives_all_back_in_order():
    ready = Ready(2)
    for place, priority in enumerate((0, 2, 1)):
        ready.append(entry(place, priority, expires=5.0))
    assert [each.place for each in ready.clear()] == [1, 2, 0]
    assert (ready.count, ready.octets, ready.pop(), ready.next_expiry) == (0, 0, None, 0.0)


@given(st.lists(st.sampled_from(["append", "pop", "least", "back"]), max_size=80), st.integers(0, 3), st.data())
def test_any_life_keeps_the_order(steps, top, data):
    ready, waiting, taken = Ready(top), [], []
    for place, step in enumerate(steps):
        if step == "append":
            one = entry(place, data.draw(st.integers(0, 4)))
            ready.append(one)
            waiting.append(one)
        elif step == "back" and taken:
            one = taken.pop(data.draw(st.integers(0, len(taken) - 1)))
            ready.put_back(one)
            waiting.append(one)
        elif waiting and step != "back":
            urgency = lambda one: min(one.message.envelope.priority, top)  # noqa: E731
            if step == "pop":
                expected, found = min(waiting, key=lambda one: (-urgency(one), one.place)), ready.pop()
            else:
                expected, found = min(waiting, key=lambda one: (urgency(one), one.place)), ready.pop_least()
            assert found is expected
            waiting.remove(found)
            taken.append(found)
        assert (ready.count, ready.octets) == (len(waiting), 2 * len(waiting))
