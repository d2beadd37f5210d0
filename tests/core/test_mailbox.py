"""What waits for another thread: in order, within bounds, and what finds no room is noted."""

from qmq.core.mailbox import Bell, Mailbox
from qmq.core.memory import OVERHEAD
from qmq.core.message import Envelope, Message, Origin

ORIGIN = Origin("node", "e")


def message(number, destination="/topic/a", body=b"x"):
    return Message(Envelope(destination, {}), body, True, ORIGIN, number)


def make(messages=100, octets=1 << 20):
    rings = []
    return Mailbox(Bell(lambda: rings.append(1)), messages, octets), rings


def test_what_was_left_is_taken_once_and_in_order():
    box, _ = make()
    for number in (1, 2, 3):
        box.post(message(number))
    assert box.octets == 3 * (1 + OVERHEAD)
    messages, missed, lost = box.take()
    assert ([each.offset for each in messages], missed, lost) == ([1, 2, 3], {}, 0)
    assert (box.take()[0], box.octets) == ([], 0)


def test_a_bell_rings_once_until_it_was_heard():
    box, rings = make()
    for _ in range(3):
        box.bell.ring()
    assert len(rings) == 1
    box.bell.rung = False
    box.bell.ring()
    assert len(rings) == 2


def test_a_full_one_takes_nothing_until_it_is_emptied_and_says_what_it_missed():
    box, _ = make(messages=2)
    for number in range(1, 6):
        box.post(message(number, f"/topic/{'ab'[number % 2]}"))
    messages, missed, lost = box.take()
    assert [each.offset for each in messages] == [1, 2]
    assert (missed, lost) == ({"/topic/b": 3, "/topic/a": 4}, 3)
    box.post(message(6))
    assert [each.offset for each in box.take()[0]] == [6]


def test_it_is_full_by_octets_too():
    box, _ = make(octets=3 * OVERHEAD)
    for number in range(1, 9):
        box.post(message(number, body=bytes(OVERHEAD)))
    assert [each.offset for each in box.take()[0]] == [1, 2]


def test_of_many_destinations_only_the_first_are_noted_one_by_one():
    box, _ = make(messages=1)
    for number in range(1, 1500):
        box.post(message(number, f"/topic/{number}"))
    _, missed, lost = box.take()
    assert (len(missed), missed[""], lost) == (1001, 1002, 1498)


def test_who_publishes_much_is_to_slow_down_long_before_it_is_full_but_not_for_one_that_is_stuck():
    box, _ = make(messages=80)
    for number in range(1, 11):
        box.post(message(number))
    assert not box.crowded
    box.post(message(11))
    assert box.crowded
    for number in range(12, 100):
        box.post(message(number))
    assert box.missed and not box.crowded
    assert repr(box) == "<mailbox with 80 messages, 19 lost>"
