"""A STOMP client's subscription to a queue: how its messages look, and how it settles them.

In STOMP 1.2 a message is settled by its `ack` header: the number of the subscription
within the session and the consumer's own tag, such as `3.17`. Before that it is named by
its `message-id`, so those are remembered while they are unsettled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmq.core.consumer import Consumer
from qmq.core.message import Message
from qmq.core.outbox import Outbox
from qmq.core.queue import Queue
from qmq.errors import QmqError
from qmq.session.stomp_encoder import Encoder, Framing
from qmq.wire import stomp

if TYPE_CHECKING:
    from qmq.core.hub import Hub


class DeliveryEncoder(Encoder):
    """Makes MESSAGE frames that can be acknowledged.

    Args:
        framing, version, subscription_id: As for all messages.
        lead: What the `ack` header begins with; empty for none.

    """

    __slots__ = ("_acked",)

    def __init__(self, framing: Framing, version: str, subscription_id: str, lead: str) -> None:
        super().__init__(framing, version, subscription_id)
        subscription = {"subscription": subscription_id} if subscription_id else {}
        ack = f"ack:{lead}.".encode() if lead else b""
        self._acked = b"MESSAGE\n" + stomp.header_lines(subscription, version) + ack if lead else b""

    def encode_delivery(self, message: Message, tag: int, deliveries: int) -> bytes:
        """The octets of one delivery; `deliveries` counts it."""
        body = message.body
        tail = self.tail(message)
        if deliveries > 1:
            tail = b"\nredelivered:true\ndelivery-count:%d%b" % (deliveries, tail)
        if self._acked:
            return self.framing(
                b"%b%d\nmessage-id:%b%d%b%b\0" % (self._acked, tag, message.origin.prefix, message.offset, tail, body),
                message.text,
            )
        return self.framing(
            b"%b%b%d%b%b\0" % (self.lead, message.origin.prefix, message.offset, tail, body), message.text
        )


class QueueSubscription:
    """One SUBSCRIBE that has become a consumer.

    Args:
        hub: Told when the outbox has something to write.
        outbox: Of the client's connection.
        encoder: Makes the frames.
        cumulative: Whether an ACK settles all before it too (`ack:client`).
        by_id: Whether messages are settled by their `message-id` (STOMP 1.0, 1.1).
        number: What its ack ids begin with.

    Attributes:
        consumer: What it consumes with, until it ends.
        ended: Whether it has; a transaction may still know it then.
        source: The topic or exchange that its queue stands for; empty if it consumes from a queue by name.

    """

    __slots__ = ("_encode", "_hub", "_ids", "_outbox", "consumer", "cumulative", "ended", "number", "source")

    consumer: Consumer

    def __init__(
        self, hub: Hub, outbox: Outbox, encoder: DeliveryEncoder, cumulative: bool, by_id: bool, number: str
    ) -> None:
        self.number = number
        self.cumulative = cumulative
        self.ended = False
        self.source = ""
        self._hub = hub
        self._outbox = outbox
        self._encode = encoder.encode_delivery
        self._ids: dict[str, int] | None = {} if by_id else None

    def start(self, queue: Queue, prefetch: int, auto: bool) -> None:
        """Begins to consume; the first messages may come before this returns."""
        self.consumer = queue.consume(self, prefetch, auto)

    def end(self) -> None:
        """Consumes no more and gives everything back."""
        self.ended = True
        self._hub.drain()  # what it was given before comes before the end
        self.consumer.cancel()
        del self.consumer  # the two would keep each other

    def deliver(self, consumer: Consumer, tag: int, message: Message, deliveries: int) -> bool:
        if self._ids is not None and not consumer.auto:
            self._ids[message.id] = tag
        outbox = self._outbox
        if not outbox.owed:
            self._hub.owe(outbox)
        if outbox.give(message, self._encode(message, tag, deliveries)):
            return True
        outbox.waiting.append(consumer.resume)
        return False

    def cancelled(self, consumer: Consumer, error: QmqError) -> None:
        self._outbox.sink.hang_up(error)

    def failed(self, error: Exception) -> None:
        self._outbox.sink.failed(error)

    @property
    def unsettled(self) -> int:
        """How many messages it has not settled."""
        consumer = getattr(self, "consumer", None)
        return len(consumer.unsettled) if consumer is not None else 0

    def tag_of(self, message_id: str) -> int | None:
        """The tag of an unsettled message, by its id."""
        if self._ids is not None:
            return self._ids.get(message_id)
        # A lenient look: some clients of 1.2 name it so too.
        found = (tag for tag, entry in self.consumer.unsettled.items() if _is(entry.message, message_id))
        return next(found, None)

    def holds(self, tag: int) -> bool:
        """Whether this message is still to be settled."""
        return not self.ended and tag in self.consumer.unsettled

    def sizes(self, tags: set[int]) -> list[int]:
        """The octets of the bodies of these messages, and of those that are settled together with them."""
        last = max(tags) if self.cumulative else 0
        entries = (entry for tag, entry in self.consumer.unsettled.items() if tag in tags or tag <= last)
        return [len(entry.message.body) for entry in entries if entry.message is not None]

    def settling(self, tag: int) -> list[int]:
        """The tags that are settled together with this one, itself included.

        Raises:
            QmqError: `unknown-delivery`.

        """
        if self.cumulative:
            return self.consumer.through(tag)
        return [tag]

    def settle(self, tag: int, ack: bool, requeue: bool) -> None:
        """Settles one message.

        Raises:
            QmqError: `unknown-delivery`.

        """
        if self._ids is not None:
            entry = self.consumer.unsettled.get(tag)
            if entry is not None and entry.message is not None:
                self._ids.pop(entry.message.id, None)
        if ack:
            self.consumer.ack(tag)
        else:
            self.consumer.nack(tag, requeue)


def _is(message: Message | None, message_id: str) -> bool:
    return message is not None and message.id == message_id


def key_of_replies(queue: Queue) -> str:
    """Where the subscription is kept that a `reply-to` has made; no header can say this."""
    return f"\0\0{queue.name}"
