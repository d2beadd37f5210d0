"""Full garbage collections, when they disturb nobody.

A node makes no cycles per message, and the collector is told to look seldom, because a full
collection over many connections would stall them all. So that a cycle that nobody has thought
of does not stay for ever, a full collection is made when the loop rests, or when memory has
grown much and the last one took no longer than is felt by nobody.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Callable

_PERIOD = 15.0  # seconds between two looks
_RESTING = 100  # passes of the hub in that time, below which the loop rests: pings and stray messages make some
_SHORT = 0.01  # seconds that a collection may take while there is work
_GROWN = 64 << 20  # bytes that memory has grown by since the last one, when it is worth its while


class Collector:
    """Makes full collections from the running loop, until it is stopped.

    Args:
        passes: How often the loop's hub was flushed so far.
        memory: Bytes of resident memory now.

    """

    def __init__(self, passes: Callable[[], int], memory: Callable[[], int] | None = None) -> None:
        self._passes = passes
        self._memory = memory or resident
        self._seen = passes()
        self._took = 0.0  # seconds of the last collection
        self._after = self._memory()  # bytes after it
        self._dirty = True  # whether anything has happened since
        self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._look)

    def stop(self) -> None:
        """Makes no more."""
        self._timer.cancel()

    def _look(self) -> None:
        passes, memory = self._passes(), self._memory()
        rests = passes - self._seen < _RESTING
        self._dirty |= passes != self._seen
        self._seen = passes
        # What takes longer now than the last time has more to look at, roughly as memory has grown.
        short = self._took * max(memory / (self._after or 1), 1) < _SHORT
        if (rests and self._dirty) or (memory - self._after > _GROWN and short):
            began = time.perf_counter()
            gc.collect()
            self._took = time.perf_counter() - began
            self._after = self._memory()
            self._dirty = not rests
        self._timer = asyncio.get_running_loop().call_later(_PERIOD, self._look)


def resident() -> int:
    """Bytes of resident memory of this process; 0 where it is not told."""
    try:
        descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(descriptor, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(descriptor)
