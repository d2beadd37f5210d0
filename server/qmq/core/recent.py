"""The idempotency keys of what was published lately, so that a repeated publish is dropped.

Bounded in number and in age. No timer and no clock of its own, no protocol: whoever
publishes asks first, and adds the key once the publish has succeeded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from qmq.stats import Stats


class Recent:
    """Keys, each remembered for a time.

    Args:
        clock: Seconds, growing steadily.
        most: How many are remembered; beyond, the oldest goes before its time. 0: none.
        seconds: How long each is.
        stats: Counts those that went before their time.

    """

    def __init__(self, clock: Callable[[], float], most: int, seconds: float, stats: Stats) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._added: OrderedDict[str, float] = OrderedDict()  # the oldest first
        self._stats = stats

    def __len__(self) -> int:
        return len(self._added)

    def __contains__(self, key: str) -> bool:
        added = self._added.get(key)
        return added is not None and self._clock() - added < self._seconds

    def add(self, key: str) -> None:
        """Remembers a key from now on."""
        now, added = self._clock(), self._added
        if not self._most:
            return
        added[key] = now
        added.move_to_end(key)
        for _ in range(2):  # one comes, up to two go: what is too old is gone in time, and no call takes long
            oldest = next(iter(added), None)
            if oldest is not None and now - added[oldest] >= self._seconds:
                del added[oldest]
        if len(added) > self._most:
            added.popitem(last=False)
            self._stats.add("idempotency_keys_evicted")

    def __repr__(self) -> str:
        return f"<{len(self)} keys of at most {self._most}>"
