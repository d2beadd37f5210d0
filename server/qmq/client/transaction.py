"""What is done as a whole or not at all: messages to publish, and messages to settle.

It is kept here until it is committed, and goes to the server in one piece: so it never
spans two connections, and the server never holds half of it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

from qmq.client import body as bodies
from qmq.client.body import Headers
from qmq.errors import QmqError
from qmq.wire import stomp


class Owner(Protocol):
    """What a transaction needs of its client."""

    async def commit(self, name: str, frames: list[bytes], repeatable: bool) -> None:
        """Sends what a transaction holds."""


class Settled(Protocol):
    """What a transaction needs of a message."""

    def check(self) -> None:
        """Raises if it is not to be settled."""

    def take(self) -> str:
        """Notes that it is settled; the server's id for it."""


class Transaction:
    """A transaction: `async with client.transaction() as work: work.publish(…); work.ack(message)`.

    At the end of the block all of it is done; if the block raises, nothing is. If the
    connection ends before the server has answered, one that only publishes is repeated on
    the next, and done once; one that settles fails with `connection-lost`, for its messages
    come again.

    Args:
        owner: The client.
        name: Its name on the wire.
        limit: How many octets it may hold.

    """

    def __init__(self, owner: Owner, name: str, limit: int) -> None:
        self._owner = owner
        self._name = name
        self._limit = limit
        self._octets = 0
        self._frames: list[bytes | tuple[str, dict[str, str], Settled]] = []

    def publish(self, destination: str, body: bytes | str | Any, headers: Headers | None = None) -> None:
        """Publishes a message, as `Client.publish` does, when the block ends.

        Raises:
            QmqError: `transaction-too-large`, `bad-header`.

        """
        octets, fields = bodies.encode(body)
        key = {"idempotency-key": f"{self._name}.{len(self._frames)}"}
        data = bodies.frame(
            "SEND", {"destination": destination, **key, **fields, **(headers or {})} | self._own, octets
        )
        self._octets += len(data)
        if self._octets > self._limit:
            raise QmqError("transaction-too-large", f"{self._limit} octets may wait")
        self._frames.append(data)

    def ack(self, message: Settled) -> None:
        """Settles a message when the block ends.

        Raises:
            QmqError: `unknown-delivery`, here or at the end of the block.

        """
        message.check()
        self._frames.append(("ACK", {}, message))

    def nack(self, message: Settled, requeue: bool = True) -> None:
        """Gives a message back, or up, when the block ends.

        Raises:
            QmqError: As `ack`.

        """
        message.check()
        self._frames.append(("NACK", {} if requeue else {"requeue": "false"}, message))

    @property
    def _own(self) -> dict[str, str]:
        return {"transaction": self._name}

    async def commit(self) -> None:
        """Does all of it; what the end of the block does by itself.

        Raises:
            QmqError: Why nothing of it was done; after `connection-lost` nobody knows.

        """
        frames, self._frames = self._frames, []
        if not frames:
            return
        settling = [each[2] for each in frames if isinstance(each, tuple)]
        for message in settling:
            message.check()
        data = [stomp.encode("BEGIN", self._own)]
        for each in frames:
            if isinstance(each, tuple):
                command, headers, message = each
                data.append(stomp.encode(command, {"id": message.take(), **headers, **self._own}))
            else:
                data.append(each)
        await self._owner.commit(self._name, data, repeatable=not settling)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.commit()
