"""Where a subscription to topics begins, and what it had missed: the same for every protocol.

A cursor is a position; what is kept beyond it is replayed, and it is said whether that is
all there was. Nothing here knows how messages look.
"""

from __future__ import annotations

from dataclasses import dataclass

from qmq.core.hub import Hub
from qmq.core.message import Message
from qmq.core.outbox import Outbox
from qmq.core.replay import Replay
from qmq.core.subscription import Bounds, Encoder, Subscription


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


def position_of(hub: Hub, pattern: str, start: Start) -> tuple[int | None, bool]:
    """After which number to begin, None for now, and whether nothing is missing from there."""
    if start.cursor is not None:
        position = hub.origin.position(start.cursor)
        if position is not None and hub.dropped(pattern) <= position <= hub.offset:
            return position, True
        return (0 if start.earliest else None), False
    if start.earliest:
        return 0, not hub.dropped(pattern)
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
        found = hub.read(pattern, position, 1).messages if position is not None else ()
        if position is None or not found:
            return Subscribed(hub.subscribe(pattern, encoder, outbox, bounds), cursor, recovered)
        replay = hub.resume(pattern, encoder, outbox, bounds, position)
        # Whoever is cut off now comes back with this.
        return Subscribed(replay, hub.origin.id_of(found[0].offset - 1), recovered)


def read(hub: Hub, pattern: str, start: Start, most: int, max_bytes: int) -> Reading:
    """What is kept beyond a position.

    Args:
        hub: Whose stores are read.
        pattern: A topic or pattern.
        start: Where to begin.
        most: Messages at most.
        max_bytes: Octets of bodies and headers after which to stop.

    """
    with hub.lock:
        position, recovered = position_of(hub, pattern, start)
        if position is None:
            return Reading([], hub.cursor, recovered)
        found = hub.read(pattern, position, most, max_bytes)
        return Reading(found.messages, hub.origin.id_of(found.position), recovered)
