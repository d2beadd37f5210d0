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
    """Seconds that this address is told to wait; 0 if it may try."""
    try:
        lockout.check(address)
    except QmqError as error:
        assert error.code.name == "too-many-logins" and error.code.retry
        return error.retry_after / 1000
    return 0


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
            stack.enter_context(lockout.trying("a"))
        with pytest.raises(QmqError, match="too-many-logins"), lockout.trying("a"):
            pass
        with lockout.trying("b"):
            pass
    with lockout.trying("a"):
        pass
    assert len(lockout) == 0 and lockout._trying == {}


def test_what_fails_counts_and_what_can_be_tried_again_does_not(clock):
    lockout = Lockout(1, clock)
    for code in ("shutting-down", "token-expired", "bad-login"):
        assert wait(lockout) == 0
        with pytest.raises(QmqError, match=code), lockout.trying("a"):
            raise QmqError(code)
    assert wait(lockout) == pytest.approx(1, abs=0.01)


def test_none_means_that_nobody_waits(clock):
    lockout = Lockout(0, clock)
    for _ in range(100):
        lockout.failed("a")
    assert wait(lockout) == 0
    assert len(lockout) == 0
