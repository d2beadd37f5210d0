"""The account of memory: when publishers wait, and when they go on."""

import pytest

from qmq.core.memory import UNCOUNTED, Memory
from qmq.errors import QmqError


def test_full_from_the_ceiling_on():
    memory = Memory(100)
    memory.take(99)
    assert not memory.full
    memory.take(1)
    assert memory.full


def test_publishers_go_on_a_little_below_the_ceiling():
    memory, calls = Memory(100), []
    memory.take(100 - memory.used)
    memory.wait(lambda: calls.append("a"))
    memory.wait(lambda: calls.append("b"))
    memory.free(10)
    assert (calls, memory.full) == ([], True)  # others must not overtake those who wait
    memory.free(1)
    assert (calls, memory.full) == (["a", "b"], False)
    memory.free(50)
    assert calls == ["a", "b"]


def test_one_who_waits_again_is_called_again():
    memory, calls = Memory(100), []

    def callback():
        calls.append(memory.used)
        if len(calls) == 1:
            memory.wait(callback)

    memory.take(100 - memory.used)
    memory.wait(callback)
    memory.free(20)
    assert (calls, memory.full) == ([80], True)
    memory.free(20)
    assert (calls, memory.full) == ([80, 60], False)


def test_one_who_has_gone_is_not_called():
    memory, calls = Memory(100), []

    def callback():
        calls.append(1)

    memory.take(100 - memory.used)
    memory.wait(callback)
    memory.wait(calls.clear)
    memory.forget(callback)
    memory.free(100)
    assert (calls, memory.full) == ([], False)


def test_above_the_brim_nothing_may_be_published():
    memory = Memory(100)
    memory.take(124 - memory.used)
    memory.check()
    memory.take(125 - memory.used)
    with pytest.raises(QmqError, match="125 octets wait, 100 may") as error:
        memory.check()
    assert error.value.code.name == "memory-full"


def test_there_are_those_without_a_ceiling():
    assert not UNCOUNTED.full


def test_it_says_what_it_is():
    memory = Memory(100)
    memory.take(7 - memory.used)
    memory.wait(print)
    assert repr(memory) == "<memory 7 of 100, 1 wait>"
