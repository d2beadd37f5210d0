"""Audiences: whoever is a member gets everything from joining to leaving, once, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core.audience import Audience
from qmq.core.outbox import Outbox
from qmq.stats import Stats


class Member:
    """A connection that remembers what it was handed."""

    least_turns = 8

    def __init__(self):
        self.outbox = Outbox(self, Stats(), 1 << 20)
        self.got = []
        self.turns = 0
        self.pieces = []

    def deliver(self, data, batch):
        self.turns += 1
        self.pieces.append(data)
        self.got += [delivery[2] for delivery in batch]
        assert data == b"".join(delivery[2] for delivery in batch)

    def flush(self):
        self.got += [delivery[2] for delivery in self.outbox.fresh]
        self.outbox.fresh.clear()


def offer(audience, number):
    return audience.offer((audience, None, b"%d;" % number))


def make(members):
    audience = Audience("/topic/a", None, Stats())
    found = [Member() for _ in range(members)]
    for member in found:
        audience.join(member.outbox, sole=True)
    return audience, found


@pytest.mark.parametrize(("least", "passes"), [(8, 4), (16, 2), (100, 1)])
def test_a_pass_gives_as_many_turns_as_are_worth_one(monkeypatch, least, passes):
    monkeypatch.setattr(Member, "least_turns", least)
    audience, members = make(32)
    offer(audience, 0)
    assert [audience.take_turns(12) for _ in range(passes)] == [*[False] * (passes - 1), True]
    assert {member.turns for member in members} == {1}


def test_one_turn_for_many_messages_and_the_same_octets_for_all():
    audience, members = make(3)
    for number in range(5):
        assert offer(audience, number) == 3
    assert audience.take_turns()
    assert {member.turns for member in members} == {1}
    assert len({id(member.pieces[0]) for member in members}) == 1


def test_a_round_is_spread_over_passes_and_takes_along_what_is_published_meanwhile():
    audience, members = make(100)
    offer(audience, 1)
    assert not audience.take_turns(4)
    assert [member.turns for member in members] == [1] * 25 + [0] * 75
    offer(audience, 2)
    passes = 1
    while not audience.take_turns(4):
        passes += 1
    assert passes == 4
    assert [member.turns for member in members] == [2] * 25 + [1] * 75
    assert {tuple(member.got) for member in members} == {(b"1;", b"2;")}


def test_the_log_stays_short_under_a_stream_that_never_pauses():
    audience, members = make(100)
    for number in range(400):
        offer(audience, number)
        audience.take_turns(4)
        assert len(audience._log) < 20
    while not audience.take_turns(4):
        pass
    assert {len(member.got) for member in members} == {400}


def test_who_leaves_gets_what_was_offered_before_and_nothing_after():
    audience, (one, two) = make(2)
    offer(audience, 1)
    audience.leave(one.outbox)
    assert offer(audience, 2) == 1
    audience.take_turns()
    assert (one.got, two.got) == ([b"1;"], [b"1;", b"2;"])
    audience.leave(two.outbox)
    assert len(audience) == 0
    assert offer(audience, 3) == 0
    assert audience.take_turns()


def test_gaps_are_closed():
    audience, members = make(100)
    for member in members[::2] + members[1:60:2]:
        audience.leave(member.outbox)
    assert len(audience) == 20
    assert len(audience._order) < 60
    offer(audience, 1)
    audience.take_turns()
    assert [member.got for member in members[61::2]] == [[b"1;"]] * 20


steps = st.lists(
    st.one_of(
        st.just(("offer", 0)),
        st.just(("offer", 0)),
        st.tuples(st.just("turns"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["join", "join mixed"]), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 200)),
    ),
    max_size=120,
)


@pytest.mark.parametrize("crowd", [0, 60])
@given(steps)
def test_everybody_gets_all_of_it_once_and_in_order(crowd, script):
    """However joins, leaves, messages and turns interleave."""
    audience, members = make(crowd)
    present = {member: [] for member in members}
    gone = []
    for number, (action, value) in enumerate(script):
        if action == "offer":
            assert offer(audience, number) == len(present)
            for expected in present.values():
                expected.append(b"%d;" % number)
        elif action == "turns":
            audience.take_turns(value)
        elif action == "leave":
            if present:
                member = list(present)[value % len(present)]
                audience.leave(member.outbox)
                gone.append((member, present.pop(member)))
        else:
            member = Member()
            audience.join(member.outbox, sole=action == "join")
            present[member] = []
    while not audience.take_turns(1):
        pass
    for member, expected in [*present.items(), *gone]:
        member.flush()
        assert member.got == expected
    assert audience._log == []
