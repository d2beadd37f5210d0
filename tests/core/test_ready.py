"""What waits in a queue: order, places, priorities, expiries."""

from hypothesis import given
from hypothesis import strategies as st

from qmq.core.message import Envelope, Message, Origin
from qmq.core.ready import Entry, Ready

ORIGIN = Origin("n", "e")


def make(place, priority=0, expires=0.0, body=b""):
    return Entry(Message(Envelope("/queue/a", {}, priority=priority), body, True, ORIGIN, place), place, expires)


def fill(ready, *entries):
    for entry in entries:
        ready.append(entry)
    return entries


def give(ready):
    """Takes the first out, as for a consumer."""
    entry = ready.pop()
    entry.given = 1.0
    return entry


def places(ready):
    return [entry.place for entry in ready]


def drain(ready, pop="pop"):
    found = []
    while (entry := getattr(ready, pop)()) is not None:
        found.append(entry.place)
    return found


def test_first_in_first_out():
    ready = Ready(0)
    fill(ready, *map(make, range(1, 4)))
    assert places(ready) == drain(ready) == [1, 2, 3]
    assert ready.pop() is ready.pop_least() is ready.pop_expired(9e9) is None


def test_messages_and_octets_are_counted():
    ready = Ready(0)
    fill(ready, make(1, body=b"abc"), make(2, body=b"de", expires=5.0))
    assert (ready.count, ready.octets) == (2, 5)
    entry = give(ready)
    assert (ready.count, ready.octets) == (1, 2)
    ready.put_back(entry)
    assert (ready.count, ready.octets) == (2, 5)
    ready.pop_expired(5.0).message = None
    assert (ready.count, ready.octets) == (1, 3)
    assert len(ready.clear()) == 1
    assert (ready.count, ready.octets, places(ready)) == (0, 0, [])


def test_what_comes_back_has_its_old_place():
    ready = Ready(0)
    fill(ready, *map(make, range(1, 6)))
    given = [give(ready) for _ in range(4)]
    for number in (3, 0, 2):
        ready.put_back(given[number])
    assert places(ready) == [1, 3, 4, 5]
    ready.put_back(given[1])
    assert places(ready) == drain(ready) == [1, 2, 3, 4, 5]


def test_the_more_urgent_first():
    ready = Ready(3)
    fill(ready, make(1, 1), make(2, 3), make(3, 0), make(4, 3), make(5, 2), make(6, 1))
    assert places(ready) == drain(ready) == [2, 4, 5, 1, 6, 3]


def test_least_is_the_oldest_of_the_least_urgent():
    ready = Ready(3)
    fill(ready, make(1, 1), make(2, 3), make(3, 0), make(4, 0), make(5, 1))
    assert drain(ready, "pop_least") == [3, 4, 1, 5, 2]


def test_priorities_beyond_the_highest_count_as_the_highest():
    ready = Ready(2)
    fill(ready, make(1, 2), make(2, 9), make(3, -1), make(4, 1))
    first = give(ready)
    assert first.place == 1
    second = give(ready)
    ready.put_back(second)
    ready.put_back(first)
    assert drain(ready) == [1, 2, 4, 3]


def test_without_priorities_all_are_equal():
    ready = Ready(0)
    fill(ready, make(1, 1), make(2, 9), make(3, 0))
    ready.put_back(give(ready))
    assert drain(ready) == [1, 2, 3]


def test_what_comes_back_does_not_overtake_the_more_urgent():
    ready = Ready(1)
    fill(ready, make(1, 0), make(2, 1))
    second, first = give(ready), give(ready)
    fill(ready, make(3, 1), make(4, 0))
    ready.put_back(first)
    ready.put_back(second)
    assert drain(ready) == [2, 3, 1, 4]


def test_lanes_are_made_when_they_are_needed():
    ready = Ready(255)
    fill(ready, make(1, 7), make(2, 7), make(3, 0))
    assert len(ready._lanes) == 2


