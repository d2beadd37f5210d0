"""What a destination's past is kept in: the interface, and the ring in memory.

A store takes the messages of one destination in the order of their numbers and gives
up the oldest when its bounds say so. It knows which was the last that it gave up, so
whoever asks for everything after a position is told whether that is still there.

Taking a message is an append to a list. Once in a pass of the loop somebody calls
`settle`: only then messages are counted, a batch at a time, and the oldest dropped, a
batch at a time. No clock here: what is too old is said by `history`, as a number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from qmq.core.memory import OVERHEAD
from qmq.core.message import Message

offset_of = attrgetter("offset")

_BATCH = 64  # messages that are counted, and mostly dropped, together


class Store(Protocol):
    """The past of one destination.

    Attributes:
        destination: Whose past it is.
        append: Takes a message, whose number is larger than that of all before.
        dropped: The number of the last message that is not there any more; 0 if
            everything is.

    """

    destination: str
    append: Callable[[Message], None]
    dropped: int

    def settle(self) -> None:
        """Counts what was taken, and drops what is beyond the bounds. At the end of a pass."""

    def trim(self) -> None:
        """Settles, and drops to the very bounds."""

    def after(self, position: int) -> Iterator[Message]:
        """The messages with larger numbers than this, the oldest first. To be used at once."""

    @property
    def last(self) -> int:
        """The number of the newest message that it ever took; 0 for none."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of a topic's past is kept: whatever of these is reached first is the bound.

    Attributes:
        messages: How many; 0 for none at all.
        bytes: With their headers and what Python needs to keep them.
        seconds: For how long, or a little longer.

    """

    messages: int = 1000
    bytes: int = 1 << 20
    seconds: float = 300.0


class Account(Protocol):
    """What counts the octets of rings together. `expired` is the last number that is too old."""

    expired: int

    def grew(self, ring: Ring, octets: int) -> None:
        """Notes that a ring takes so much more, or less. May make it drop what it has."""


class _Batch:
    """A few messages and their octets."""

    __slots__ = ("messages", "octets")

    def __init__(self, messages: list[Message], octets: int) -> None:
        self.messages = messages
        self.octets = octets


class Ring:
    """A store in memory.

    Between `trim`s it may hold a batch more than its bounds allow.

    Args:
        destination: Whose messages it keeps.
        keep: Its bounds.
        account: What counts all rings together.

    Attributes:
        count: How many messages it has, but for those that are not settled.
        octets: And how much memory they take.
        shelved: For the account: whether it knows that there is something in it.

    """

    __slots__ = (
        "_account", "_batches", "_fresh", "append", "count", "destination", "dropped", "keep", "octets", "shelved",
    )  # fmt: skip

    def __init__(self, destination: str, keep: Keep, account: Account) -> None:
        self.destination = destination
        self.keep = keep
        self.dropped = 0
        self.count = 0
        self.octets = 0
        self.shelved = False
        self._account = account
        self._fresh: list[Message] = []
        self._batches: deque[_Batch] = deque()
        self.append = self._fresh.append  # what hubs call, once per message

    def __len__(self) -> int:
        return self.count + len(self._fresh)

    @property
    def first(self) -> int:
        """The number of the oldest that it has settled; 0 for none."""
        return self._batches[0].messages[0].offset if self._batches else 0

    @property
    def last(self) -> int:
        if self._fresh:
            return self._fresh[-1].offset
        return self._batches[-1].messages[-1].offset if self._batches else self.dropped

    def settle(self) -> None:
        fresh = self._fresh
        if not fresh:
            return
        grown = 0
        for start in range(0, len(fresh), _BATCH):
            grown += self._add(fresh[start : start + _BATCH])
        fresh.clear()
        before = self.octets
        self.octets += grown
        keep, batches = self.keep, self._batches
        while batches and (self.count > keep.messages + _BATCH or self.octets - batches[0].octets > keep.bytes):
            self._drop_batch()
        if self.octets > keep.bytes + keep.bytes // 8 or not keep.messages:
            self._drop_to_bounds()
        self._account.grew(self, self.octets - before)

    def trim(self) -> None:
        self.settle()
        before = self.octets
        self._drop_to_bounds()
        if self.octets != before:
            self._account.grew(self, self.octets - before)

    def after(self, position: int) -> Iterator[Message]:
        self.trim()
        for batch in self._batches:
            messages = batch.messages
            if messages[-1].offset > position:
                yield from messages[bisect_right(messages, position, key=offset_of) :]

    def drop_oldest(self) -> None:
        """Drops a batch."""
        before = self.octets
        self._drop_batch()
        self._account.grew(self, self.octets - before)

    def _add(self, messages: list[Message]) -> int:
        octets = sum([len(each.body) + each.envelope.octets for each in messages]) + OVERHEAD * len(messages)
        self.count += len(messages)
        last = self._batches[-1] if self._batches else None
        # Small batches are joined, unless they would be too much to drop together.
        if last and len(last.messages) + len(messages) <= _BATCH and last.octets + octets < self.keep.bytes // 16:
            last.messages += messages
            last.octets += octets
        else:
            self._batches.append(_Batch(messages, octets))
        return octets

    def _drop_batch(self) -> None:
        batch = self._batches.popleft()
        self.count -= len(batch.messages)
        self.octets -= batch.octets
        self.dropped = batch.messages[-1].offset

    def _drop_to_bounds(self) -> None:
        keep, batches, expired = self.keep, self._batches, self._account.expired
        while batches and (
            self.count > keep.messages or self.octets > keep.bytes or batches[0].messages[0].offset <= expired
        ):
            batch = batches[0]
            surplus = self.count - keep.messages
            if batch.messages[-1].offset <= expired or len(batch.messages) <= max(surplus, 1):
                self._drop_batch()
            else:
                message = batch.messages.pop(0)
                size = len(message.body) + message.envelope.octets + OVERHEAD
                batch.octets -= size
                self.octets -= size
                self.count -= 1
                self.dropped = message.offset

    def __repr__(self) -> str:
        return f"<ring of {self.destination}: {len(self)} messages, {self.dropped} dropped>"
