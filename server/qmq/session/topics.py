"""Where a subscription to topics begins, and what it had missed: the same for every protocol.

A cursor is a position; what is kept beyond it is replayed, and it is said whether that is
all there was. Nothing here knows how messages look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qmq.core.destination import is_pattern
from qmq.core.hub import Hub
from qmq.core.message import Message
from qmq.core.outbox import Outbox
from qmq.core.replay import Replay
from qmq.core.scan import Scan
from qmq.core.subscription import Bounds, Encoder, Subscription
from qmq.errors import QmqError

# Steps that a lookup takes at once: many may be asked for in one pass.
_FIRST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin.

    Attributes:
        cursor: The position to come back with while no message has come.
        earliest: Whether to begin with the oldest message that is kept; else now.

    """

    cursor: str | None = None
    earliest: bool = False


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a subscriber is told: the position to come back with, and whether nothing is missing up to there."""

    subscription: Subscription | Replay
    cursor: str
    recovered: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Attributes:
        messages: In the order in which they were published.
        cursor: The position after them.
        recovered: Whether nothing is missing between the cursor that was asked for and the first.

    """

    messages: list[Message]
    cursor: str
    recovered: bool

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to tell."""
        return self.recovered and not self.messages


def position_of(hub: Hub, pattern: str, start: Start) -> tuple[int | None, bool]:
    """After which number to begin, None for now, and whether nothing is missing from there."""
    if start.cursor is not None:
        position = hub.origin.position(start.cursor)
        if position is not None and position <= hub.offset and hub.whole(pattern, position):
            return position, True
        return (0 if start.earliest else None), False
    if start.earliest:
        return 0, hub.whole(pattern, 0)
    return None, True


def subscribe(hub: Hub, pattern: str, encoder: Encoder, outbox: Outbox, bounds: Bounds, start: Start) -> Subscribed:
    """Lets an outbox have the messages of a topic or pattern from a position on.

    Raises:
        QmqError: `duplicate-id` as `Hub.subscribe`.

    """
    hub.drain()
    with hub.lock:
        position, recovered = position_of(hub, pattern, start)
        cursor = hub.cursor
        begins = hub.begins(pattern, position) if position is not None else None
        if position is None or begins is None:
            return Subscribed(hub.subscribe(pattern, encoder, outbox, bounds), cursor, recovered)
        floor = position if recovered else hub.offset
        replay = hub.resume(pattern, encoder, outbox, bounds, begins, floor)
        # Whoever is cut off now comes back with this.
        return Subscribed(replay, hub.origin.id_of(begins), recovered)


class Lookup:
    """Reads what is kept beyond a position, in as many passes of the loop as that takes.

    Args:
        hub: Whose stores are read.
        pattern: A topic or pattern.
        start: Where to begin.
        most: Messages at most.
        max_bytes: Octets of bodies and headers after which to stop.

    Attributes:
        on_end: Called once it is done.
        on_failure: Called if it cannot go on.
        on_nothing: Called instead if there is nothing and nothing is missing, while nothing can be published.
        done: Whether it has everything that it may have.

    """

    def __init__(self, hub: Hub, pattern: str, start: Start, most: int, max_bytes: int) -> None:
        self.on_end: Callable[[], None] = _nothing
        self.on_failure: Callable[[Exception], None] = _ignore
        self.on_nothing: Callable[[], None] | None = None
        self.done = self.ended = False
        self.looking = True
        self.error: QmqError | None = None
        self._hub = hub
        self._start = start
        self._most = most
        self._room = max_bytes
        self._messages: list[Message] = []
        self._scan: Scan | None = None
        with hub.lock:
            position, self._recovered = position_of(hub, pattern, start)
            self._cursor = hub.cursor
            if position is None:
                self.done = True
            else:
                self._begun = position
                self._scan = hub.replays.scan(pattern, position)
                self._read(self._scan, _FIRST_STEPS if is_pattern(pattern) else 0)
                if self.done:
                    hub.replays.keep(self._scan)

    @property
    def owner(self) -> object:
        """Itself: a request is a client."""
        return self

    def go_on(self) -> None:
        """Has turns until it is done."""
        self._hub.wants_turn(self)

    def take_turn(self) -> int:
        """Reads a little more."""
        assert self._scan is not None
        self._hub.drain()
        with self._hub.lock:
            self._scan = self._hub.replays.further(self._scan)
            self._read(self._scan)
            if not self.done:
                return 0
            on_end, on_nothing = self.on_end, self.on_nothing
            self.end()
            if on_nothing is not None and self.reading.is_nothing:
                on_nothing()
                return 0
        on_end()
        return 0

    def end(self) -> None:
        """Ends it; nobody is called any more."""
        self.ended = True
        self.looking = False
        self.on_end, self.on_failure, self.on_nothing = _nothing, _ignore, None
        scan, self._scan = self._scan, None
        if scan is not None:
            self._hub.replays.forget(self)
            self._hub.replays.keep(scan)  # for whoever comes with the cursor

    def failed(self, error: Exception) -> None:
        """Ends it, because it cannot go on."""
        on_failure = self.on_failure
        self.end()
        on_failure(error)

    def _read(self, scan: Scan, steps: int = 0) -> None:
        found = self._hub.advance(scan, self._most - len(self._messages), self._room, steps=steps)
        self._messages += found
        self._room -= sum([len(message.body) + message.envelope.octets for message in found])
        self._cursor = self._hub.origin.id_of(scan.position)
        if self._recovered and scan.dropped > self._begun:
            self._recovered = False
            if not self._start.earliest:
                self._messages, self._cursor, self.done = [], self._hub.cursor, True
        self.done = self.done or scan.complete or len(self._messages) >= self._most or self._room <= 0

    @property
    def reading(self) -> Reading:
        """What was read up to now."""
        return Reading(self._messages, self._cursor, self._recovered)


def _nothing() -> None:
    pass


def _ignore(error: Exception) -> None:
    pass
