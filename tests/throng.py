"""Clients of a node's core on real threads: they publish, subscribe, come back, consume and vanish, and keep count.

There are no sockets: an outbox is read as soon as it is written. What each has seen is
checked when all is over, against what was really published.
"""

import asyncio
from random import Random

from qmq.core.message import Envelope
from qmq.core.outbox import Outbox
from qmq.core.subscription import Bounds
from qmq.errors import QmqError
from qmq.session import topics
from qmq.stats import Stats

TOPICS = ("/topic/a.x", "/topic/a.y", "/topic/b")
PATTERNS = (*TOPICS, "/topic/a.*", "/topic/#")
QUEUES = ("/queue/one", "/queue/two")
WIDE = Bounds(1 << 30, 1 << 30)


def matches(pattern, topic):
    return pattern in (topic, "/topic/#") or (pattern == "/topic/a.*" and topic.startswith("/topic/a."))


class Numbers:
    def encode(self, message):
        return b"%d;" % message.offset


NUMBERS = Numbers()


class Subscriber:
    """One subscription, from a cursor on."""

    least_turns = 8

    def __init__(self, hub, pattern, cursor=None):
        self.hub, self.pattern, self.octets, self.errors = hub, pattern, b"", []
        self.outbox = Outbox(self, Stats(), 1 << 30)
        begun = topics.subscribe(hub, pattern, NUMBERS, self.outbox, WIDE, topics.Start(cursor))
        self.subscription = begun.subscription
        self.after = hub.origin.position(cursor or begun.cursor)
        assert begun.recovered

    def deliver(self, data, batch):
        self.flush()
        self.octets += data

    def flush(self):
        if self.outbox.fresh:
            self.octets += self.outbox.take_fresh()
            self.outbox.resume()

    def hang_up(self, error):
        self.errors.append(error)

    def leave(self):
        """Ends it; the cursor to come back with."""
        if hasattr(self.subscription, "end"):
            self.subscription.end()
        else:
            self.hub.unsubscribe(self.subscription)
        self.flush()
        return self.hub.origin.id_of((self.numbers or [self.after])[-1])

    @property
    def numbers(self):
        return [int(number) for number in self.octets.split(b";") if number]


class Worker:
    """One thread's clients. Everything but `check` happens on that thread."""

    def __init__(self, index, view):
        self.index, self.view, self.random = index, view, Random(index)
        self.published, self.sent, self.settled = {}, [], []
        self.subscribers, self.over, self.consumers = [], [], []

    async def work(self, steps):
        """Does so many random things."""
        for _ in range(steps):
            self.random.choice(self.CHOICES)(self)
            if self.random.random() < 0.3:
                await asyncio.sleep(0)

    def publish(self):
        topic = self.random.choice(TOPICS)
        message = self.view.hub.publish(Envelope(topic, {}), b"x", True)
        self.published[message.offset] = topic

    def send(self):
        body = b"%d.%d" % (self.index, len(self.sent))
        self.view.publish(Envelope(self.random.choice(QUEUES), {}), body, True)
        self.sent.append(body)

    def subscribe(self):
        if len(self.subscribers) < 10:
            self.subscribers.append(Subscriber(self.view.hub, self.random.choice(PATTERNS)))

    def leave(self):
        if self.subscribers:
            gone = self.subscribers.pop(self.random.randrange(len(self.subscribers)))
            cursor = gone.leave()
            self.over.append(gone)
            if self.random.random() < 0.7:
                self.subscribers.append(Subscriber(self.view.hub, gone.pattern, cursor))

    def consume(self):
        if len(self.consumers) < 5:
            self.consumers.append(Consumer(self, self.random.choice(QUEUES), self.random.choice([1, 5, 50])))

    def ack(self):
        if self.consumers:
            self.random.choice(self.consumers).ack()

    def kill(self):
        if self.consumers and self.random.random() < 0.2:
            self.consumers.pop(self.random.randrange(len(self.consumers))).kill()

    CHOICES = (publish, publish, publish, send, send, subscribe, leave, consume, ack, ack, ack, kill)

    async def finish(self):
        """Settles all that is there, until told otherwise."""
        while len(self.consumers) < len(QUEUES):
            self.consumers.append(Consumer(self, QUEUES[len(self.consumers)], 50))
        for queue in QUEUES:
            self.consumers.append(Consumer(self, queue, 50))
        while self.going:
            for consumer in self.consumers:
                while consumer.ack():
                    pass
            await asyncio.sleep(0)

    going = True


class Consumer:
    """A client that consumes from a queue."""

    def __init__(self, worker, queue, prefetch):
        self.worker, self.waiting = worker, []
        with worker.view.lock:
            self.consumer = worker.view.declare(queue).consume(self, prefetch)

    def deliver(self, consumer, tag, message, deliveries):
        self.waiting.append((tag, message.body))
        return True

    def cancelled(self, consumer, error):
        raise AssertionError("no queue is deleted here")

    def ack(self):
        if not self.waiting:
            return False
        tag, body = self.waiting.pop(0)
        try:
            self.consumer.ack(tag)
        except QmqError as error:
            raise AssertionError(f"{body} was given, and cannot be settled") from error
        self.worker.settled.append(body)
        return True

    def kill(self):
        self.consumer.cancel()


def check(workers):
    """Everybody has seen everything once, in order; every job was settled once."""
    published = {}
    for worker in workers:
        published.update(worker.published)
    order = sorted(published)
    for worker in workers:
        assert list(worker.published) == sorted(worker.published)
        for done, some in ((False, worker.over), (True, worker.subscribers)):
            for each in some:
                assert not each.errors
                wanted = [n for n in order if n > each.after and matches(each.pattern, published[n])]
                seen = each.numbers
                assert seen == (wanted if done else wanted[: len(seen)]), each.pattern
    sent = [body for worker in workers for body in worker.sent]
    settled = [body for worker in workers for body in worker.settled]
    assert sorted(sent) == sorted(settled)
