"""What a STOMP client does once it has logged in: its frames as operations of the core.

Each `on_` method answers one command; what it returns goes into the RECEIPT. Errors are
raised, and told to the client by the session. Which headers a frame must have is checked
before.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from qmq.core.consumer import cancel_all
from qmq.core.destination import EXCHANGE, QUEUE, TEMP_QUEUE, TOPIC, check_name, check_pattern, split_exchange
from qmq.core.exchange import Kind
from qmq.core.message import Envelope
from qmq.core.queue import Queue
from qmq.core.replay import Replay
from qmq.core.subscription import Subscription
from qmq.errors import QmqError
from qmq.session import stomp_foreign, stomp_headers, topics
from qmq.session.desk import PREFIX, REFRESH, Asker
from qmq.session.publishing import Publishing, envelope_of, key_of, passed_on, publish_once, way_to
from qmq.session.stomp_consumer import DeliveryEncoder, QueueSubscription, key_of_replies
from qmq.session.stomp_encoder import Encoder
from qmq.session.stomp_sources import Sources
from qmq.session.transactions import Settling, Transactions
from qmq.wire import stomp

if TYPE_CHECKING:
    from qmq.session.stomp import Session

# Envelopes that one session keeps at hand: a publisher with a receipt on every
# message, which makes every header block new, shares them all the same.
_KEPT_ENVELOPES = 32


class Actions:
    """A logged-in client's dealings with destinations.

    Args:
        session: The conversation, which knows everything about the client.

    Attributes:
        publishes: Whether it has ever published.

    """

    __slots__ = (
        "_by_number", "_envelopes", "_last_number", "_session", "_sources", "_subscriptions", "_transactions",
        "publishes",
    )  # fmt: skip

    def __init__(self, session: Session) -> None:
        self.publishes = False
        self._session = session
        self._subscriptions: dict[str, Subscription | Replay | QueueSubscription] = {}
        # What few clients use is made when they do.
        self._by_number: dict[str, QueueSubscription] | None = None  # by what their ack ids begin with
        self._last_number = 0
        self._sources: Sources | None = None
        self._transactions: Transactions | None = None
        self._envelopes: dict[tuple[object, ...], Envelope] | None = None

    @property
    def holds(self) -> bool:
        """Whether it has messages to settle, or a transaction open: memory may be full until that is done."""
        if self._transactions:
            return True
        return any(each.consumer.unsettled for each in (self._by_number or {}).values())

    @property
    def busy(self) -> bool:
        """Whether there is anything that it waits for, or that waits for it."""
        return bool(self._subscriptions or (self._sources and self._sources.temporary)) or self.holds

    def close(self) -> None:
        """Gives everything back."""
        subscriptions, self._subscriptions = self._subscriptions, {}
        queued = [each for each in subscriptions.values() if isinstance(each, QueueSubscription)]
        with ExitStack() as last:  # all of it is given back, whatever goes wrong with one part; the last comes first
            last.callback(self._session.registry.release, self._session)
            if self._transactions is not None:
                last.callback(self._transactions.close)
            for each in subscriptions.values():
                if isinstance(each, Subscription):
                    last.callback(self._session.registry.hub.unsubscribe, each)
                else:
                    last.callback(each.end)
            last.callback(cancel_all, [each.consumer for each in queued])

    def review(self) -> None:
        """Looks again at whether it may do what it does, now that its rights are others.

        Raises:
            QmqError: `forbidden`.

        """
        rights = self._session.rights
        for each in self._subscriptions.values():
            if not isinstance(each, QueueSubscription):
                rights.check("subscribe", each.pattern)
            elif each.source:
                self._in_sources().check_source(each.source)
            else:
                rights.check("consume", each.consumer.queue.name)
        for destination in self._transactions.destinations() if self._transactions is not None else ():
            rights.check("publish", destination)

    def describe(self) -> dict[str, object]:
        """What an operator may know about it. From any thread."""
        queued = [each for each in list(self._subscriptions.values()) if isinstance(each, QueueSubscription)]
        return {
            "subscriptions": len(self._subscriptions),
            "unsettled": sum(each.unsettled for each in queued),
            "transactions": len(self._transactions) if self._transactions is not None else 0,
        }

    def refused(self, head: stomp.Head, error: QmqError) -> None:
        """A frame is without effect: so is all of the transaction that it was to be part of."""
        if head.command in ("SEND", "ACK", "NACK") and self._transactions is not None:
            self._transactions.fail(head.headers.get("transaction", ""), error)

    # Publishing

    def on_send(self, head: stomp.Head, body: bytes, text: bool) -> dict[str, str] | None:
        """Publishes, and remembers the envelope for the next frame with the same headers."""
        if self._sources is not None:
            self._sources.begin()
        try:
            return self._send(head, body, text)
        except QmqError:
            self._undo()
            raise

    def _send(self, head: stomp.Head, body: bytes, text: bool) -> dict[str, str] | None:
        headers, registry = head.headers, self._session.registry
        if "message-id" in headers:
            raise QmqError("bad-header", "SEND may not carry message-id")
        text = text or stomp.is_text(body)
        if headers["destination"].startswith(PREFIX):
            if headers["destination"] == REFRESH:
                return self._session.refresh(body.decode("latin-1"))  # what is no ASCII is no token either
            if self._session.desk is not None:
                self._ask_desk(headers, body)
                return None
        self.publishes = True
        lasting = not stomp_headers.is_temporary(headers)
        envelope = self._envelope(headers) if lasting else self._new_envelope(headers, passed_on(headers))
        self._session.rights.check("publish", envelope.destination)
        properties = {}
        if envelope.destination.startswith(QUEUE):
            properties = stomp_headers.properties(headers, of_send=True)
            if properties:
                self._session.rights.check_dead_letters(properties)
                self._in_sources().declare(envelope.destination, properties)
        publish = way_to(registry, envelope.destination)
        transaction = headers.get("transaction")
        key = key_of(self._session.rights, envelope, stomp_headers.idempotency_key(headers), body)
        if transaction is not None:
            self._in_transaction().add(transaction, Publishing(publish, envelope, body, text, key))
        elif key is not None:
            publish_once(registry, publish, envelope, body, text, key)
        else:
            if "receipt" not in headers and lasting and not properties:
                head.memo = (publish, envelope, envelope.destination.startswith(TOPIC))
            publish(envelope, body, text)
        return None

    def _envelope(self, headers: Mapping[str, str]) -> Envelope:
        kept = passed_on(headers)
        key = (headers["destination"], *kept.items())
        if self._envelopes is None:
            self._envelopes = {}
        envelope = self._envelopes.get(key)
        if envelope is None:
            if len(self._envelopes) >= _KEPT_ENVELOPES:
                self._envelopes.clear()
            envelope = self._envelopes[key] = self._new_envelope(headers, kept)
        return envelope

    def _new_envelope(self, headers: Mapping[str, str], kept: dict[str, str]) -> Envelope:
        destination = check_name(headers["destination"])
        if self._sources is not None and destination.startswith(TEMP_QUEUE):
            own = self._sources.temporary.get(destination)
            destination = own.name if own is not None else destination
        reply_to = headers.get("reply-to", "")
        if reply_to.startswith(TEMP_QUEUE):
            kept["reply-to"] = self._reply_address(check_name(reply_to))
        return envelope_of(destination, headers, kept)

    def _ask_desk(self, headers: Mapping[str, str], body: bytes) -> None:
        """Answers a request to the server itself, at its `reply-to`."""
        reply_to = headers.get("reply-to")
        if not reply_to:
            raise QmqError("missing-header", f"a request to {PREFIX} needs reply-to")
        if "transaction" in headers:
            raise QmqError("bad-header", f"requests to {PREFIX} are answered at once, in no transaction")
        fields = {name: headers[name] for name in ("correlation-id",) if name in headers}
        to = check_name(reply_to)
        if to.startswith(TEMP_QUEUE):
            to = self._reply_address(to)
        self._session.rights.check("publish", to)
        assert self._session.desk is not None
        answer, code = self._session.desk.answer(
            headers["destination"], body, Asker(self._session.rights, self._session)
        )
        fields |= {"content-type": "application/json"} | ({"code": code} if code else {})
        self._session.registry.publish(Envelope(to, fields), answer, True)

    # Subscribing

    def on_subscribe(self, head: stomp.Head, body: bytes, text: bool) -> dict[str, str] | None:
        """Subscribes; returns what the RECEIPT says about it."""
        if self._sources is not None:
            self._sources.begin()
        try:
            return self._subscribe(head.headers)
        except QmqError:
            self._undo()
            raise

    def _subscribe(self, headers: Mapping[str, str]) -> dict[str, str] | None:
        pattern = check_pattern(headers["destination"])
        key = headers.get("id", "") or f"\0{headers['destination']}"  # STOMP 1.0 may leave the id out
        if key in self._subscriptions:
            raise QmqError("duplicate-id", key.lstrip("\0"))
        self._check_number()
        mode = stomp_headers.ack_mode(headers)
        if not self._is_of_headers(pattern):
            stomp_foreign.check(pattern, headers, mode)
        prefetch = stomp_headers.prefetch(headers, self._session.limits)
        if pattern.startswith(TOPIC) and mode == "auto" and "x-queue-name" not in headers:
            return self._subscribe_topic(key, pattern, headers)
        wanted = stomp_headers.properties(headers)
        queue = self._in_sources().queue_for(pattern, headers, wanted)
        if queue.name.startswith(TEMP_QUEUE):
            self._end_subscription(key_of_replies(queue))
        source = pattern if queue.name.startswith(TEMP_QUEUE) and not pattern.startswith(TEMP_QUEUE) else ""
        self._consume(key, headers.get("id", ""), queue, prefetch, mode, source)
        if stomp_headers.OWN_OF_QUEUES.isdisjoint(headers):
            return None
        told = {"prefetch-count": str(prefetch), **stomp_headers.granted(wanted, queue.options)}
        if pattern.startswith((TOPIC, EXCHANGE)) and "x-queue-name" not in headers:
            bounds = queue.options
            told |= {"max-messages": str(bounds.max_length), "max-bytes": str(bounds.max_length_bytes)}
        return told

    def _is_of_headers(self, pattern: str) -> bool:
        """Whether it is an exchange of kind `headers`, whose subscriptions speak of the messages' own headers."""
        if not pattern.startswith(EXCHANGE):
            return False
        exchange = self._session.registry.exchanges.get(split_exchange(pattern)[0])
        return exchange is not None and exchange.kind is Kind.HEADERS

    def _in_sources(self) -> Sources:
        if self._sources is None:
            self._sources = Sources(self._session)
        return self._sources

    def _undo(self) -> None:
        """The frame that is worked on is refused: what it has made goes again."""
        if self._sources is not None:
            with self._session.registry.lock:
                for queue in self._sources.made:
                    self._end_subscription(key_of_replies(queue))
                self._sources.undo()

    def _check_number(self) -> None:
        allowed = self._session.limits.max_subscriptions
        if len(self._subscriptions) >= allowed:
            raise QmqError("too-many-subscriptions", f"{allowed} are allowed")

    def _subscribe_topic(self, key: str, pattern: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        session = self._session
        hub = session.registry.hub
        session.rights.check("subscribe", pattern)
        bounds = stomp_headers.bounds(headers, session.limits)
        encoder = Encoder(session.framing, session.version, headers.get("id", ""))
        start = topics.Start(headers.get("cursor"), stomp_headers.earliest(headers))
        begun = topics.subscribe(hub, pattern, encoder, session.outbox, bounds, start)
        self._subscriptions[key] = begun.subscription
        if stomp_headers.OWN_OF_TOPICS.isdisjoint(headers):
            return None
        return {
            "cursor": begun.cursor,
            "recovered": "true" if begun.recovered else "false",
            "max-messages": str(bounds.max_messages),
            "max-bytes": str(bounds.max_bytes),
        }

    def _reply_address(self, destination: str) -> str:
        """Where replies to this client go; it gets them without having subscribed."""
        if destination in self._session.registry.queues:
            return destination
        queue = self._in_sources().own_queue(destination)
        if not queue.consumers:
            self._check_number()
            self._consume(key_of_replies(queue), destination, queue, self._session.limits.max_prefetch, "auto")
        return queue.name

    def _consume(self, key: str, name: str, queue: Queue, prefetch: int, mode: str, source: str = "") -> None:
        session = self._session
        self._last_number += 1
        number = str(self._last_number)
        acked = mode != "auto"
        lead = number if acked and session.version == "1.2" else ""
        encoder = DeliveryEncoder(session.framing, session.version, name, lead)
        by_id = acked and session.version != "1.2"
        subscription = QueueSubscription(session.registry.hub, session.outbox, encoder, mode == "client", by_id, number)
        subscription.source = source
        subscription.start(queue, prefetch, not acked)
        self._subscriptions[key] = subscription
        if self._by_number is None:
            self._by_number = {}
        self._by_number[number] = subscription

    def on_unsubscribe(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Ends a subscription; after its RECEIPT no message of it comes any more. One that has ended stays so."""
        headers = head.headers
        self._end_subscription(headers.get("id", "") or f"\0{headers.get('destination', '')}")

    def _end_subscription(self, key: str) -> None:
        subscription = self._subscriptions.pop(key, None)
        if isinstance(subscription, Subscription):
            self._session.registry.hub.unsubscribe(subscription)
        elif isinstance(subscription, Replay):
            subscription.end()
        elif subscription is not None:
            assert self._by_number is not None
            del self._by_number[subscription.number]
            subscription.end()

    # Settling

    def on_ack(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Acknowledges a message, with `ack:client` also all before it."""
        self._settle(head.headers, True)

    def on_nack(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Gives a message back, with `requeue:false` for good."""
        self._settle(head.headers, False)

    def _settle(self, headers: Mapping[str, str], ack: bool) -> None:
        if self._settled_already(headers):
            return
        subscription, tag = self._find_delivery(headers)
        requeue = ack or stomp_headers.truth(headers, "requeue", True)
        transaction = headers.get("transaction")
        if transaction is not None:
            if not subscription.holds(tag):
                raise QmqError("unknown-delivery", f"number {tag} is settled, or was never given")
            self._in_transaction().add(transaction, Settling(subscription, tag, ack, requeue))
        elif subscription.cumulative:
            for each in subscription.settling(tag):
                subscription.settle(each, ack, requeue)
        else:
            subscription.settle(tag, ack, requeue)

    def _settled_already(self, headers: Mapping[str, str]) -> bool:
        """Whether it is a message of an `ack:auto` subscription, which some clients acknowledge all the same."""
        if "subscription" in headers:
            found = self._subscriptions.get(headers["subscription"])
            return found is not None and (not isinstance(found, QueueSubscription) or found.consumer.auto)
        origin = self._session.registry.hub.origin
        if not headers.get("message-id", headers.get("id", "")).startswith(f"{origin.name}.{origin.epoch}."):
            return False
        waiting = [each for each in (self._by_number or {}).values() if not each.consumer.auto]
        return not waiting and bool(self._subscriptions)

    def _find_delivery(self, headers: Mapping[str, str]) -> tuple[QueueSubscription, int]:
        ack_id = headers.get("id", "")
        number, _, tag = ack_id.partition(".")
        subscription = self._by_number.get(number) if self._by_number else None
        if subscription is not None and tag.isascii() and tag.isdecimal() and len(tag) < 16:
            return subscription, int(tag)
        message_id = headers.get("message-id", ack_id)
        for each in self._candidates(headers):
            found = each.tag_of(message_id)
            if found is not None:
                return each, found
        raise QmqError("unknown-delivery", message_id[:100])

    def _candidates(self, headers: Mapping[str, str]) -> list[QueueSubscription]:
        """Those of its subscriptions that a message may have come by; STOMP 1.0 need not say which."""
        if "subscription" in headers:
            found = self._subscriptions.get(headers["subscription"])
            return [found] if isinstance(found, QueueSubscription) else []
        return list(self._by_number.values()) if self._by_number else []

    # Transactions

    def on_begin(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Opens a transaction."""
        self._in_transaction().begin(head.headers["transaction"])

    def on_commit(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Does what was said in a transaction."""
        self._in_transaction().commit(head.headers["transaction"])

    def on_abort(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Forgets what was said in a transaction."""
        self._in_transaction().abort(head.headers["transaction"])

    def _in_transaction(self) -> Transactions:
        if self._transactions is None:
            self._transactions = Transactions(self._session.registry, self._session.limits)
        return self._transactions

    def on_disconnect(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Ends the conversation in good order: the RECEIPT, then the close."""
        self._session.close()
