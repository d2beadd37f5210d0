"""How much one client sends in a second, and since when it has sent nothing.

Only connections that have such limits have a meter, and it is asked once for every chunk
that was read, not for every message. Who sends more than its share is not read from until
it has earned what it took in advance, so that TCP slows it down; nobody else notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from qmq.config import Limits
from qmq.errors import QmqError


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
        now = self._clock()
        wait = self._octets.take(octets, now) if self._octets is not None else 0.0
        if self._publishes is not None:
            wait = max(wait, self._publishes.take(published - self._published, now))
            self._published = published
        return wait

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


def counted(limits: Limits) -> bool:
    """Whether clients have meters."""
    return bool(limits.publish_rate or limits.octet_rate or limits.idle_seconds)


def size_of(data: bytes | list[str]) -> int:
    """Octets of what a transport has read; characters, where it reads text."""
    return len(data) if isinstance(data, bytes) else sum(map(len, data))
