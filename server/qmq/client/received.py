"""One message as it came, and what may be done with it: settling it, and replying to it.

What a client does not have to settle it never settles: to the server a message that is
settled twice is an error, and the end of the connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from qmq.client.body import Headers
from qmq.errors import QmqError


class Sender(Protocol):
    """What a message needs of its client."""

    async def publish(
        self, destination: str, body: Any, headers: Headers | None = None, *, receipt: bool = True
    ) -> None:
        """Publishes a message."""

    async def settle(self, command: str, headers: Mapping[str, str], *, receipt: bool) -> None:
        """Sends an ACK or NACK."""


class Unsettled:
    """The messages of one subscription on one connection that have yet to be settled, by the server's ids for them.

    Args:
        cumulative: Whether one settles all before it too (`ack:client`).

    """

    __slots__ = ("_cumulative", "_ids", "_lost")

    def __init__(self, cumulative: bool = False) -> None:
        self._cumulative = cumulative
        self._ids: dict[str, None] = {}
        self._lost = ""

    def add(self, ack: str) -> None:
        """Adds a message that came."""
        self._ids[ack] = None

    def check(self, ack: str) -> None:
        """Whether a message is to be settled.

        Raises:
            QmqError: `unknown-delivery` if there is no such message.

        """
        if not ack:
            raise QmqError("unknown-delivery", "it came settled: subscribe with ack client or client-individual")
        if ack not in self._ids:
            raise QmqError("unknown-delivery", self._lost or "it is settled, or was given back")

    def take(self, ack: str) -> None:
        """Takes out a message that is settled now.

        Raises:
            QmqError: As `check`.

        """
        self.check(ack)
        if self._cumulative:
            while next(iter(self._ids)) != ack:
                del self._ids[next(iter(self._ids))]
        del self._ids[ack]

    def clear(self, why: str = "") -> None:
        """Forgets all: the server has given them back."""
        self._ids.clear()
        self._lost = why


class Message:
    """What came, without what may be done with it.

    Attributes:
        destination: Where it was published.
        id: Its `message-id`.
        cursor: Where its subscription stands after it, to go on there later; empty if it
            came from a queue.
        redelivered: Whether it was delivered before, to whomever.
        headers: All headers, these included.
        body: Its octets.

    """

    __slots__ = ("body", "cursor", "headers")

    def __init__(self, headers: Mapping[str, str], body: bytes, cursor: str = "") -> None:
        self.headers = headers
        self.body = body
        self.cursor = cursor

    @property
    def destination(self) -> str:
        return self.headers.get("destination", "")

    @property
    def id(self) -> str:
        return self.headers.get("message-id", "")

    @property
    def redelivered(self) -> bool:
        return self.headers.get("redelivered") == "true"

    def text(self) -> str:
        """The body as text; octets that are no UTF-8 become replacement characters."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: If it is none.

        """
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<received {self.id} from {self.destination}, {len(self.body)} octets>"


class Received(Message):
    """One message, and what may be done with it."""

    __slots__ = ("_sender", "_unsettled")

    def __init__(self, headers: Mapping[str, str], body: bytes, sender: Sender, unsettled: Unsettled) -> None:
        super().__init__(headers, body)
        self._sender = sender
        self._unsettled = unsettled
        if "ack" in headers:
            unsettled.add(headers["ack"])

    async def ack(self, *, receipt: bool = True) -> None:
        """Says that the work is done: the queue forgets the message. Returns when the server has it.

        Args:
            receipt: If false, returns as soon as it is on its way.

        Raises:
            QmqError: `unknown-delivery` if there is nothing to settle (any more): it is
                settled, or its connection ended and its queue has it again. Or why the
                connection ended before the receipt came; then nobody knows.

        """
        await self._settle("ACK", {}, receipt)

    async def nack(self, requeue: bool = True, *, receipt: bool = True) -> None:
        """Says that the work was not done. Otherwise as `ack`.

        Args:
            requeue: If true, the message goes back to its queue and is delivered again;
                if false it is given up, and becomes a dead letter if the queue has a
                place for those.
            receipt: As of `ack`.

        """
        await self._settle("NACK", {} if requeue else {"requeue": "false"}, receipt)

    async def reply(self, body: bytes | str | Any, headers: Headers | None = None, *, receipt: bool = True) -> None:
        """Answers a request, as `Client.publish` does.

        Raises:
            QmqError: `missing-header` if the message asks for no reply, or as `publish`.

        """
        to = self.headers.get("reply-to")
        if not to:
            raise QmqError("missing-header", "the message has no reply-to")
        own = {name: self.headers[name] for name in ("correlation-id",) if name in self.headers}
        await self._sender.publish(to, body, {**(headers or {}), **own}, receipt=receipt)

    def check(self) -> None:
        """Whether it is to be settled. For transactions.

        Raises:
            QmqError: `unknown-delivery`.

        """
        self._unsettled.check(self.headers.get("ack", ""))

    def take(self) -> str:
        """Notes that it is settled now, and says by which id the server knows it. For transactions.

        Raises:
            QmqError: `unknown-delivery`.

        """
        ack = self.headers.get("ack", "")
        self._unsettled.take(ack)
        return ack

    async def _settle(self, command: str, headers: Mapping[str, str], receipt: bool) -> None:
        await self._sender.settle(command, {"id": self.take(), **headers}, receipt=receipt)
