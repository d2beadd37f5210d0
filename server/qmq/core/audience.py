"""The subscriptions to one destination or pattern whose messages look the same.

Most connections have one subscription. They are `sole` members and are served in
turns: an audience keeps a short log of what it was offered, and a member whose turn
comes is handed everything since its last one, joined. Members that are equally far
behind share the joined octets. A turn of the whole audience may be spread over
several passes of the loop; what is published meanwhile is taken along by those whose
turn is still to come. So a large audience stalls nobody, and a busy topic costs one
write per member and round, not one per message.

Connections with several subscriptions are `mixed` members: each delivery is appended
to their outboxes at once, so that they see everything in the order of publishing.
"""

from __future__ import annotations

from collections.abc import Callable

from qmq.core.faults import end_client
from qmq.core.outbox import Delivery, Outbox
from qmq.core.subscription import Encoder
from qmq.stats import Stats


class Audience:
    """The members for one pattern and encoder.

    Attributes:
        pattern: The destination or pattern that they want.
        encoder: Makes their octets.
        mixed: The members with other subscriptions besides, and their `append`.
        dirty: For the hub: whether it has noted that there is something to flush.
        stats: What was dropped for its members.

    """

    __slots__ = (
        "_base", "_gaps", "_joined", "_least_turns", "_log", "_mark", "_order", "_owed", "_turn",
        "dirty", "encoder", "mixed", "pattern", "stats",
    )  # fmt: skip

    def __init__(self, pattern: str, encoder: Encoder, stats: Stats) -> None:
        self.pattern = pattern
        self.stats = stats
        self.encoder = encoder
        self.mixed: dict[Outbox, Callable[[Delivery], None]] = {}
        self.dirty = False
        self._order: list[Outbox | None] = []  # the sole members, and gaps where some have left
        self._least_turns = 1
        self._gaps = 0
        self._turn = 0  # whose turn is next
        self._owed = 0  # turns until everybody has everything
        self._log: list[Delivery] = []
        self._base = 0  # the place of the log's first delivery
        self._mark = 0  # the log's end when the present round began
        self._joined: dict[int, tuple[bytes, list[Delivery]]] = {}  # from a place to the log's end

    def __len__(self) -> int:
        return len(self._order) - self._gaps + len(self.mixed)

    @property
    def members(self) -> list[Outbox]:
        """Of both kinds."""
        return [outbox for outbox in self._order if outbox is not None] + list(self.mixed)

    def join(self, outbox: Outbox, sole: bool) -> None:
        """Makes an outbox a member, from what is offered next."""
        if sole:
            self._least_turns = outbox.sink.least_turns  # the same for all: they have one encoder
            outbox.seat = len(self._order)
            outbox.place = self._base + len(self._log)
            self._order.append(outbox)
            if self._owed:
                self._owed += 1  # its seat may lie before that of somebody who is still owed a turn
        else:
            self.mixed[outbox] = outbox.append

    def leave(self, outbox: Outbox) -> None:
        """Ends a membership of either kind, after a last turn."""
        if self.mixed.pop(outbox, None) is not None:
            return
        self._serve(outbox)
        self._order[outbox.seat] = None
        self._gaps += 1
        if self._gaps > 16 and self._gaps * 2 > len(self._order):
            self._close_gaps()

    def offer(self, delivery: Delivery) -> int:
        """Adds a delivery for everybody; returns how many that are."""
        self._log.append(delivery)
        self._owed = owed = len(self._order)
        if self._joined:
            self._joined.clear()
        if self.mixed:
            for append in self.mixed.values():
                append(delivery)
            owed += len(self.mixed)
        return owed - self._gaps

    def take_turns(self, share: int = 1, stretch: int = 1) -> bool:
        """Serves the next members; true if everybody now has everything.

        Args:
            share: Into how many passes a round is divided, at least.
            stretch: How many times dearer than usual a pass is.

        """
        order, joined = self._order, self._joined
        end = self._base + len(self._log)
        turns = min(self._owed, max(len(order) // share, self._least_turns * stretch))
        self._owed -= turns
        turn = self._turn
        for _ in range(turns):
            if turn >= len(order):
                turn = 0
                self._new_round()
            outbox = order[turn]
            turn += 1
            if outbox is not None and outbox.place != end:
                ready = joined.get(outbox.place) or self._join(outbox.place)
                outbox.place = end
                try:
                    outbox.sink.deliver(*ready)
                except Exception as error:
                    end_client(outbox.sink, error)
        self._turn = turn
        if self._owed:
            return False
        self._log.clear()
        self._joined.clear()
        self._base = self._mark = end
        return True

    def flush_mixed(self) -> None:
        """Lets the mixed members write what they were offered."""
        for outbox in self.mixed:
            try:
                outbox.sink.flush()
            except Exception as error:
                end_client(outbox.sink, error)

    def fail(self, error: Exception) -> None:
        """Ends all members: what they were to be given next could not be made."""
        for outbox in self.members:
            end_client(outbox.sink, error)

    def _serve(self, outbox: Outbox) -> None:
        if outbox.place != self._base + len(self._log):
            try:
                outbox.sink.deliver(*self._join(outbox.place))
            except Exception as error:
                end_client(outbox.sink, error)

    def _join(self, place: int) -> tuple[bytes, list[Delivery]]:
        batch = self._log[place - self._base :]
        data = batch[0][2] if len(batch) == 1 else b"".join([delivery[2] for delivery in batch])
        ready = self._joined[place] = (data, batch)
        return ready

    def _new_round(self) -> None:
        """Forgets what everybody has: all have had a turn since the mark."""
        del self._log[: self._mark - self._base]
        self._base = self._mark
        self._mark = self._base + len(self._log)

    def _close_gaps(self) -> None:
        members = [outbox for outbox in self._order if outbox is not None]
        before = sum(outbox is not None for outbox in self._order[: self._turn])
        for seat, outbox in enumerate(members):
            outbox.seat = seat
        self._order[:] = members
        self._turn, self._gaps = before, 0
        self._owed = min(self._owed, len(members))

    def __repr__(self) -> str:
        return f"<audience of {len(self)} for {self.pattern}>"
