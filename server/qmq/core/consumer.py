"""One client's demand for the messages of a queue: its credit, and what it has not settled.

A consumer has at most `prefetch` messages that are not settled, and gets none while its
client says that it has no room. It knows nothing of protocols: how a message looks, and
how its tags are written, is the client's affair.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from qmq.errors import QmqError

if TYPE_CHECKING:
    from qmq.core.message import Message
    from qmq.core.queue import Queue
    from qmq.core.ready import Entry


log = logging.getLogger("qmq.core")


class Client(Protocol):
    """Who gets what a consumer is given. No method may raise, nor use the queue before it has returned."""

    def deliver(self, consumer: Consumer, tag: int, message: Message, deliveries: int) -> bool:
        """Takes a message; false if there is no room for another one until `Consumer.resume`."""

    def cancelled(self, consumer: Consumer, error: QmqError) -> None:
        """Learns that no more will come, and that all that was not settled is given back."""

    def failed(self, error: Exception) -> None:
        """Learns that one of the others has raised, so that it is to end with `internal-error`, soon."""


class Consumer:
    """A consumer of one queue. Made by `Queue.consume`.

    Attributes:
        queue: Where it gets its messages.
        client: Who gets them.
        prefetch: How many may be unsettled.
        fetches: Whether it only fetches, because its prefetch is 0: it is not in line,
            and does not keep an auto-delete queue.
        auto: Whether a message counts as settled once it is given.
        exclusive: Whether nobody else may consume meanwhile.
        unsettled: By tag, in the order in which they were given.
        tag: The last tag; they count from 1.
        stalled: Whether the client has no room.
        idle: For the queue: whether it is in line for the next message.
        open: Whether it has not been cancelled.

    """

    __slots__ = (
        "auto", "client", "exclusive", "fetches", "idle", "open", "prefetch", "queue", "stalled", "tag", "unsettled",
    )  # fmt: skip

    def __init__(self, queue: Queue, client: Client, prefetch: int, auto: bool, exclusive: bool) -> None:
        self.queue = queue
        self.client = client
        self.prefetch = prefetch
        self.fetches = not prefetch
        self.auto = auto
        self.exclusive = exclusive
        self.unsettled: dict[int, Entry] = {}
        self.tag = 0
        self.stalled = self.idle = False
        self.open = True

    @property
    def wants(self) -> bool:
        """Whether it could be given a message now."""
        return self.open and not self.stalled and len(self.unsettled) < self.prefetch

    def ack(self, tag: int) -> None:
        """Settles one message for good.

        Raises:
            QmqError: `unknown-delivery` if it has no such message, or no more.

        """
        entry = self.unsettled.pop(tag, None)
        if entry is None:
            raise self._unknown(tag)
        self.queue.settle(entry)
        if not self.idle:
            self.queue.credit(self)

    def nack(self, tag: int, requeue: bool = True) -> None:
        """Gives one message back, to be delivered again or, without `requeue`, as a dead letter.

        Raises:
            QmqError: `unknown-delivery`.

        """
        entry = self.unsettled.pop(tag, None)
        if entry is None:
            raise self._unknown(tag)
        if requeue:
            self.queue.sit_out(self)  # whoever else is in line gets it first
            self.queue.take_back(entry)
        else:
            self.queue.reject(entry)
        self.queue.credit(self)

    def through(self, tag: int) -> list[int]:
        """The tags of what was given up to and including this one, for what is settled together.

        Raises:
            QmqError: `unknown-delivery` if this one is not unsettled.

        """
        if tag not in self.unsettled:
            raise self._unknown(tag)
        tags = []
        for each in self.unsettled:
            tags.append(each)
            if each == tag:
                break
        return tags

    def fetch(self) -> bool:
        """Has one message given now, if there is one, whatever the prefetch is."""
        return self.queue.fetch(self)

    def resume(self) -> None:
        """Says that the client has room again."""
        self.stalled = False
        self.queue.credit(self)

    def cancel(self) -> None:
        """Ends it, and gives back what is unsettled. Does nothing if it has ended."""
        self.queue.cancel(self)

    def stop(self) -> None:
        """Gets no more messages, but may settle. `cancel` is to follow."""
        self.prefetch = 0
        self.queue.sit_out(self)

    def _unknown(self, tag: int) -> QmqError:
        return QmqError("unknown-delivery", f"number {tag} of {self.queue.name} is settled, or was never given")

    def __repr__(self) -> str:
        return f"<consumer of {self.queue.name}, {len(self.unsettled)} of {self.prefetch} unsettled>"


def cancel_all(consumers: Iterable[Consumer]) -> None:
    """Ends the consumers of one client: others get what comes back in its order, and none of these gets any of it."""
    consumers = list(consumers)
    for consumer in consumers:
        consumer.stop()
    for consumer in consumers:
        consumer.queue.take_all_back(consumer)
    for consumer in consumers:
        consumer.cancel()


def end_consumer(client: Client, error: Exception) -> None:
    """Ends the client of a consumer that has raised; the queue goes on."""
    try:
        client.failed(error)
    except Exception:
        log.exception("the client of a consumer that has failed cannot be ended")


def tell_cancelled(client: Client, consumer: Consumer, reason: QmqError) -> None:
    """Tells a client that its consumer has ended; what it raises is its own affair."""
    try:
        client.cancelled(consumer, reason)
    except Exception as error:
        end_consumer(client, error)


def find_late(consumers: Iterable[Consumer], allowed: float, now: float) -> tuple[list[Consumer], float]:
    """Who has kept a message for longer than allowed; and since when the others have their oldest, or 0."""
    late, oldest = [], 0.0
    for consumer in consumers:
        first = next(iter(consumer.unsettled.values()), None)
        if first is None:
            continue
        if first.given + allowed <= now:
            late.append(consumer)
        elif not oldest or first.given < oldest:
            oldest = first.given
    return late, oldest
