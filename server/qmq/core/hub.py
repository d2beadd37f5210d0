"""One thread's switchboard: takes what is published, offers it to those who want it.

Subscribers with the same destination and the same encoder are one `Audience`. A
message is matched once and encoded once per audience; per subscriber nothing happens
until its turn to write comes. `flush` gives turns, at the end of each pass of the loop,
and goes on in the next passes if an audience is large.

No awaits, no sockets, no protocol. All calls come from the hub's own loop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from qmq.core.audience import Audience
from qmq.core.faults import end_client, note
from qmq.core.history import History
from qmq.core.matcher import Matcher
from qmq.core.message import Envelope, Message, Origin
from qmq.core.outbox import Outbox
from qmq.core.replay import Replay
from qmq.core.replays import Reader, Replays
from qmq.core.scan import Scan
from qmq.core.store import Store
from qmq.core.subscription import Bounds, Encoder, Subscription
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.stats import Stats

# Who gets the messages of one destination: what keeps them, audiences, and what passes them to queues.
Route: TypeAlias = "tuple[Store, tuple[Audience, ...], Callable[[Message], None] | None]"

# Routes are remembered for this many names; then they are looked up anew.
MAX_ROUTES = 10_000

# A pass may offer this much before its connections write. Bounds what a single
# write joins, and lets a fast publisher's burst reach fast readers in steps that
# their sockets can take, rather than counting it against them.
_FLUSH_OCTETS = 128 * 1024

# A round of all members of an audience takes about so many passes, and one pass
# serves so many audiences: where every subscriber has an id of its own, there are
# as many audiences as subscribers.
_PASSES = 12
_AUDIENCES_PER_PASS = 128

# Steps that are taken at once to find out where a subscription begins.
_FIRST_STEPS = 32


class Hub:
    """Publishes messages to subscriptions.

    Args:
        origin: Where messages published here come from.
        wake: Asks the loop to call `flush` once at the end of this pass.
        stats: Where what is dropped is counted by destination.
        history: What topics keep; by default nothing.

    Attributes:
        bound: For the registry: which queues a topic is bound to, if any; called
            with the destination, it returns what then takes each message.
        offset: The number of the last message, which is also how many there were.
        deliveries: Messages times subscribers that they were offered to.
        replays: Those who catch up.
        passes: How often it was flushed.
        lock: Held while positions are compared with what is kept, and a subscription
            is made of it. Here it is none: nobody else is there.
        stretch: How many times dearer a pass of the loop is than that of one that is alone.
        turn_steps: What one turn of those who catch up may do, in stores looked at and messages.

    """

    lock: AbstractContextManager[Any] = nullcontext()
    stretch = 1
    turn_steps = 400  # a millisecond or so

    def __init__(
        self,
        origin: Origin,
        wake: Callable[[], object],
        stats: Stats | None = None,
        history: History | None = None,
    ) -> None:
        self.origin = origin
        self.history = history if history is not None else History(Timers(lambda: 0.0, lambda when: None))
        self.history.position = lambda: self.offset
        self.history.forget = self._forget_route
        self.bound: Callable[[str], Callable[[Message], None] | None] | None = None
        self.offset = 0
        self.deliveries = self.passes = 0
        self._wake = wake
        self._audiences: dict[tuple[str, Encoder], Audience] = {}
        self._patterns: dict[str, int] = {}  # the audiences of each
        self._matcher: Matcher[Audience] = Matcher()
        self._stats = stats or Stats()
        self._routes: dict[str, Route] = {}
        self._owing: list[Outbox] = []
        self._dirty: list[Audience] = []
        self._unflushed = 0
        self._awake = False
        self._store: Store | None = None  # the last that took a message in this pass
        self._unsettled: dict[Store, None] = {}  # all that did
        self.replays = Replays(self)

    @property
    def cursor(self) -> str:
        """The position after everything published so far."""
        return self.origin.id_of(self.offset)

    @property
    def fanned_out(self) -> int:
        """The `deliveries` of all hubs of the node."""
        return self.deliveries

    def drain(self) -> None:
        """Lets what other threads have sent arrive. Here there are none."""

    def subscribe(self, pattern: str, encoder: Encoder, outbox: Outbox, bounds: Bounds) -> Subscription:
        """Lets an outbox have every message to a destination or pattern from now on.

        Raises:
            QmqError: `duplicate-id` if the outbox has a subscription to the same
                pattern with the same encoder; `closed` if its client has ended meanwhile.

        """
        if outbox.ended:  # by what came for it on other threads, while it waited to be subscribed
            raise QmqError("closed")
        audience = self._audiences.get((pattern, encoder))
        if audience is None:
            self._patterns[pattern] = self._patterns.get(pattern, 0) + 1
            audience = self._audiences[pattern, encoder] = Audience(pattern, encoder, self._stats.of(pattern))
            self._matcher.add(pattern, audience)
            self._routes.clear()
        elif audience in outbox.subscriptions:
            raise QmqError("duplicate-id", pattern)
        if len(outbox.subscriptions) == 1:
            self._move(outbox, sole=False)
        audience.join(outbox, not outbox.subscriptions)
        subscription = outbox.subscriptions[audience] = Subscription(audience, outbox, bounds)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription, after handing over what was published before; what waits is forgotten."""
        audience, outbox = subscription.audience, subscription.outbox
        audience.leave(outbox)
        outbox.drop_subscription(subscription)
        if len(outbox.subscriptions) == 1:
            self._move(outbox, sole=True)
        if not audience:
            del self._audiences[audience.pattern, audience.encoder]
            self._matcher.remove(audience.pattern, audience)
            self._routes.clear()
            self._retire(audience.pattern)

    def publish(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        """Numbers a message and offers it to all who want it; never waits, never fails.

        Args:
            envelope: Its destination (checked by the caller) and headers.
            body: Its octets.
            text: Whether the body is known to be valid UTF-8.

        """
        self.offset = offset = self.offset + 1
        message = Message(envelope, body, text, self.origin, offset)
        bound = self.offer(message)
        if bound is not None:
            bound(message)
        return message

    def offer(self, message: Message) -> Callable[[Message], None] | None:
        """Offers a message to subscribers alone; returns what would take it to queues."""
        destination = message.envelope.destination
        store, audiences, bound = self._routes.get(destination) or self._find_route(destination)
        store.append(message)
        if store is not self._store:
            self._store = store
            self._unsettled[store] = None
            if not self._awake:
                self._wake_up()
        for audience in audiences:
            try:
                frame = audience.encoder.encode(message)
            except Exception as error:
                audience.fail(error)
                continue
            self.deliveries += audience.offer((audience, message, frame))
            self._unflushed += len(frame)
            if not audience.dirty:
                audience.dirty = True
                self._dirty.append(audience)
        if self._unflushed > _FLUSH_OCTETS:
            self._flush(1)
        return bound

    def number(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        """Makes the next message, for those who offer it elsewhere."""
        self.offset = offset = self.offset + 1
        return Message(envelope, body, text, self.origin, offset)

    def publish_as(self, topic: str, envelope: Envelope, body: bytes, text: bool) -> Message:
        """Numbers a message, and offers it to the subscribers of a topic, wherever else it goes."""
        message = self.number(envelope, body, text)
        self.offer(Message(Envelope(topic, envelope.headers), body, text, message.origin, message.offset))
        return message

    def owe(self, outbox: Outbox) -> None:
        """Notes that a queue has given something to an outbox, which is to be written in this pass."""
        if not self._awake:
            self._wake_up()
        self._owing.append(outbox)

    def resume(
        self, pattern: str, encoder: Encoder, outbox: Outbox, bounds: Bounds, position: int, floor: int | None = None
    ) -> Replay:
        """As `subscribe`, but first everything that is kept beyond a position.

        Args:
            pattern, encoder, outbox, bounds: As for `subscribe`.
            position: After which number to begin.
            floor: Up to this number something may be missing, as the client was told; by
                default everything up to now if anything is.

        """
        if outbox.ended:
            raise QmqError("closed")
        if floor is None:
            floor = position if self.whole(pattern, position) else self.offset
        replay = Replay(self, pattern, encoder, outbox, bounds, position, floor)
        self.wants_turn(replay)
        return replay

    def whole(self, pattern: str, position: int) -> bool:
        """Whether nothing of this name or pattern is missing beyond a position."""
        with self.lock:
            self.settle()
            return self.history.whole(pattern, position)

    def begins(self, pattern: str, position: int) -> int | None:
        """A position just before the next message, or the same one if that is not found at once; None if none comes."""
        with self.lock:
            scan = self.replays.scan(pattern, position)
            found = self.advance(scan, 1, 1, steps=_FIRST_STEPS)
            if not found and scan.complete:
                return None
            scan.put_back(found)
            self.replays.keep(scan)
            return scan.position

    def advance(self, scan: Scan, messages: int, octets: int, overhead: int = 0, steps: int = 0) -> list[Message]:
        """Lets a scan read on, by default with the steps of one turn; see `Scan.read`."""
        with self.lock:
            self.settle()
            return scan.read(messages, octets, overhead, steps or self.turn_steps)

    def settle(self) -> None:
        """Lets stores count what they took: before they are read, and at the end of each pass."""
        if self._unsettled:
            self._settle()

    def catch_up(self, replay: Replay) -> Subscription | None:
        """Makes an ordinary subscription of a replay that has everything; None if there is more to read."""
        if replay.position < self.offset or replay.outbox.ended:
            return None
        return self.subscribe(replay.pattern, replay.encoder, replay.outbox, replay.bounds)

    def wants_turn(self, reader: Reader) -> None:
        """Lets one who reads what is kept go on in one of the next passes."""
        if not self._awake:
            self._wake_up()
        self.replays.add(reader)

    def forget_routes(self) -> None:
        """Looks up anew who wants what: `bound` has changed its mind."""
        self._routes.clear()

    def flush(self) -> None:
        """Lets connections write what they were offered: a share of them now, the rest in the next passes."""
        self._awake = False
        self.passes += 1
        owing, self._owing = self._owing, []
        for outbox in owing:
            try:
                if outbox.owed:  # else it has ended, or was written already
                    outbox.sink.flush()
            except Exception as error:
                end_client(outbox.sink, error)
        later = self._dirty[_AUDIENCES_PER_PASS:]
        del self._dirty[_AUDIENCES_PER_PASS:]
        self._flush(_PASSES)
        self._dirty = later + self._dirty
        self.settle()
        if self.replays.active:
            self._catch_up()
        if not self._awake and self.busy:
            self._wake_up()

    def _catch_up(self) -> None:
        """Gives turns to those who catch up, and sends those away who cannot."""
        for replay, reason in self.replays.take_turns(self.passes):
            try:
                replay.outbox.sink.hang_up(reason)
            except Exception as error:
                end_client(replay.outbox.sink, error)

    @property
    def busy(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._dirty or self._owing or self._unsettled or (self.replays.active and self.replays))

    def _wake_up(self) -> None:
        self._awake = True
        self._wake()

    def _settle(self) -> None:
        """Lets stores count what they took in this pass."""
        unsettled, self._unsettled, self._store = self._unsettled, {}, None
        try:
            self.history.settle(unsettled)
        except Exception as error:
            note(self._stats, "the history of topics", error)

    def _flush(self, passes: int) -> None:
        dirty, self._dirty = self._dirty, []
        self._unflushed = 0
        for audience in dirty:
            audience.dirty = not audience.take_turns(passes, self.stretch)
            if audience.dirty:
                self._dirty.append(audience)
            if audience.mixed:
                audience.flush_mixed()

    def _retire(self, pattern: str) -> None:
        """Lets the counters of a pattern go, if this was its last audience."""
        self._patterns[pattern] -= 1
        if not self._patterns[pattern]:
            del self._patterns[pattern]
            self._stats.retire(pattern)

    def _forget_route(self, destination: str) -> None:
        self._routes.pop(destination, None)

    def _move(self, outbox: Outbox, sole: bool) -> None:
        """Seats a connection's one subscription anew, because it gets company or has lost it."""
        for audience in outbox.subscriptions:
            audience.leave(outbox)
            audience.join(outbox, sole)

    def _find_route(self, destination: str) -> Route:
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        bound = self.bound(destination) if self.bound is not None else None
        if self.history.crowded:
            self._settle()
        store = self.history.store(destination)
        route = self._routes[destination] = (store, tuple(self._matcher.match(destination)), bound)
        return route

    def __repr__(self) -> str:
        return f"<hub at {self.cursor}, {len(self._audiences)} audiences>"
