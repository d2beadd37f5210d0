"""Messages that are published together, in as many turns as it takes."""

from itertools import count, pairwise

import pytest
from worlds import World

from qmq.errors import QmqError
from qmq.session import batch as module
from qmq.session.access import EVERYTHING
from qmq.session.operations import Operations, Posting

STEPS = 5  # fit into a turn here


@pytest.fixture
def operations(monkeypatch):
    """Operations on a world whose clock goes on by a fifth of a turn whenever it is looked at."""
    ticks = count()
    monkeypatch.setattr(module, "clock", lambda: next(ticks) * module.TURN_SECONDS / STEPS)
    world = World(desk=True)
    return Operations(world.registry, world.limits, world.stats, world.desk, 10)


def postings(how_many, destination="/queue/a", key=""):
    return [Posting(destination, str(number).encode(), {}, key and f"{key}{number}") for number in range(how_many)]


def bodies(operations, queue="/queue/a", most=1000):
    claim = operations.consume(EVERYTHING, queue, most, 100_000)
    return [int(each.message.body) for each in claim.close()]


def work_off(batch):
    while not batch.go_on():
        pass
    return batch.ids()


def test_a_small_batch_is_done_in_its_first_turn(operations):
    batch = operations.begin(EVERYTHING, postings(2))
    assert batch.done
    assert batch.turns == 1
    assert len(batch.ids()) == 2


def test_a_large_batch_takes_turns_and_keeps_its_order(operations):
    batch = operations.begin(EVERYTHING, postings(100))
    assert not batch.done
    identities = work_off(batch)
    assert batch.turns >= 200 / (STEPS + 1)
    assert len(set(identities)) == 100
    assert bodies(operations) == list(range(100))


def test_a_turn_does_no_more_than_there_is_time_for(operations):
    batch = operations.begin(EVERYTHING, postings(100, "/topic/a"))
    published = [operations.registry.hub.offset]
    while not batch.go_on():
        published.append(operations.registry.hub.offset)
    assert max(after - before for before, after in pairwise(published)) <= STEPS + 1


def test_others_publish_in_between(operations):
    batch = operations.begin(EVERYTHING, postings(100))
    while not len(operations.registry.declare("/queue/a")):
        batch.go_on()
    operations.publish(EVERYTHING, [Posting("/queue/a", b"999")])
    work_off(batch)
    found = bodies(operations)
    assert 0 < found.index(999) < 100
    found.remove(999)
    assert found == list(range(100))


def test_a_batch_without_room_leaves_nothing(operations):
    operations.manage(EVERYTHING, "declare", {"destination": "/queue/a", "max-length": 99})
    batch = operations.begin(EVERYTHING, postings(100))
    with pytest.raises(QmqError, match="nothing was published"):
        work_off(batch)
    assert bodies(operations) == []


def test_room_that_goes_meanwhile_is_told(operations):
    operations.manage(EVERYTHING, "declare", {"destination": "/queue/a", "max-length": 100})
    batch = operations.begin(EVERYTHING, postings(100))
    while not len(operations.registry.declare("/queue/a")):
        batch.go_on()
    operations.publish(EVERYTHING, [Posting("/queue/a", b"999")])
    with pytest.raises(QmqError, match="99 of 100 were published") as caught:
        work_off(batch)
    assert caught.value.code.name == "queue-full"


def test_a_batch_that_comes_again_goes_on_where_it_stopped(operations):
    first = operations.begin(EVERYTHING, postings(50, key="k"))
    work_off(first)
    again = operations.begin(EVERYTHING, postings(60, key="k"))
    identities = work_off(again)
    assert identities[:50] == [""] * 50
    assert all(identities[50:])
    assert bodies(operations) == list(range(60))


def test_whoever_waits_is_told_once(operations):
    batch = operations.begin(EVERYTHING, postings(30))
    told = []
    batch.on_change = lambda: told.append(batch.done)
    work_off(batch)
    batch.go_on()
    assert told == [True]


def test_a_batch_that_nobody_waits_for_is_published(operations):
    batch = operations.begin(EVERYTHING, postings(30))
    batch.abandon()
    work_off(batch)
    assert bodies(operations) == list(range(30))


def test_all_that_is_left_is_done_for_who_asks_for_ids(operations):
    batch = operations.begin(EVERYTHING, postings(30))
    assert len(batch.ids()) == 30
    assert batch.go_on()
