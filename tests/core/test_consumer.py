"""A consumer: its credit, settling by tags, stopping and cancelling."""

import pytest

from qmq.core.consumer import cancel_all, find_late
from qmq.errors import QmqError
from tests.core.workers import Shop, Worker


def test_no_more_than_prefetch_are_unsettled():
    queue = Shop(*"abcde").queue
    worker = Worker(queue, 2)
    assert worker.take() == ["a", "b"]
    worker.ack("b")
    assert worker.take() == ["c"]
    worker.ack("a", "c")
    assert worker.take() == ["d", "e"]
    assert not worker.consumer.wants


def test_tags_count_from_one_and_are_the_consumers_own():
    queue = Shop(*"abcd").queue
    one, other = Worker(queue, 2), Worker(queue, 2)
    assert one.tags == {"a": 1, "b": 2}
    assert other.tags == {"c": 1, "d": 2}
    one.nack("a")
    assert one.tags == {"a": 3, "b": 2}


@pytest.mark.parametrize("tag", [0, 3, 99, -1])
def test_settling_what_it_does_not_have(tag):
    queue = Shop("a", "b", "c").queue
    worker = Worker(queue, 2)
    for settle in (worker.consumer.ack, worker.consumer.nack, worker.consumer.through):
        with pytest.raises(QmqError, match=f"number {tag} of /queue/a is settled, or was never given") as error:
            settle(tag)
        assert error.value.code.name == "unknown-delivery"
    assert worker.held == ["a", "b"]


def test_settling_twice():
    queue = Shop("a", "b").queue
    worker = Worker(queue)
    worker.ack("a")
    worker.nack("b", requeue=False)
    for body in "ab":
        with pytest.raises(QmqError):
            worker.ack(body)
        with pytest.raises(QmqError):
            worker.nack(body)
    assert queue.acked == 1


def test_through_is_all_up_to_one():
    queue = Shop(*"abcde").queue
    worker = Worker(queue)
    worker.ack("b")
    assert worker.consumer.through(4) == [1, 3, 4]
    assert worker.consumer.through(1) == [1]
    worker.nack("a")  # comes again, with a later tag
    assert worker.consumer.through(6) == [3, 4, 5, 6]


def test_one_without_room_gets_nothing_until_it_resumes():
    queue = Shop("a", "b", "c").queue
    worker = Worker(queue, 10, room=False)
    assert worker.take() == ["a"]
    worker.ack("a")
    assert worker.take() == []
    worker.resume()
    assert worker.take() == ["b", "c"]
    worker.resume()
    assert worker.take() == []


def test_one_that_is_resumed_twice_is_in_line_once():
    world = Shop()
    queue = world.queue
    one, other = Worker(queue), Worker(queue)
    one.resume()
    one.resume()
    world.put(*"abcd")
    assert (one.take(), other.take()) == (["a", "c"], ["b", "d"])


def test_fetching_one_at_a_time():
    queue = Shop("a", "b").queue
    worker = Worker(queue, 0)
    assert worker.take() == []
    assert worker.consumer.fetch() is True
    assert worker.take() == ["a"]
    assert worker.consumer.fetch() is True
    assert worker.consumer.fetch() is False
    assert worker.held == ["a", "b"]
    worker.nack("a")
    assert (worker.take(), len(queue)) == (["b"], 1)


def test_fetching_without_having_to_settle():
    world = Shop("a")
    queue = world.queue
    worker = Worker(queue, 0, auto=True)
    assert worker.consumer.fetch()
    assert (worker.held, queue.acked, queue.unsettled, world.memory.used) == ([], 1, 0, 0)


def test_fetching_is_beyond_prefetch():
    queue = Shop("a", "b").queue
    worker = Worker(queue, 1)
    assert worker.consumer.fetch()
    assert worker.take() == ["a", "b"]


def test_whoever_was_cancelled_cannot_fetch():
    """The message would be nobody's: it was given to one who can neither settle it nor give it back."""
    queue = Shop("a").queue
    worker = Worker(queue, 0)
    worker.consumer.cancel()
    assert worker.consumer.fetch() is False
    assert (len(queue), queue.unsettled) == (1, 0)


def test_one_that_stops_may_settle_but_gets_no_more():
    world = Shop("a", "b", "c", "d")
    queue = world.queue
    worker = Worker(queue, 2)
    worker.consumer.stop()
    worker.ack("a")
    worker.nack("b")
    world.put("e")
    worker.resume()
    assert worker.take() == ["a", "b"]
    worker.consumer.cancel()
    assert world.waiting == ["b", "c", "d", "e"]


def test_cancelling_gives_everything_back_in_order():
    world = Shop(*"abcde")
    queue = world.queue
    worker = Worker(queue, 4)
    worker.ack("b")
    worker.take()
    worker.consumer.cancel()
    worker.consumer.cancel()
    assert world.waiting == ["a", "c", "d", "e"]
    assert (queue.unsettled, dict(queue.consumers), worker.held, worker.ended) == (0, {}, [], [])
    with pytest.raises(QmqError):
        worker.ack("a")
    worker.resume()
    assert worker.take() == []
    assert Worker(queue).take() == ["a/2", "c/2", "d/2", "e/2"]


def test_several_of_one_client_end_together():
    """None of them gets what another gives back, and others get it in the old order."""
    world = Shop(*"abcdef")
    queue = world.queue
    mine, mine_too = Worker(queue, 2), Worker(queue, 2)
    other = Worker(queue, 1)
    assert other.take() == ["e"]
    for worker in (mine, mine_too):
        worker.take()
    queue_b = world.registry.declare("/queue/b")
    world.publish("/queue/b", "x")
    elsewhere = Worker(queue_b)
    cancel_all([mine_too.consumer, elsewhere.consumer, mine.consumer])
    assert (mine.take(), mine_too.take()) == ([], [])
    other.ack("e")
    assert other.take() == ["a/2"]
    assert world.waiting == ["b", "c", "d", "f"]
    assert world.bodies("/queue/b") == ["x"]
    assert not (mine.consumer.open or mine_too.consumer.open or elsewhere.consumer.open)


def test_several_end_together_and_another_one_with_credit_gets_all_in_order():
    queue = Shop(*"abcd").queue
    mine, mine_too = Worker(queue, 2), Worker(queue, 2)
    mine.nack("a", "b")
    other = Worker(queue, 10)
    cancel_all([mine_too.consumer, mine.consumer])
    assert [body[0] for body in other.take()] == sorted("abcd")


def test_who_is_late():
    world = Shop()
    queue = world.queue
    workers = [Worker(queue, 2) for _ in range(4)]
    for body in "abc":
        world.put(body)
        world.now += 10
    consumers = [worker.consumer for worker in workers]
    assert find_late(consumers, 100, world.now) == ([], 1000.0)
    assert find_late(consumers, 20, world.now) == (consumers[:2], 1020.0)
    assert find_late(consumers, 10, world.now) == (consumers[:3], 0.0)
    assert find_late(reversed(consumers), 100, world.now) == ([], 1000.0)


def test_it_says_what_it_is():
    queue = Shop("a").queue
    assert repr(Worker(queue, 3).consumer) == "<consumer of /queue/a, 1 of 3 unsettled>"
