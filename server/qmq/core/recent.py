"""The idempotency keys of what was published lately, so that a repeated publish is dropped.

A key belongs to its publisher and destination: nobody's key says anything of what others
publish. Bounded in number and in age, and shared fairly between publishers. No timer and no
clock of its own, no protocol: whoever publishes asks first, and adds the key once the publish
has succeeded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from qmq.stats import Stats

# Publisher, destination, and what the publisher calls it.
Key: TypeAlias = tuple[str, str, str]

_LOOKS = 16  # publishers that are looked at when somebody has to make room


class Recent:
    """Keys, each remembered for a time.

    Args:
        clock: Seconds, growing steadily.
        most: How many are remembered. Beyond, one goes before its time: the oldest of the publisher
            that adds one, if that has its share or more; else of another that has more than its share.
            0: none.
        seconds: How long each is.
        stats: Counts those that went before their time.

    """

    def __init__(self, clock: Callable[[], float], most: int, seconds: float, stats: Stats) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._owners: OrderedDict[str, OrderedDict[Key, float]] = OrderedDict()  # each with its oldest key first
        self._count = 0
        self._stats = stats

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: Key) -> bool:
        own = self._owners.get(key[0])
        added = own.get(key) if own is not None else None
        return added is not None and self._clock() - added < self._seconds

    def add(self, key: Key) -> None:
        """Remembers a key from now on."""
        if not self._most:
            return
        now, owner = self._clock(), key[0]
        own = self._owners.get(owner)
        if own is None:
            own = self._owners[owner] = OrderedDict()
        self._count += key not in own
        own[key] = now
        own.move_to_end(key)
        self._expire(owner, now)
        others = next(iter(self._owners))  # each owner's turn comes, also if it publishes nothing any more
        self._owners.move_to_end(others)
        self._expire(others, now)
        if self._count > self._most:
            self._drop_oldest(self._rich(owner))
            self._stats.add("idempotency_keys_evicted")

    def _expire(self, owner: str, now: float) -> None:
        """Forgets what is too old: one comes, up to two go, so it is gone in time, and no call takes long."""
        for _ in range(2):
            own = self._owners.get(owner)
            if own and now - next(iter(own.values())) >= self._seconds:
                self._drop_oldest(owner)

    def _rich(self, owner: str) -> str:
        """Who has to make room: no publisher loses a key because others have many."""
        share = self._count / len(self._owners)
        if len(self._owners[owner]) < share:
            for _ in range(_LOOKS):
                other = next(iter(self._owners))
                self._owners.move_to_end(other)
                if len(self._owners[other]) >= share:
                    return other
        return owner

    def _drop_oldest(self, owner: str) -> None:
        own = self._owners[owner]
        own.popitem(last=False)
        self._count -= 1
        if not own:
            del self._owners[owner]

    def __repr__(self) -> str:
        return f"<{len(self)} keys of at most {self._most}>"
