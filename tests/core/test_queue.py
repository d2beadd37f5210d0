"""A queue: order, turns, settling, who may consume, pausing, closing. Bounds and times have files of their own."""

import gc

import pytest

from qmq.core.consumer import Consumer
from qmq.core.queue import Queue
from qmq.core.ready import Entry
from qmq.errors import QmqError
from tests.core.workers import DEAD, QUEUE, Shop, Worker, weight


class TestOrder:
    def test_first_in_first_out(self):
        shop = Shop(*"abc")
        worker = Worker(shop.queue)
        shop.put("d")
        assert worker.take() == ["a", "b", "c", "d"]

    def test_the_more_urgent_first(self):
        shop = Shop(max_priority=5)
        for body, priority in [("a", 0), ("b", 3), ("c", 9), ("d", 5), ("e", 3)]:
            shop.put(body, priority=priority)
        assert Worker(shop.queue).take() == ["c", "d", "b", "e", "a"]

    def test_without_max_priority_all_are_equal(self):
        shop = Shop()
        for body, priority in [("a", 0), ("b", 3)]:
            shop.put(body, priority=priority)
        assert Worker(shop.queue).take() == ["a", "b"]

    def test_an_urgent_one_overtakes_only_what_waits(self):
        shop = Shop("a", "b", max_priority=1)
        worker = Worker(shop.queue, 1)
        shop.put("c", priority=1)
        worker.ack("a")
        worker.ack("c")
        assert worker.take() == ["a", "c", "b"]


class TestTurns:
    def test_consumers_get_messages_in_turns(self):
        shop = Shop()
        workers = [Worker(shop.queue) for _ in range(3)]
        shop.put(*"abcdefg")
        assert [worker.take() for worker in workers] == [["a", "d", "g"], ["b", "e"], ["c", "f"]]

    def test_who_has_no_credit_is_passed_over(self):
        shop = Shop()
        one, other = Worker(shop.queue, 1), Worker(shop.queue, 3)
        shop.put(*"abcde")
        assert (one.take(), other.take(), shop.waiting) == (["a"], ["b", "c", "d"], ["e"])
        other.ack("c")
        one.ack("a")
        assert (one.take(), other.take()) == ([], ["e"])

    def test_who_has_no_room_is_passed_over(self):
        shop = Shop()
        one, other = Worker(shop.queue, room=False), Worker(shop.queue)
        shop.put(*"abcd")
        assert (one.take(), other.take()) == (["a"], ["b", "c", "d"])

    def test_auto_settles_by_giving(self):
        shop = Shop(*"abc")
        worker = Worker(shop.queue, 1, auto=True)
        assert worker.take() == ["a", "b", "c"]
        assert (worker.held, shop.queue.unsettled, shop.queue.acked, shop.memory.used) == ([], 0, 3, 0)
        with pytest.raises(QmqError):
            worker.ack("a")

    def test_auto_without_room_leaves_the_rest_to_others(self):
        shop = Shop(*"abc")
        worker = Worker(shop.queue, 1, room=False, auto=True)
        assert (worker.take(), shop.waiting) == (["a"], ["b", "c"])
        worker.resume()
        assert worker.take() == ["b", "c"]


