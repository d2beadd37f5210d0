"""A message, and the envelope that it shares with its likes.

Most publishers send many messages that differ in nothing but the body. What they
have in common (destination, headers) is an `Envelope`, made once; encoders keep
their own encoded form of it there, so that encoding a message is little more than
joining four pieces. Neither object knows any protocol. Both are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class Origin:
    """The node where a client published, and the epoch of its numbering.

    Attributes:
        name: The node's name.
        epoch: Changes whenever the node's sequence starts anew.
        prefix: `NAME.EPOCH.`, what a message's id begins with.

    """

    __slots__ = ("epoch", "name", "prefix")

    def __init__(self, name: str, epoch: str) -> None:
        self.name = name
        self.epoch = epoch
        self.prefix = f"{name}.{epoch}.".encode()

    def id_of(self, offset: int) -> str:
        """The id of the message with this offset; as a cursor: the position after it."""
        return f"{self.name}.{self.epoch}.{offset}"

    def position(self, cursor: str) -> int | None:
        """The offset in a cursor; None if it is of another epoch, names other origins, or is none at all."""
        name, _, offset = cursor.rpartition(".")
        if name != f"{self.name}.{self.epoch}" or not offset.isascii() or not offset.isdecimal() or len(offset) > 18:
            return None
        return int(offset)


@dataclass(frozen=True, slots=True)
class Death:
    """Why, where and how often a queue gave a message up.

    `reason` is `expired`, `rejected`, `maxlen` or `delivery_limit`; `destination` is
    where the message had been published when it came to the queue.
    """

    queue: str
    reason: str
    destination: str
    count: int = 1


class Envelope:
    """Everything of a message but its body and number.

    Attributes:
        destination: The full name, such as `/topic/prices.eur`.
        headers: What the publisher added for its readers, `content-type` included.
        encoded: For encoders: whatever they `keep`, under a name of their own.
        octets: What its headers have, roughly; for the account of memory.
        priority: In a queue, the higher goes first.
        ttl: Milliseconds that it may wait in a queue; None if its publisher does not say.
        deaths: The queues that have given it up, the last one last.

    """

    __slots__ = ("deaths", "destination", "encoded", "headers", "octets", "priority", "ttl")

    def __init__(
        self,
        destination: str,
        headers: Mapping[str, str],
        *,
        priority: int = 0,
        ttl: int | None = None,
        deaths: tuple[Death, ...] = (),
    ) -> None:
        self.destination = destination
        self.headers = headers
        self.encoded = _NOTHING
        self.octets = sum([len(name) + len(value) for name, value in headers.items()]) if headers else 0
        self.priority = priority
        self.ttl = ttl
        self.deaths = deaths

    def keep(self, name: str, value: Any) -> None:
        """Keeps what an encoder has made of it, for the next message."""
        if self.encoded is _NOTHING:
            self.encoded = {}
        self.encoded[name] = value


_NOTHING: dict[str, Any] = {}  # shared, as most envelopes of queues are encoded long after they were made


class Message:
    """One published message.

    Attributes:
        envelope: Destination and headers.
        body: The octets as published.
        text: Whether the body is known to be valid UTF-8.
        origin: Where it was published.
        offset: Its number there.

    """

    __slots__ = ("body", "envelope", "offset", "origin", "text")

    def __init__(self, envelope: Envelope, body: bytes, text: bool, origin: Origin, offset: int) -> None:
        self.envelope = envelope
        self.body = body
        self.text = text
        self.origin = origin
        self.offset = offset

    @property
    def id(self) -> str:
        return self.origin.id_of(self.offset)

    def __repr__(self) -> str:
        return f"<message {self.id} to {self.envelope.destination}, {len(self.body)} octets>"
