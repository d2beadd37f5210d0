"""Who guesses passwords has to wait, the longer the more often.

Some failures are free; from then on each one doubles the time for which no login from
that address is looked at. A login that succeeds forgives nothing, or one account would buy
guesses at all others. Nor do many guesses at once get around it: only so many are looked at
at the same time. The table is bounded: when it is full, whoever failed longest ago
is forgotten. It serves all loops of a node.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from qmq.addresses import place
from qmq.errors import QmqError

_AT_ONCE = 100  # logins from one address that are looked at at the same time; as after a restart of the node
_ADDRESSES = 10_000  # remembered at the same time
_FIRST = 1.0  # seconds of the first wait
_LONGEST = 900.0  # seconds of the longest
_FORGIVEN = 3600.0  # seconds without a failure after which an address begins anew


class Lockout:
    """Failed logins by address.

    Args:
        free: Failures that cost nothing; 0 means that nobody ever has to wait.
        clock: Seconds that only grow.

    """

    __slots__ = ("_clock", "_failures", "_lock", "_trying", "free")

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.free = free
        self._clock = clock
        self._lock = Lock()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and the time of the last
        self._trying: dict[str, int] = {}  # logins that are being looked at

    def check(self, address: str) -> None:
        """Checks that a login from there may be looked at.

        Raises:
            QmqError: `too-many-logins`, with the time to wait in `retry_after`.

        """
        if not self.free:
            return
        where = place(address)
        with self._lock:
            count, last = self._failures.get(where, (0, 0.0))
            if count < self.free:
                return
            left = last + self._wait(count) - self._clock()
        if left > 0:
            milliseconds = int(left * 1000) + 1
            raise QmqError("too-many-logins", f"{count} have failed; wait {left:.1f} seconds", milliseconds)

    @contextmanager
    def trying(self, address: str) -> Iterator[None]:
        """While a login is looked at, which takes a while; it has failed if an error leaves that has no `retry`.

        Raises:
            QmqError: `too-many-logins`.

        """
        self.check(address)
        where = place(address)
        with self._lock:
            count = self._trying.get(where, 0)
            if count >= _AT_ONCE:
                raise QmqError("too-many-logins", f"{count} are being looked at", int(_FIRST * 1000))
            self._trying[where] = count + 1
        try:
            yield
        except QmqError as error:
            if not error.code.retry:
                self.failed(address)
            raise
        finally:
            with self._lock:
                self._trying[where] -= 1
                if not self._trying[where]:
                    del self._trying[where]

    def failed(self, address: str) -> None:
        """Counts a login that failed."""
        if not self.free:
            return
        where, now = place(address), self._clock()
        with self._lock:
            count, last = self._failures.pop(where, (0, now))
            if now - last > _FORGIVEN:
                count = 0
            elif len(self._failures) >= _ADDRESSES:
                self._failures.popitem(last=False)
            self._failures[where] = (count + 1, now)

    def _wait(self, count: int) -> float:
        return min(_FIRST * 2.0 ** min(count - self.free, 30), _LONGEST)

    def __len__(self) -> int:
        return len(self._failures)

    def __repr__(self) -> str:
        return f"<lockout {len(self)} addresses>"