class TestSettling:
    def test_what_is_acknowledged_is_gone(self):
        shop = Shop("a")
        Worker(shop.queue).ack("a")
        assert (len(shop.queue), shop.queue.unsettled, shop.queue.acked, shop.memory.used) == (0, 0, 1, 0)

    def test_nack_puts_back_to_the_old_place(self):
        shop = Shop(*"abcd")
        worker = Worker(shop.queue, 3)
        worker.stall()
        worker.nack("b")
        assert shop.waiting == ["d"]  # b came again, as the first that waited; then there was no room
        worker.nack("c", "a")
        assert shop.waiting == ["a", "c", "d"]
        assert (shop.queue.unsettled, worker.held) == (1, ["b"])
        worker.nack("b")
        assert shop.waiting == ["a", "b", "c", "d"]

    def test_in_whatever_order_they_come_back(self):
        shop = Shop(*"abcdef")
        worker = Worker(shop.queue, 6)
        worker.consumer.stop()
        for body in "fbdaec":
            worker.nack(body)
        assert Worker(shop.queue).take() == ["a/2", "b/2", "c/2", "d/2", "e/2", "f/2"]

    def test_it_comes_back_marked_and_counted(self):
        shop = Shop("a")
        worker = Worker(shop.queue)
        for _ in range(3):
            worker.nack("a")
        assert worker.take() == ["a", "a/2", "a/3", "a/4"]
        assert (shop.queue.delivered, shop.queue.redelivered, shop.queue.stats["messages_returned"]) == (4, 3, 3)

    def test_whoever_gives_back_is_the_last_to_get_it_again(self):
        shop = Shop("a")
        one, other = Worker(shop.queue), Worker(shop.queue)
        one.nack("a")
        assert other.take() == ["a/2"]
        other.nack("a")
        assert one.take() == ["a", "a/3"]

    def test_who_is_alone_gets_it_again(self):
        shop = Shop("a", "b")
        worker = Worker(shop.queue, 1)
        worker.nack("a")
        assert worker.take() == ["a", "a/2"]

    def test_refused_for_good_it_is_a_dead_letter(self):
        shop = Shop("a", "b", dead_letter=DEAD)
        worker = Worker(shop.queue, 1)
        worker.nack("a", requeue=False)
        shop.pass_time()
        assert (worker.take(), shop.dead) == (["a", "b"], ["a rejected"])
        assert shop.queue.stats["messages_rejected"] == shop.stats["messages_rejected"] == 1

    def test_without_a_place_for_dead_letters_it_is_gone_and_counted(self):
        shop = Shop("a")
        Worker(shop.queue).nack("a", requeue=False)
        assert (shop.memory.used, shop.stats["messages_rejected"], len(shop.timers)) == (0, 1, 1)

    def test_delivered_too_often_it_is_a_dead_letter(self):
        shop = Shop("a", delivery_limit=3, dead_letter=DEAD)
        worker = Worker(shop.queue)
        for _ in range(3):
            worker.nack("a")
        shop.pass_time()
        assert (worker.take(), shop.dead) == (["a", "a/2", "a/3"], ["a delivery_limit"])
        assert shop.queue.stats["messages_over_delivery_limit"] == 1
        assert shop.queue.stats["messages_returned"] == 2

    def test_vanishing_counts_as_a_delivery_too(self):
        shop = Shop("a", delivery_limit=1, dead_letter=DEAD)
        Worker(shop.queue).consumer.cancel()
        shop.pass_time()
        assert (shop.waiting, shop.dead) == ([], ["a delivery_limit"])

    def test_the_last_delivery_may_still_be_acknowledged(self):
        shop = Shop("a", delivery_limit=1, dead_letter=DEAD)
        Worker(shop.queue).ack("a")
        shop.pass_time()
        assert shop.dead == []


class TestVanishing:
    def test_all_comes_back_in_order_for_the_others(self):
        shop = Shop(*"abcd")
        gone, other = Worker(shop.queue, 3), Worker(shop.queue, 10)
        shop.put("e")
        assert (gone.take(), other.take()) == (["a", "b", "c"], ["d", "e"])
        gone.consumer.cancel()
        assert other.take() == ["a/2", "b/2", "c/2"]
        assert gone.take() == []

    def test_it_comes_before_what_was_published_later(self):
        shop = Shop(*"ab")
        gone = Worker(shop.queue)
        gone.consumer.stop()
        shop.put("c")
        gone.consumer.cancel()
        assert shop.waiting == ["a", "b", "c"]

    def test_one_in_line_leaves_the_line(self):
        shop = Shop()
        gone, other = Worker(shop.queue), Worker(shop.queue)
        gone.consumer.cancel()
        shop.put("a", "b")
        assert (gone.take(), other.take()) == ([], ["a", "b"])


