"""What a client may do that comes with requests instead of a conversation: JSON and Avro over HTTP.

Publish, read, wait, consume, settle, and what the desk answers. Each operation is done
or raises an error with its code; a batch is published whole or not at all. What a client
holds between its requests is a cursor, which is a position and costs nothing, and tokens,
which the registry keeps. No protocol, no sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qmq.core.claims import Claim
from qmq.core.destination import QUEUE, TEMP_QUEUE, TOPIC, check_name, check_pattern
from qmq.core.message import Envelope
from qmq.core.registry import Registry
from qmq.core.subscription import Encoder
from qmq.errors import QmqError
from qmq.session import stomp_headers
from qmq.session.access import Rights
from qmq.session.batch import TURN_SECONDS, Batch
from qmq.session.desk import Asker, Desk
from qmq.session.publishing import Publishing, envelope_of, key_of, passed_on, way_to
from qmq.session.stomp_headers import Limits
from qmq.session.topics import Lookup, Reading, Start
from qmq.session.waiter import Frameless, Waiter
from qmq.stats import Stats

MAX_MESSAGES = 1000  # in one request or answer
MAX_TOKENS = 1000

# Envelopes kept at hand: most clients send the same headers again and again.
_KEPT_ENVELOPES = 256

_UNWANTED = frozenset("\0\r\n")


@dataclass(frozen=True, slots=True)
class Posting:
    """A message that is to be published. `key` is its idempotency key; empty for none."""

    destination: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = ""


class Operations:
    """The operations of one loop's requests.

    Args:
        registry: The node's queues and exchanges, with the loop's hub.
        limits: What one request may ask for.
        stats: Where what is dropped is counted.
        desk: Answers what is asked about the node; without one it is not asked.
        max_waiting: How many requests may wait at the same time.

    Attributes:
        waiting: How many do.
        published: Messages that were asked to be published so far.

    """

    def __init__(
        self,
        registry: Registry,
        limits: Limits,
        stats: Stats,
        desk: Desk | None = None,
        max_waiting: int = 20_000,
    ) -> None:
        self.registry = registry
        self.limits = limits
        self.stats = stats
        self.waiting = self.published = 0
        self._desk = desk
        self._max_waiting = max_waiting
        self._envelopes: dict[tuple[object, ...], Envelope] = {}

    # Publishing

    def publish(self, rights: Rights, postings: Sequence[Posting]) -> list[str]:
        """Publishes all of them, in order, or none, at once: as `begin`, and all its turns together.

        Returns:
            Their ids; an empty text for what had been published before with the same key.

        Raises:
            QmqError: What is wrong with the first that is wrong; `queue-full`, `memory-full`
                if there is no room for all; what `Registry.publish` raises.

        """
        return self.begin(rights, postings, float("inf")).ids()

    def begin(self, rights: Rights, postings: Sequence[Posting], seconds: float = TURN_SECONDS) -> Batch:
        """Begins to publish all of them; what takes longer than a turn is left for `Batch.go_on`.

        Raises:
            QmqError: What is wrong with the first that is wrong by itself.

        """
        publishings = self._check(rights, postings)
        self.published += len(publishings)
        batch = Batch(self.registry, publishings)
        batch.go_on(seconds)
        return batch

    def _check(self, rights: Rights, postings: Sequence[Posting]) -> list[Publishing]:
        """What is to be published, each checked by itself."""
        registry = self.registry
        allowed: set[str] = set()
        publishings = []
        for posting in postings:
            envelope = self._envelope(posting)
            if envelope.destination not in allowed:
                rights.check("publish", envelope.destination)
                allowed.add(envelope.destination)
                if not envelope.destination.startswith(TOPIC) and registry.memory.full:
                    raise QmqError("memory-full", "try again a little later")
            way = way_to(registry, envelope.destination)
            key = key_of(rights, envelope, posting.key, posting.body)
            publishings.append(Publishing(way, envelope, posting.body, False, key))
        return publishings

    def _envelope(self, posting: Posting) -> Envelope:
        key = (posting.destination, *posting.headers.items())
        envelope = self._envelopes.get(key)
        if envelope is None:
            if len(self._envelopes) >= _KEPT_ENVELOPES:
                self._envelopes.clear()
            envelope = self._new_envelope(posting)
            if not posting.headers.get("reply-to", "").startswith(TEMP_QUEUE):
                self._envelopes[key] = envelope
        if len(posting.body) > self.limits.max_body:
            raise QmqError("body-too-large", f"a body has at most {self.limits.max_body} octets")
        if posting.key:
            stomp_headers.idempotency_key({"idempotency-key": posting.key})
        return envelope

    def _new_envelope(self, posting: Posting) -> Envelope:
        headers = posting.headers
        destination = check_name(posting.destination)
        _check_headers(headers, self.limits)
        reply_to = headers.get("reply-to", "")
        if reply_to.startswith(TEMP_QUEUE) and reply_to not in self.registry.queues:
            raise QmqError("bad-header", "reply-to: a client without a connection has no temporary queues")
        return envelope_of(destination, headers, passed_on(headers))

    # Topics

    def read(
        self, rights: Rights, pattern: str, start: Start, most: int, max_bytes: int, encoder: Encoder | None = None
    ) -> Reading | Waiter:
        """What topics keep beyond a position.

        Args:
            rights: What the caller may do.
            pattern: A topic or a pattern of topics.
            start: A cursor, or where else to begin.
            most: Messages at most.
            max_bytes: Octets of bodies and headers after which to stop.
            encoder: As for `wait`.

        Returns:
            What there is; if that takes long to find, one who waits for it.

        Raises:
            QmqError: `bad-destination` if it is no topic, `bad-pattern`, `forbidden`;
                `too-many-connections` if too many wait already.

        """
        pattern = self.topic(rights, pattern)
        lookup = Lookup(self.registry.hub, pattern, start, most, max_bytes)
        if lookup.done:
            return lookup.reading
        waiter = self._waiter(most, max_bytes)
        waiter.look(lookup, encoder or Frameless())
        return waiter

    def wait(self, rights: Rights, pattern: str, most: int, max_bytes: int, encoder: Encoder | None = None) -> Waiter:
        """Waits for what is published to a topic or pattern from now on.

        Args:
            rights: What the caller may do.
            pattern: A topic or a pattern of topics.
            most: Messages at most.
            max_bytes: Octets of bodies after which no more are taken.
            encoder: Makes frames of the messages, shared by all who wait with an equal one.

        Raises:
            QmqError: As `read`.

        """
        pattern = self.topic(rights, pattern)
        waiter, hub = self._waiter(most, max_bytes), self.registry.hub
        with hub.lock:
            waiter.begin(pattern, encoder or Frameless(), hub.cursor)
        return waiter

    def _waiter(self, most: int, max_bytes: int) -> Waiter:
        if self.waiting >= self._max_waiting:
            raise QmqError("too-many-connections", f"{self._max_waiting} requests may wait")
        self.waiting += 1
        return Waiter(self, most, max_bytes)

    def poll(
        self, rights: Rights, pattern: str, start: Start, most: int, max_bytes: int, encoder: Encoder | None = None
    ) -> Reading | Waiter:
        """Reads, and waits if there is nothing: nothing can be published between the two.

        Args:
            rights, pattern, start, most, max_bytes: As for `read`.
            encoder: As for `wait`.

        Returns:
            What there is to say at once: messages, or that some are missing; else who waits.

        Raises:
            QmqError: As `read` and `wait`.

        """
        pattern = self.topic(rights, pattern)
        hub = self.registry.hub
        hub.drain()
        with hub.lock:
            lookup = Lookup(hub, pattern, start, most, max_bytes)
            if lookup.done and not lookup.reading.is_nothing:
                return lookup.reading
            waiter = self._waiter(most, max_bytes)
            if lookup.done:
                waiter.begin(pattern, encoder or Frameless(), hub.cursor)
            else:
                waiter.look(lookup, encoder or Frameless(), pattern)
            return waiter

    def topic(self, rights: Rights, pattern: str) -> str:
        """The usual form of a topic or pattern that is to be read or subscribed to.

        Raises:
            QmqError: `bad-destination` if it is no topic, `bad-pattern`, `forbidden`.

        """
        pattern = check_pattern(pattern)
        if not pattern.startswith(TOPIC):
            raise QmqError("bad-destination", f"{pattern[:64]!r} is no topic")
        rights.check("subscribe", pattern)
        return pattern

    # Queues

    def consume(self, rights: Rights, destination: str, most: int, max_bytes: int) -> Claim:
        """Takes messages from a queue: those that wait now, and later ones until it is closed.

        `Claim.close` gives them, with their tokens. Whoever waits does so with `on_change`;
        if nobody is there any more, `Claim.abandon` gives everything back.

        Args:
            rights: What the caller may do.
            destination: `/queue/NAME`, which is made if need be.
            most: Messages at most.
            max_bytes: Octets of bodies after which it takes no more.

        Raises:
            QmqError: `bad-destination` if it is no queue, `forbidden`, `in-use`, `not-found`,
                `too-many-unsettled`.

        """
        destination = check_name(destination)
        if not destination.startswith(QUEUE):
            raise QmqError("bad-destination", f"{destination[:64]!r} is no queue")
        rights.check("consume", destination)
        with self.registry.lock:
            queue = self.registry.declare(destination)
            return self.registry.claims.open(queue, holder_of(rights), most, max_bytes)

    def settle(self, rights: Rights, token: str, ack: bool, requeue: bool = True) -> QmqError | None:
        """Settles one message that was consumed; returns why not.

        Args:
            rights: Of the caller that has consumed it.
            token: As it was given.
            ack: Whether it is done.
            requeue: If not, whether it is to be given again; else it is a dead letter.

        """
        try:
            self.registry.claims.settle(holder_of(rights), token, ack, requeue)
        except QmqError as error:
            return error
        return None

    def settle_all(
        self, rights: Rights, ack: Sequence[str], nack: Sequence[str], requeue: bool = True
    ) -> list[dict[str, str]]:
        """Settles each by its token, as `settle`; returns what could not be, as clients are told."""
        failed = []
        for token, done in [*((token, True) for token in ack), *((token, False) for token in nack)]:
            error = self.settle(rights, token, done, requeue)
            if error is not None:
                failed.append({"token": token, "code": error.code.name, "detail": error.detail})
        return failed

    # The node

    def manage(self, rights: Rights, operation: str, request: dict[str, Any]) -> Any:
        """Does what the desk does: `operation` is a name in its table.

        Raises:
            QmqError: `not-found` if there is no desk; what the operation raises.

        """
        if self._desk is None:
            raise QmqError("not-found", "this node answers no such requests")
        return self._desk.do(operation, request, Asker(rights))

    def __repr__(self) -> str:
        return f"<operations on {self.registry!r}, {self.waiting} wait>"


def holder_of(rights: Rights) -> str:
    """Under which name a client holds what it has consumed."""
    return str(rights.principal)


def _check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Checks that headers are such that every protocol can carry them.

    Raises:
        QmqError: `bad-header`, `headers-too-large`.

    """
    if "message-id" in headers:
        raise QmqError("bad-header", "message-id is the server's to give")
    if len(headers) > limits.max_headers or sum(map(len, [*headers, *headers.values()])) > limits.max_header_bytes:
        raise QmqError("headers-too-large", f"{limits.max_headers} with {limits.max_header_bytes} octets are allowed")
    for name, value in headers.items():
        if not name or not _UNWANTED.isdisjoint(name) or "\0" in value:
            raise QmqError("bad-header", f"{name[:32]!r} is empty, or has characters that no header can carry")
