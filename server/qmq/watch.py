"""Whether the loops of a node go on: each notes when it ran last, and whether its hub gives turns.

`/health/live` asks. Whoever restarts a node that does not live looks at nothing else, so this
says so only when some seconds have gone by. It repairs nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from qmq.errors import QmqError

_PERIOD = 1.0  # seconds between two looks
_PATIENCE = 5.0  # seconds without progress from which on a loop counts as stalled


class Watched(Protocol):
    """What a hub shows of itself: how often it was flushed, and whether there is something to flush."""

    passes: int

    @property
    def busy(self) -> bool: ...


class Watch:
    """Looks after the running loop and its hub, until it is stopped.

    Args:
        number: Of the loop, for the operator.
        hub: Of the loop.

    """

    def __init__(self, number: int, hub: Watched) -> None:
        self._number = number
        self._hub = hub
        self._passes = -1
        self._ran = self._flushed = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    def stop(self) -> None:
        """Looks no more, and finds nothing wrong."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def why_not_live(self) -> QmqError | None:
        """What does not go on, if anything. From any thread."""
        if self._timer is None:
            return None
        now = time.monotonic()
        for since, what in ((self._ran, "has not run"), (self._flushed, "has not written what it has to write")):
            if now - since > _PATIENCE + _PERIOD:
                return QmqError("stalled", f"loop {self._number} {what} for {now - since:.0f} seconds")
        return None

    def _look(self) -> None:
        hub = self._hub
        self._ran = time.monotonic()
        if not hub.busy or hub.passes != self._passes:
            self._flushed = self._ran
            self._passes = hub.passes
        self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._look)
