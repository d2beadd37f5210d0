"""Hubs, queues and exchanges as several threads share them, with nobody running: tests say whose turn it is."""

import threading
from contextlib import contextmanager

from qmq.core.history import History
from qmq.core.mailbox import Bell
from qmq.core.memory import Pool, Share
from qmq.core.message import Envelope, Origin
from qmq.core.options import Rules
from qmq.core.outbox import Outbox
from qmq.core.scan import Scan
from qmq.core.sequence import Sequence
from qmq.core.shared import Home, SharedRegistry
from qmq.core.sibling import Sibling
from qmq.core.store import Keep
from qmq.core.subscription import Bounds
from qmq.core.timers import Timers
from qmq.stats import Stats, Sum

KEEP = (("/topic/#", Keep()),)
WIDE = Bounds(1 << 30, 1 << 30)


class Numbers:
    """Encodes a message as its number and body."""

    def encode(self, message):
        return b"%d:%b;" % (message.offset, message.body)


NUMBERS = Numbers()


class Reader:
    """A subscriber that takes everything at once. Its messages, as numbers and bodies."""

    least_turns = 8

    def __init__(self):
        self.octets = b""
        self.errors = []
        self.outbox = Outbox(self, Stats(), 1 << 30)

    def deliver(self, data, batch):
        if self.outbox.fresh:
            self.flush()
        self.octets += data

    def flush(self):
        self.octets += self.outbox.take_fresh()
        self.outbox.resume()

    def hang_up(self, error):
        self.errors.append(error)

    def failed(self, error):
        raise AssertionError from error

    @property
    def seen(self):
        return [(int(number), body) for number, _, body in (p.partition(b":") for p in self.octets.split(b";") if p)]

    @property
    def numbers(self):
        return [number for number, _ in self.seen]


class Siblings:
    """So many hubs. `home` is the index of the one whose thread is said to be running."""

    def __init__(self, count, *, keep=KEEP, rules=None, **bounds):
        self.now = 1000.0
        self.home = 0
        self.lock, self.order = threading.RLock(), threading.RLock()
        self.calls = [0] * count
        self.stats = Sum([Stats() for _ in range(count + 1)])
        timers = Timers(lambda: self.now, lambda when: None)
        self.timers = Timers(lambda: self.now, lambda when: None)
        self.sequence = Sequence(Origin("node", "e"), History(timers, keep), self.order)
        self.hubs = [self._hub(index, bounds) for index in range(count)]
        self.homes = [Home(self.lock, Bell(lambda: None)) for _ in range(count)]
        self.pool = Pool(1 << 30)
        share = Share(self.pool, lambda callback: callback())
        self.registry = SharedRegistry(
            self.hubs[0], self.timers, share, self.stats.parts[-1], rules or Rules(), self.lock, self.here
        )
        self.registry.totals = self.stats
        self.views = [self.registry.view(hub, Share(self.pool, lambda callback: callback())) for hub in self.hubs]
        for hub, home in zip(self.hubs, self.homes, strict=True):
            hub.arrivals = home.arrive

    def _hub(self, index, bounds):
        def call():
            self.calls[index] += 1

        return Sibling(self.sequence, lambda: None, call, self.stats.parts[index], **bounds)

    def here(self):
        return self.homes[self.home]

    @contextmanager
    def on(self, index):
        """Within, calls come from the thread of this hub."""
        before, self.home = self.home, index
        try:
            yield self.hubs[index]
        finally:
            self.home = before

    def publish(self, index, destination, *bodies):
        """Publishes on one thread."""
        with self.on(index):
            for body in bodies:
                self.views[index].publish(Envelope(destination, {}), body, True)

    def kept(self, index, pattern, position=0):
        """What is kept beyond a position, as one hub reads it."""
        hub = self.hubs[index]
        return hub.advance(Scan(hub.history, pattern, position), 1 << 30, 1 << 60, steps=1 << 30)

    def flush(self, *indices):
        """Lets these threads, or all, run until nothing is left to be done."""
        for _ in range(3):
            for index in indices or range(len(self.hubs)):
                with self.on(index):
                    for _ in range(20):
                        self.hubs[index].flush()