class TestWhoMayConsume:
    def test_the_first_is_active_and_the_others_stand_by(self):
        shop = Shop("a", single_active_consumer=True)
        workers = [Worker(shop.queue, 2) for _ in range(3)]
        shop.put(*"bcd")
        assert [worker.take() for worker in workers] == [["a", "b"], [], []]
        workers[1].resume()
        workers[0].consumer.cancel()
        assert [worker.take() for worker in workers] == [[], ["a/2", "b/2"], []]
        workers[2].consumer.cancel()
        workers[1].ack("a")
        workers[1].consumer.cancel()
        assert shop.waiting == ["b", "c", "d"]

    def test_the_active_one_may_end_without_having_anything(self):
        shop = Shop(single_active_consumer=True)
        first, second = Worker(shop.queue), Worker(shop.queue)
        first.consumer.cancel()
        shop.put("a")
        assert second.take() == ["a"]

    def test_one_that_has_stopped_is_active_until_it_ends(self):
        shop = Shop("a", single_active_consumer=True)
        first, second = Worker(shop.queue), Worker(shop.queue)
        first.consumer.stop()
        shop.put("b")
        second.resume()
        assert second.take() == []
        first.consumer.cancel()
        assert second.take() == ["a/2", "b"]

    def test_one_that_only_fetches_is_not_active(self):
        shop = Shop(single_active_consumer=True)
        fetcher, worker, third = Worker(shop.queue, 0), Worker(shop.queue), Worker(shop.queue)
        shop.put("a")
        assert worker.take() == ["a"]
        worker.consumer.cancel()
        assert (fetcher.take(), third.take()) == ([], ["a/2"])

    def test_an_exclusive_consumer_is_alone(self):
        shop = Shop()
        worker = Worker(shop.queue, exclusive=True)
        with pytest.raises(QmqError, match="/queue/a has an exclusive consumer") as error:
            Worker(shop.queue)
        assert error.value.code.name == "in-use"
        worker.consumer.cancel()
        Worker(shop.queue)
        with pytest.raises(QmqError, match="/queue/a has other consumers"):
            Worker(shop.queue, exclusive=True)
        assert len(shop.queue.consumers) == 1


class TestPausing:
    def test_messages_wait_and_settling_goes_on(self):
        shop = Shop("a", "b")
        worker = Worker(shop.queue, 1)
        shop.queue.pause()
        worker.ack("a")
        shop.put("c")
        assert (worker.take(), shop.waiting, worker.consumer.fetch()) == (["a"], ["b", "c"], False)
        late = Worker(shop.queue)
        shop.queue.resume()
        assert (worker.take(), late.take()) == (["b"], ["c"])

    def test_an_idle_consumer_gets_nothing_either(self):
        shop = Shop()
        worker = Worker(shop.queue)
        shop.queue.pause()
        shop.put("a")
        assert (worker.take(), shop.waiting) == ([], ["a"])
        shop.queue.resume()
        shop.queue.resume()
        assert worker.take() == ["a"]


