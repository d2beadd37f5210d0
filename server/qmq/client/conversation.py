"""What a client has said and what it waits for, from one connection to the next.

When the connection ends there is, in this order: what cannot be said again fails, one
error, one state. On the next one subscriptions come first, then what was published and
has no receipt. It opens no socket; a `Link` does. What a program calls is `client`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from qmq.client import body as bodies
from qmq.client.answers import Answers
from qmq.client.connection import Connection, Ended
from qmq.client.journal import Journal
from qmq.client.link import Link
from qmq.client.options import Options, State
from qmq.client.received import Received, Unsettled
from qmq.client.refresh import keep_fresh, time_left
from qmq.client.requests import REPLIES, Requests
from qmq.client.states import States
from qmq.client.subscription import Subscription, asking
from qmq.errors import QmqError
from qmq.wire import stomp

_log = logging.getLogger("qmq.client")

Answer = Mapping[str, str]


class Conversation(ABC):
    """One client's side of it.

    Attributes:
        error: Why the client ended, once it has.

    """

    def __init__(self, options: Options) -> None:
        self.error: QmqError | None = None
        self._options = options
        self._name = secrets.token_urlsafe(12)  # what the names of its publishes begin with
        self._numbers = map(str, itertools.count())
        self._states = States()
        self._subscriptions: dict[str, Subscription] = {}
        self._wanted: dict[str, Subscription] = {}  # by the receipt that is to come
        self._full: set[Subscription] = set()  # those for whose sake nothing is read
        self._journal = Journal(options.outbox_messages, options.outbox_bytes)
        self._published: Answers[Answer] = Answers()  # what is sent again
        self._passing: Answers[Answer] = Answers()  # what makes sense on this connection only
        self._requests = Requests()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refreshing: asyncio.Task[None] | None = None
        self._goodbye: QmqError | None = None  # once the program closes it
        self._finished: asyncio.Future[QmqError] = asyncio.get_running_loop().create_future()
        self._link = Link(options, self)

    # Saying something

    @abstractmethod
    async def publish(
        self, destination: str, body: Any, headers: Mapping[str, str] | None = None, *, receipt: bool = True
    ) -> None:
        """As of `Client`."""

    def check(self) -> None:
        """Raises why the client has ended, if it has."""
        if self.error is not None:
            raise self.error

    async def post(self, frames: Callable[[str], list[bytes]]) -> tuple[str, asyncio.Future[Answer]]:
        """Sends what is to be done once, whatever happens to the connection.

        While there is a connection it waits for room in the journal.

        Args:
            frames: Makes the frames, given the id of the receipt that the last asks for.

        Returns:
            That id, for `forget`, and what will be the receipt.

        Raises:
            QmqError: `outbox-full`, or why the client ended.

        """
        self.check()
        key = next(self._numbers)
        data = frames(key)
        if self._link.connection is not None:
            await self._journal.room(sum(map(len, data)))
            self.check()
        self._journal.add(key, data, kept=True)
        if self._link.connection is not None:
            self._link.connection.send(*data)
        return key, self._published.expect(key)

    def forget(self, key: str) -> None:
        """Nobody waits for it any more: it is done, or not wanted."""
        self._published.drop(key)
        self._journal.remove(key)

    def hand(self, key: str, data: bytes) -> None:
        """Sends what is sent once; without a connection it waits for the next.

        Raises:
            QmqError: `outbox-full`, or why the client ended.

        """
        self.check()
        connection = self._link.connection
        if connection is None:
            self._journal.add(key, [data], kept=False)
        elif connection.blocked:
            raise QmqError("outbox-full", f"{self._options.outbox_bytes} octets wait for the connection already")
        else:
            connection.send(data)

    async def drain(self) -> None:
        """Returns when there is room for what `hand` sends, as far as the connection goes."""
        connection = self._link.connection
        if connection is not None and connection.blocked:
            await connection.drain()

    async def settle(self, command: str, headers: Mapping[str, str], *, receipt: bool = True) -> None:
        """Sends an ACK or NACK; returns when the server has it, without `receipt` as soon as it is on its way.

        Raises:
            QmqError: Why the connection ended before the receipt came.

        """
        if receipt:
            await self.tell(command, headers)
        else:
            (await self._ready()).send(bodies.frame(command, headers))

    async def tell(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Says what makes sense on this connection only; returns the headers of its receipt.

        Raises:
            QmqError: Why the connection ended before the receipt came.

        """
        key = next(self._numbers)
        return await self._ask(key, [bodies.frame(command, {**headers, "receipt": key}, body)])

    async def commit(self, name: str, frames: list[bytes], repeatable: bool) -> None:
        """Sends a transaction in one piece; returns when the server has done it.

        Raises:
            QmqError: Why it was not; if it is not `repeatable`, why the connection ended.

        """

        def whole(key: str) -> list[bytes]:
            return [*frames, stomp.encode("COMMIT", {"transaction": name, "receipt": key})]

        if not repeatable:
            key = next(self._numbers)
            await self._ask(key, whole(key))
            return
        key, answer = await self.post(whole)
        try:
            with asking():
                await answer
        finally:
            self.forget(key)

    async def _ask(self, key: str, data: list[bytes]) -> Answer:
        connection = await self._ready()
        with self._passing.expecting(key) as answer, asking():
            connection.send(*data)
            return await answer

    async def _ready(self) -> Connection:
        """The connection of now, once there is room for more on it.

        Raises:
            QmqError: If there is none.

        """
        self.check()
        connection = self._link.connection
        if connection is None:
            raise QmqError("connection-lost", "there is no connection")
        await connection.drain()
        if connection.ended is not None:
            raise connection.ended.error
        return connection

    # What subscriptions need

    def join(self, subscription: Subscription) -> None:
        """Makes a subscription, now or on the next connection."""
        self._subscriptions[subscription.key] = subscription
        if self._link.connection is not None:
            self._ask_for(subscription, self._link.connection)

    def _ask_for(self, subscription: Subscription, connection: Connection) -> None:
        receipt = next(self._numbers)
        self._wanted[receipt] = subscription
        connection.send(bodies.frame("SUBSCRIBE", {**subscription.frame_headers(), "receipt": receipt}))

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; returns when the server has, or when the connection has ended.

        Raises:
            QmqError: Why the client ended.

        """
        if self._subscriptions.get(subscription.key) is not subscription:
            return
        self.check()
        subscription.leaving = True
        try:
            if self._link.connection is not None:
                await self.tell("UNSUBSCRIBE", {"id": subscription.key})
        except QmqError:
            self.check()  # the end of the connection is its end too
        finally:
            self._subscriptions.pop(subscription.key, None)

    def drop(self, subscription: Subscription) -> None:
        """Ends a subscription, without waiting."""
        if self._subscriptions.pop(subscription.key, None) is not None and self._link.connection is not None:
            self._link.connection.send(bodies.frame("UNSUBSCRIBE", {"id": subscription.key}))

    def hold(self, subscription: Subscription, held: bool) -> None:
        """Reads nothing more from the connection for a subscription's sake, or reads on."""
        (self._full.add if held else self._full.discard)(subscription)
        if self._link.connection is not None:
            self._link.connection.hold(bool(self._full))

    # What the program is told

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls a function of the program; what it raises is reported and goes no further."""
        try:
            function(*arguments)
        except Exception as error:
            self.report(f"{function!r} failed", error)

    def warn(self, error: QmqError) -> None:
        """Tells the program what is wrong with the connection."""
        if self._options.on_error is not None:
            self.call(self._options.on_error, error)

    def report(self, message: str, error: BaseException) -> None:
        """Reports what is wrong with the program, as asyncio does."""
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Lets something run until it ends, or the client does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and error is not self.error:
            self.report(f"{task!r} failed", error)

    def _enter(self, state: State) -> None:
        if self._states.enter(state) and self._options.on_state is not None:
            self.call(self._options.on_state, state)

    # What the link tells

    def dialing(self) -> None:
        """A try begins."""
        self._enter("connecting")

    def resume(self, connection: Connection) -> None:
        """Says again what was said before, before the program can say anything new."""
        for subscription in list(self._subscriptions.values()):
            if not subscription.leaving:
                self._ask_for(subscription, connection)
        for data in self._journal.flush():
            connection.send(*data)
        connection.hold(bool(self._full))
        self._refreshing = self.start(keep_fresh(self, self._options, time_left(connection.session)))
        self._enter("open")

    def take(self, frame: stomp.Frame) -> None:
        """Gives a frame to whom it is for."""
        head, body = frame
        headers = head.headers
        if head.command == "MESSAGE":
            key = headers.get("subscription", "")
            subscription = self._subscriptions.get(key)
            if subscription is not None:
                subscription.put(headers, body)
            elif key == REPLIES:  # to none that waits if it comes too late
                reply = Received(headers, body, self, Unsettled())
                self._requests.answers.settle(headers.get("correlation-id", ""), reply)
        elif head.command == "RECEIPT":
            receipt = headers.get("receipt-id", "")
            if self._published.settle(receipt, headers):
                self._journal.remove(receipt)
            elif receipt in self._wanted:
                self._wanted.pop(receipt).grant(headers)
            else:
                self._passing.settle(receipt, headers)

    def lose(self, ended: Ended) -> None:
        """A connection ended, or none could be made. Only the frame that the server names is to blame."""
        error = ended.error
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._blame(ended.culprit, error)
        if ended.final or self._goodbye is not None:
            self._finish(self._goodbye or error)
            return
        self._wanted.clear()
        for subscription in list(self._subscriptions.values()):
            subscription.lose()
        self._passing.fail_all(error)
        self._requests.lose(error, self._journal)
        self._journal.refuse(QmqError("outbox-full", "the connection has ended, and as much as may waits for the next"))
        _log.info("%s; it will be tried again", error)
        self.warn(error)
        self._enter("waiting")

    def _blame(self, receipt: str, error: QmqError) -> None:
        """It is not sent again."""
        self._journal.remove(receipt)
        subscription = self._wanted.pop(receipt, None)
        if subscription is not None:
            self._subscriptions.pop(subscription.key, None)
            subscription.end(error)
        for answers in (self._published, self._passing):
            answers.fail(receipt, error)

    def _finish(self, error: QmqError) -> None:
        """It is over: all that wait are told why."""
        if self.error is not None:
            return
        self.error = error
        self._journal.clear(error)
        self._published.fail_all(error)
        self._passing.fail_all(error)
        self._requests.answers.fail_all(error)
        for subscription in list(self._subscriptions.values()):
            subscription.end(error)
        if self._goodbye is None:
            self.warn(error)
        self._enter("closed")
        self._finished.set_result(error)
