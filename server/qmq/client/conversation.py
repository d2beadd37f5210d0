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
from collections.abc import Callable, Mapping
from typing import Any

from qmq.client import body as bodies
from qmq.client.answers import Answers
from qmq.client.body import Headers
from qmq.client.connection import Connection, Ended, told
from qmq.client.journal import Journal
from qmq.client.link import Link
from qmq.client.options import Options, State
from qmq.client.program import Program
from qmq.client.received import Received, Unsettled
from qmq.client.refresh import keep_fresh, time_left
from qmq.client.requests import REPLIES, Requests
from qmq.client.states import States
from qmq.client.subscription import Subscription, asking
from qmq.client.subscriptions import Subscriptions
from qmq.client.transaction import Transaction
from qmq.errors import QmqError
from qmq.wire import stomp

_log = logging.getLogger("qmq.client")

_PATIENCE = 1.0  # seconds that a reader may hold up the answers to others without reading anything
_GOODBYE = 5.0  # seconds for the answer to DISCONNECT

Answer = Mapping[str, str]  # the headers of a receipt
Posted = tuple[str, asyncio.Future[Answer]]  # the id of a receipt, and what will be the receipt


class Conversation:
    """One client's side of it.

    Attributes:
        error: Why the client ended, once it has.
        finished: The same, as a future.
        states: What state it is in.
        program: Whose client it is.

    """

    def __init__(self, options: Options) -> None:
        self.finished: asyncio.Future[QmqError] = asyncio.get_running_loop().create_future()
        self.error: QmqError | None = None
        self._options = options
        self._name = secrets.token_urlsafe(12)  # what the names of its publishes begin with
        self._numbers = map(str, itertools.count())
        self.states = States()
        self.program = Program(options)
        self._subscriptions = Subscriptions()
        self._journal = Journal(options.outbox_messages, options.outbox_bytes)
        self._published: Answers[Answer] = Answers()  # what is sent again
        self._passing: Answers[Answer] = Answers()  # what makes sense on this connection only
        self._requests = Requests()
        self._refreshing: asyncio.Task[None] | None = None
        self._goodbye: QmqError | None = None  # once the program closes it
        self._link = Link(options, self)

    # Saying something

    def next_key(self) -> str:
        """An id that nothing of this client has carried yet."""
        return next(self._numbers)

    @property
    def generation(self) -> int:
        """How many connections there have been."""
        return self._link.generation

    def check(self) -> None:
        """Raises why the client has ended, if it has."""
        if self.error is not None:
            raise self.error

    async def publish(
        self, destination: str, body: Any, headers: Headers | None = None, *, receipt: bool = True
    ) -> None:
        """As of `Client`."""
        if receipt:
            await self._receipt(await self.post(destination, body, headers))
        else:
            await self.drain()
            self.hand(self.next_key(), bodies.send(destination, body, headers))

    async def post(self, destination: str, body: Any, headers: Headers | None = None) -> Posted:
        """Publishes what is published once, whatever happens to the connection; as of `_post`."""
        octets, fields = bodies.encode(body)

        def frames(key: str) -> list[bytes]:
            own = {"idempotency-key": f"{self._name}.{key}", **fields, **(headers or {}), "receipt": key}
            return [bodies.frame("SEND", {"destination": destination, **own}, octets)]

        return await self._post(frames)

    async def _post(self, frames: Callable[[str], list[bytes]]) -> Posted:
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
        key = self.next_key()
        data = frames(key)
        if self._link.connection is not None:
            await self._journal.room(sum(map(len, data)))
            self.check()
        self._journal.add(key, data, kept=True)
        if self._link.connection is not None:
            self._link.connection.send(*data)
        return key, self._published.expect(key)

    async def _receipt(self, posted: Posted) -> None:
        key, answer = posted
        try:
            with asking():
                await answer
        finally:
            self.forget(key)

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

    async def request(self, destination: str, body: Any, headers: Headers | None, seconds: float) -> Received:
        """As of `Client`."""
        key = self.next_key()
        data = self._requests.frame(key, destination, body, headers, seconds)
        await self.drain()
        with self._requests.answers.expecting(key) as answer:
            self.hand(key, data)
            try:
                async with asyncio.timeout(seconds):
                    with asking():
                        return await answer
            except TimeoutError:
                raise QmqError("request-timeout", f"none from {destination} in {seconds:g} seconds") from None
            finally:
                self._journal.remove(key)

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
        key = self.next_key()
        return await self._ask(key, [bodies.frame(command, {**headers, "receipt": key}, body)])

    async def commit(self, name: str, frames: list[bytes], repeatable: bool) -> None:
        """Sends a transaction in one piece; returns when the server has done it.

        Raises:
            QmqError: Why it was not; if it is not `repeatable`, why the connection ended.

        """

        def whole(key: str) -> list[bytes]:
            return [*frames, stomp.encode("COMMIT", {"transaction": name, "receipt": key})]

        if not repeatable:
            key = self.next_key()
            await self._ask(key, whole(key))
            return
        await self._receipt(await self._post(whole))

    def transaction(self) -> Transaction:
        """As of `Client`."""
        return Transaction(self, f"{self._name}.{self.next_key()}", self._options.outbox_bytes)

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
        self._subscriptions.add(subscription)
        if self._link.connection is not None:
            self._link.connection.send(self._subscriptions.frame(subscription, self.next_key()))

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; returns when the server has, or when the connection has ended.

        Raises:
            QmqError: Why the client ended.

        """
        if subscription not in self._subscriptions:
            return
        self.check()
        subscription.leaving = True
        try:
            if self._link.connection is not None:
                await self.tell("UNSUBSCRIBE", {"id": subscription.key})
        except QmqError:
            self.check()  # the end of the connection is its end too
        finally:
            self._subscriptions.remove(subscription)

    def drop(self, subscription: Subscription) -> None:
        """Ends a subscription, without waiting."""
        if self._subscriptions.remove(subscription) and self._link.connection is not None:
            self._link.connection.send(bodies.frame("UNSUBSCRIBE", {"id": subscription.key}))

    def hold(self, subscription: Subscription, held: bool) -> None:
        """Reads nothing more from the connection for a subscription's sake, or reads on."""
        self._subscriptions.hold(subscription, held)
        if self._link.connection is not None:
            self._link.connection.hold(self._subscriptions.full)
        if held:
            self._look_again(subscription)

    def _look_again(self, subscription: Subscription) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(_PATIENCE, self._look_at, subscription, subscription.waiting)

    def _look_at(self, subscription: Subscription, waiting: int) -> None:
        """An answer may be behind the messages that nobody reads, and be awaited by who would read them."""
        if not subscription.full:
            return
        if subscription.waiting == waiting and (self._published or self._passing or self._requests.answers):
            subscription.relent()
        else:
            self._look_again(subscription)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls a function of the program."""
        self.program.call(function, *arguments)

    def warn(self, error: QmqError) -> None:
        """Tells the program what is wrong with the connection."""
        self.program.warn(error)

    # What the link tells

    def dialing(self) -> None:
        """A try begins."""
        self._enter("connecting")

    def _enter(self, state: State) -> None:
        if self.states.enter(state):
            self.program.enter(state)

    def resume(self, connection: Connection) -> None:
        """Says again what was said before, before the program can say anything new."""
        for subscription in self._subscriptions:
            if not subscription.leaving:
                connection.send(self._subscriptions.frame(subscription, self.next_key()))
        for data in self._journal.flush():
            connection.send(*data)
        connection.hold(self._subscriptions.full)
        self._refreshing = self.program.start(keep_fresh(self, self._options, time_left(connection.session)))
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
            elif key == REPLIES:
                self._requests.settle(Received(headers, body, self, Unsettled()))
        elif head.command == "RECEIPT":
            receipt = headers.get("receipt-id", "")
            if self._published.settle(receipt, headers):
                self._journal.remove(receipt)
            elif not self._subscriptions.grant(receipt, headers):
                self._passing.settle(receipt, headers)
        elif head.command == "ERROR":  # of one frame only, else the connection would have ended
            refused = told(headers, body)
            if not self._blame(refused.culprit, refused.error):
                self.warn(refused.error)

    def lose(self, ended: Ended) -> None:
        """A connection ended, or none could be made. Only the frame that the server names is to blame."""
        error = ended.error
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._blame(ended.culprit, error)
        if ended.final or self._goodbye is not None:
            self._finish(self._goodbye or error)
            return
        self._subscriptions.lose()
        self._passing.fail_all(error)
        self._requests.lose(error, self._journal)
        self._journal.refuse(QmqError("outbox-full", "the connection has ended, and as much as may waits for the next"))
        _log.info("%s; it will be tried again", error)
        self.warn(error)
        self._enter("waiting")

    def _blame(self, receipt: str, error: QmqError) -> bool:
        """The frame with this receipt is not sent again; false if nobody waits to hear of it."""
        self._journal.remove(receipt)
        heard = self._subscriptions.refuse(receipt, error)
        for answers in (self._published, self._passing, self._requests.answers):
            heard = answers.fail(receipt, error) or heard
        return heard

    def _finish(self, error: QmqError) -> None:
        """It is over: all that wait are told why."""
        if self.error is not None:
            return
        self.error = error
        self._journal.clear(error)
        self._published.fail_all(error)
        self._passing.fail_all(error)
        self._requests.answers.fail_all(error)
        self._subscriptions.end(error)
        if self._goodbye is None:
            self.warn(error)
        self._enter("closed")
        self.finished.set_result(error)

    # The end

    async def close(self) -> None:
        """As of `Client`."""
        goodbye = self._goodbye = self._goodbye or QmqError("closed")
        await self.program.stop()
        self._subscriptions.end(goodbye)  # nobody reads on, so nothing need wait for a reader
        if self._link.connection is not None:
            try:
                await asyncio.wait_for(self.tell("DISCONNECT", {}), _GOODBYE)
            except (QmqError, TimeoutError):
                pass
        self._finish(goodbye)
        await self._link.stop()
