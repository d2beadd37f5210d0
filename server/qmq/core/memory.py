"""How much memory a node's messages take, and who waits until it is less.

Every message that waits in a queue is counted with its body and what Python needs to
keep it. Above the ceiling publishers are to wait: whoever reads from them looks at
`full` and leaves a callback. Nothing is dropped here, and nothing is measured: the
counts are what the queues say.
"""

from __future__ import annotations

from collections.abc import Callable

from qmq.errors import QmqError

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
        used: Octets now.
        brim: Octets above which nothing more may be published at all.

    """

    __slots__ = ("_waiting", "brim", "ceiling", "used")

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.brim = int(ceiling * _BRIM)
        self.used = 0
        self._waiting: list[Callable[[], None]] = []

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
        self.used += octets

    def free(self, octets: int) -> None:
        """Gives back what is no longer used; lets publishers go on when it is enough."""
        self.used -= octets
        if self._waiting and self.used < self.ceiling * _RELIEF:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

    def wait(self, callback: Callable[[], None]) -> None:
        """Calls back once there is room. Callbacks must not raise nor publish at once."""
        self._waiting.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Does not call back any more."""
        self._waiting.remove(callback)

    def __repr__(self) -> str:
        return f"<memory {self.used} of {self.ceiling}, {len(self._waiting)} wait>"


UNCOUNTED = Memory(1 << 62)  # for those who have no ceiling
