"""The client as a program uses it: publishing, asking, subscribing, working, and the end. Made by `connect`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from qmq.client import body as bodies
from qmq.client import worker
from qmq.client.body import Headers
from qmq.client.conversation import Conversation, Posted
from qmq.client.options import Ack, Options, Overflow, Start, State
from qmq.client.received import Received
from qmq.client.subscription import Subscription, asking
from qmq.client.transaction import Transaction
from qmq.errors import QmqError

# What a program publishes in one go: destination, body, and perhaps headers.
Outgoing = tuple[str, Any] | tuple[str, Any, Headers]

Handler = TypeVar("Handler", bound=Callable[[Received], Any])

_BURST = 200  # messages that are sent before others get their turn


class Client:
    """A program's conversation with a gateway, over one connection after the other. Made by `connect`."""

    def __init__(self, options: Options) -> None:
        self._talk = Conversation(options)

    @property
    def error(self) -> QmqError | None:
        """Why the client ended, once it has."""
        return self._talk.error

    @property
    def state(self) -> State:
        """`connecting`, `open`, `waiting` (for the next try) or `closed`."""
        return self._talk.states.now

    @property
    def generation(self) -> int:
        """How many connections there have been."""
        return self._talk.generation

    def states(self) -> AsyncIterator[State]:
        """The state of now, and each that follows, up to `closed`."""
        return self._talk.states.follow()

    async def wait_closed(self) -> QmqError:
        """Returns when the client has ended, and why."""
        return await asyncio.shield(self._talk.finished)

    # Publishing

    async def publish(
        self,
        destination: str,
        body: bytes | str | Any,
        headers: Headers | None = None,
        *,
        receipt: bool = True,
    ) -> None:
        """Publishes one message; returns when the server has it.

        While there is no connection it waits in the outbox. If the connection ends before the
        receipt comes it is sent again on the next, and published once all the same.

        Args:
            destination: Such as `/topic/chat`.
            body: Octets, text (sent as `text/plain`), or anything else as JSON.
            headers: More headers for its readers: text, numbers or truth values.
            receipt: If false, returns as soon as the message is on its way; it is sent once,
                and may be lost.

        Raises:
            QmqError: What the server says is wrong; why the client ended; `outbox-full` while
                there is no connection, if too much waits for one already.
            TypeError: If the body is nothing that JSON knows, or a header is neither text nor a number.
            ValueError: If JSON has no word for a number in it (NaN, infinity).

        """
        await self._talk.publish(destination, body, headers, receipt=receipt)

    def publish_nowait(self, destination: str, body: bytes | str | Any, headers: Headers | None = None) -> None:
        """Publishes one message without waiting for anything. It is sent once, and may be lost.

        Raises:
            QmqError: `outbox-full` if too much waits for the connection, or why the client ended.

        """
        self._talk.hand(self._talk.next_key(), bodies.send(destination, body, headers))

    async def publish_many(self, messages: Iterable[Outgoing]) -> int:
        """Publishes many messages in order; returns how many, when the server has all of them.

        It does not wait for each receipt before it sends the next, and has no more of them on
        their way than the outbox takes.

        Args:
            messages: `(destination, body)` or `(destination, body, headers)`, as of `publish`.

        Raises:
            QmqError: As `publish`; those that are not named by it may be published or not.

        """
        talk, number, waiting = self._talk, 0, deque[Posted]()
        try:
            with asking():
                for number, (destination, body, *more) in enumerate(messages, 1):
                    waiting.append(await talk.post(destination, body, *more))
                    if not number % _BURST:
                        await talk.drain()
                        await asyncio.sleep(0)
                    while waiting and waiting[0][1].done():
                        waiting.popleft()[1].result()
                while waiting:
                    await waiting[0][1]
                    waiting.popleft()
        finally:
            for key, _ in waiting:
                talk.forget(key)
        return number

    def transaction(self) -> Transaction:
        """Begins a transaction: `async with client.transaction() as work: …`."""
        return self._talk.transaction()

    async def request(
        self,
        destination: str,
        body: bytes | str | Any,
        headers: Headers | None = None,
        *,
        seconds: float = 10.0,
    ) -> Received:
        """Publishes a message and returns the reply to it. Any number may wait at the same time.

        Args:
            destination: Such as `/queue/sums`, or `/manage/stats`.
            body: As of `publish`.
            headers: More headers for whoever replies.
            seconds: How long the reply may take; a later one is dropped.

        Raises:
            QmqError: `request-timeout`; `connection-lost` and the like if the connection ended
                after it was sent, for its reply cannot come any more; or as `publish`.

        """
        return await self._talk.request(destination, body, headers, seconds)

    # Subscribing

    async def subscribe(
        self,
        destination: str,
        headers: Headers | None = None,
        *,
        max_messages: int | None = None,
        max_bytes: int | None = None,
        overflow: Overflow | None = None,
        conflate_key: str | None = None,
        cursor: str | None = None,
        from_: Start | None = None,
        ack: Ack | None = None,
        prefetch: int | None = None,
        callback: Callable[[Any], object] | None = None,
        on_recovered: Callable[[bool], None] | None = None,
    ) -> Subscription:
        """Subscribes to a destination or pattern; returns when the server has.

        Args:
            destination: Such as `/topic/prices.*`.
            headers: More headers of SUBSCRIBE.
            max_messages: Of a topic: how many messages may wait for this client at the server.
            max_bytes: Of a topic: how many octets may.
            overflow: Of a topic: what happens beyond.
            conflate_key: The header whose value says which messages replace each other.
            cursor: The position after which to begin.
            from_: Where to begin without one: `latest` unless you say `earliest`.
            ack: Of a queue: `client-individual` or `client` to settle messages yourself.
            prefetch: Of a queue: how many messages this client may have unsettled.
            callback: Called with each message, one after the other; awaited if it is a
                coroutine function. Without it, iterate the subscription.
            on_recovered: Called after each return with whether nothing is missing.

        Raises:
            QmqError: What the server says is wrong, or why the client ended.

        """
        talk = self._talk
        talk.check()
        said = {
            "max-messages": max_messages, "max-bytes": max_bytes, "overflow": overflow, "conflate-key": conflate_key,
            "cursor": cursor, "from": from_, "ack": ack, "prefetch-count": prefetch,
        }  # fmt: skip
        asked = {name: str(value) for name, value in said.items() if value is not None}
        fields = bodies.texts({**asked, **(headers or {})})
        subscription = Subscription(talk, talk.next_key(), destination, fields, on_recovered)
        bodies.frame("SUBSCRIBE", subscription.frame_headers())  # refused here, it has not begun
        talk.join(subscription)
        try:
            with asking():
                await subscription.made
        except asyncio.CancelledError:
            talk.drop(subscription)
            subscription.end(None)
            raise
        if callback is not None:
            talk.program.start(worker.call_back(talk, subscription, callback))
        return subscription

    # Working

    async def serve(self, destination: str, handler: Callable[[Received], Any], *, concurrency: int = 1) -> None:
        """Works for a queue until it is cancelled or the client ends.

        Each message is acknowledged once the handler has returned. What the handler returns, if
        it is not None, is the reply, if the message asks for one. If the handler raises, that
        is reported, and the message goes back once, for anybody; the second time it is given up.

        Args:
            destination: Such as `/queue/jobs`.
            handler: A function of a message, or a coroutine function.
            concurrency: How many messages are worked on at the same time.

        Raises:
            QmqError: What the server says is wrong, or why the client ended.

        """
        work = await self.subscribe(destination, ack="client-individual", prefetch=concurrency)
        await worker.serve(self._talk, work, handler, concurrency)

    def handler(self, destination: str, *, concurrency: int = 1) -> Callable[[Handler], Handler]:
        """Lets the decorated function work for a queue, as `serve` does, until the client ends."""

        def begin(function: Handler) -> Handler:
            self._talk.program.start(self.serve(destination, function, concurrency=concurrency))
            return function

        return begin

    # The end

    async def close(self) -> None:
        """Says goodbye and closes; what is published and not sent yet goes out first. Does nothing if it has ended."""
        await self._talk.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
