"""One connection of the client: what is sent on it, and who gets what comes."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from qmq.client.received import Received, Unsettled
from qmq.client.subscription import Subscription, asking
from qmq.errors import CODES, QmqError
from qmq.wire import stomp, websocket

_MAX_MESSAGE = 64 << 20  # the server's limits decide, this only stops nonsense

# Where replies come: a name of this client's own, for which the server has a private
# address. Nobody subscribes to it: the server knows from the request.
_REPLIES = "/temp-queue/qmq.replies"
_LONGEST = 10**9  # seconds that the server is told a request is of use


class Client:
    """A connection to a gateway. Made by `connect`.

    Attributes:
        error: Why the connection ended, once it has.

    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.error: QmqError | None = None
        self._reader = reader
        self._writer = writer
        self._socket_decoder = websocket.Decoder(masked=False, max_message=_MAX_MESSAGE)
        self._decoder = stomp.Decoder(max_body=_MAX_MESSAGE, max_headers=1000, max_header_bytes=1 << 20)
        self._numbers = itertools.count()
        self._subscriptions: dict[str, Subscription] = {}
        self._receipts: dict[str, asyncio.Future[Mapping[str, str]]] = {}
        self._replies: dict[str, asyncio.Future[Received]] = {}  # by correlation id
        self._connected: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._receive())

    async def publish(
        self,
        destination: str,
        body: bytes | str | Any,
        headers: Mapping[str, str] | None = None,
        *,
        receipt: bool = True,
    ) -> None:
        """Publishes one message; returns when the server has it.

        Args:
            destination: Such as `/topic/chat`.
            body: Octets, text (sent as `text/plain`), or anything else as JSON.
            headers: More headers for its readers.
            receipt: If false, returns as soon as the message is on its way.

        Raises:
            QmqError: What the server says is wrong, or why the connection ended.

        """
        octets, fields = _encode_body(body)
        await self.tell("SEND", {"destination": destination, **fields, **(headers or {})}, octets, receipt=receipt)

    async def request(
        self,
        destination: str,
        body: bytes | str | Any,
        headers: Mapping[str, str] | None = None,
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
            QmqError: `request-timeout`, or as `publish`.

        """
        key = str(next(self._numbers))
        octets, fields = _encode_body(body)
        # Whoever takes it from a queue after that would work for nobody.
        fields["expiration"] = str(math.ceil(1000 * min(max(seconds, 0), _LONGEST)))
        fields = {"destination": destination, **fields, **(headers or {}), "reply-to": _REPLIES, "correlation-id": key}
        answer: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._replies[key] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._send("SEND", fields, octets)
                with asking():
                    return await answer
        except TimeoutError:
            raise QmqError("request-timeout", f"none from {destination} in {seconds:g} seconds") from None
        finally:
            del self._replies[key]

    async def subscribe(self, destination: str, headers: Mapping[str, str] | None = None) -> Subscription:
        """Subscribes to a destination or pattern; returns when the server has.

        Args:
            destination: Such as `/topic/prices.*`.
            headers: For topics bounds and the like: `max-messages`, `max-bytes`, `overflow`,
                `conflate-key`; for queues `ack` and `prefetch-count`.

        Raises:
            QmqError: What the server says is wrong, or why the connection ended.

        """
        key = str(next(self._numbers))
        fields = {"id": key, "destination": destination, "from": "latest", **(headers or {})}

        async def unsubscribe() -> None:
            if key not in self._subscriptions:
                return
            await self._ask("UNSUBSCRIBE", {"id": key})
            self._subscriptions.pop(key, None)

        subscription = self._subscriptions[key] = Subscription(fields.get("ack", "auto"), unsubscribe)
        answer = await self._ask("SUBSCRIBE", fields)
        subscription.granted = {name: value for name, value in answer.items() if name != "receipt-id"}
        return subscription

    async def close(self) -> None:
        """Says goodbye and closes. Does nothing if the connection has ended."""
        for subscription in self._subscriptions.values():
            subscription.end(QmqError("closed"))  # nobody reads on, so nothing need wait for a reader
        if self.error is None:
            try:
                await asyncio.wait_for(self._ask("DISCONNECT", {}), 5)
            except (QmqError, TimeoutError):
                pass
        self._end(QmqError("closed"))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def tell(self, command: str, headers: Mapping[str, str], body: bytes = b"", *, receipt: bool = True) -> None:
        """Sends a frame; returns when the server has it, or, without `receipt`, as soon as it is on its way.

        Raises:
            QmqError: What the server says is wrong, or why the connection ended.

        """
        if receipt:
            await self._ask(command, headers, body)
        else:
            await self._send(command, headers, body)

    async def login(self, host: str, login: str, passcode: str) -> None:
        """Logs in. For `connect` only.

        Raises:
            QmqError: What the server says is wrong, or why the connection ended.

        """
        fields = {"accept-version": "1.2", "host": host, "heart-beat": "0,0"}
        if login or passcode:
            fields |= {"login": login, "passcode": passcode}
        await self._send("CONNECT", fields)
        await self._connected

    async def _ask(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> Mapping[str, str]:
        receipt = str(next(self._numbers))
        answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        self._receipts[receipt] = answer
        try:
            await self._send(command, {**headers, "receipt": receipt}, body)
            with asking():
                return await answer
        finally:
            self._receipts.pop(receipt, None)

    async def _send(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        if self.error is not None:
            raise self.error
        try:
            data = stomp.encode(command, headers, body)
        except UnicodeEncodeError as error:
            raise QmqError("bad-header", f"{error.object[:32]!r} is no UTF-8") from None
        kind = websocket.TEXT if stomp.is_text(data) else websocket.BINARY
        try:
            self._writer.write(websocket.encode_masked(kind, data, os.urandom(4)))
            await self._writer.drain()
        except OSError as error:
            self._end(QmqError("connection-lost"))
            raise QmqError("connection-lost") from error

    async def _receive(self) -> None:
        reason = QmqError("connection-lost")
        try:
            while data := await self._reader.read(1 << 16):
                for kind, payload in self._socket_decoder.feed(data):
                    await self._take(kind, payload)
                error = self._socket_decoder.error or self._decoder.error
                if error is not None:
                    reason = error
                    break
        except OSError:
            pass
        except QmqError as error:
            reason = error
        self._end(reason)
        self._writer.close()

    async def _take(self, kind: int, payload: bytes) -> None:
        if kind in (websocket.TEXT, websocket.BINARY):
            for frame in self._decoder.feed(payload):
                await self._on_frame(frame)
        elif kind == websocket.PING:
            self._writer.write(websocket.encode_masked(websocket.PONG, payload, os.urandom(4)))
        elif kind == websocket.CLOSE:
            self._writer.write(websocket.encode_masked(websocket.CLOSE, payload[:2], os.urandom(4)))
            number = websocket.close_code(payload)
            name = next((code.name for code in CODES.values() if code.close == number), "connection-lost")
            raise QmqError(name, payload[2:].decode(errors="replace"))

    async def _on_frame(self, frame: stomp.Frame) -> None:
        head, body = frame
        headers = head.headers
        if head.command == "MESSAGE":
            key = headers.get("subscription", "")
            subscription = self._subscriptions.get(key)
            if subscription is not None:
                await subscription.put(Received(headers, body, self, subscription.unsettled))
            elif key == _REPLIES:
                reply = self._replies.get(headers.get("correlation-id", ""))
                if reply is not None and not reply.done():  # otherwise it comes too late
                    reply.set_result(Received(headers, body, self, Unsettled()))
        elif head.command == "RECEIPT":
            answer = self._receipts.get(headers.get("receipt-id", ""))
            if answer is not None and not answer.done():
                answer.set_result(headers)
        elif head.command == "CONNECTED":
            if not self._connected.done():
                self._connected.set_result(headers)
        elif head.command == "ERROR":
            code = headers.get("code", "connection-lost")
            detail = body.decode(errors="replace")
            raise QmqError(code if code in CODES else "connection-lost", detail or headers.get("message", ""))

    def _end(self, reason: QmqError) -> None:
        if self.error is not None:
            return
        self.error = reason
        waiting: list[asyncio.Future[Any]] = [self._connected, *self._receipts.values(), *self._replies.values()]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(reason)
                answer.exception()  # whoever waits is told; nobody else need be
        for subscription in self._subscriptions.values():
            subscription.end(reason)


def _encode_body(body: Any) -> tuple[bytes, dict[str, str]]:
    """The octets of a body, and the header that says what they are."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), {}
    if isinstance(body, str):
        return body.encode(), {"content-type": "text/plain"}
    return json.dumps(body).encode(), {"content-type": "application/json"}
