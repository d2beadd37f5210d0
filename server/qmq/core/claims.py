"""Messages that are settled by a token: given to somebody who has no connection to hold them.

A claim stands for what one request has taken from one queue, and is a `Client` of that
queue. It is there as long as something of it is unsettled, and with it the consumer
behind it. What is not settled in the queue's time goes back, and the claim with it.
The tokens of a claim cannot be guessed, and are good for whoever they were given to.

All claims of a node are here. How many messages one holder may have is bounded.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qmq.core.message import Message
from qmq.errors import QmqError

if TYPE_CHECKING:
    from qmq.core.consumer import Consumer
    from qmq.core.queue import Queue


class Host(Protocol):
    """Who keeps the queues. `lock` is held while several steps must be one."""

    @property
    def lock(self) -> AbstractContextManager[Any]: ...

    def arrive(self) -> None:
        """Lets what queues have given on other threads arrive."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that was given, and what it is settled by. `deliveries` counts how often it was given."""

    token: str
    message: Message
    deliveries: int


class Claim:
    """What one request takes from one queue. Made by `Claims.open`.

    Args:
        claims: Where it is kept.
        holder: Who may settle it.
        most: How many messages it takes.
        max_bytes: When their bodies have so many octets, it takes no more.

    Attributes:
        consumer: What it takes with.
        on_change: Called when the first message has come, or nothing can come any more.
        error: Why nothing can come any more.

    """

    __slots__ = ("_claims", "_given", "_octets", "consumer", "error", "holder", "key", "max_bytes", "most", "on_change")

    consumer: Consumer

    def __init__(self, claims: Claims, holder: str, most: int, max_bytes: int) -> None:
        self.holder = holder
        self.most = most  # reserved while it takes, then what it holds
        self.max_bytes = max_bytes
        self.key = ""
        self.error: QmqError | None = None
        self.on_change: Callable[[], None] | None = None
        self._claims = claims
        self._given: list[tuple[int, Message, int]] = []
        self._octets = 0

    def __len__(self) -> int:
        return len(self._given)

    def __bool__(self) -> bool:
        return True

    def deliver(self, consumer: Consumer, tag: int, message: Message, deliveries: int) -> bool:
        self._given.append((tag, message, deliveries))
        self._octets += len(message.body)
        self._changed()
        return self._octets < self.max_bytes

    def cancelled(self, consumer: Consumer, error: QmqError) -> None:
        self.error = error
        self._claims.drop(self)
        del self.consumer
        self._changed()

    def failed(self, error: Exception) -> None:
        self.error = QmqError("internal-error")
        self._changed()

    def close(self) -> list[Claimed]:
        """Takes no more; returns what was given, with the tokens by which it is settled.

        Raises:
            QmqError: Why there is nothing, if the queue is gone.

        """
        self.on_change = None
        with self._claims.host.lock:
            self._claims.host.arrive()
            given, self._given = self._given, []
            if self.error is not None:
                raise QmqError(self.error.code.name, self.error.detail)  # anew: it would keep its own traceback
            self.consumer.stop()
            self._claims.keep(self, len(given))
            if not given:
                self.end()
        return [Claimed(f"{self.key}.{tag}", message, deliveries) for tag, message, deliveries in given]

    def abandon(self) -> None:
        """Gives everything back: nobody is there to have it."""
        self.on_change = None
        with self._claims.host.lock:
            self._given.clear()
            self._claims.drop(self)
            if self.error is None:
                self.end()

    def end(self) -> None:
        """Ends its consumer, which gives back what is not settled."""
        self.consumer.cancel()
        del self.consumer  # the two would keep each other

    def _changed(self) -> None:
        callback, self.on_change = self.on_change, None
        if callback is not None:
            callback()

    def __repr__(self) -> str:
        return f"<claim of {self.most} by {self.holder}>"  # never its key


class Claims:
    """The claims of a node.

    Args:
        host: Whose lock is held while claims change: those of all loops are here.
        most: How many messages one holder may have that are not settled.

    """

    def __init__(self, host: Host, most: int = 65_535) -> None:
        self.host = host
        self.most = most
        self._claims: dict[str, Claim] = {}
        self._held: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def held(self, holder: str) -> int:
        """How many messages somebody has, or is about to have."""
        return self._held.get(holder, 0)

    def open(self, queue: Queue, holder: str, most: int, max_bytes: int) -> Claim:
        """Begins to take messages from a queue; what waits there has been given when this returns.

        Args:
            queue: The queue.
            holder: Who takes them.
            most: How many at most.
            max_bytes: Octets of bodies after which no more are taken.

        Raises:
            QmqError: `too-many-unsettled` if the holder may have no more; `in-use` if a
                consumer has the queue for itself.

        """
        with self.host.lock:
            room = self.most - self.held(holder)
            if room <= 0:
                raise QmqError("too-many-unsettled", f"{self.most} are allowed")
            claim = Claim(self, holder, min(most, room), max_bytes)
            claim.consumer = queue.consume(claim, claim.most)
            self._count(holder, claim.most)
            return claim

    def settle(self, holder: str, token: str, ack: bool, requeue: bool = True) -> None:
        """Settles one message.

        Args:
            holder: Who settles it.
            token: As it was given.
            ack: Whether it is done; else it goes back to its queue.
            requeue: If it is not done, whether it is to be given again; else it is a dead letter.

        Raises:
            QmqError: `unknown-delivery` if the token is settled, too old, another's, or none at all.

        """
        key, _, number = token.partition(".")
        tag = int(number) if number.isascii() and number.isdecimal() and len(number) < 16 else 0
        with self.host.lock:
            claim = self._claims.get(key)
            if claim is None or claim.holder != holder:
                raise QmqError("unknown-delivery", "there is no such token, or not any more")
            if ack:
                claim.consumer.ack(tag)
            else:
                claim.consumer.nack(tag, requeue)
            claim.most -= 1
            self._count(holder, -1)
            if not claim.most:
                del self._claims[key]
                claim.end()

    def keep(self, claim: Claim, given: int) -> None:
        """Keeps a claim that takes no more, until all of it is settled."""
        self._count(claim.holder, given - claim.most)
        claim.most = given
        if given:
            claim.key = secrets.token_urlsafe(16)
            self._claims[claim.key] = claim

    def drop(self, claim: Claim) -> None:
        """Forgets a claim, whose messages are back in their queue, or gone with it."""
        with self.host.lock:
            self._claims.pop(claim.key, None)
            self._count(claim.holder, -claim.most)
            claim.most = 0

    def _count(self, holder: str, more: int) -> None:
        held = self._held[holder] = self._held.get(holder, 0) + more
        if held <= 0:
            del self._held[holder]

    def __repr__(self) -> str:
        return f"<{len(self._claims)} claims of {len(self._held)} holders>"
