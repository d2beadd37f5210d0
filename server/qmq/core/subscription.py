"""One subscriber's demand with its bounds, and what is pending for it.

Nothing is pending for a subscriber that keeps up: its messages go from the hub to
the socket within one pass of the loop and are never counted. Only when its
connection is blocked does the outbox count what waits, here, and apply the bounds.

A subscription knows no protocol; how its messages look is its encoder's affair.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from qmq.core.audience import Audience
    from qmq.core.message import Message
    from qmq.core.outbox import Outbox


class Overflow(StrEnum):
    """What happens beyond the bounds."""

    DISCONNECT = "disconnect"
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"
    CONFLATE = "conflate"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be pending for one subscription.

    Attributes:
        max_messages: Messages that may wait.
        max_bytes: Octets that may wait, counted as they go over the wire.
        overflow: What happens to the message, or the client, beyond.
        conflate_key: With `conflate`, the header whose value says which messages
            replace each other; without one, or in messages that lack it, it is
            the destination.

    """

    max_messages: int
    max_bytes: int
    overflow: Overflow = Overflow.DISCONNECT
    conflate_key: str = ""


class Encoder(Protocol):
    """Makes the octets that carry a message to subscribers of one kind.

    Subscriptions with the same encoder object and the same destination share
    every encoded message, so equal encoders should be one object.
    """

    def encode(self, message: Message) -> bytes: ...


class Subscription:
    """A demand for the messages of one destination or pattern on one outbox."""

    __slots__ = ("audience", "bounds", "latest", "outbox", "pending", "pending_bytes")

    def __init__(self, audience: Audience, outbox: Outbox, bounds: Bounds) -> None:
        self.audience = audience
        self.outbox = outbox
        self.bounds = bounds
        self.pending: OrderedDict[int, Message] | None = None  # by place in the outbox; None until first needed
        self.pending_bytes = 0
        self.latest: dict[str, int] = {} if bounds.overflow is Overflow.CONFLATE else _NO_KEYS

    @property
    def pattern(self) -> str:
        return self.audience.pattern

    def conflation_key(self, message: Message) -> str:
        """Messages with the same key replace each other while they wait."""
        envelope = message.envelope
        value = envelope.headers.get(self.bounds.conflate_key)
        return envelope.destination if value is None else f"={value}"

    def over(self) -> str:
        """The name of the bound that is passed, or an empty string."""
        bounds = self.bounds
        if self.pending is None:
            return ""
        if len(self.pending) > bounds.max_messages:
            return "max-messages"
        return "max-bytes" if self.pending_bytes > bounds.max_bytes else ""

    def __repr__(self) -> str:
        waiting = len(self.pending) if self.pending else 0
        return f"<subscription to {self.pattern}, {waiting} pending, {self.pending_bytes} octets>"


_NO_KEYS: dict[str, int] = {}
