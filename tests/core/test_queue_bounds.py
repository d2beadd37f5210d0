"""The bounds of a queue: what is refused, what is dropped, and what room there is."""

import pytest

from qmq.core.options import Full
from qmq.errors import QmqError
from tests.core.workers import DEAD, Shop, Worker, weight

DROP = {"overflow": Full.DROP_HEAD}


def refused(shop, body):
    with pytest.raises(QmqError) as error:
        shop.put(body)
    assert error.value.code.name == "queue-full"
    return error.value.detail


def test_a_full_queue_refuses():
    shop = Shop("a", "b", max_length=2)
    assert refused(shop, "c") == ("/queue/a holds 2 messages of 2 octets; max-length is 2, max-length-bytes 1073741824")
    assert (shop.waiting, shop.queue.published, shop.queue.stats["publishes_refused"]) == (["a", "b"], 2, 1)
    assert shop.memory.used == weight(shop)


def test_octets_are_bounded_too():
    shop = Shop("aaaa", max_length_bytes=6)
    refused(shop, "bbb")
    shop.put("cc")
    refused(shop, "d")
    assert shop.waiting == ["aaaa", "cc"]


def test_only_what_waits_is_bounded():
    shop = Shop("a", "b", max_length=2)
    worker = Worker(shop.queue, 1)
    shop.put("c")
    refused(shop, "d")
    worker.ack("a")
    shop.put("d")
    assert shop.waiting == ["c", "d"]


def test_what_a_consumer_takes_at_once_does_not_wait():
    shop = Shop(max_length=1)
    worker = Worker(shop.queue, 10)
    shop.put(*"abcde")
    assert worker.take() == list("abcde")


def test_what_was_accepted_may_come_back_to_a_full_queue():
    shop = Shop("a", max_length=1)
    worker = Worker(shop.queue, 1)
    shop.put("b")
    worker.consumer.cancel()
    assert shop.waiting == ["a", "b"]
    refused(shop, "c")


def test_drop_head_drops_what_has_waited_longest():
    shop = Shop("a", "b", max_length=2, dead_letter=DEAD, **DROP)
    shop.put("c")
    shop.pass_time()
    assert (shop.waiting, shop.dead, shop.queue.published) == (["b", "c"], ["a maxlen"], 3)
    assert shop.queue.stats["messages_dropped_head"] == shop.stats["messages_dropped_head"] == 1
    assert shop.memory.used == weight(shop)


def test_drop_head_by_octets_drops_as_many_as_it_takes():
    shop = Shop("aa", "bb", "c", max_length_bytes=6, dead_letter=DEAD, **DROP)
    shop.put("dddd")
    shop.pass_time()
    assert (shop.waiting, shop.dead) == (["c", "dddd"], ["aa maxlen", "bb maxlen"])


def test_drop_head_refuses_what_never_fits():
    shop = Shop("a", max_length_bytes=3, **DROP)
    refused(shop, "bbbb")
    assert (shop.waiting, shop.queue.stats["publishes_refused"]) == (["a"], 1)


def test_drop_head_drops_the_least_urgent_first():
    shop = Shop(max_length=3, max_priority=2, dead_letter=DEAD, **DROP)
    for body, priority in [("a", 2), ("b", 0), ("c", 1), ("d", 0), ("e", 2), ("f", 2)]:
        shop.put(body, priority=priority)
    shop.pass_time()
    assert (shop.waiting, shop.dead) == (["a", "e", "f"], ["b maxlen", "d maxlen", "c maxlen"])


def test_drop_head_holds_when_something_comes_back():
    """Each consumer that vanished could put its whole prefetch on top of the bound."""
    shop = Shop(max_length=2, dead_letter=DEAD, **DROP)
    worker = Worker(shop.queue, 3)
    shop.put(*"abcde")
    worker.consumer.cancel()
    shop.pass_time()
    assert (shop.waiting, shop.dead) == (["d", "e"], ["a maxlen", "b maxlen", "c maxlen"])


def test_what_comes_back_and_fits_stays():
    shop = Shop(max_length=2, **DROP)
    worker = Worker(shop.queue, 2)
    worker.consumer.stop()
    worker = Worker(shop.queue, 2)
    shop.put("a", "b")
    worker.consumer.cancel()
    assert shop.waiting == ["a", "b"]


def test_a_queue_of_one_keeps_the_latest():
    shop = Shop(*"abcdefgh", max_length=1, **DROP)
    assert shop.waiting == ["h"]


def test_room_of_one_that_refuses():
    shop = Shop("aa", max_length=3, max_length_bytes=10)
    assert shop.queue.has_room(2, 8)
    assert not shop.queue.has_room(3, 3)
    assert not shop.queue.has_room(1, 9)


def test_room_of_one_that_drops():
    shop = Shop("aa", max_length=3, max_length_bytes=10, **DROP)
    assert shop.queue.has_room(50, 500)
    assert shop.queue.has_room(50, 500, largest=10)
    assert not shop.queue.has_room(1, 11, largest=11)
