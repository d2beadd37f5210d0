"""The messages of one subscription, on their way from the connection to whoever reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self

from qmq.client.cursor import Cursor
from qmq.client.received import Received, Sender, Unsettled
from qmq.errors import QmqError

_MAX_WAITING = 10_000  # messages of one subscription that nobody has read yet, and the client reads on
_MAX_ASKING = 100_000  # the same while its reader waits for an answer

_GIVEN_BACK = "its connection has ended, and its queue has it again"

# What a task reads, and the tasks that it makes.
_read_here: ContextVar[Subscription | None] = ContextVar("_read_here", default=None)


def reads(subscription: Subscription) -> None:
    """Notes that a message of a subscription was read, here."""
    _read_here.set(subscription)


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


class Owner(Sender, Protocol):
    """What a subscription needs of its client."""

    def hold(self, subscription: Subscription, held: bool) -> None:
        """Reads nothing more from the connection for its sake, or reads on."""

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; returns when the server has."""

    def drop(self, subscription: Subscription) -> None:
        """Ends a subscription, without waiting."""

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls a function of the program; what it raises is reported and goes no further."""


class Subscription:
    """The messages of one destination or pattern; iterate it asynchronously.

    It outlives the connection: on the next a topic goes on where it was, and a queue gives
    what was not settled to whoever asks. While its reader is behind by 10,000 messages the
    client stops reading from the connection, and the server applies the subscription's
    bounds. It reads on while that reader itself waits for an answer, of `publish` for
    example, or while others do and the reader has read nothing for a second, up to 100,000
    messages; beyond, the subscription ends with `slow-consumer`.

    Attributes:
        destination: What was subscribed to.
        granted: What the server granted, from the RECEIPT: `max-messages`, `max-bytes`,
            `cursor`, `recovered`; for a queue `prefetch-count`.
        recovered: Whether nothing was missing when it was made, or made again, the last
            time. Always true for a queue, which keeps what is not settled.
        on_recovered: Called with `recovered` whenever it was made again, and the first
            time if it was to begin in the past.

    """

    def __init__(
        self,
        owner: Owner,
        key: str,
        destination: str,
        headers: Mapping[str, str],
        on_recovered: Callable[[bool], None] | None = None,
    ) -> None:
        self.destination = destination
        self.granted: dict[str, str] = {}
        self.recovered = True
        self.on_recovered = on_recovered
        self.key = key
        self.leaving = False
        ack = headers.get("ack", "auto")
        self._owner = owner
        self._headers = dict(headers)
        self._acked = ack != "auto"
        self._cumulative = ack == "client"
        # A queue of its own, at an exchange or a topic, ends with the connection.
        self._passing = destination.startswith(("/topic/", "/exchange/")) and "x-queue-name" not in headers
        self._resumes = destination.startswith("/topic/") and not self._acked and self._passing
        self._unsettled = Unsettled(self._cumulative)
        self._came = Cursor(headers.get("cursor", ""))  # up to what came from the server,
        self._read = Cursor(headers.get("cursor", ""))  # and up to what was read
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._messages: deque[Received] = deque()
        self._asking = 0
        self._full = False
        self._relents = False
        self._ended = False
        self._reason: QmqError | None = None
        self._arrived = asyncio.Event()

    # For its reader

    @property
    def cursor(self) -> str:
        """How far it was read, for the `cursor` of a later subscription; empty as long as nothing is known."""
        return self._read.text

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
            QmqError: The reason, if the client has ended and all is read.

        """
        while not self._messages:
            if self._reason is not None:
                raise self._reason
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        reads(self)
        message = self._messages.popleft()
        if self._full or self._relents:
            self._relents = False
            self._look()
        if self._resumes:
            self._read.advance(message.id)
            message.cursor = self._read.text
        return message

    async def unsubscribe(self) -> None:
        """Ends it; returns when the server has. What was not settled goes back to its queue."""
        if self._acked:  # from now on nothing of it may be settled
            self._unsettled.clear()
            self.end(None)
        await self._owner.unsubscribe(self)
        self.end(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.unsubscribe()

    # For its client

    @property
    def made(self) -> Awaitable[None]:
        """Done once the server has granted it, or will not."""
        return self._ready

    def frame_headers(self) -> dict[str, str]:
        """What SUBSCRIBE says now: from the second time on it goes on, and does not begin again."""
        fields = {"id": self.key, "destination": self.destination, "from": "latest", **self._headers}
        if self._resumes and self._came.text:
            fields["cursor"] = self._came.text
            if self._ready.done():
                fields["from"] = "latest"
        return fields

    def grant(self, answer: Mapping[str, str]) -> None:
        """The server has it now."""
        again = self._ready.done()
        self.granted = {name: value for name, value in answer.items() if name != "receipt-id"}
        if self._resumes and "cursor" in answer:
            self._came = Cursor(answer["cursor"])
            if not self._messages:
                self._read = Cursor(answer["cursor"])
        if self._passing:
            past = self._headers.get("cursor") or self._headers.get("from") == "earliest"
            whole = answer.get("recovered") == "true" if self._resumes else not again
            self.recovered = whole or not (again or past)
            if self.on_recovered is not None and (again or past):
                self._owner.call(self.on_recovered, self.recovered)
        if not again:
            self._ready.set_result(None)

    def put(self, headers: Mapping[str, str], body: bytes) -> None:
        """Adds a message."""
        if self._ended:
            return
        if self._resumes:
            self._came.advance(headers.get("message-id", ""))
        self._messages.append(Received(headers, body, self._owner, self._unsettled))
        self._arrived.set()
        if len(self._messages) >= _MAX_WAITING:
            self._look()

    def lose(self) -> None:
        """The connection ended: what is not settled is its queue's again, and what was not read of it others get."""
        self._unsettled.clear(_GIVEN_BACK)
        self._unsettled = Unsettled(self._cumulative)
        if self._acked:
            self._messages.clear()
        self._look()

    @property
    def waiting(self) -> int:
        """How many messages nobody has read yet."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Whether nothing is read from the connection for its sake."""
        return self._full

    def relent(self) -> None:
        """Does not hold up the connection any more until its reader reads on."""
        self._relents = True
        self._look()

    def add_asking(self, number: int) -> None:
        """Counts for how many answers its reader waits."""
        self._asking += number
        if self._full or len(self._messages) >= _MAX_WAITING:
            self._look()

    def end(self, reason: QmqError | None) -> None:
        """Lets readers know that no more will come, and why."""
        if not self._ended:
            self._ended = True
            self._reason = reason
            if self._acked:
                self._messages.clear()  # others get them: they were never settled
            if not self._ready.done():
                self._ready.set_exception(reason or QmqError("closed", "unsubscribed"))
                self._ready.exception()  # whoever waits is told; nobody else need be
        self._arrived.set()
        self._look()

    def _look(self) -> None:
        """Whether the client is to read on."""
        waiting = len(self._messages)
        if waiting >= _MAX_ASKING and not self._ended:
            self._owner.drop(self)
            self.end(QmqError("slow-consumer", f"{waiting} messages of {self.destination} are not read"))
        holds = not (self._ended or self._asking or self._relents)
        full = holds and waiting >= (_MAX_WAITING // 2 if self._full else _MAX_WAITING)
        if full is not self._full:
            self._full = full
            self._owner.hold(self, full)
