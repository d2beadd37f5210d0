"""What falls due later, in one heap for all queues of a loop.

It reads time only from the clock that it is given, and waits for nothing: `alarm` asks
whoever has a loop to call `run` at a time.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable

log = logging.getLogger("qmq.core")

_EARLY = 0.001  # seconds before its time that an alarm may come: loops round


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
            to be called once at that time, or soon after.

    """

    def __init__(self, clock: Callable[[], float], alarm: Callable[[float], object]) -> None:
        self.clock = clock
        self._alarm = alarm
        self._alarms: list[float] = []  # asked for and not come yet, the next one last
        self._heap: list[Timer] = []
        self._due: deque[Timer] = deque()  # while they are called back
        self._cancelled = 0  # of both

    def __len__(self) -> int:
        return len(self._heap) + len(self._due) - self._cancelled

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
            before = len(self._heap)
            self._heap = [each for each in self._heap if each.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled -= before - len(self._heap)

    def run(self) -> None:
        """Calls back everything that is due. What a callback asks for at once waits for the next time."""
        now, alarms, due = self.clock(), self._alarms, self._due
        while alarms and alarms[-1] <= now + _EARLY:
            alarms.pop()
        while self._heap and self._heap[0].when <= now:
            due.append(heapq.heappop(self._heap))
        while due:
            timer = due.popleft()
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled -= 1
                continue
            try:
                callback()
            except Exception as error:  # the others are due all the same
                log.error("what was due at %g failed; all else goes on", timer.when, exc_info=error)
        self._arm()

    def _arm(self) -> None:
        heap, alarms = self._heap, self._alarms
        while heap and heap[0].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        if heap and (not alarms or heap[0].when < alarms[-1]):
            alarms.append(heap[0].when)
            self._alarm(heap[0].when)
