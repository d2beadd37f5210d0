"""Reads what the stores of a topic or pattern have beyond a position: in order, and in steps of bounded size.

First it looks, through the index, which stores have something up to the number that is reached
now; then it merges these. What comes meanwhile is beyond that number, and has its turn afterwards.
Whatever is dropped or forgotten before it was read is noticed where it is missing.

Between two calls anything may happen to the stores; within one they must be settled.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from qmq.core.message import Message
from qmq.core.store import Store

if TYPE_CHECKING:
    from qmq.core.history import History


class Scan:
    """One reader's place.

    Args:
        history: Whose stores it reads.
        pattern: A topic or pattern.
        position: After which number it begins.
        on_found: Called whenever it knows which stores it is to read, with the steps that this took.

    Attributes:
        position: The number up to which it has given everything.
        dropped: The largest number of which it knows that, beyond where it stood, something
            of the pattern is missing there; 0 for none.

    """

    __slots__ = (
        "_heap",
        "_history",
        "_on_found",
        "_ready",
        "_steps",
        "_target",
        "_walk",
        "dropped",
        "pattern",
        "position",
    )

    def __init__(
        self, history: History, pattern: str, position: int, on_found: Callable[[Scan, int], None] | None = None
    ) -> None:
        self.pattern = pattern
        self.position = position
        self.dropped = 0
        self._history = history
        self._on_found = on_found
        self._target = position  # as far as the stores in the heap are read
        self._walk: Iterator[Store | None] | None = None
        self._steps = 0  # of the walk
        self._heap: list[tuple[int, Store]] = []  # by the number of the next message
        self._ready: list[Message] = []

    @property
    def knows(self) -> bool:
        """Whether it knows what comes next, without more steps."""
        return self._walk is None and bool(self._heap or self._ready)

    @property
    def complete(self) -> bool:
        """Whether it has given everything up to now."""
        return self.position >= self._history.position() and not self._ready

    def read(self, messages: int, octets: int, overhead: int, steps: int) -> list[Message]:
        """The next messages: none, too, if that takes more steps, or there are no more.

        Args:
            messages: How many at most.
            octets: Of bodies and headers; beyond, no more are read.
            overhead: Octets that each message counts besides.
            steps: Of its work: stores looked at, and messages.

        """
        found, self._ready = self._ready[:messages], self._ready[messages:]
        if found:
            octets -= sum([len(message.body) + message.envelope.octets + overhead for message in found])
            self.position = found[-1].offset
        if self._ready:
            return found
        while steps > 0 and messages > len(found) and octets > 0:
            if self._walk is not None:
                steps = self._look(self._walk, steps)
            elif self._heap:
                before = len(found)
                octets = self._take(found, min(messages, before + steps), octets, overhead)
                steps -= 1 + len(found) - before
            elif self._target < self._history.position():
                self._begin()
            else:
                break
        if self._walk is None and not self._heap:
            self.position = self._target
        return found

    def copy(self) -> Scan:
        """Another one at the same place. Only while it is not looking."""
        twin = Scan(self._history, self.pattern, self.position, self._on_found)
        twin.dropped, twin._target = self.dropped, self._target
        twin._heap, twin._ready = self._heap.copy(), self._ready.copy()
        return twin

    def put_back(self, messages: list[Message]) -> None:
        """Takes back the last messages of those that it gave, for the next time."""
        if messages:
            self._ready = messages + self._ready
            self.position = messages[0].offset - 1

    def _begin(self) -> None:
        self.position = self._target
        self._target = self._history.position()
        self._walk = self._history.walk(self.pattern, self.position)
        self._steps = 0

    def _look(self, walk: Iterator[Store | None], steps: int) -> int:
        """Finds stores that have something; returns how many steps are left."""
        before = steps
        for store in islice(walk, steps):
            steps -= 1
            if store is not None:
                self._enter(store)
        self._steps += before - steps
        if steps:
            self._walk = None
            self._miss(self._history.lost(self.pattern))  # it may have had names that were forgotten meanwhile
            if self._on_found is not None:
                self._on_found(self, self._steps)
        return steps

    def _enter(self, store: Store) -> None:
        store.trim()
        self._miss(store.dropped)
        number = store.next(self.position)
        if 0 < number <= self._target:
            heapq.heappush(self._heap, (number, store))

    def _take(self, found: list[Message], most: int, octets: int, overhead: int) -> int:
        """Gives what the store with the oldest message has before any other's; returns how many octets are left."""
        heap = self._heap
        number, store = heap[0]
        until = min([self._target + 1, *[entry[0] for entry in heap[1:3]]])
        due = 0  # the number of its first message that is not given now
        for message in store.after(number - 1):
            if message.offset >= until or len(found) >= most or octets <= 0:
                due = message.offset
                break
            if message.offset != number:
                self._miss(store.dropped)
            number = 0
            found.append(message)
            octets -= len(message.body) + message.envelope.octets + overhead
            self.position = message.offset
        if number and due != number:
            self._miss(store.dropped)
        if due and due <= self._target:
            heapq.heapreplace(heap, (due, store))
        else:
            heapq.heappop(heap)
        return octets

    def _miss(self, number: int) -> None:
        if number > self.position:
            self.dropped = max(self.dropped, number)

    def __repr__(self) -> str:
        return f"<scan of {self.pattern} at {self.position}>"
