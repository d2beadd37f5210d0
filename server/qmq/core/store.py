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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from qmq.core.memory import OVERHEAD
from qmq.core.message import Message

if TYPE_CHECKING:
    from qmq.core.index import Node

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

    def settle(self) -> int:
        """Counts what was taken, and drops what is beyond the bounds. At the end of a pass.

        Returns:
            The largest number that it has dropped, or may drop when it is trimmed next.

        """

    def trim(self) -> None:
        """Settles, and drops to the very bounds of number and size."""

    def after(self, position: int) -> Iterator[Message]:
        """The messages with larger numbers than this, the oldest first. To be used at once, and trimmed before."""

    def next(self, position: int) -> int:
        """The number of the first of these; 0 if there is none."""

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
    """What counts the octets of rings together."""

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
        empty: Likewise: whether it knows that there is nothing.
        place: For the index: where it stands there.

    """

    __slots__ = (
        "_account", "_batches", "_fresh", "append", "count", "destination", "dropped", "empty", "keep", "octets",
        "place", "shelved",
    )  # fmt: skip

    def __init__(self, destination: str, keep: Keep, account: Account) -> None:
        self.destination = destination
        self.keep = keep
        self.dropped = 0
        self.count = 0
        self.octets = 0
        self.shelved = self.empty = False
        self.place: Node
        self._account = account
        self._fresh: list[Message] = []
        self._batches: list[_Batch] = []
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

    def settle(self) -> int:
        fresh, keep, batches = self._fresh, self.keep, self._batches
        if fresh:
            before = self.octets
            if len(fresh) <= _BATCH:
                self._add(fresh[:])
            else:
                for start in range(0, len(fresh), _BATCH):
                    self._add(fresh[start : start + _BATCH])
            fresh.clear()
            while batches and (self.count > keep.messages + _BATCH or self.octets - batches[0].octets > keep.bytes):
                self._drop_batch()
            if self.octets > keep.bytes + keep.bytes // 8 or not keep.messages:
                self._drop_to_bounds()
            self._account.grew(self, self.octets - before)
        return self.last if self.count > keep.messages or self.octets > keep.bytes else self.dropped

    def trim(self) -> None:
        if self._fresh:
            self.settle()
        keep = self.keep
        if self.count > keep.messages or self.octets > keep.bytes:
            before = self.octets
            self._drop_to_bounds()
            self._account.grew(self, self.octets - before)

    def expire(self, number: int) -> None:
        """Drops everything up to a number."""
        before, batches = self.octets, self._batches
        while batches and batches[0].messages[0].offset <= number:
            if batches[0].messages[-1].offset <= number:
                self._drop_batch()
            else:
                self._drop_first()
        self._account.grew(self, self.octets - before)

    def after(self, position: int) -> Iterator[Message]:
        for batch in self._batches:
            messages = batch.messages
            if messages[-1].offset > position:
                yield from messages[bisect_right(messages, position, key=offset_of) :]

    def next(self, position: int) -> int:
        for batch in self._batches:
            messages = batch.messages
            if messages[-1].offset > position:
                return messages[bisect_right(messages, position, key=offset_of)].offset
        return 0

    def drop_oldest(self) -> None:
        """Drops a batch."""
        before = self.octets
        self._drop_batch()
        self._account.grew(self, self.octets - before)

    def _add(self, messages: list[Message]) -> None:
        number = len(messages)
        octets = OVERHEAD * number
        for message in messages:
            octets += len(message.body) + message.envelope.octets
        self.count += number
        self.octets += octets
        batches = self._batches
        # Small batches are joined, unless they would be too much to drop together.
        if batches:
            last = batches[-1]
            if len(last.messages) + number <= _BATCH and last.octets + octets < self.keep.bytes // 16:
                last.messages += messages
                last.octets += octets
                return
        batches.append(_Batch(messages, octets))

    def _drop_batch(self) -> None:
        batch = self._batches.pop(0)
        self.count -= len(batch.messages)
        self.octets -= batch.octets
        self.dropped = batch.messages[-1].offset

    def _drop_first(self) -> None:
        batch = self._batches[0]
        message = batch.messages.pop(0)
        size = len(message.body) + message.envelope.octets + OVERHEAD
        batch.octets -= size
        self.octets -= size
        self.count -= 1
        self.dropped = message.offset

    def _drop_to_bounds(self) -> None:
        keep, batches = self.keep, self._batches
        while batches and (self.count > keep.messages or self.octets > keep.bytes):
            if len(batches[0].messages) <= max(self.count - keep.messages, 1):
                self._drop_batch()
            else:
                self._drop_first()

    def __repr__(self) -> str:
        return f"<ring of {self.destination}: {len(self)} messages, {self.dropped} dropped>"
