"""What falls due in a queue: messages that are too old, consumers that are too slow, queues that nobody uses."""

from tests.core.workers import DEAD, QUEUE, Shop, Worker, weight


class TestMessages:
    def test_of_the_queue_and_of_the_message_the_smaller_wins(self):
        shop = Shop(message_ttl=3000)
        shop.put("own", ttl=1000)
        shop.put("queue's", ttl=5000)
        shop.put("none")
        shop.pass_time(0.9)
        assert shop.waiting == ["own", "queue's", "none"]
        shop.pass_time(0.1)
        assert shop.waiting == ["queue's", "none"]
        shop.pass_time(2)
        assert (shop.waiting, shop.memory.used, shop.queue.stats["messages_expired"]) == ([], 0, 3)
        assert len(shop.timers) == 0

    def test_of_the_message_alone(self):
        shop = Shop("a", dead_letter=DEAD)
        shop.put("b", ttl=1000)
        shop.put("c")
        shop.pass_time(1)
        shop.pass_time()
        assert (shop.waiting, shop.dead) == (["a", "c"], ["b expired"])
        assert shop.memory.used == weight(shop)

    def test_not_only_at_the_head(self):
        shop = Shop(dead_letter=DEAD)
        for body, ttl in [("a", 9000), ("b", 2000), ("c", 4000), ("d", 1000)]:
            shop.put(body, ttl=ttl)
        shop.pass_time(5)
        shop.pass_time()
        assert (shop.waiting, shop.dead) == (["a"], ["d expired", "b expired", "c expired"])

    def test_a_later_one_may_expire_earlier(self):
        shop = Shop()
        shop.put("a", ttl=9000)
        shop.put("b", ttl=1000)
        assert len(shop.timers) == 1
        shop.pass_time(1)
        assert shop.waiting == ["a"]

    def test_what_a_consumer_has_does_not_expire(self):
        shop = Shop()
        worker = Worker(shop.queue, 1)
        shop.put("a", "b", ttl=1000)
        shop.pass_time(2)
        assert (worker.held, shop.waiting) == (["a"], [])
        worker.ack("a")
        assert shop.queue.acked == 1

    def test_what_comes_back_too_late_is_not_given_again(self):
        shop = Shop(dead_letter=DEAD)
        worker = Worker(shop.queue)
        shop.put("a", ttl=1000)
        shop.pass_time(2)
        worker.nack("a")
        shop.pass_time()
        assert (worker.take(), shop.dead) == (["a"], ["a expired"])

    def test_what_comes_back_expires_at_its_time(self):
        shop = Shop()
        worker = Worker(shop.queue)
        shop.put("a", ttl=3000)
        worker.consumer.cancel()
        shop.pass_time(2.9)
        assert shop.waiting == ["a"]
        shop.pass_time(0.1)
        assert shop.waiting == []

    def test_an_expired_one_is_not_given_before_the_timer_has_run(self):
        shop = Shop()
        shop.put("a", ttl=1000)
        shop.put("b")
        shop.now += 1
        worker = Worker(shop.queue)
        assert worker.take() == ["b"]
        assert shop.queue.stats["messages_expired"] == 1

    def test_no_time_at_all_is_enough_for_one_who_waits_for_it(self):
        shop = Shop(dead_letter=DEAD)
        shop.put("a", ttl=0)
        worker = Worker(shop.queue, 1)
        shop.put("b", ttl=0)
        shop.put("c", ttl=0)
        shop.pass_time()
        shop.pass_time()
        assert (worker.take(), shop.dead) == (["b"], ["a expired", "c expired"])

    def test_many_expire_in_several_passes(self):
        shop = Shop(*["x"] * 2500, message_ttl=1000)
        shop.pass_time(1)
        assert len(shop.queue) == 1500
        shop.pass_time()
        shop.pass_time()
        assert (len(shop.queue), shop.memory.used, len(shop.timers)) == (0, 0, 0)

    def test_timers_do_not_become_more(self):
        shop = Shop(message_ttl=5000)
        worker = Worker(shop.queue)
        for _ in range(1000):
            shop.put("a")
            worker.nack("a")
            worker.ack("a")
        shop.put(*["x"] * 1000, ttl=3000)
        assert len(shop.timers) <= 2

    def test_with_priorities(self):
        shop = Shop(max_priority=2)
        shop.put("a", ttl=1000, priority=2)
        shop.put("b", priority=1)
        shop.put("c", ttl=1000)
        shop.pass_time(1)
        assert shop.waiting == ["b"]


