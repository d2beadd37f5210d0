"""Random lives of a queue, beside a model of plain lists that does the same the slow way.

Publishing, settling and bounds happen at whole seconds, expiries in between, so that no
two things fall due at the same time and the model need not know which comes first.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qmq.core.options import Full
from qmq.errors import QmqError
from tests.core.workers import DEAD, QUEUE, Shop, Worker, weight

COUNTERS = {
    "expired": "messages_expired",
    "rejected": "messages_rejected",
    "maxlen": "messages_dropped_head",
    "delivery_limit": "messages_over_delivery_limit",
    "refused": "publishes_refused",
    "purged": "messages_purged",
    "late": "acks_timed_out",
    "returned": "messages_returned",
}

PROPERTIES = st.fixed_dictionaries(
    {"ack_timeout": st.sampled_from([0, 3000, 8000]), "overflow": st.sampled_from(Full)},
    optional={
        "max_length": st.integers(1, 6),
        "max_length_bytes": st.integers(8, 30),
        "message_ttl": st.sampled_from([1500, 4500]),
        "delivery_limit": st.integers(1, 3),
        "max_priority": st.integers(1, 3),
        "single_active_consumer": st.booleans(),
    },
)

NUMBERS = st.integers(0, 3)
MESSAGES = st.tuples(st.integers(0, 4), st.sampled_from([None, None, 0, 500, 2500, 9500]), st.integers(2, 12))
ACTIONS = ["ack", "ack_through", "requeue", "requeue", "reject"]


@dataclass(eq=False)
class Item:
    body: str
    urgency: tuple[int, int]
    expires: float
    deliveries: int = 0
    given: float = 0.0


@dataclass(eq=False)
class Taker:
    prefetch: int
    auto: bool
    held: list[Item] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    room: bool = True
    stalled: bool = False


class Model:
    """What a queue should do. `line` are those with credit, in turn; `dead` the dead letters with their reasons."""

    def __init__(self, options):
        self.options = options
        self.now = 0.0
        self.paused = False
        self.waiting, self.takers, self.line, self.dead = [], [], [], []
        self.published = self.delivered = self.acked = self.redelivered = 0
        self.counts = dict.fromkeys(COUNTERS, 0)

    @property
    def octets(self):
        return sum(len(item.body) for item in self.waiting)

    def over(self, messages, octets):
        options = self.options
        return len(self.waiting) + messages > options.max_length or self.octets + octets > options.max_length_bytes

    def publish(self, body, priority, ttl):
        """Returns whether it is accepted."""
        options = self.options
        if self.over(1, len(body)):
            if options.overflow is Full.REJECT_PUBLISH or len(body) > options.max_length_bytes:
                self.counts["refused"] += 1
                return False
            self.drop_heads(1, len(body))
        self.published += 1
        ttls = [each for each in (ttl, options.message_ttl or None) if each is not None]
        expires = self.now + min(ttls) / 1000 if ttls else float("inf")
        item = Item(body, (-min(priority, options.max_priority), self.published), expires)
        if self.line and not self.waiting and not self.paused:
            self.hand_out(item)
        else:
            self.waiting.append(item)
            self.waiting.sort(key=lambda item: item.urgency)
        return True

    def drop_heads(self, messages, octets):
        while self.over(messages, octets):
            lowest = max(item.urgency[0] for item in self.waiting)
            self.bury(next(item for item in self.waiting if item.urgency[0] == lowest), "maxlen")

    def bury(self, item, reason):
        self.counts[reason] += 1
        self.dead.append((item.body, reason))
        if item in self.waiting:
            self.waiting.remove(item)

    def may_take(self, taker):
        if self.options.single_active_consumer and [each for each in self.takers if each.prefetch][:1] != [taker]:
            return False
        return not taker.stalled and len(taker.held) < taker.prefetch

    def serve(self):
        while self.line and self.waiting and not self.paused:
            if self.waiting[0].expires <= self.now:
                self.bury(self.waiting[0], "expired")
            else:
                self.hand_out(self.waiting.pop(0))

    def hand_out(self, item):
        taker = self.line.pop(0)
        self.give(taker, item)
        if self.may_take(taker):
            self.line.append(taker)

    def give(self, taker, item):
        item.deliveries += 1
        item.given = self.now
        self.delivered += 1
        self.redelivered += item.deliveries > 1
        self.acked += taker.auto
        taker.got.append(item.body if item.deliveries == 1 else f"{item.body}/{item.deliveries}")
        taker.stalled = not taker.room
        if not taker.auto:
            taker.held.append(item)

    def fetch(self, taker):
        while not self.paused and self.waiting:
            if self.waiting[0].expires > self.now:
                stalled = taker.stalled
                self.give(taker, self.waiting.pop(0))
                taker.stalled |= stalled
                return True
            self.bury(self.waiting[0], "expired")
        return False

    def credit(self, taker):
        if taker not in self.line and self.may_take(taker):
            self.line.append(taker)
        self.serve()

    def consume(self, taker):
        self.takers.append(taker)
        self.credit(taker)

    def ack(self, taker, item):
        taker.held.remove(item)
        self.acked += 1
        self.credit(taker)

    def nack(self, taker, item, requeue):
        taker.held.remove(item)
        if requeue:
            self.line = [each for each in self.line if each is not taker]
            self.take_back(item)
        else:
            self.bury(item, "rejected")
        self.credit(taker)

    def take_back(self, item):
        if self.options.delivery_limit and item.deliveries >= self.options.delivery_limit:
            self.bury(item, "delivery_limit")
            return
        self.counts["returned"] += 1
        self.waiting.append(item)
        self.waiting.sort(key=lambda item: item.urgency)
        if self.options.overflow is Full.DROP_HEAD:
            self.drop_heads(0, 0)

    def take_all_back(self, taker):
        held, taker.held = taker.held, []
        for item in held:
            self.take_back(item)

    def cancel(self, taker):
        self.takers.remove(taker)
        self.line = [each for each in self.line if each is not taker]
        self.take_all_back(taker)
        for other in self.takers:
            self.credit(other)

    def purge(self):
        self.counts["purged"] += len(self.waiting)
        self.waiting.clear()

    def expire(self):
        gone = [item for item in self.waiting if item.expires <= self.now]
        for item in sorted(gone, key=lambda item: (item.expires, item.urgency[1])):
            self.bury(item, "expired")

    def tick(self):
        """Half a second later: ends those who are late, and what is too old."""
        self.now += 0.5
        self.expire()
        allowed = self.options.ack_timeout / 1000
        late = [taker for taker in self.takers if allowed and taker.held and taker.held[0].given + allowed <= self.now]
        self.line = [taker for taker in self.line if taker not in late]
        for taker in late:
            self.counts["late"] += 1
            taker.stalled = True
            self.take_all_back(taker)
        for taker in late:
            self.cancel(taker)
        self.expire()
        return late


class Lives(RuleBasedStateMachine):
    """The queue in a world, and the model; workers and takers are pairs."""

    @initialize(properties=PROPERTIES)
    def begin(self, properties):
        self.world = Shop(dead_letter=DEAD, **properties)
        self.queue = self.world.queue
        self.registry = self.world.registry
        self.registry.declare(DEAD)
        self.model = Model(self.queue.options)
        self.pairs = []
        self.number = 0

    def some(self, number):
        return self.pairs[number % len(self.pairs)]

    def pass_half_a_second(self):
        self.world.pass_time(0.5)
        self.world.pass_time()
        late = self.model.tick()
        for worker, taker in self.pairs:
            assert worker.ended == (["ack-timeout"] if taker in late else [])
        self.pairs = [pair for pair in self.pairs if pair[1] not in late]

    has_workers = precondition(lambda self: self.pairs)
    has_held = precondition(lambda self: any(taker.held for _, taker in self.pairs))

    @rule(messages=st.lists(MESSAGES, min_size=1, max_size=5))
    def publish(self, messages):
        for priority, ttl, size in messages:
            self.number += 1
            body = f"{self.number}".ljust(size, ".")
            try:
                self.world.put(body, priority=priority, ttl=ttl)
                accepted = True
            except QmqError as error:
                assert error.code.name == "queue-full"
                accepted = False
            assert self.model.publish(body, priority, ttl) is accepted

    @precondition(lambda self: len(self.pairs) < 4)
    @rule(prefetch=st.integers(0, 3), auto=st.booleans())
    def consume(self, prefetch, auto):
        worker, taker = Worker(self.queue, prefetch, auto=auto), Taker(prefetch, auto)
        self.model.consume(taker)
        self.pairs.append((worker, taker))

    @has_workers
    @rule(number=NUMBERS, stop=st.booleans())
    def cancel(self, number, stop):
        worker, taker = pair = self.some(number)
        if stop:
            worker.consumer.stop()
        worker.consumer.cancel()
        worker.consumer.cancel()
        self.model.cancel(taker)
        self.pairs.remove(pair)
        assert worker.got == taker.got

    @has_held
    @rule(actions=st.lists(st.tuples(st.sampled_from(ACTIONS), NUMBERS, NUMBERS), min_size=1, max_size=4))
    def settle(self, actions):
        for action, number, which in actions:
            holders = [pair for pair in self.pairs if pair[1].held]
            if holders:
                worker, taker = holders[number % len(holders)]
                item = taker.held[which % len(taker.held)]
                getattr(self, action)(worker, taker, item)

    def ack(self, worker, taker, item):
        worker.ack(item.body)
        self.model.ack(taker, item)

    def ack_through(self, worker, taker, item):
        items = taker.held[: taker.held.index(item) + 1]
        tags = worker.consumer.through(worker.tags[item.body])
        assert tags == [worker.tags[each.body] for each in items]
        for each in items:
            self.ack(worker, taker, each)

    def requeue(self, worker, taker, item):
        worker.nack(item.body)
        self.model.nack(taker, item, True)

    def reject(self, worker, taker, item):
        worker.nack(item.body, requeue=False)
        self.model.nack(taker, item, False)

    @has_workers
    @rule(number=NUMBERS)
    def stall_or_resume(self, number):
        worker, taker = self.some(number)
        worker.room = taker.room = not worker.room
        if worker.room:
            taker.stalled = False
            worker.resume()
            self.model.credit(taker)

    @has_workers
    @rule(number=NUMBERS)
    def fetch(self, number):
        worker, taker = self.some(number)
        assert worker.consumer.fetch() is self.model.fetch(taker)

    @rule(seconds=st.integers(1, 4))
    def pass_time(self, seconds):
        for _ in range(2 * seconds):
            self.pass_half_a_second()

    @rule()
    def purge(self):
        waiting = len(self.model.waiting)
        assert self.queue.purge() == waiting
        self.model.purge()

    @rule()
    def pause_or_resume(self):
        self.model.paused = not self.model.paused
        if self.model.paused:
            self.queue.pause()
        else:
            self.queue.resume()
            self.model.serve()

    @invariant()
    def all_is_well(self):
        self.world.pass_time()
        self.world.pass_time()  # dead letters of the first one
        self.model.expire()
        self.they_agree()
        self.nothing_is_lost_nor_there_twice()
        self.bounds_hold()
        self.nobody_waits_in_vain()

    def they_agree(self):
        queue, model = self.queue, self.model
        assert self.world.waiting == [item.body for item in model.waiting]
        for worker, taker in self.pairs:
            assert worker.got == taker.got
            assert worker.held == [item.body for item in taker.held]
        assert self.world.dead == [f"{body} {reason}" for body, reason in model.dead]
        assert (len(queue), queue.octets) == (len(model.waiting), model.octets)
        held = sum(len(taker.held) for taker in model.takers)
        assert (queue.published, queue.delivered, queue.acked, queue.redelivered, queue.unsettled) == (
            model.published, model.delivered, model.acked, model.redelivered, held,
        )  # fmt: skip
        assert {name: queue.stats[counter] for name, counter in COUNTERS.items()} == model.counts

    def nothing_is_lost_nor_there_twice(self):
        queue = self.queue
        bodies = [*self.world.waiting, *self.world.bodies(DEAD)]
        bodies += [body for worker, _ in self.pairs for body in worker.held]
        assert len(bodies) == len(set(bodies))
        assert queue.published == len(bodies) + queue.acked + queue.stats["messages_purged"]
        assert self.world.memory.used == weight(self.world)

    def bounds_hold(self):
        queue, options = self.queue, self.queue.options
        if options.overflow is Full.DROP_HEAD:
            assert len(queue) <= options.max_length
            assert queue.octets <= options.max_length_bytes
        assert len(self.world.timers) <= 2

    def nobody_waits_in_vain(self):
        if len(self.queue) and not self.queue.paused:
            assert not any(self.model.may_take(taker) for _, taker in self.pairs)

    def teardown(self):
        if not hasattr(self, "queue"):
            return
        self.world.pass_time()
        self.registry.delete(QUEUE)
        self.registry.delete(DEAD)
        for worker, _ in self.pairs:
            assert worker.ended == ["queue-deleted"]
        assert (self.world.memory.used, len(self.world.timers)) == (0, 0)


class TestLives(Lives.TestCase):
    settings = settings(max_examples=200, stateful_step_count=40)
