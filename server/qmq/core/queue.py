"""A work queue: each message goes to one consumer and is settled.

Messages wait in the order of publishing; consumers with credit get them in turns. What
is not settled comes back to its old place when it is refused, when its consumer
vanishes, or when that takes too long. Bounds hold for what waits. Nothing that was
accepted leaves without being acknowledged, counted, or published as a dead letter.

No awaits, no sockets, no protocol; the time comes from the host's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Protocol

from qmq.core.consumer import Client, Consumer, cancel_all, end_consumer, find_late, tell_cancelled
from qmq.core.memory import OVERHEAD, Memory
from qmq.core.message import Message
from qmq.core.options import Full, QueueOptions
from qmq.core.ready import Entry, Ready
from qmq.core.timers import Timer, Timers
from qmq.errors import QmqError
from qmq.stats import PRIVATE, Stats

_EXPIRE_AT_ONCE = 1000  # messages; the others wait for the next pass of the loop


class Host(Protocol):
    """What a queue needs from whoever keeps it."""

    timers: Timers
    memory: Memory
    stats: Stats

    def bury(self, message: Message, queue: Queue, reason: str) -> None:
        """Takes what the queue gives up: a dead letter, or a request that no consumer has had in its time."""

    def drop_queue(self, queue: Queue) -> None:
        """Deletes a queue that is not needed any more."""


class Queue:
    """One queue.

    Args:
        name: Its destination, such as `/queue/jobs`.
        options: Its properties.
        host: Who keeps it.
        owner: With the property `exclusive`: who may use it.

    Attributes:
        published, delivered, acked, redelivered: How many messages, since it exists.
        unsettled: How many messages consumers have.
        paused: Whether consumers get nothing for the time being.
        consumers: In the order in which they came.

    """

    __slots__ = (
        "_ack_timer", "_clock", "_expiry_timer", "_host", "_idle", "_place", "_ready", "_unused_timer",
        "acked", "consumers", "delivered", "name", "options", "owner", "paused", "published", "redelivered",
        "stats", "unsettled",
    )  # fmt: skip

    makes: type[Consumer] = Consumer

    def __init__(self, name: str, options: QueueOptions, host: Host, owner: Hashable = None) -> None:
        self.name = name
        self.options = options
        self.owner = owner
        self.paused = False
        self.consumers: dict[Consumer, None] = {}
        self.published = self.delivered = self.acked = self.redelivered = self.unsettled = 0
        self.stats = host.stats.of(name if owner is None else PRIVATE)  # whose names are secrets
        self._host = host
        self._clock = host.timers.clock
        self._ready = Ready(options.max_priority)
        self._idle: deque[Consumer] = deque()  # who gets the next message, in turn
        self._place = 0
        self._ack_timer: Timer | None = None
        self._expiry_timer: Timer | None = None
        self._unused_timer: Timer | None = None
        self.touch()

    def __len__(self) -> int:
        return self._ready.count

    def __bool__(self) -> bool:
        return True

    @property
    def octets(self) -> int:
        """The bodies of the messages that wait."""
        return self._ready.octets

    # Publishing

    def put(self, message: Message) -> None:
        """Adds a message.

        Raises:
            QmqError: `queue-full` if it is, and rejects what is published then.

        """
        ready, options = self._ready, self.options
        octets = len(message.body)
        if ready.count >= options.max_length or ready.octets + octets > options.max_length_bytes:
            self._make_room(octets)
        self._place = place = self._place + 1
        entry = Entry(message, place, self._expiry_of(message))
        self._host.memory.take(octets + message.envelope.octets + OVERHEAD)
        self.published += 1
        if self._idle and not ready.count and not self.paused:
            self._hand_out(entry)  # without having waited, so a time to live of 0 is enough
            if ready.count:  # its consumer has failed
                self._serve()
            return
        ready.append(entry)
        if entry.expires:
            self._watch_expiry()

    def has_room(self, messages: int, octets: int, largest: int = 0) -> bool:
        """Whether so much more would be accepted now, all of it, the largest message too."""
        options, ready = self.options, self._ready
        if options.overflow is Full.DROP_HEAD:
            return largest <= options.max_length_bytes
        return ready.count + messages <= options.max_length and ready.octets + octets <= options.max_length_bytes

    def purge(self) -> int:
        """Drops all that waits; returns how many messages that were."""
        entries = self._ready.clear()
        for entry in entries:
            self._free(entry)
        self._count("messages_purged", len(entries))
        return len(entries)

    # Consuming

    def consume(self, client: Client, prefetch: int, auto: bool = False, exclusive: bool = False) -> Consumer:
        """Adds a consumer.

        Args:
            client: Who gets the messages.
            prefetch: How many may be unsettled.
            auto: Whether a message is settled by being given.
            exclusive: Whether nobody else may consume meanwhile.

        Raises:
            QmqError: `in-use` if another consumer is exclusive, or there is one and this is to be.

        """
        if self.consumers and (exclusive or next(iter(self.consumers)).exclusive):
            raise QmqError("in-use", f"{self.name} has {'other consumers' if exclusive else 'an exclusive consumer'}")
        consumer = self.makes(self, client, prefetch, auto, exclusive)
        self.consumers[consumer] = None
        self.touch()
        self.credit(consumer)
        return consumer

    def credit(self, consumer: Consumer) -> None:
        """Puts a consumer in line if it wants messages."""
        if not consumer.idle and consumer.wants and self._may_serve(consumer):
            consumer.idle = True
            self._idle.append(consumer)
        if self._ready.count:
            self._serve()

    def sit_out(self, consumer: Consumer) -> None:
        """Takes a consumer out of the line."""
        if consumer.idle:
            consumer.idle = False
            self._idle.remove(consumer)

    def fetch(self, consumer: Consumer) -> bool:
        """Gives one message to a consumer; false if there is none."""
        entry = None if self.paused or not consumer.open else self._next()
        if entry is not None:
            self._give(consumer, entry)
        return entry is not None

    def settle(self, entry: Entry) -> None:
        """Lets go of what a consumer has acknowledged."""
        self.acked += 1
        self.unsettled -= 1
        self._free(entry)

    def take_back(self, entry: Entry) -> None:
        """Puts what a consumer had at its old place; the consumer has forgotten it already."""
        self.unsettled -= 1
        limit = self.options.delivery_limit
        if limit and entry.deliveries >= limit:
            self._give_up(entry, "delivery_limit")
            return
        self._ready.put_back(entry)
        self._count("messages_returned")
        if self.options.overflow is Full.DROP_HEAD:
            self._drop_heads(0, 0)
        if entry.expires:
            self._watch_expiry()

    def take_all_back(self, consumer: Consumer) -> None:
        """Puts all that a consumer had at its old places."""
        entries = list(consumer.unsettled.values())
        consumer.unsettled.clear()
        for entry in entries:
            self.take_back(entry)

    def reject(self, entry: Entry) -> None:
        """Gives up what a consumer has refused for good."""
        self.unsettled -= 1
        self._give_up(entry, "rejected")

    def cancel(self, consumer: Consumer) -> None:
        """Ends a consumer and gives what it had to the others."""
        if not consumer.open:
            return
        consumer.open = False
        self.sit_out(consumer)
        del self.consumers[consumer]
        self.take_all_back(consumer)
        if self.options.auto_delete and not consumer.fetches and all(other.fetches for other in self.consumers):
            self._host.drop_queue(self)
            return
        self.touch()
        if self.options.single_active_consumer:
            for other in self.consumers:
                self.credit(other)
        else:
            self._serve()

    def pause(self) -> None:
        """Lets messages wait; publishing and settling go on."""
        self.paused = True

    def resume(self) -> None:
        """Ends a pause."""
        self.paused = False
        self._serve()

    def touch(self) -> None:
        """Begins the time anew after which an unused queue expires."""
        if self._unused_timer is not None:
            self._host.timers.cancel(self._unused_timer)
            self._unused_timer = None
        if self.options.expires and not self.consumers:
            when = self._clock() + self.options.expires / 1000
            self._unused_timer = self._host.timers.at(when, self._unused)

    def close(self) -> None:
        """Lets go of everything. For the host, which has forgotten the queue already."""
        for timer in (self._ack_timer, self._expiry_timer, self._unused_timer):
            if timer is not None:
                self._host.timers.cancel(timer)
        consumers, self.consumers = list(self.consumers), {}
        self._idle.clear()
        entries = self._ready.clear()
        for consumer in consumers:
            consumer.open = consumer.idle = False
            entries += consumer.unsettled.values()
            consumer.unsettled.clear()
        for entry in entries:
            self._free(entry)
        self.unsettled = 0
        if entries:
            self._count("messages_deleted", len(entries))
        for consumer in consumers:
            tell_cancelled(consumer.client, consumer, QmqError("queue-deleted", self.name))

    # What goes on inside

    def _serve(self) -> None:
        idle = self._idle
        while idle and not self.paused:
            entry = self._next()
            if entry is None:
                return
            self._hand_out(entry)

    def _hand_out(self, entry: Entry) -> None:
        """Gives a message to the consumer whose turn it is."""
        idle = self._idle
        consumer = idle[0]
        self._give(consumer, entry)
        if consumer.stalled or len(consumer.unsettled) >= consumer.prefetch:
            consumer.idle = False
            idle.popleft()
        elif len(idle) > 1:
            idle.rotate(-1)

    def _next(self) -> Entry | None:
        ready = self._ready
        while ready.count:
            entry = ready.pop()
            if entry is None or not entry.expires or entry.expires > self._clock():
                return entry
            self._give_up(entry, "expired")
        return None

    def _give(self, consumer: Consumer, entry: Entry) -> None:
        message = entry.message
        assert message is not None
        entry.deliveries = deliveries = entry.deliveries + 1
        consumer.tag = tag = consumer.tag + 1
        self.delivered += 1
        if deliveries > 1:
            self.redelivered += 1
        if consumer.auto:
            self.acked += 1
            self._free(entry)
        else:
            entry.given = self._clock()
            consumer.unsettled[tag] = entry
            self.unsettled += 1
            if self._ack_timer is None and self.options.ack_timeout:
                self._watch_acks(entry.given)
        try:
            if not consumer.client.deliver(consumer, tag, message, deliveries):
                consumer.stalled = True
        except Exception as error:
            self._fail(consumer, tag, entry, message, error)

    def _fail(self, consumer: Consumer, tag: int, entry: Entry, message: Message, error: Exception) -> None:
        """A client has raised instead of taking what it was given: it ends, and the message is for others."""
        consumer.stalled = True
        if consumer.auto:  # it counted as settled
            self.acked -= 1
            self.unsettled += 1
            entry.message = message
            self._host.memory.take(len(message.body) + message.envelope.octets + OVERHEAD)
        else:
            del consumer.unsettled[tag]
        self.take_back(entry)
        end_consumer(consumer.client, error)

    def _may_serve(self, consumer: Consumer) -> bool:
        if not self.options.single_active_consumer:
            return True
        return next((each for each in self.consumers if not each.fetches), None) is consumer

    def _make_room(self, octets: int) -> None:
        options, ready = self.options, self._ready
        if options.overflow is Full.REJECT_PUBLISH or octets > options.max_length_bytes:
            self._count("publishes_refused")
            raise QmqError(
                "queue-full",
                f"{self.name} holds {ready.count} messages of {ready.octets} octets; "
                f"max-length is {options.max_length}, max-length-bytes {options.max_length_bytes}",
            )
        self._drop_heads(1, octets)

    def _drop_heads(self, messages: int, octets: int) -> None:
        """Gives up what has waited longest until so much more is within the bounds."""
        options, ready = self.options, self._ready
        while ready.count + messages > options.max_length or ready.octets + octets > options.max_length_bytes:
            entry = ready.pop_least()
            assert entry is not None
            self._give_up(entry, "maxlen")

    def _give_up(self, entry: Entry, reason: str) -> None:
        message = entry.message
        assert message is not None
        self._free(entry)
        self._count(_COUNTERS[reason])
        if self.options.dead_letter or (reason == "expired" and not entry.deliveries):
            self._host.bury(message, self, reason)

    def _free(self, entry: Entry) -> None:
        message, entry.message = entry.message, None
        assert message is not None
        self._host.memory.free(len(message.body) + message.envelope.octets + OVERHEAD)

    def _count(self, name: str, amount: int = 1) -> None:
        self.stats.add(name, amount)
        self._host.stats.add(name, amount)

    # What falls due

    def _expiry_of(self, message: Message) -> float:
        ttl, own = self.options.message_ttl, message.envelope.ttl
        if own is not None and (not ttl or own < ttl):
            ttl = own
        elif not ttl:
            return 0.0
        return self._clock() + ttl / 1000

    def _watch_expiry(self) -> None:
        when = self._ready.next_expiry
        timer = self._expiry_timer
        if not when or (timer is not None and timer.when <= when):
            return
        if timer is not None:
            self._host.timers.cancel(timer)
        self._expiry_timer = self._host.timers.at(when, self._expire)

    def _expire(self) -> None:
        self._expiry_timer = None
        now = self._clock()
        for _ in range(_EXPIRE_AT_ONCE):
            entry = self._ready.pop_expired(now)
            if entry is None:
                break
            self._give_up(entry, "expired")
        self._ready.sweep()
        self._watch_expiry()

    def _watch_acks(self, oldest: float) -> None:
        when = oldest + self.options.ack_timeout / 1000
        self._ack_timer = self._host.timers.at(when, self._check_acks)

    def _check_acks(self) -> None:
        """Ends the consumers that have kept a message for too long."""
        self._ack_timer = None
        allowed = self.options.ack_timeout / 1000
        late, oldest = find_late(self.consumers, allowed, self._clock())
        if oldest:
            self._watch_acks(oldest)
        if late:
            self._count("acks_timed_out", len(late))
        cancel_all(late)
        for consumer in late:
            tell_cancelled(consumer.client, consumer, QmqError("ack-timeout", f"{self.name} waits {allowed:g} seconds"))

    def _unused(self) -> None:
        self._unused_timer = None
        self._count("queues_expired")
        self._host.drop_queue(self)

    def __repr__(self) -> str:
        return f"<queue {self.name}, {len(self)} ready, {self.unsettled} unsettled, {len(self.consumers)} consumers>"


_COUNTERS = {
    "expired": "messages_expired",
    "rejected": "messages_rejected",
    "maxlen": "messages_dropped_head",
    "delivery_limit": "messages_over_delivery_limit",
}
