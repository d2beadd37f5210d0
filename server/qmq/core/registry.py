"""A node's queues and exchanges by name: declared, bound, published to, deleted.

Queues appear when they are first used, with the properties that the configuration has
for their names; what a client asks for must agree with it, and with what is there. A
topic is a key on the exchange `amq.topic`: the registry tells the hub which queues are
bound to it, and the hub tells the registry what is published.

No awaits, no sockets, no protocol.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from qmq.core import destination as names
from qmq.core.bindings import Bindings
from qmq.core.claims import Claims
from qmq.core.destination import EXCHANGE, QUEUE, TEMP_QUEUE, TOPIC, TOPIC_EXCHANGE, check_name, split_exchange
from qmq.core.exchange import PREDECLARED, Exchange, Kind, Routed, check_exchange_name, route
from qmq.core.hub import Hub
from qmq.core.letters import Letters, check_target
from qmq.core.matcher import Matcher
from qmq.core.memory import Memory
from qmq.core.message import Envelope, Message
from qmq.core.options import QueueOptions, Rules, check_same
from qmq.core.queue import Queue
from qmq.core.recent import Key, Recent
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.stats import Stats


class Registry:
    """The queues and exchanges of a node.

    Args:
        hub: Numbers messages, and publishes to topics.
        timers: For all that falls due.
        memory: The node's account.
        stats: The node's counters.
        rules: From the configuration.

    Attributes:
        hub: The switchboard of topics.
        totals: All counters of the node, to be read.
        queues: By destination.
        exchanges: By name.
        published: The idempotency keys of what was published lately.
        lock: Held while several steps must be one. Here it is none: nobody else is there.
        claims: Messages that are settled by tokens.

    """

    lock: AbstractContextManager[Any] = nullcontext()

    def __init__(self, hub: Hub, timers: Timers, memory: Memory, stats: Stats, rules: Rules | None = None) -> None:
        self.timers = timers
        self.memory = memory
        self.stats = self.totals = stats
        self.queues: dict[str, Queue] = {}
        self.exchanges = {name: Exchange(name, kind, durable=True) for name, kind in PREDECLARED.items()}
        self.hub = hub
        self._rules = rules or Rules()
        self.published = Recent(timers.clock, self._rules.keys, self._rules.key_seconds, stats)
        self.claims = Claims(self, self._rules.max_claimed)
        self._owned: dict[Hashable, dict[Queue, None]] = {}
        self._bindings = Bindings(self.exchanges, self._rules.max_bindings, hub.forget_routes)
        self._letters = Letters(self.publish, timers, stats)
        self._patterns: Matcher[int] = Matcher()
        for number, (pattern, _) in enumerate(self._rules.queues):
            self._patterns.add(pattern, number)
        for name, properties in self._rules.exchanges:
            self.declare_exchange(name, **properties)
        for source, target, key, arguments in self._rules.bindings:
            self.bind(source, target, key, arguments)
        hub.bound = self._bound_to

    # Publishing

    def publish(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        """Publishes to a queue or an exchange.

        Args:
            envelope: Its destination (checked by the caller) and headers.
            body: Its octets.
            text: Whether the body is known to be valid UTF-8.

        Raises:
            QmqError: `queue-full`; `not-found` for an exchange that does not exist,
                or a queue that may not be created; `too-many-queues`; `memory-full`.

        """
        queue = self.queues.get(envelope.destination)
        if queue is None:
            return self._publish_elsewhere(envelope, body, text)
        if self.memory.used >= self.memory.brim and not envelope.deaths:  # dead letters are in memory already
            self.memory.check()
        message = self.hub.number(envelope, body, text)
        queue.put(message)
        return message

    def repeats(self, key: Key) -> bool:
        """Whether a publish with this idempotency key has succeeded lately; counted, for it is now dropped."""
        if key not in self.published:
            return False
        self.stats.add("publishes_repeated")
        return True

    def targets(self, envelope: Envelope) -> list[Queue]:
        """The queues that may refuse a message; one that does not exist yet is created.

        Raises:
            QmqError: As `publish`, but `queue-full`.

        """
        destination = envelope.destination
        if destination.startswith(EXCHANGE):
            return self._route(envelope).queues  # type: ignore[return-value]
        if destination.startswith(TOPIC):
            return []  # its publishers are never refused
        queue = self.queues.get(destination)
        if queue is None and destination.startswith(QUEUE):
            queue = self.declare(destination)
        return [] if queue is None else [queue]

    def _publish_elsewhere(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        destination = envelope.destination
        if destination.startswith(TOPIC):
            return self.hub.publish(envelope, body, text)
        if not envelope.deaths:
            self.memory.check()
        if destination.startswith(EXCHANGE):
            return self._publish_to_exchange(envelope, body, text)
        message = self.hub.number(envelope, body, text)
        if destination.startswith(QUEUE):
            self.declare(destination).put(message)
        else:
            self.stats.add("messages_unroutable")  # whoever waited for this reply is gone
        return message

    def _publish_to_exchange(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        routed = self._route(envelope)
        if self.exchanges[TOPIC_EXCHANGE] in routed.exchanges:
            topic = TOPIC + split_exchange(envelope.destination)[1]
            names.check_not_reserved(topic)
            message = self.hub.publish_as(topic, envelope, body, text)
        else:
            message = self.hub.number(envelope, body, text)
            if not routed.queues:
                self.stats.add("messages_unroutable")
                self._letters.decline(message)
        self._put_all(routed, message)
        return message

    def _put_all(self, routed: Routed, message: Message) -> None:
        refused: QmqError | None = None
        for queue in routed.queues:
            assert isinstance(queue, Queue)
            try:
                queue.put(message)
            except QmqError as error:
                refused = error  # the others get it all the same
        if refused is not None:
            raise refused

    def _route(self, envelope: Envelope) -> Routed:
        name, key = split_exchange(envelope.destination)
        exchange = self.exchange(name)
        if exchange.internal and not envelope.deaths:  # dead letters are the server's own
            raise QmqError("bad-destination", f"clients may not publish to the exchange {name}")
        return self._routed(exchange, key, envelope)

    def _routed(self, exchange: Exchange, key: str, envelope: Envelope) -> Routed:
        return route(exchange, key, envelope.headers, self.exchanges.get)

    def _bound_to(self, destination: str) -> Callable[[Message], None] | None:
        """For the hub: what takes a topic's messages to the queues that are bound to it."""
        topics = self.exchanges[TOPIC_EXCHANGE]
        key = destination[len(TOPIC) :]
        if not destination.startswith(TOPIC) or not topics.match(key, {}):
            return None

        def pass_on(message: Message) -> None:
            # Whoever publishes to a topic need not know of the queues that others have bound to
            # it: a full one misses the message, and counts it.
            if self.memory.used < self.memory.brim or message.envelope.deaths:
                with suppress(QmqError):
                    self._put_all(self._routed(topics, key, message.envelope), message)
            else:
                self.stats.add("publishes_refused")

        return pass_on

    # Queues

    def queue(self, destination: str, owner: Hashable = None) -> Queue:
        """The queue of this destination.

        Raises:
            QmqError: `not-found` if there is none, `in-use` if it is another's.

        """
        queue = self.queues.get(destination)
        if queue is None:
            raise QmqError("not-found", destination)
        if queue.options.exclusive and queue.owner is not owner:
            raise QmqError("in-use", f"{destination} belongs to another connection")
        return queue

    def declare(self, destination: str, wanted: Mapping[str, Any] | None = None, owner: Hashable = None) -> Queue:
        """Returns the queue of this destination, which is made if need be.

        Args:
            destination: `/queue/NAME` or `/temp-queue/NAME`, checked by the caller.
            wanted: Properties by field name; those not named may be as they are.
            owner: Who gets it if it is to be exclusive.

        Raises:
            QmqError: `conflict` if it is there with other properties, or the
                configuration says so; `in-use` if it is another's; `not-found` if it
                may not be created; `too-many-queues`.

        """
        wanted = wanted or {}
        if destination in self.queues:
            queue = self.queue(destination, owner)
            check_same(queue.options, wanted, destination)
            queue.touch()
            return queue
        fixed = self._fixed(destination)
        if fixed is None and not wanted and not self._rules.auto_create:
            raise QmqError("not-found", f"{destination} is not configured, and does not appear by itself")
        if len(self.queues) >= self._rules.max_queues:
            raise QmqError("too-many-queues", f"{self._rules.max_queues} are allowed")
        options = dataclasses.replace(QueueOptions(), **(fixed or {}))
        check_same(options, {name: value for name, value in wanted.items() if name in (fixed or {})}, destination)
        options = dataclasses.replace(options, **wanted)
        if options.dead_letter:
            check_target(options.dead_letter)
        return self._add_queue(destination, options, owner)

    def declare_private(self, owner: Hashable, name: str = "", **options: Any) -> Queue:
        """A queue of this owner's own, gone with it, whose name nobody else can guess."""
        destination = f"{TEMP_QUEUE}{secrets.token_hex(12)}{'.' if name else ''}{name}"
        return self.declare(destination, {"exclusive": True, **options}, owner)

    def delete(self, destination: str, owner: Hashable = None) -> int:
        """Deletes a queue; returns how many messages went with it.

        Raises:
            QmqError: `not-found`, `in-use`.

        """
        queue = self.queue(destination, owner)
        waiting = len(queue)
        self.drop_queue(queue)
        return waiting

    def drop_queue(self, queue: Queue) -> None:
        """Deletes a queue, its bindings and what it holds."""
        if self.queues.get(queue.name) is not queue:
            return
        del self.queues[queue.name]
        if queue.owner is not None:
            owned = self._owned.get(queue.owner, {})
            owned.pop(queue, None)
            if not owned:
                self._owned.pop(queue.owner, None)
        self._bindings.drop(queue)
        queue.close()
        self.stats.forget(queue.name)

    def release(self, owner: Hashable) -> None:
        """Deletes what belongs to an owner who is gone."""
        for queue in list(self._owned.pop(owner, ())):
            self.drop_queue(queue)

    def _add_queue(self, destination: str, options: QueueOptions, owner: Hashable) -> Queue:
        owner = owner if options.exclusive else None
        queue = self.queues[destination] = self._new_queue(destination, options, owner)
        if owner is not None:
            self._owned.setdefault(owner, {})[queue] = None
        return queue

    def _new_queue(self, destination: str, options: QueueOptions, owner: Hashable) -> Queue:
        return Queue(destination, options, self, owner)

    def _fixed(self, destination: str) -> dict[str, Any] | None:
        """What the configuration says about a name; None if nothing."""
        numbers = sorted(self._patterns.match(destination))
        if not numbers:
            return None
        fixed: dict[str, Any] = {}
        for number in numbers:
            fixed.update(self._rules.queues[number][1])
        return fixed

    # Exchanges

    def exchange(self, name: str) -> Exchange:
        """The exchange of this name.

        Raises:
            QmqError: `not-found`.

        """
        found = self.exchanges.get(name)
        if found is None:
            raise QmqError("not-found", f"there is no exchange {name[:64]!r}")
        return found

    def declare_exchange(self, name: str, kind: Kind = Kind.DIRECT, **properties: Any) -> Exchange:
        """Returns the exchange of this name, which is made if need be.

        Args:
            name: Its name.
            kind: How it matches.
            properties: What `Exchange` takes besides.

        Raises:
            QmqError: `conflict` if it is there with other properties, `bad-destination`
                for a bad name, `too-many-queues` if there are too many.

        """
        found = self.exchanges.get(name)
        if found is not None:
            check_same(found, {"kind": kind, **properties}, f"exchange {name}")
            return found
        check_exchange_name(name)
        if len(self.exchanges) >= self._rules.max_exchanges:
            raise QmqError("too-many-queues", f"{self._rules.max_exchanges} exchanges are allowed")
        exchange = self.exchanges[name] = Exchange(name, kind, **properties)
        return exchange

    def delete_exchange(self, name: str) -> None:
        """Deletes an exchange and all bindings from and to it.

        Raises:
            QmqError: `not-found`; `bad-destination` for a predeclared one.

        """
        exchange = self.exchange(name)
        if name in PREDECLARED:
            raise QmqError("bad-destination", f"{name} is the server's")
        self._bindings.drop(exchange)

    def bind(self, source: str, target: str, key: str = "", arguments: Mapping[str, Any] | None = None) -> bool:
        """Binds a queue or an exchange to an exchange; returns whether that is new.

        Args:
            source: The name of the exchange.
            target: `/queue/NAME` (which is made if need be), `/temp-queue/NAME` or `/exchange/NAME`.
            key: The binding's key, or pattern.
            arguments: For a headers exchange what it wants of headers.

        Raises:
            QmqError: `not-found`, `bad-header`, `too-many-bindings`; `bad-destination` if
                the target is neither.

        """
        exchange = self.exchange(source)
        if target.startswith(QUEUE) and target not in self.queues:
            self.declare(check_name(target))
        return self._bindings.add(exchange, self._target(target), key, arguments)

    def unbind(self, source: str, target: str, key: str = "", arguments: Mapping[str, Any] | None = None) -> bool:
        """Takes a binding away; returns whether it was there.

        Raises:
            QmqError: `not-found` if the exchange or the target does not exist.

        """
        return self._bindings.remove(self.exchange(source), self._target(target), key, arguments)

    def _target(self, destination: str) -> Queue | Exchange:
        if destination.startswith(EXCHANGE):
            return self.exchange(split_exchange(destination)[0])
        if not destination.startswith((QUEUE, TEMP_QUEUE)):
            raise QmqError("bad-destination", f"{destination[:64]!r} is neither a queue nor an exchange")
        found = self.queues.get(destination)
        if found is None:
            raise QmqError("not-found", destination)
        return found

    def arrive(self) -> None:
        """Lets what queues have given on other threads arrive at this one. Here there are none."""

    def bury(self, message: Message, queue: Queue, reason: str) -> None:
        """Takes what a queue gives up, to publish it soon as a dead letter, or what its client is to be told."""
        self._letters.add(message, queue, reason)

    def __repr__(self) -> str:
        return f"<registry of {len(self.queues)} queues, {len(self.exchanges)} exchanges>"