class TestConsumers:
    def test_the_late_one_is_cancelled_and_others_get_its_messages(self):
        shop = Shop("a", "b", ack_timeout=5000)
        late, other = Worker(shop.queue, 2), Worker(shop.queue, 2)
        shop.pass_time(4.9)
        assert late.ended == []
        shop.pass_time(0.1)
        assert (late.ended, other.take(), other.ended) == (["ack-timeout"], ["a/2", "b/2"], [])
        assert shop.queue.stats["acks_timed_out"] == 1
        assert list(shop.queue.consumers) == [other.consumer]

    def test_the_oldest_message_counts(self):
        shop = Shop("a", ack_timeout=5000)
        worker = Worker(shop.queue)
        shop.pass_time(3)
        shop.put("b")
        shop.pass_time(1)
        worker.ack("a")
        shop.put("c")
        shop.pass_time(3.9)
        assert worker.ended == []
        shop.pass_time(0.1)
        assert worker.ended == ["ack-timeout"]

    def test_settling_in_time_is_enough_for_ever(self):
        shop = Shop("a", ack_timeout=5000)
        worker = Worker(shop.queue, 1)
        for number in range(20):
            shop.put(f"{number}")
            shop.pass_time(3)
            worker.ack(worker.held[0])
        assert (worker.ended, worker.held) == ([], ["19"])
        shop.pass_time(1.9)
        assert worker.ended == []
        shop.pass_time(0.1)
        assert worker.ended == []
        shop.pass_time(3)
        assert worker.ended == ["ack-timeout"]

    def test_each_at_its_own_time(self):
        shop = Shop(ack_timeout=5000)
        workers = [Worker(shop.queue, 1) for _ in range(3)]
        for body in "abc":
            shop.put(body)
            shop.pass_time(1)
        ended = []
        for _ in range(5):
            shop.pass_time(1)
            ended.append([len(worker.ended) for worker in workers])
        assert ended == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
        assert shop.waiting == ["a", "b", "c"]

    def test_several_late_ones_are_not_given_what_the_others_had(self):
        """Else a delivery limit would be reached by nobody's fault."""
        shop = Shop(*"abcd", ack_timeout=5000, delivery_limit=2)
        workers = [Worker(shop.queue, 2), Worker(shop.queue, 9)]
        for worker in workers:
            worker.take()
        fresh = Worker(shop.queue, 3)
        shop.pass_time(5)
        assert [worker.take() for worker in workers] == [[], []]
        assert (fresh.take(), shop.waiting) == (["a/2", "b/2", "c/2"], ["d"])
        assert [worker.ended for worker in workers] == [["ack-timeout"]] * 2

    def test_of_an_auto_delete_queue(self):
        shop = Shop("a", "b", ack_timeout=5000, auto_delete=True)
        workers = [Worker(shop.queue, 1) for _ in range(2)]
        shop.pass_time(5)
        assert [worker.ended for worker in workers] == [["ack-timeout"]] * 2
        assert (list(shop.registry.queues), len(shop.timers), shop.memory.used) == ([], 0, 0)

    def test_who_only_fetches_is_late_too(self):
        shop = Shop("a", ack_timeout=5000)
        worker = Worker(shop.queue, 0)
        worker.consumer.fetch()
        shop.pass_time(5)
        assert (worker.ended, shop.waiting) == (["ack-timeout"], ["a"])

    def test_given_again_its_time_begins_anew(self):
        shop = Shop("a", ack_timeout=5000)
        worker = Worker(shop.queue)
        shop.pass_time(3)
        worker.nack("a")
        shop.pass_time(4)
        assert worker.ended == []
        shop.pass_time(1)
        assert worker.ended == ["ack-timeout"]

    def test_without_a_limit(self):
        shop = Shop("a", ack_timeout=0)
        worker = Worker(shop.queue)
        assert len(shop.timers) == 0
        shop.pass_time(1e9)
        assert worker.ended == []

    def test_half_an_hour_unless_told_otherwise(self):
        shop = Shop("a")
        worker = Worker(shop.queue)
        shop.pass_time(1799)
        assert worker.ended == []
        shop.pass_time(1)
        assert worker.ended == ["ack-timeout"]


class TestQueues:
    def test_one_that_nobody_uses_expires(self):
        shop = Shop("a", expires=5000)
        shop.pass_time(4.9)
        shop.put("b")
        assert QUEUE in shop.registry.queues
        shop.pass_time(0.1)
        assert QUEUE not in shop.registry.queues
        assert (shop.stats["queues_expired"], shop.stats["messages_deleted"], shop.memory.used) == (1, 2, 0)
        assert len(shop.timers) == 0

    def test_a_consumer_keeps_it(self):
        shop = Shop(expires=5000)
        shop.pass_time(4)
        worker = Worker(shop.queue)
        assert len(shop.timers) == 0
        shop.pass_time(100)
        worker.consumer.cancel()
        shop.pass_time(4.9)
        assert QUEUE in shop.registry.queues
        shop.pass_time(0.1)
        assert QUEUE not in shop.registry.queues

    def test_declaring_it_again_begins_anew(self):
        shop = Shop(expires=5000)
        for _ in range(5):
            shop.pass_time(4)
            shop.registry.declare(QUEUE, {"expires": 5000})
            assert len(shop.timers) == 1
        shop.pass_time(5)
        assert QUEUE not in shop.registry.queues

    def test_an_expired_queue_may_be_used_anew(self):
        shop = Shop("a", expires=5000)
        shop.pass_time(5)
        shop.put("b")
        assert shop.waiting == ["b"]
        assert shop.registry.queues[QUEUE].options.expires == 0
        shop.pass_time(1000)
        assert shop.waiting == ["b"]
