"""The messages of one subscription, on their way from the connection to whoever reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from qmq.client.received import Received, Unsettled
from qmq.errors import QmqError

_MAX_WAITING = 10_000  # messages of one subscription that nobody has read yet

# What a task reads, and the tasks that it makes.
_read_here: ContextVar[Subscription | None] = ContextVar("_read_here", default=None)


@contextmanager
def asking() -> Iterator[None]:
    """While a reader waits for an answer of the server, the client reads on: the answer comes after the messages."""
    subscription = _read_here.get()
    if subscription is None:
        yield
        return
    subscription.add_asking(1)
    try:
        yield
    finally:
        subscription.add_asking(-1)


class Subscription:
    """The messages of one destination or pattern; iterate it asynchronously.

    While its reader is behind by 10,000 messages the client stops reading from
    the connection, and the server applies the subscription's bounds. It reads on
    while that reader itself waits for an answer, of `publish` for example.

    Attributes:
        granted: What the server granted, from the RECEIPT: `max-messages`, `max-bytes`,
            `cursor`, `recovered`; for a queue `prefetch-count`.

    """

    def __init__(self, ack: str, unsubscribe: Callable[[], Awaitable[None]]) -> None:
        self.granted: dict[str, str] = {}
        self.unsettled = Unsettled(ack == "client")
        self._acked = ack != "auto"
        self._unsubscribe = unsubscribe
        self._messages: deque[Received] = deque()
        self._asking = 0
        self._ended = False
        self._reason: QmqError | None = None
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received:
        message = await self.next()
        if message is None:
            raise StopAsyncIteration
        return message

    async def next(self) -> Received | None:
        """The next message; None when there are no more after `unsubscribe`.

        Raises:
            QmqError: The reason, if the connection has ended and all is read.

        """
        while not self._messages:
            if self._reason is not None:
                raise self._reason
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        self._room.set()
        _read_here.set(self)
        return self._messages.popleft()

    async def put(self, message: Received) -> None:
        """Adds a message; waits while the reader is too far behind. For the client only."""
        while len(self._messages) >= _MAX_WAITING and not self._asking and not self._ended:
            self._room.clear()
            await self._room.wait()
        if not self._ended:
            self._messages.append(message)
            self._arrived.set()

    def add_asking(self, number: int) -> None:
        """Counts for how many answers its reader waits. For the client only."""
        self._asking += number
        if self._asking:
            self._room.set()

    async def unsubscribe(self) -> None:
        """Ends it; returns when the server has. What was not settled goes back to its queue."""
        if self._acked:  # from now on nothing of it may be settled
            self.unsettled.clear()
            self.end(None)
        await self._unsubscribe()
        self.end(None)

    def end(self, reason: QmqError | None) -> None:
        """Lets readers know that no more will come, and why. For the client only."""
        if not self._ended:
            self._ended = True
            self._reason = reason
            if self._acked:
                self._messages.clear()  # others get them: they were never settled
        self._arrived.set()
        self._room.set()