class TestEnding:
    def test_purging_drops_what_waits_only(self):
        shop = Shop(*"abc", dead_letter=DEAD)
        worker = Worker(shop.queue, 1)
        assert shop.queue.purge() == 2
        assert shop.queue.purge() == 0
        shop.pass_time()
        assert (shop.waiting, shop.dead, worker.held) == ([], [], ["a"])
        assert shop.queue.stats["messages_purged"] == 2
        assert shop.memory.used == weight(shop)
        worker.nack("a")
        assert worker.take() == ["a", "a/2"]

    def test_purging_what_has_expired_in_the_middle(self):
        shop = Shop("a")
        shop.put("b", ttl=1000)
        shop.put("c")
        shop.pass_time(1)
        assert shop.queue.purge() == 2
        assert shop.memory.used == 0

    def test_consumers_are_told_that_it_is_deleted(self):
        shop = Shop(*"abc", ack_timeout=5000, message_ttl=9000, expires=5000)
        workers = [Worker(shop.queue, 1) for _ in range(2)]
        assert shop.registry.delete(QUEUE) == 1
        assert [worker.ended for worker in workers] == [["queue-deleted"]] * 2
        assert (shop.memory.used, len(shop.timers), shop.queue.unsettled, len(shop.queue)) == (0, 0, 0, 0)
        assert shop.stats["messages_deleted"] == 3
        for worker in workers:
            worker.consumer.cancel()
            worker.resume()
            assert worker.consumer.fetch() is False
            with pytest.raises(QmqError):
                worker.consumer.ack(1)
        assert len(shop.timers) == 0

    def test_deleting_an_empty_one_counts_nothing(self):
        shop = Shop()
        shop.registry.delete(QUEUE)
        assert shop.stats.snapshot() == {}

    def test_auto_delete_goes_with_its_last_consumer(self):
        shop = Shop("a", auto_delete=True)
        one, other = Worker(shop.queue), Worker(shop.queue)
        one.consumer.cancel()
        assert QUEUE in shop.registry.queues
        other.consumer.cancel()
        assert QUEUE not in shop.registry.queues
        assert (other.ended, shop.memory.used, shop.stats["messages_deleted"]) == ([], 0, 1)

    def test_auto_delete_waits_for_its_first_consumer(self):
        shop = Shop("a", auto_delete=True)
        shop.pass_time(1e6)
        assert shop.waiting == ["a"]

    def test_auto_delete_does_not_mind_those_who_only_fetch(self):
        shop = Shop("a", auto_delete=True)
        fetcher = Worker(shop.queue, 0)
        fetcher.consumer.fetch()
        fetcher.consumer.cancel()
        assert shop.waiting == ["a"]
        fetcher, worker = Worker(shop.queue, 0), Worker(shop.queue)
        worker.consumer.cancel()
        assert fetcher.ended == ["queue-deleted"]
        assert QUEUE not in shop.registry.queues

    def test_nothing_is_left_of_it(self):
        """No reference cycles: it is gone at once, not when the garbage is collected."""
        shop = Shop(*"abc", message_ttl=1000, expires=1000, dead_letter=DEAD)
        gc.collect()
        gc.disable()
        try:
            before = kept()
            queue = shop.registry.declare("/queue/b", {"message_ttl": 1000, "expires": 1000, "max_priority": 3})
            shop.publish("/queue/b", *"abc")
            worker = Worker(queue, 2)
            shop.registry.delete("/queue/b")
            del queue, worker.consumer  # as sessions do
            assert kept() == before
        finally:
            gc.enable()


def kept():
    return sum(isinstance(each, Queue | Consumer | Entry) for each in gc.get_objects())


def test_counters_of_all_and_of_each():
    shop = Shop(*"abcd", max_length=4)
    with pytest.raises(QmqError):
        shop.put("e")
    worker = Worker(shop.queue, 2)
    worker.ack("a")
    worker.nack("b")
    queue = shop.queue
    assert (queue.published, queue.delivered, queue.acked, queue.redelivered, queue.unsettled) == (4, 4, 1, 1, 2)
    assert shop.stats.by_destination() == {QUEUE: {"messages_returned": 1, "publishes_refused": 1}}
    assert (len(queue), queue.octets, bool(queue)) == (1, 1, True)
    assert repr(queue) == "<queue /queue/a, 1 ready, 2 unsettled, 1 consumers>"


def test_memory_is_what_is_held():
    shop = Shop("abc", "de", dead_letter=DEAD)
    shop.put("f", headers={"name": "value"})
    assert shop.memory.used == weight(shop) > 0
    worker = Worker(shop.queue, 2)
    assert shop.memory.used == weight(shop)
    worker.ack("abc")
    worker.nack("de", requeue=False)
    assert shop.memory.used == weight(shop)
    shop.pass_time()
    assert shop.memory.used == weight(shop)
    worker.consumer.cancel()
    shop.queue.purge()
    shop.registry.delete(DEAD)
    assert shop.memory.used == 0


def test_publishers_go_on_when_consumers_have_made_room():
    shop = Shop(memory=1000)
    shop.put("a", "b", "c")
    calls = []
    assert shop.memory.full
    shop.memory.wait(lambda: calls.append(len(shop.queue)))
    worker = Worker(shop.queue, 1)
    assert calls == []
    worker.ack("a")
    assert calls == [2]
