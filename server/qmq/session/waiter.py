"""Who waits, with a request, for the next messages of a topic or pattern, or for what is kept of it to be found.

A waiter is an outbox's sink that writes nothing: it has what comes until it is closed, and tells
once that there is something. No protocol, no sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qmq.core.faults import note
from qmq.core.message import Message
from qmq.core.outbox import Delivery, Outbox
from qmq.core.subscription import Bounds, Encoder, Subscription
from qmq.errors import QmqError
from qmq.session.topics import Lookup, Reading

if TYPE_CHECKING:
    from qmq.session.operations import Operations


class Frameless:
    """The encoder of those who want messages as they are. All are equal."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frameless)

    def __hash__(self) -> int:
        return hash(Frameless)

    def encode(self, message: Message) -> bytes:
        """Nothing."""
        return b""


class Waiter:
    """Waits for the next messages of a topic or pattern, or for what is kept of it to be found; `close` it.

    Attributes:
        on_change: Called once, when there is something or the waiting is over. Not within it, but
            soon after, it is to be closed.
        messages: What has come.
        frames: And how the encoder has put it.

    """

    least_turns = 400  # who has been answered comes with another request, which costs more

    def __init__(self, operations: Operations, most: int, max_bytes: int) -> None:
        self.messages: list[Message] = []
        self.frames: list[bytes] = []
        self.on_change: Callable[[], None] | None = None
        self._operations = operations
        self._most = most
        self._room = max_bytes
        self._cursor = ""
        self._subscription: Subscription | None = None
        self._lookup: Lookup | None = None
        self._encoder: Encoder = Frameless()
        self._outbox = Outbox(self, operations.stats, operations.limits.max_bytes)

    def begin(self, pattern: str, encoder: Encoder, cursor: str) -> None:
        """Has what is published from now on."""
        limits = self._operations.limits
        self._cursor = cursor
        bounds = Bounds(limits.max_messages, limits.max_bytes)
        self._subscription = self._operations.registry.hub.subscribe(pattern, encoder, self._outbox, bounds)

    def look(self, lookup: Lookup, encoder: Encoder, pattern: str = "") -> None:
        """Waits for a lookup; with a pattern, then for what is published to it, if there was nothing."""

        def begin() -> None:
            self._lookup = None
            self.begin(pattern, encoder, lookup.reading.cursor)

        self._lookup, self._encoder = lookup, encoder
        lookup.on_end = self._changed
        lookup.on_failure = self.failed
        lookup.on_nothing = begin if pattern else None
        lookup.go_on()

    def deliver(self, data: bytes, batch: list[Delivery]) -> None:
        for _, message, frame in batch:
            if self._room <= 0 or len(self.messages) >= self._most:
                break
            assert message is not None
            self.messages.append(message)
            self.frames.append(frame)
            self._room -= len(message.body)
        self._changed()

    def flush(self) -> None:
        batch = list(self._outbox.fresh)
        self._outbox.fresh.clear()
        if batch:
            self.deliver(b"", batch)

    def hang_up(self, error: QmqError) -> None:
        self._room = 0  # something was missed: whatever comes after it is for who reads on
        self._changed()

    def failed(self, error: Exception) -> None:
        note(self._operations.stats, "a request that waits for messages", error)
        self.hang_up(QmqError("internal-error"))

    def close(self) -> Reading:
        """Ends the waiting; what has come until now."""
        subscription, self._subscription = self._subscription, None
        lookup, self._lookup = self._lookup, None
        if subscription is not None:
            self._operations.registry.hub.unsubscribe(subscription)
        if subscription is not None or lookup is not None:
            self._operations.waiting -= 1
            self._outbox.close()
        self.on_change = None
        if lookup is not None:
            lookup.end()
            reading = lookup.reading
            self.messages, self._cursor = reading.messages, reading.cursor
            self.frames = [self._encoder.encode(message) for message in reading.messages]
            return reading
        messages = self.messages
        return Reading(messages, messages[-1].id if messages else self._cursor, True)

    def abandon(self) -> None:
        """Ends it: nobody is there to have what comes."""
        self.close()

    def _changed(self) -> None:
        callback, self.on_change = self.on_change, None
        if callback is not None:
            callback()
