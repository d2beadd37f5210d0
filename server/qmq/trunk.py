"""What the branches of a node share: its core, made for one loop or for several.

With one loop nothing is shared, and nothing is locked. With several, each has a hub of
its own, and a view of the same queues and exchanges; two locks guard the rest (see
`docs/architecture.md`, "What guards what").
"""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import Any

from qmq import native
from qmq.config import Config
from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.memory import Memory, Pool, Share
from qmq.core.message import Origin
from qmq.core.registry import Registry
from qmq.core.sequence import Sequence
from qmq.core.shared import Home, SharedRegistry
from qmq.core.sibling import Sibling
from qmq.core.timers import Timers
from qmq.loops import Loop
from qmq.rules import history_rules, rules_of
from qmq.stats import Stats, Sum

_PAUSE = 0.0006  # seconds between two looks at what comes from other threads, when much comes
_MANY = 16  # subscriptions from which on that is worth its while


class Trunk:
    """The core of a node.

    Args:
        config: The node's.
        origin: The name and epoch of what it numbers.
        loops: The loops that use it, the running one first.
        stats: The node's counters. With several loops it is a `Sum`, which gets a part for each.

    Attributes:
        registry: The node's queues and exchanges, for the running loop.
        views: The same, for each loop.
        stats: The counters of each loop.

    """

    def __init__(self, config: Config, origin: Origin, loops: list[Loop], stats: Stats) -> None:
        self.registry: Registry
        self.views: list[Registry]
        self.stats: list[Stats]
        self._config = config
        if len(loops) == 1:
            self._grow_alone(origin, loops[0], stats)
        else:
            assert isinstance(stats, Sum)
            self._grow(origin, loops, stats)

    def _grow_alone(self, origin: Origin, loop: Loop, stats: Stats) -> None:
        timers = Timers(loop.asyncio.time, lambda when: loop.asyncio.call_at(when, timers.run))
        hub = Hub(origin, lambda: loop.asyncio.call_soon(hub.flush), stats, self._history(timers, stats))
        memory = Memory(self._config.limits.memory)
        self.registry = Registry(hub, timers, memory, stats, rules_of(self._config))
        self.views, self.stats = [self.registry], [stats]

    def _grow(self, origin: Origin, loops: list[Loop], stats: Sum) -> None:
        limits = self._config.limits
        order, keeping = threading.RLock(), threading.RLock()  # of topics, and of all else
        of_topics, of_queues, self.stats = Stats(), Stats(), [Stats() for _ in loops]
        stats.parts += [of_topics, of_queues, *self.stats]
        first = loops[0]
        sequence = Sequence(origin, self._history(_timers(first, order), of_topics), order)
        pool = Pool(limits.memory)
        hubs = [
            _hub(sequence, loop, own, limits.mailbox_messages, limits.mailbox_bytes)
            for loop, own in zip(loops, self.stats, strict=True)
        ]
        homes = {loop.thread: Home(keeping, hub.bell) for loop, hub in zip(loops, hubs, strict=True)}
        elsewhere = homes[first.thread]
        self.registry = main = SharedRegistry(
            hubs[0],
            _timers(first, keeping),
            Share(pool, first.post),
            of_queues,
            rules_of(self._config),
            keeping,
            lambda: homes.get(threading.get_ident(), elsewhere),
        )
        main.totals = stats
        self.views = []
        for loop, hub in zip(loops, hubs, strict=True):
            hub.arrivals = homes[loop.thread].arrive
            self.views.append(main.view(hub, Share(pool, loop.post, lambda: hubs[0].crowded)))

    def _history(self, timers: Timers, stats: Stats) -> History:
        limits = self._config.limits
        return History(timers, history_rules(self._config), limits.history, limits.topics, stats)


class _Bell:
    """Lets a hub look at what other threads have left for it, once per burst.

    Under a GIL threads only take turns: to look at each message at once makes many small
    writes of few large ones. So a hub with many subscribers that has looked just now waits
    for a moment. It sleeps, since a loop's timers cannot wait for less than a millisecond;
    meanwhile the other threads have their turns.
    """

    def __init__(self, loop: Loop) -> None:
        self.hub: Sibling
        self._loop = loop
        self._pause = _PAUSE if native.gil() else 0.0
        self._next = 0.0

    def ring(self) -> None:
        """From any thread."""
        self._loop.post(self._look)

    def _look(self) -> None:
        wait = self._next - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        if self.hub.subscriptions >= _MANY:
            self._next = time.monotonic() + self._pause
        self.hub.look()


def _hub(sequence: Sequence, loop: Loop, stats: Stats, messages: int, octets: int) -> Sibling:
    bell = _Bell(loop)
    hub = bell.hub = Sibling(sequence, lambda: loop.asyncio.call_soon(hub.flush), bell.ring, stats, messages, octets)
    return hub


def _timers(loop: Loop, lock: AbstractContextManager[Any]) -> Timers:
    """Timers that are set from any thread, and fall due on one loop, under the lock that guards what they change."""

    def run() -> None:
        with lock:
            timers.run()

    def at(when: float) -> None:
        loop.asyncio.call_at(when, run)

    timers = Timers(loop.asyncio.time, lambda when: loop.post(at, when))
    return timers
