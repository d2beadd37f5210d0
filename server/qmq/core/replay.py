"""A subscription on its way from a position in the past to what is published now.

It reads from the stores piece by piece, as fast as its connection takes them, and
becomes an ordinary subscription in the very moment in which it has everything: the
step from the last stored message to the first live one is taken while nothing can be
published. What waits is in the stores, not in the outbox, so a long past passes no
bound of the subscription. If the stores give something up before it was read, nothing
can make it whole, and the client is sent away to come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmq.core.faults import end_client
from qmq.core.outbox import Outbox
from qmq.core.subscription import Bounds, Encoder, Overflow, Subscription
from qmq.errors import QmqError

if TYPE_CHECKING:
    from qmq.core.hub import Hub


class Replay:
    """A subscription that catches up.

    Args:
        hub: Whose stores it reads.
        pattern: What it wants.
        encoder: Makes its octets.
        outbox: Where they go.
        bounds: Of the subscription that comes of it.
        position: After which number it begins.
        floor: Up to this number something may be missing, and the client knows it.

    Attributes:
        position: The number up to which it has everything.
        subscription: What came of it, once it has caught up.
        ended: Whether nobody wants it any more.
        error: Why it cannot go on.
        looking: Whether it is to go on without asking, as its last turn gave its client nothing.

    """

    __slots__ = (
        "_hub", "bounds", "encoder", "ended", "error", "floor", "looking", "outbox", "pattern", "position",
        "subscription",
    )  # fmt: skip

    def __init__(
        self, hub: Hub, pattern: str, encoder: Encoder, outbox: Outbox, bounds: Bounds, position: int, floor: int
    ) -> None:
        self.pattern = pattern
        self.encoder = encoder
        self.outbox = outbox
        self.bounds = bounds
        self.position = position
        self.floor = floor
        self.subscription: Subscription | None = None
        self.ended = self.looking = False
        self.error: QmqError | None = None
        self._hub = hub

    @property
    def owner(self) -> object:
        """The client."""
        return self.outbox

    def go_on(self) -> None:
        """Asks for a turn: there is room in the outbox."""
        if not self.ended:
            self._hub.wants_turn(self)

    def take_turn(self) -> int:
        """Gives the next piece, or becomes a subscription, or has an error; returns how many octets that were."""
        hub, outbox = self._hub, self.outbox
        if outbox.ended:
            self.end()
            return 0
        piece = hub.replays.piece(self.pattern, self.encoder, self.position)
        self.looking = False
        if self.misses(piece.dropped):
            return 0
        self.position = piece.position
        if piece.deliveries:
            outbox.fresh.extend(piece.deliveries)
            outbox.owed += piece.octets
        self.subscription = hub.catch_up(self)
        if self.subscription is not None:
            hub.replays.forget(self)
        elif piece.deliveries:
            outbox.waiting.append(self.go_on)
        else:
            self.looking = self.error is None
        if outbox.fresh:
            outbox.sink.flush()
        return piece.octets

    def failed(self, error: Exception) -> None:
        """Ends the client, because a turn has raised this."""
        end_client(self.outbox.sink, error)

    def misses(self, dropped: int) -> bool:
        """Whether it cannot go on: what it was to read next is gone, and it is not one that may lose something.

        Args:
            dropped: The largest number that is gone, as far as is known.

        """
        if dropped <= max(self.floor, self.position):
            return False
        if self.bounds.overflow is not Overflow.DISCONNECT:
            self.floor = dropped
            return False
        cursor = self._hub.origin.id_of(self.position)
        self.error = QmqError(
            "slow-consumer", f"{self.pattern} was not read as fast as it is published; cursor {cursor}"
        )
        return True

    def end(self) -> None:
        """Ends it, or the subscription that came of it."""
        self.ended = True
        self._hub.replays.forget(self)
        if self.subscription is not None:
            self._hub.unsubscribe(self.subscription)
            self.subscription = None

    def __repr__(self) -> str:
        return f"<replay of {self.pattern} at {self.position}>"