def test_expired_ones_leave_from_anywhere():
    ready = Ready(0)
    entries = fill(ready, make(1), make(2, expires=7.0), make(3, expires=5.0), make(4, expires=9.0))
    assert ready.next_expiry == 5.0
    assert ready.pop_expired(4.9) is None
    assert ready.pop_expired(7.0) is entries[2]
    entries[2].message = None
    assert ready.pop_expired(7.0) is entries[1]
    entries[1].message = None
    assert ready.pop_expired(7.0) is None
    assert ready.next_expiry == 9.0
    assert places(ready) == drain(ready) == [1, 4]


def test_one_that_a_consumer_has_does_not_expire():
    ready = Ready(0)
    fill(ready, make(1, expires=5.0), make(2, expires=8.0))
    entry = give(ready)
    assert ready.next_expiry == 8.0
    assert ready.pop_expired(6.0) is None
    ready.put_back(entry)
    assert ready.next_expiry == 5.0
    assert ready.pop_expired(6.0) is entry


def test_expiries_of_what_has_left_are_forgotten():
    ready = Ready(0)
    for place in range(1, 10_000):
        fill(ready, make(place, expires=1000.0))
        give(ready).message = None
    assert len(ready._expiries) <= 65


def test_one_that_comes_back_often_does_not_add_up():
    """Each return used to add an expiry, and each addition looked at all of them."""
    ready = Ready(0)
    fill(ready, make(1, expires=1000.0))
    for _ in range(10_000):
        ready.put_back(give(ready))
    assert len(ready._expiries) <= 65
    assert ready.pop_expired(1000.0).place == 1


def test_marks_are_swept_out_when_they_are_many():
    ready = Ready(1)
    fill(ready, *(make(place, place % 2, expires=5.0) for place in range(1, 1001)), make(2000))
    for _ in range(100):
        entry = give(ready)
        if entry.place % 4 == 1:
            ready.put_back(entry)
    while (entry := ready.pop_expired(5.0)) is not None:
        entry.message = None
    ready.sweep()
    assert sum(len(lane.fresh) + len(lane.returned) for lane in ready._lanes) == 1
    assert drain(ready) == [2000]


def test_it_says_what_it_is():
    assert repr(make(3)) == "<entry 3: <message n.e.3 to /queue/a, 0 octets>, 0 deliveries>"


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.tuples(st.integers(0, 3), st.sampled_from([0.0, 5.0, 10.0, 15.0]))),
        st.tuples(st.just("give"), st.none()),
        st.tuples(st.just("least"), st.none()),
        st.tuples(st.just("back"), st.integers(0, 5)),
        st.tuples(st.just("expire"), st.integers(0, 5)),
    ),
    max_size=80,
)


@given(actions, st.integers(0, 2))
def test_as_a_sorted_list_would_do(actions, top):
    ready, waiting, given_out, now, place = Ready(top), [], [], 0.0, 0

    def key(entry):
        return -min(entry.message.envelope.priority, top), entry.place

    for action, value in actions:
        if action == "append":
            place += 1
            entry = make(place, value[0], now + value[1] if value[1] else 0.0)
            ready.append(entry)
            waiting.append(entry)
        elif action == "give":
            entry = ready.pop()
            assert entry is min(waiting, key=key, default=None)
            if entry is not None:
                waiting.remove(entry)
                entry.given = 1.0
                given_out.append(entry)
        elif action == "least":
            entry = ready.pop_least()
            assert entry is min(waiting, key=lambda entry: (-key(entry)[0], entry.place), default=None)
            if entry is not None:
                waiting.remove(entry)
                entry.message = None
        elif action == "back" and value < len(given_out):
            entry = given_out.pop(value)
            ready.put_back(entry)
            waiting.append(entry)
        elif action == "expire":
            now += value
            due = {entry for entry in waiting if 0 < entry.expires <= now}
            assert ready.next_expiry == min((entry.expires for entry in waiting if entry.expires), default=0)
            while (entry := ready.pop_expired(now)) is not None:
                due.remove(entry)
                waiting.remove(entry)
                entry.message = None
            assert not due
        assert list(ready) == sorted(waiting, key=key)
        assert ready.count == len(waiting)
