"""A request that waits ends once, in one of three ways."""

import asyncio

import pytest

from qmq.gateway.hold import Hold, Turns


class Waiting:
    """What is waited for."""

    on_change = None
    abandoned = 0

    def abandon(self):
        self.abandoned += 1


@pytest.mark.gen_test(timeout=10)
async def test_it_ends_in_a_pass_of_its_own_once_something_has_come():
    waiting, told = Waiting(), []
    Hold(waiting, 20, lambda: told.append(True))
    change = waiting.on_change
    change()
    change()
    assert told == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told == [True] and waiting.on_change is None and not waiting.abandoned


@pytest.mark.gen_test(timeout=10)
async def test_it_ends_when_its_time_is_over():
    over = asyncio.get_running_loop().create_future()
    Hold(Waiting(), 0.01, lambda: over.set_result(True))
    assert await over


@pytest.mark.gen_test(timeout=10)
async def test_who_has_gone_is_not_told():
    waiting, told = Waiting(), []
    hold = Hold(waiting, 20, lambda: told.append(True))
    waiting.on_change()
    hold.cancel()
    hold.cancel()
    hold.end()
    await asyncio.sleep(0)
    assert told == [] and waiting.abandoned == 1


class Work:
    """A batch that takes so many turns."""

    def __init__(self, name, turns, seen):
        self.name, self.left, self.seen = name, turns, seen

    def go_on(self):
        self.seen.append(self.name)
        self.left -= 1
        return not self.left


@pytest.mark.gen_test(timeout=10)
async def test_batches_take_turns_one_in_each_pass():
    seen, turns = [], Turns()
    turns.add(Work("a", 3, seen))
    turns.add(Work("b", 2, seen))
    assert seen == []
    for passed in range(1, 6):
        await asyncio.sleep(0)
        assert len(seen) == passed
    assert "".join(seen) == "ababa"
    await asyncio.sleep(0)
    assert len(seen) == 5
    turns.add(Work("c", 1, seen))
    await asyncio.sleep(0)
    assert seen[5:] == ["c"]
