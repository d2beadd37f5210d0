"""What one connection still owes its client, in the order in which it is owed.

Within one pass of the loop hubs and sessions append to `fresh`; a connection that is
idle then takes all of it with `take_fresh`, or is handed a batch ready to write, and
that is all there is for a client that keeps up. If the connection is still busy with an earlier
write, it calls `hold` instead: what is fresh moves to the backlog, where it is
counted for its subscription and the bounds apply. Whatever is dropped is counted.

It knows nothing of sockets, loops or encodings, and is used by one loop only.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from qmq.core.faults import end_client
from qmq.core.memory import UNCOUNTED, Memory
from qmq.core.subscription import Overflow, Subscription
from qmq.errors import QmqError
from qmq.stats import Stats

if TYPE_CHECKING:
    from qmq.core.audience import Audience
    from qmq.core.message import Message


# A message on its way to all subscribers of one audience, and its octets; one that a
# queue has given to a consumer, without an audience; or a reply, of which there are
# only the octets. A plain tuple: one is made for every message that is delivered to
# anybody.
Delivery: TypeAlias = "tuple[Audience | None, Message | None, bytes]"

# Queues give a connection so many octets at once; the rest waits in the queues, where
# others can have it, until these are written.
_ROOM = 64 * 1024


class Sink(Protocol):
    """What writes an outbox's contents. Called at the end of a pass.

    No method may raise, nor end the connection before the pass is over. If one raises all the
    same, `failed` is called.

    `least_turns` says with how many of its kind a pass of the loop is worth its while.
    """

    @property
    def least_turns(self) -> int: ...

    def flush(self) -> None:
        """Writes what is fresh in the outbox."""

    def deliver(self, data: bytes, batch: list[Delivery]) -> None:
        """Writes a batch that others get too, after what is fresh in the outbox."""

    def hang_up(self, error: QmqError) -> None:
        """Tells the client why, after what is fresh in the outbox, and ends the connection. Not within a pass."""

    def failed(self, error: Exception) -> None:
        """Ends the connection with `internal-error` once the pass is over: something of this client has raised."""


class Gone:
    """Stands for a connection that is gone: whatever is meant for it is dropped."""

    least_turns = 1

    def flush(self) -> None: ...

    def deliver(self, data: bytes, batch: list[Delivery]) -> None: ...

    def hang_up(self, error: QmqError) -> None: ...

    def failed(self, error: Exception) -> None: ...


_GONE: Sink = Gone()


class Outbox:
    """The deliveries and replies that wait for one connection.

    Args:
        sink: The connection that writes it.
        stats: Where drops are counted.
        max_bytes: What the whole backlog may hold, replies included.
        memory: The node's account. Above its ceiling a connection with a backlog is
            ended: publishers need not wait for those who do not read.

    Attributes:
        ended: Whether the client's conversation is over: it gets no new subscription, only last words.
        owed: Octets of what queues have given since the last write.
        waiting: What to call when there is room for more from queues.

    """

    __slots__ = (
        "_backlog", "_backlog_bytes", "_given_bytes", "_memory", "_next", "_reply_bytes", "_stats",
        "append", "ended", "fresh", "max_bytes", "owed", "place", "seat", "sink", "subscriptions", "waiting",
    )  # fmt: skip

    def __init__(self, sink: Sink, stats: Stats, max_bytes: int, memory: Memory = UNCOUNTED) -> None:
        self.sink = sink
        self.max_bytes = max_bytes
        self.fresh: list[Delivery] = []
        self.append = self.fresh.append  # what hubs call, once per delivery
        self.subscriptions: dict[Audience, Subscription] = {}
        self.ended = False
        self.owed = 0
        self.waiting: list[Callable[[], None]] = []
        self.seat = self.place = 0  # for the audience of a sole member: where it sits, what it has had
        self._stats = stats
        self._memory = memory
        self._backlog: OrderedDict[int, tuple[bytes, Subscription | None, bool]] = OrderedDict()
        self._backlog_bytes = self._reply_bytes = self._given_bytes = 0  # the others are parts of the first
        self._next = 0

    @property
    def backlog_bytes(self) -> int:
        """Octets that wait behind the write under way."""
        return self._backlog_bytes

    @property
    def reply_bytes(self) -> int:
        """Those of them that are replies, not messages."""
        return self._reply_bytes

    def reply(self, frame: bytes) -> None:
        """Appends something that is no message: bounded by `max_bytes`, never dropped."""
        self.append((None, None, frame))

    def give(self, message: Message, frame: bytes) -> bool:
        """Appends what a queue gives; false if that is enough until what `waiting` holds is called."""
        self.append((None, message, frame))
        self.owed += len(frame)
        return self.owed < _ROOM and not self._backlog_bytes

    def resume(self) -> None:
        """Lets queues go on. For the sink, once everything is written."""
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            try:
                callback()
            except Exception as error:
                end_client(self.sink, error)

    def take_fresh(self) -> bytes:
        """Everything of this pass as one piece. Only while there is no backlog."""
        fresh = self.fresh
        self.owed = 0
        data = fresh[0][2] if len(fresh) == 1 else b"".join([delivery[2] for delivery in fresh])
        fresh.clear()
        return data

    def hold(self) -> QmqError | None:
        """Moves what is fresh to the backlog and applies the bounds.

        Returns:
            The reason to end the connection (`slow-consumer`, `outbox-full`), if
            there is one. The rest of the backlog is then of no use any more.

        """
        self.owed = 0
        for delivery in self.fresh:
            audience = delivery[0]
            subscription = self.subscriptions.get(audience) if audience is not None else None
            if audience is not None and subscription is None:
                continue  # unsubscribed within this very pass
            error = self._keep(delivery, subscription)
            if error is not None:
                self.fresh.clear()
                return error
        self.fresh.clear()
        waiting = self._backlog_bytes
        if waiting > self.max_bytes:
            return QmqError("outbox-full", f"{waiting} octets wait, {self.max_bytes} may")
        return self.in_the_way()

    def in_the_way(self) -> QmqError | None:
        """The reason to end the connection if publishers wait for what waits here; what queues gave is their affair."""
        waiting = self._backlog_bytes - self._given_bytes
        if waiting > _ROOM and self._memory.full:
            return QmqError("outbox-full", f"{waiting} octets wait, and the server is short of memory")
        return None

    def take(self, octets: int) -> bytes:
        """The oldest of the backlog, joined: whole frames, until there are `octets` or more."""
        pieces: list[bytes] = []
        while self._backlog and octets > 0:
            place = next(iter(self._backlog))
            frame = self._forget(place)
            pieces.append(frame)
            octets -= len(frame)
        return b"".join(pieces)

    def clear(self) -> None:
        """Drops everything, uncounted: the connection is ending."""
        self.fresh.clear()
        self.waiting.clear()
        self._backlog.clear()
        self._memory.free(self._backlog_bytes)
        self._backlog_bytes = self._reply_bytes = self._given_bytes = self.owed = 0
        for subscription in self.subscriptions.values():
            subscription.pending = None
            subscription.pending_bytes = 0
            subscription.latest.clear()

    def close(self) -> None:
        """Lets go of everything: the connection is gone."""
        self.ended = True
        self.clear()
        self.sink = _GONE  # or outbox and connection would keep each other until a full collection, which is rare

    def drop_subscription(self, subscription: Subscription) -> None:
        """Forgets a subscription and what waits for it."""
        del self.subscriptions[subscription.audience]
        for place in list(subscription.pending or ()):
            self._forget(place)

    def _keep(self, delivery: Delivery, subscription: Subscription | None) -> QmqError | None:
        _, message, frame = delivery
        place = self._next
        self._next += 1
        self._backlog[place] = (frame, subscription, message is None)
        self._backlog_bytes += len(frame)
        self._memory.take(len(frame))
        if subscription is None or message is None:
            if message is None:
                self._reply_bytes += len(frame)
            else:
                self._given_bytes += len(frame)
            return None
        if subscription.pending is None:
            subscription.pending = OrderedDict()
        subscription.pending[place] = message
        subscription.pending_bytes += len(frame)
        if subscription.bounds.overflow is Overflow.CONFLATE:
            self._conflate(subscription, place, message)
        bound = subscription.over()
        return self._overflow(subscription, place, bound) if bound else None

    def _conflate(self, subscription: Subscription, place: int, message: Message) -> None:
        key = subscription.conflation_key(message)
        older = subscription.latest.get(key)
        # The newer takes the later place, not the older's: offsets must not go back.
        subscription.latest[key] = place
        if older is not None:
            self._drop(older, subscription, "messages_conflated")

    def _overflow(self, subscription: Subscription, place: int, bound: str) -> QmqError | None:
        overflow = subscription.bounds.overflow
        if overflow is Overflow.DISCONNECT:
            return self._too_slow(subscription, bound)
        if overflow is Overflow.DROP_NEWEST:
            self._drop(place, subscription, "messages_dropped_newest")
        else:
            while subscription.pending and subscription.over():
                self._drop(next(iter(subscription.pending)), subscription, "messages_dropped_oldest")
        return None

    def _too_slow(self, subscription: Subscription, bound: str) -> QmqError:
        assert subscription.pending
        first = next(iter(subscription.pending.values()))
        allowed = subscription.bounds.max_messages if bound == "max-messages" else subscription.bounds.max_bytes
        return QmqError(
            "slow-consumer",
            f"{bound} of {subscription.pattern} is {allowed}; "
            f"{len(subscription.pending)} messages with {subscription.pending_bytes} octets were pending; "
            f"cursor {first.origin.id_of(first.offset - 1)}",
        )

    def _drop(self, place: int, subscription: Subscription, counter: str) -> None:
        self._forget(place)
        self._stats.add(counter)
        subscription.audience.stats.add(counter)

    def _forget(self, place: int) -> bytes:
        frame, subscription, reply = self._backlog.pop(place)
        size = len(frame)
        self._backlog_bytes -= size
        self._memory.free(size)
        if reply:
            self._reply_bytes -= size
        elif subscription is None:
            self._given_bytes -= size
        elif subscription.pending is not None:
            message = subscription.pending.pop(place)
            subscription.pending_bytes -= size
            if subscription.latest:
                key = subscription.conflation_key(message)
                if subscription.latest.get(key) == place:
                    del subscription.latest[key]
        return frame

    def __repr__(self) -> str:
        return f"<outbox {len(self._backlog)} waiting, {self._backlog_bytes} octets>"
