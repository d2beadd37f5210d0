"""A hub that is one of several: each thread has one, and all publish in one order.

What is published by any of them comes to each, its own included, through its mailbox. A
hub empties that before its subscriptions change and at the end of each pass, so what its
subscribers see is in the order of the numbers. All else is as in a hub that is alone.

Calls come from the hub's own loop, but for those that say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qmq.core.audience import Audience
from qmq.core.faults import end_client, note
from qmq.core.hub import MAX_ROUTES, Hub, Route
from qmq.core.mailbox import Bell, Mailbox
from qmq.core.message import Envelope, Message
from qmq.core.outbox import Outbox
from qmq.core.replay import Replay
from qmq.core.sequence import Sequence
from qmq.core.store import Store
from qmq.core.subscription import Bounds, Encoder, Overflow, Subscription
from qmq.errors import QmqError
from qmq.stats import Stats

# What a publisher's own loop may leave in its mailbox until the end of a pass.
_OWN_MESSAGES = 512
_OWN_OCTETS = 256 * 1024

# Who has caught up with all but so many messages gets these at once.
_REST = 256
_REST_OCTETS = 1 << 20


class _Elsewhere:
    """Stands for a store in the routes of a hub: what is kept, the sequence keeps."""

    destination = ""
    dropped = last = 0

    def __init__(self) -> None:
        self.append: Callable[[Message], None] = lambda message: None

    def settle(self) -> int:
        return 0

    def trim(self) -> None: ...

    def next(self, position: int) -> int:
        return 0

    def after(self, position: int) -> Iterator[Message]:
        return iter(())


_ELSEWHERE: Store = _Elsewhere()  # it has no state, so all hubs may have the same one


class Sibling(Hub):
    """One thread's hub.

    Args:
        sequence: What it shares with the others.
        wake: Asks the loop to call `flush` once at the end of this pass.
        call: Makes the loop call `look`, from any thread.
        stats: Its loop's counters.
        max_messages: How many messages may wait in its mailbox.
        max_octets: And how much memory these may take.

    Attributes:
        bell: By which other threads wake it.
        subscriptions: How many it has.
        arrivals: Called to let what queues have given on other threads arrive.

    """

    stretch = 4  # threads hand over to each other in each pass

    def __init__(
        self,
        sequence: Sequence,
        wake: Callable[[], object],
        call: Callable[[], None],
        stats: Stats,
        max_messages: int = 65_536,
        max_octets: int = 32 << 20,
    ) -> None:
        self._sequence = sequence
        super().__init__(sequence.origin, wake, stats)
        self.history = sequence.history
        self.lock = sequence.lock
        self.bell = Bell(call)
        self.arrivals: Callable[[], None] = lambda: None
        self._box = Mailbox(self.bell, max_messages, max_octets)
        self.subscriptions = 0
        self._wanted: dict[str, int] = {}  # patterns, and how many subscriptions want each
        self._missed: dict[str, int] = {}
        sequence.hubs.append(self)

    @property
    def offset(self) -> int:
        """The number of the last message, whoever has published it."""
        return self._sequence.offset

    @offset.setter
    def offset(self, value: int) -> None:
        """Numbers are the sequence's affair."""

    @property
    def fanned_out(self) -> int:
        return sum([hub.deliveries for hub in self._sequence.hubs])

    @property
    def crowded(self) -> bool:
        """Whether a thread, this one or another, is behind with what was published."""
        return any(hub._box.crowded for hub in self._sequence.hubs)

    # Publishing

    def publish(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        if not self._awake:
            self._wake_up()
        message = self._sequence.publish(envelope, body, text)
        self._look_after_own()
        bound = self.bound(envelope.destination) if self.bound is not None else None
        if bound is not None:
            bound(message)
        return message

    def publish_as(self, topic: str, envelope: Envelope, body: bytes, text: bool) -> Message:
        if not self._awake:
            self._wake_up()
        message = self._sequence.publish(envelope, body, text, Envelope(topic, envelope.headers))
        self._look_after_own()
        return message

    def number(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        return self._sequence.number(envelope, body, text)

    def _look_after_own(self) -> None:
        box = self._box
        if len(box.messages) > _OWN_MESSAGES or box.octets > _OWN_OCTETS:
            self._empty()

    # Subscribing

    def subscribe(self, pattern: str, encoder: Encoder, outbox: Outbox, bounds: Bounds) -> Subscription:
        self._empty()  # most of it while others may publish
        with self.lock:
            self._empty()
            subscription = super().subscribe(pattern, encoder, outbox, bounds)
            self.subscriptions += 1
            wanted = self._wanted.get(pattern, 0)
            self._wanted[pattern] = wanted + 1
            if not wanted:
                self._sequence.want(pattern, self._box)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self.drain()
        super().unsubscribe(subscription)
        self.subscriptions -= 1
        pattern = subscription.pattern
        self._wanted[pattern] -= 1
        if not self._wanted[pattern]:
            del self._wanted[pattern]
            self._sequence.unwant(pattern, self._box)

    def catch_up(self, replay: Replay) -> Subscription | None:
        self._empty()
        outbox = replay.outbox
        with self.lock:
            if outbox.ended:
                return None
            scan = self.replays.scan(replay.pattern, replay.position)
            rest = self.advance(scan, _REST, _REST_OCTETS)
            if not scan.complete or scan.dropped > max(replay.floor, replay.position):
                scan.put_back(rest)
                self.replays.keep(scan)
                return None  # the next turn goes on, or tells why not
            for message in rest:
                frame = replay.encoder.encode(message)
                outbox.append((None, message, frame))
                outbox.owed += len(frame)
            replay.position = scan.position
            return self.subscribe(replay.pattern, replay.encoder, outbox, replay.bounds)

    def settle(self) -> None:
        self._unsettled.clear()  # it has no stores of its own
        self._store = None
        try:
            self._sequence.settle()
        except Exception as error:
            note(self._stats, "the history of topics", error)

    def forget_routes(self) -> None:
        """Nothing: which queues a topic is bound to is asked of the registry for each message."""

    # What other threads leave here

    def look(self) -> None:
        """Takes what was left here. What `call` leads to."""
        if not self._awake:  # else it is about to be flushed
            self._awake = True
            self.flush()

    def drain(self) -> None:
        """Lets everything arrive that has come for this loop."""
        self._empty()
        self.arrivals()

    def flush(self) -> None:
        self.bell.rung = False
        self.drain()
        super().flush()
        if self._missed:
            self._dismiss()

    def _wake_up(self) -> None:
        self.bell.rung = True  # nobody else need do so until the loop has looked
        super()._wake_up()

    def _empty(self) -> None:
        box = self._box
        if not box.messages and not box.missed:
            return
        with self.lock:
            messages, missed, lost = box.take()
        for message in messages:
            try:
                self.offer(message)
            except Exception as error:
                note(self._stats, f"the delivery of {message.id}", error)
                missed.setdefault(message.envelope.destination, message.offset)
                lost += 1
        if lost:
            self._stats.add("messages_missed", lost)
            for destination, offset in missed.items():
                self._missed.setdefault(destination, offset)
            if not self._awake:
                self._wake_up()

    def _dismiss(self) -> None:
        """Sends those away who have missed something while this thread was stuck: the stores still have it."""
        missed, self._missed = self._missed, {}
        concerned: dict[Outbox, QmqError] = {}
        for destination, offset in sorted(missed.items(), key=lambda each: each[1]):
            audiences = self._matcher.match(destination) if destination else list(self._audiences.values())
            for audience in audiences:
                for outbox in audience.members:
                    if outbox.subscriptions[audience].bounds.overflow is Overflow.DISCONNECT:
                        concerned.setdefault(outbox, self._too_slow(audience, offset))
        for outbox, error in concerned.items():
            try:
                outbox.sink.hang_up(error)
            except Exception as cause:
                end_client(outbox.sink, cause)

    def _too_slow(self, audience: Audience, offset: int) -> QmqError:
        cursor = self.origin.id_of(offset - 1)
        return QmqError("slow-consumer", f"the server was too slow for {audience.pattern}; cursor {cursor}")

    def _find_route(self, destination: str) -> Route:
        if len(self._routes) >= min(MAX_ROUTES, self.history.max_names):
            self._routes.clear()
        route = self._routes[destination] = (_ELSEWHERE, tuple(self._matcher.match(destination)), None)
        return route
