"""What waits for the server: its limits, its order, and who waits for room."""

import asyncio

import pytest

from qmq.client.journal import Journal
from qmq.errors import QmqError


def test_what_is_kept_goes_out_again_and_the_rest_once():
    journal = Journal(10, 100)
    journal.add("1", [b"a"], kept=True)
    journal.add("2", [b"b", b"c"], kept=False)
    journal.add("3", [b"d"], kept=True)
    assert list(journal.flush()) == [[b"a"], [b"b", b"c"], [b"d"]]
    assert ("2" in journal, len(journal)) == (False, 2)
    journal.remove("1")
    journal.remove("1")
    assert list(journal.flush()) == [[b"d"]]
    journal.clear(QmqError("closed"))
    assert not list(journal.flush())


def test_its_limits():
    journal = Journal(2, 10)
    journal.add("1", [b"x" * 6], kept=True)
    with pytest.raises(QmqError, match="outbox-full"):
        journal.add("2", [b"xx", b"xxx"], kept=True)
    journal.add("2", [b"xxxx"], kept=True)
    assert not journal.fits(0)
    journal.remove("1")
    assert journal.fits(6)
    assert not journal.fits(7)
    journal.remove("2")
    assert journal.fits(1000)  # alone, whatever its size


@pytest.mark.gen_test
async def test_room_is_given_in_order():
    journal, order = Journal(1, 100), []

    async def enter(name):
        await journal.room(1)
        journal.add(name, [b"x"], kept=True)
        order.append(name)

    journal.add("0", [b"x"], kept=True)
    tasks = [asyncio.create_task(enter(name)) for name in "abcd"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    for name in "0ac":
        journal.remove(name)
        for _ in range(5):
            await asyncio.sleep(0)
    assert order == ["a", "c", "d"]
    assert not journal._waiting


@pytest.mark.gen_test
async def test_a_place_that_is_given_up_goes_to_the_next():
    journal = Journal(1, 100)
    journal.add("0", [b"x"], kept=True)
    first, second = (asyncio.create_task(journal.room(1)) for _ in range(2))
    await asyncio.sleep(0)
    journal.remove("0")
    first.cancel()
    await asyncio.wait_for(second, 2)


@pytest.mark.gen_test
async def test_a_large_one_waits_until_there_is_room_for_it():
    journal = Journal(10, 10)
    for name in "abc":
        journal.add(name, [b"xxx"], kept=True)
    large, small = asyncio.create_task(journal.room(8)), asyncio.create_task(journal.room(1))
    for name in "abc":
        await asyncio.sleep(0)
        assert not large.done()
        assert not small.done()  # it came later
        journal.remove(name)
    await asyncio.wait_for(asyncio.gather(large, small), 2)


@pytest.mark.gen_test
async def test_whoever_waits_can_be_refused():
    journal = Journal(1, 10)
    journal.add("0", [b"x"], kept=True)
    waiting = [asyncio.create_task(journal.room(1)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    journal.refuse(QmqError("closed"))
    for task in waiting[1:]:
        with pytest.raises(QmqError, match="closed"):
            await task
