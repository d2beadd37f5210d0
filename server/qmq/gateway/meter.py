"""How much one client sends in a second, and since when it has sent nothing.

Only connections that have such limits have a meter, and it is asked once for every chunk
that was read, not for every message. Who sends more than its share is not read from until
it has earned what it took in advance, so that TCP slows it down; nobody else notices.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from qmq.addresses import place
from qmq.errors import QmqError
from qmq.sections import Limits

_ADDRESSES = 10_000  # of clients with requests, remembered at the same time


class Bucket:
    """An allowance that grows with time, up to that of one second, and may be overdrawn once.

    Args:
        rate: What it grows by in a second.
        now: The time, in seconds.

    """

    __slots__ = ("_left", "_rate", "_when")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = max(rate, 1.0)
        self._when = now

    def lacks(self, amount: int, now: float) -> float:
        """The seconds until so much is in it; of more than it can hold, until it is full."""
        left = min(self._left + (now - self._when) * self._rate, max(self._rate, 1.0))
        return max((min(amount, max(self._rate, 1.0)) - left) / self._rate, 0.0)

    def take(self, amount: int, now: float) -> float:
        """Takes from it; returns the seconds until it is no longer overdrawn."""
        grown = self._left + (now - self._when) * self._rate
        self._left = min(grown, max(self._rate, 1.0)) - amount
        self._when = now
        return max(-self._left / self._rate, 0.0)


class Meter:
    """One client's.

    Args:
        limits: What it may.
        clock: Seconds that only grow.

    Attributes:
        refuses: Whether who is too fast is sent away, instead of being slowed down.
        timer: Until it may go on.

    """

    __slots__ = ("_clock", "_frames", "_idle", "_octets", "_published", "_publishes", "_silence", "refuses", "timer")

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        now = clock()
        self._clock = clock
        self._publishes = Bucket(limits.publish_rate, now) if limits.publish_rate else None
        self._octets = Bucket(limits.octet_rate, now) if limits.octet_rate else None
        self._published = 0
        self._idle = limits.idle_seconds
        self._frames = -1
        self._silence = 0.0
        self.refuses = limits.refuse_too_fast
        self.timer: asyncio.TimerHandle | None = None

    def charge(self, octets: int, published: int) -> float:
        """Charges for what was read; returns the seconds for which no more is to be read.

        Args:
            octets: That were read now.
            published: Messages that the client has published so far.

        """
        before, self._published = self._published, published
        return self.take(octets, published - before)

    def take(self, octets: int, messages: int) -> float:
        """The same, for messages that were published now."""
        now = self._clock()
        wait = self._octets.take(octets, now) if self._octets is not None else 0.0
        if self._publishes is not None:
            wait = max(wait, self._publishes.take(messages, now))
        return wait

    def lacks(self, octets: int, messages: int) -> float:
        """The seconds until so much can be taken without being overdrawn."""
        now = self._clock()
        wait = self._octets.lacks(octets, now) if self._octets is not None else 0.0
        return max(wait, self._publishes.lacks(messages, now)) if self._publishes is not None else wait

    @property
    def period(self) -> float | None:
        """How often `watch` wants to be called, in seconds; None if it need not be."""
        return self._idle or None

    def watch(self, period: float, frames: int, busy: bool) -> QmqError | None:
        """Looks whether the client does anything; `idle-timeout` if it has not for too long.

        Args:
            period: Seconds since the last look.
            frames: That the client has sent so far; heart-beats are none.
            busy: Whether it waits for anything: then it need not say a word.

        """
        if busy or frames != self._frames:
            self._frames = frames
            self._silence = 0.0
            return None
        self._silence += period
        if not self._idle or self._silence < self._idle:
            return None
        return QmqError("idle-timeout", f"nothing was sent or subscribed to for {self._silence:g} seconds")


class Meters:
    """The meters of clients that come with requests: by address, for each request may come on a connection of its own.

    They are used by all loops of a node.

    Args:
        limits: What each of them may.
        clock: Seconds that only grow.

    """

    __slots__ = ("_clock", "_known", "_limits", "_lock")

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = Lock()
        self._known: OrderedDict[str, Meter] = OrderedDict()

    def check(self, address: str, octets: int, messages: int) -> None:
        """Checks that a request may be taken, where those who are too fast are refused.

        Raises:
            QmqError: `too-fast`.

        """
        if not self._limits.refuse_too_fast:
            return
        with self._lock:
            wait = self._of(address).lacks(octets, messages)
        if wait:
            raise too_fast(wait)

    def take(self, address: str, octets: int, messages: int) -> float:
        """Charges for a request; returns the seconds after which it is to be answered."""
        with self._lock:
            wait = self._of(address).take(octets, messages)
        return 0.0 if self._limits.refuse_too_fast else wait

    def _of(self, address: str) -> Meter:
        where = place(address)
        found = self._known.get(where)
        if found is None:
            if len(self._known) >= _ADDRESSES:
                self._known.popitem(last=False)
            found = self._known[where] = Meter(self._limits, self._clock)
        else:
            self._known.move_to_end(where)
        return found


def too_fast(wait: float) -> QmqError:
    """What one is told who is to come back after so many seconds."""
    return QmqError("too-fast", f"come back in {wait:.1f} seconds", int(wait * 1000) + 1)


def limited(limits: Limits) -> bool:
    """Whether there are limits on what comes in a second."""
    return bool(limits.publish_rate or limits.octet_rate)


def counted(limits: Limits) -> bool:
    """Whether clients have meters."""
    return limited(limits) or bool(limits.idle_seconds)


def size_of(data: bytes | list[str]) -> int:
    """Octets of what a transport has read; characters, where it reads text."""
    return len(data) if isinstance(data, bytes) else sum(map(len, data))
