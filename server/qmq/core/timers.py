"""What falls due later, in one heap for all queues of a loop.

It reads time only from the clock that it is given, and waits for nothing: `alarm` asks
whoever has a loop to call `run` at a time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

_NEVER = float("inf")


class Timer:
    """One thing that falls due. `cancel` it when that no longer matters."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Timers:
    """The timers of one loop.

    Args:
        clock: Seconds, growing steadily.
        alarm: Called with a time when nothing earlier is asked for; `run` is then
            to be called at that time, or soon after.

    """

    def __init__(self, clock: Callable[[], float], alarm: Callable[[float], None]) -> None:
        self.clock = clock
        self._alarm = alarm
        self._heap: list[Timer] = []
        self._armed = _NEVER
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls back once, at a time of the clock."""
        timer = Timer(when, callback)
        heapq.heappush(self._heap, timer)
        self._arm()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forgets a timer, and what its callback refers to; does nothing if it is over."""
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [each for each in self._heap if each.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run(self) -> None:
        """Calls back everything that is due."""
        now = self.clock()
        self._armed = _NEVER
        due: list[Timer] = []
        while self._heap and self._heap[0].when <= now:
            due.append(heapq.heappop(self._heap))
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled = max(0, self._cancelled - 1)
            else:
                callback()
        self._arm()

    def _arm(self) -> None:
        if self._heap and self._heap[0].when < self._armed:
            self._armed = self._heap[0].when
            self._alarm(self._armed)
