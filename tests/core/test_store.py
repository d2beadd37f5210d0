"""Rings: what they keep, what they drop and when, and that they know it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.memory import OVERHEAD
from qmq.core.message import Envelope, Message, Origin
from qmq.core.store import Keep, Ring

ORIGIN = Origin("node", "e")
PLAIN = Envelope("/topic/a", {})


class Account:
    """Notes what it is told."""

    def __init__(self):
        self.octets = 0

    def grew(self, ring, octets):
        self.octets += octets


def ring_of(**bounds):
    account = Account()
    return Ring("/topic/a", Keep(**bounds), account), account


def message(offset, body=b"", envelope=PLAIN):
    return Message(envelope, body, True, ORIGIN, offset)


def offsets(ring, after=0):
    ring.trim()
    return [each.offset for each in ring.after(after)]


def test_an_empty_ring():
    ring, account = ring_of()
    assert (len(ring), ring.first, ring.last, ring.dropped, offsets(ring)) == (0, 0, 0, 0, [])
    ring.settle()
    ring.trim()
    assert account.octets == 0


def test_what_was_taken_in_this_pass_is_there_at_once():
    ring, _ = ring_of()
    ring.append(message(3))
    ring.append(message(7))
    assert (len(ring), ring.last) == (2, 7)
    assert offsets(ring) == [3, 7]
    assert [offsets(ring, after) for after in (2, 3, 6, 7, 8)] == [[3, 7], [7], [7], [], []]
    assert (len(ring), ring.first, ring.last, ring.dropped) == (2, 3, 7, 0)


@pytest.mark.parametrize("kept", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("per_pass", [1, 3, 64, 200])
def test_no_more_messages_than_asked_for_are_read_and_the_last_dropped_is_known(kept, per_pass):
    ring, _ = ring_of(messages=kept)
    for offset in range(1, 2001):
        ring.append(message(offset))
        if offset % per_pass == 0:
            ring.settle()
            assert len(ring) <= kept + 64
    assert offsets(ring) == list(range(2001 - kept, 2001))
    assert ring.dropped == 2000 - kept


def test_a_topic_that_keeps_nothing_knows_what_it_had():
    ring, account = ring_of(messages=0)
    ring.append(message(5))
    ring.settle()
    assert (len(ring), ring.dropped, ring.last, account.octets) == (0, 5, 5, 0)


def test_octets_are_those_of_bodies_headers_and_what_python_needs():
    ring, account = ring_of()
    ring.append(message(1, b"12345", Envelope("/topic/a", {"a": "bc"})))
    ring.settle()
    assert account.octets == ring.octets == 5 + 3 + OVERHEAD


def test_no_more_octets_than_asked_for():
    ring, account = ring_of(bytes=10 * (OVERHEAD + 1000))
    for offset in range(1, 100):
        ring.append(message(offset, bytes(1000)))
        ring.settle()
        assert ring.octets <= 10 * (OVERHEAD + 1000) * 9 // 8
    assert offsets(ring) == list(range(90, 100))
    assert account.octets == ring.octets == 10 * (OVERHEAD + 1000)


def test_a_message_larger_than_the_bound_is_not_kept_and_nothing_before_it():
    ring, account = ring_of(bytes=1000)
    ring.append(message(1))
    ring.append(message(2, bytes(1001)))
    ring.settle()
    assert (offsets(ring), ring.dropped, account.octets) == ([], 2, 0)


def test_a_burst_of_large_messages_is_cut_to_the_bound_though_it_came_in_one_pass():
    ring, _ = ring_of(bytes=4 * (1000 + OVERHEAD))
    for offset in range(1, 31):
        ring.append(message(offset, bytes(1000)))
    ring.settle()
    assert ring.octets <= 4 * (1000 + OVERHEAD) * 9 // 8
    assert offsets(ring) == [27, 28, 29, 30]


def test_what_is_too_old_goes_though_it_shares_a_batch_with_what_is_not():
    ring, account = ring_of()
    for offset in range(1, 11):
        ring.append(message(offset))
        ring.settle()
    ring.expire(4)
    assert offsets(ring) == [5, 6, 7, 8, 9, 10]
    assert (ring.dropped, account.octets) == (4, 6 * OVERHEAD)
    ring.expire(10)
    assert (len(ring), ring.first, ring.last, ring.dropped, account.octets) == (0, 0, 10, 10, 0)


def test_dropping_the_oldest():
    ring, account = ring_of()
    for offset in range(1, 101):
        ring.append(message(offset))
    ring.settle()
    ring.drop_oldest()
    assert (ring.dropped, ring.first, len(ring), account.octets) == (64, 65, 36, 36 * OVERHEAD)
    ring.drop_oldest()
    assert (ring.dropped, ring.first, len(ring), account.octets) == (100, 0, 0, 0)


steps = st.one_of(
    st.tuples(st.just("take"), st.integers(1, 90), st.integers(0, 2000)),
    st.tuples(st.just("settle"), st.just(0), st.just(0)),
    st.tuples(st.just("expire"), st.integers(0, 100), st.just(0)),
)


@given(
    messages=st.integers(0, 150), octets=st.integers(0, 100_000), script=st.lists(steps, max_size=40),
    skip=st.integers(1, 3), position=st.integers(0, 2000),
)  # fmt: skip
def test_a_ring_is_a_list_cut_at_its_head(messages, octets, script, skip, position):
    ring, account = ring_of(messages=messages, bytes=octets)
    model, offset, expired = [], 0, 0
    for step, number, size in script:
        if step == "take":
            for _ in range(number):
                offset += skip
                ring.append(message(offset, bytes(size)))
                model.append((offset, size + OVERHEAD))
        elif step == "settle":
            ring.settle()
        else:
            ring.trim()
            ring.expire(offset - number)
            expired = max(expired, offset - number)
    found = offsets(ring)
    while model and (len(model) > messages or sum(size for _, size in model) > octets or model[0][0] <= expired):
        model.pop(0)
    assert found == [each for each, _ in model]
    assert account.octets == ring.octets == sum(size for _, size in model)
    assert ring.last == offset
    assert ring.dropped == (found[0] - skip if found else offset)
    assert offsets(ring, position) == [each for each in found if each > position]
