"""A consumer's credit, its tags, and how it settles."""

import pytest
from worlds import World

from qmq.core.consumer import cancel_all, find_late
from qmq.errors import QmqError
from tests.core.workers import Worker

QUEUE = "/queue/a"


def queue_of(*bodies, **options):
    world = World()
    queue = world.registry.declare(QUEUE, options)
    world.publish(QUEUE, *bodies)
    return world, queue


def test_no_more_than_the_prefetch_is_unsettled():
    _, queue = queue_of(*"abcd")
    worker = Worker(queue, prefetch=2)
    assert worker.take() == ["a", "b"]
    assert not worker.consumer.wants
    worker.ack("b")
    assert worker.take() == ["c"]
    worker.ack("a", "c")
    assert (worker.take(), worker.held, queue.acked) == (["d"], ["d"], 3)


def test_tags_count_from_one_and_each_settles_once():
    _, queue = queue_of("a")
    worker = Worker(queue)
    assert worker.tags == {"a": 1}
    for tag in (0, 2, -1, 10**20):
        with pytest.raises(QmqError, match="unknown-delivery"):
            worker.consumer.ack(tag)
    worker.ack("a")
    for settle in (worker.consumer.ack, worker.consumer.nack, worker.consumer.through):
        with pytest.raises(QmqError, match=f"unknown-delivery.*number 1 of {QUEUE}"):
            settle(1)


def test_through_is_all_up_to_a_tag():
    _, queue = queue_of(*"abcd")
    worker = Worker(queue)
    worker.ack("b")
    assert worker.consumer.through(3) == [1, 3]


def test_one_without_room_gets_nothing_until_it_resumes():
    _, queue = queue_of(*"abc")
    worker = Worker(queue, room=False)
    assert worker.take() == ["a"]
    worker.ack("a")
    assert worker.take() == []
    worker.resume()
    assert worker.take() == ["b", "c"]


def test_one_that_only_fetches():
    _, queue = queue_of("a", "b")
    worker = Worker(queue, prefetch=0)
    assert (worker.take(), worker.consumer.fetches) == ([], True)
    assert worker.consumer.fetch()
    assert worker.consumer.fetch()
    assert not worker.consumer.fetch()
    assert worker.take() == ["a", "b"]


def test_one_that_has_stopped_may_settle():
    _, queue = queue_of("a", "b")
    worker = Worker(queue, prefetch=1)
    worker.consumer.stop()
    worker.ack("a")
    assert (worker.take(), queue.acked) == (["a"], 1)


def test_what_a_client_with_several_gives_back_goes_on_in_its_order_and_not_to_itself():
    _, queue = queue_of(*"123456")
    queue.pause()
    gone = [Worker(queue, prefetch=3), Worker(queue, prefetch=3)]
    queue.resume()
    assert [worker.take() for worker in gone] == [["1", "3", "5"], ["2", "4", "6"]]
    other = Worker(queue)
    cancel_all(worker.consumer for worker in gone)
    assert other.take() == [f"{number}/2" for number in "123456"]
    assert [worker.take() for worker in gone] == [[], []]


def test_cancelling_twice_is_cancelling_once():
    _, queue = queue_of("a")
    worker = Worker(queue)
    worker.consumer.cancel()
    worker.consumer.cancel()
    assert (len(queue), queue.unsettled, queue.consumers) == (1, 0, {})


def test_who_is_late():
    world, queue = queue_of("a")
    first = Worker(queue, prefetch=2)
    world.now += 5
    world.publish(QUEUE, "b")
    second, idle = Worker(queue), Worker(queue)
    first.nack("b")
    assert second.take() == ["b/2"]
    consumers = [first.consumer, second.consumer, idle.consumer]
    assert find_late(consumers, 5, world.now) == ([first.consumer], world.now)
    assert find_late(consumers, 6, world.now) == ([], world.now - 5)
    assert find_late([idle.consumer], 0, world.now) == ([], 0.0)
