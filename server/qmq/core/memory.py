"""How much memory a node's messages take, and who waits until it is less.

Every message that waits in a queue is counted with its body and what Python needs to
keep it. Above the ceiling publishers are to wait: whoever reads from them looks at
`full` and leaves a callback. Nothing is dropped here, and nothing is measured: the
counts are what the queues say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from qmq.errors import QmqError

log = logging.getLogger("qmq.core")

# What one queued message costs besides its body, in octets: message, place in the
# queue, the body's own header. Measured with a million of them (`make bench`).
OVERHEAD = 350

_RELIEF = 0.9  # of the ceiling: below it publishers go on, so that they do not stutter
_BRIM = 1.25  # of the ceiling: where what those publish who must not wait is refused


class Memory:
    """The account of one node.

    Args:
        ceiling: Octets above which publishers wait.

    Attributes:
        crowded: Whether threads are behind with what was published, so that publishers should slow down.
        brim: Octets above which nothing more may be published at all.

    """

    __slots__ = ("_own", "_waiting", "brim", "ceiling")

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.brim = int(ceiling * _BRIM)
        self._own = 0
        self._waiting: list[Callable[[], None]] = []

    crowded = False

    @property
    def used(self) -> int:
        """Octets now."""
        return self._own

    @property
    def full(self) -> bool:
        """Whether publishers are to wait."""
        return self.used >= self.ceiling or bool(self._waiting)

    def check(self) -> None:
        """Checks that a message may be published.

        Raises:
            QmqError: `memory-full` above the brim. Who can wait, waits long before.

        """
        if self.used >= self.brim:
            raise QmqError("memory-full", f"{self.used} octets wait, {self.ceiling} may")

    def take(self, octets: int) -> None:
        """Notes that so much more is used."""
        self._own += octets

    def free(self, octets: int) -> None:
        """Gives back what is no longer used; lets publishers go on when it is enough."""
        self._own -= octets
        if self._waiting and self.used < self.ceiling * _RELIEF:
            self._call_back()

    def wait(self, callback: Callable[[], None]) -> None:
        """Calls back once there is room. Callbacks must not raise nor publish at once."""
        self._waiting.append(callback)

    def _call_back(self) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            try:
                callback()
            except Exception as error:  # whoever it is hears of it; the others are not to wait for ever
                log.error("a publisher that has waited for memory failed", exc_info=error)

    def forget(self, callback: Callable[[], None]) -> None:
        """Does not call back any more."""
        if callback in self._waiting:
            self._waiting.remove(callback)

    def __repr__(self) -> str:
        return f"<memory {self.used} of {self.ceiling}, {len(self._waiting)} wait>"


class Pool:
    """The account of a node with several threads: each has a share, which only it changes.

    Args:
        ceiling: As of `Memory`.

    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.shares: list[Share] = []

    @property
    def used(self) -> int:
        """Octets of all shares; one may be negative, because what one thread has taken another may free."""
        return sum([share._own for share in self.shares])


class Share(Memory):
    """What one thread, or whoever holds one lock, adds to and takes from the account.

    Args:
        pool: Of which it is a part.
        call: Calls something on the share's own loop, from any thread.
        crowded: Whether threads are behind.

    """

    __slots__ = ("_asked", "_call", "_is_crowded", "_pool")

    def __init__(
        self, pool: Pool, call: Callable[[Callable[[], None]], object], crowded: Callable[[], bool] = bool
    ) -> None:
        super().__init__(pool.ceiling)
        self._pool = pool
        self._call = call
        self._asked = False
        self._is_crowded = crowded
        pool.shares.append(self)

    @property
    def used(self) -> int:
        return self._pool.used

    @property
    def full(self) -> bool:
        return self.used >= self.ceiling or any(share._waiting for share in self._pool.shares)

    @property
    def crowded(self) -> bool:  # type: ignore[override]
        return self._is_crowded()

    def free(self, octets: int) -> None:
        self._own -= octets
        for share in self._pool.shares:
            if share._waiting:
                share._relieve_soon()

    def wait(self, callback: Callable[[], None]) -> None:
        super().wait(callback)
        self._relieve_soon()  # others may have freed all there is before they could see this one wait

    def _relieve_soon(self) -> None:
        if not self._asked and self.used < self.ceiling * _RELIEF:
            self._asked = True
            self._call(self._relieve)

    def _relieve(self) -> None:
        self._asked = False
        if self.used < self.ceiling * _RELIEF:
            self._call_back()


UNCOUNTED = Memory(1 << 62)  # for those who have no ceiling
