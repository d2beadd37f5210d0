"""Who guesses has to wait, the longer the more often, and nobody else does."""

from contextlib import ExitStack

import pytest

from qmq.errors import QmqError
from qmq.gateway.lockout import _ADDRESSES, _AT_ONCE, Lockout


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def wait(lockout, address="a"):
    """Seconds for which this address counts as one that guesses."""
    return lockout.left(address)


def test_some_failures_are_free_then_the_wait_doubles(clock):
    lockout = Lockout(3, clock)
    for _ in range(3):
        assert wait(lockout) == 0
        lockout.failed("a")
    waits = []
    for _ in range(12):
        waits.append(round(wait(lockout)))
        clock.now += wait(lockout)
        assert wait(lockout) == 0
        lockout.failed("a")
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert wait(lockout, "b") == 0


def test_who_has_not_failed_for_long_begins_anew(clock):
    lockout = Lockout(1, clock)
    for _ in range(5):
        lockout.failed("a")
    assert round(wait(lockout)) == 16
    clock.now += 3601
    assert wait(lockout) == 0
    lockout.failed("a")
    assert round(wait(lockout)) == 1


def test_a_whole_network_of_ipv6_is_one_client(clock):
    lockout = Lockout(1, clock)
    lockout.failed("2001:db8::1")
    assert wait(lockout, "2001:db8::2") > 0
    assert wait(lockout, "2001:db8:0:1::1") == 0


def test_the_table_is_bounded_and_forgets_the_oldest(clock):
    lockout = Lockout(1, clock)
    for number in range(_ADDRESSES + 10):
        lockout.failed(str(number))
    assert len(lockout) == _ADDRESSES
    assert wait(lockout, "9") == 0
    assert wait(lockout, "10") > 0
    assert repr(lockout) == f"<lockout {_ADDRESSES} addresses>"


def test_only_so_many_are_looked_at_at_the_same_time(clock):
    lockout = Lockout(3, clock)
    with ExitStack() as stack:
        for _ in range(_AT_ONCE):
            stack.enter_context(lockout.trying("a", b""))
        with pytest.raises(QmqError, match="too-many-logins"), lockout.trying("a", b""):
            pass
        with lockout.trying("b", b""):
            pass
    with lockout.trying("a", b""):
        pass
    assert len(lockout) == 0 and lockout._trying == {}


def test_what_fails_counts_and_what_can_be_tried_again_does_not(clock):
    lockout = Lockout(1, clock)
    for code in ("shutting-down", "token-expired", "bad-login"):
        assert wait(lockout) == 0
        with pytest.raises(QmqError, match=code), lockout.trying("a", b""):
            raise QmqError(code)
    assert wait(lockout) == pytest.approx(1, abs=0.01)


def test_none_means_that_nobody_waits(clock):
    lockout = Lockout(0, clock)
    for _ in range(100):
        lockout.failed("a")
    assert wait(lockout) == 0
    assert len(lockout) == 0


def attempt(lockout, proof, right=False, cheap=False):
    """Whether a login was looked at; one that is refused is told nothing else."""
    looked = False
    try:
        with lockout.trying("a", proof, cheap):
            looked = True
            if not right:
                raise QmqError("bad-login")
    except QmqError as error:
        if lockout.left("a"):
            assert error.code.name in ("bad-login", "too-many-logins")
    return looked


def locked(clock):
    lockout = Lockout(3, clock)
    assert [attempt(lockout, b"w") for _ in range(3)] == [True] * 3
    assert lockout.left("a")
    return lockout


def test_what_is_known_to_be_wrong_is_not_looked_at_again(clock):
    lockout = locked(clock)
    before = lockout.left("a")
    assert [attempt(lockout, b"w") for _ in range(100)] == [False] * 100
    assert lockout.left("a") == before  # a script that goes on makes nothing worse
    lockout.forget_proofs()
    assert attempt(lockout, b"w")


def test_what_is_right_passes_however_often(clock):
    lockout = locked(clock)
    assert all(attempt(lockout, b"r%d" % number, right=True) for number in range(100))


def test_few_guesses_are_looked_at_while_an_address_guesses(clock):
    lockout = locked(clock)
    looked = sum(attempt(lockout, b"%d" % number) for number in range(200))
    assert looked == 10
    clock.now += 4.9
    assert not attempt(lockout, b"x")
    clock.now += 0.1
    assert attempt(lockout, b"y") and not attempt(lockout, b"z")


def test_what_is_cheap_is_always_looked_at(clock):
    lockout = locked(clock)
    assert all(attempt(lockout, b"%d" % number, cheap=True) for number in range(200))
    assert len(lockout._failures["a"].wrong) == 64


def test_one_that_guesses_is_told_when_to_come_back(clock):
    lockout = locked(clock)
    with pytest.raises(QmqError) as error, lockout.trying("a", b"w"):
        pass
    assert error.value.code.name == "too-many-logins"
    assert error.value.retry_after == 1001


def test_who_could_be_looked_at_later_may_wait(clock):
    lockout = locked(clock)
    assert not lockout.crowded("a", b"x")
    with ExitStack() as stack:
        for number in range(10):
            assert not lockout.crowded("a", b"x")
            stack.enter_context(lockout.trying("a", b"%d" % number))
        assert lockout.crowded("a", b"x")
        assert not lockout.crowded("b", b"x")
    assert not lockout.crowded("a", b"x")  # those were right
