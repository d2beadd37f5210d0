"""A small asyncio client: publish and subscribe over STOMP 1.2 on WebSocket.

    async with await qmq.connect("ws://127.0.0.1:8000/stomp") as client:
        prices = await client.subscribe("/topic/prices.*")
        await client.publish("/topic/prices.eur", b"1.08")
        async for message in prices:
            print(message.text())

It uses the server's own codecs. It does not reconnect; when the connection ends,
everything that waits on it gets the reason.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import ssl
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from qmq.errors import CODES, QmqError
from qmq.wire import stomp, websocket

_MAX_MESSAGE = 64 << 20  # the server's limits decide, this only stops nonsense
_MAX_WAITING = 10_000  # messages of one subscription that nobody has read yet


class Received:
    """One message, as it came.

    Attributes:
        destination: Where it was published.
        id: Its `message-id`.
        headers: All headers, these two included.
        body: Its octets.

    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @property
    def destination(self) -> str:
        return self.headers["destination"]

    @property
    def id(self) -> str:
        return self.headers["message-id"]

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


class Subscription:
    """The messages of one destination or pattern; iterate it asynchronously.

    While its reader is behind by 10,000 messages the client stops reading from
    the connection, and the server applies the subscription's bounds.

    Attributes:
        granted: What the server granted, from the RECEIPT: `max-messages`,
            `max-bytes`, `cursor`, `recovered`.

    """

    def __init__(self, client: Client, key: str) -> None:
        self.granted: dict[str, str] = {}
        self._client = client
        self._key = key
        self._messages: deque[Received] = deque()
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
        return self._messages.popleft()

    async def put(self, message: Received) -> None:
        """Adds a message; waits while the reader is too far behind. For the client only."""
        while len(self._messages) >= _MAX_WAITING and not self._ended:
            self._room.clear()
            await self._room.wait()
        if not self._ended:
            self._messages.append(message)
            self._arrived.set()

    async def unsubscribe(self) -> None:
        """Ends it; returns when the server has."""
        await self._client._request("UNSUBSCRIBE", {"id": self._key})
        self._client._subscriptions.pop(self._key, None)
        self.end(None)

    def end(self, reason: QmqError | None) -> None:
        """Lets readers know that no more will come, and why. For the client only."""
        if not self._ended:
            self._ended = True
            self._reason = reason
        self._arrived.set()
        self._room.set()


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
        octets, kind = _encode_body(body)
        fields = {"destination": destination, **({"content-type": kind} if kind else {}), **(headers or {})}
        if receipt:
            await self._request("SEND", fields, octets)
        else:
            await self._send("SEND", fields, octets)

    async def subscribe(self, destination: str, headers: Mapping[str, str] | None = None) -> Subscription:
        """Subscribes to a destination or pattern; returns when the server has.

        Args:
            destination: Such as `/topic/prices.*`.
            headers: Bounds and the like: `max-messages`, `max-bytes`, `overflow`, `conflate-key`.

        Raises:
            QmqError: What the server says is wrong, or why the connection ended.

        """
        key = str(next(self._numbers))
        subscription = self._subscriptions[key] = Subscription(self, key)
        fields = {"id": key, "destination": destination, "from": "latest", **(headers or {})}
        answer = await self._request("SUBSCRIBE", fields)
        subscription.granted = {name: value for name, value in answer.items() if name != "receipt-id"}
        return subscription

    async def close(self) -> None:
        """Says goodbye and closes. Does nothing if the connection has ended."""
        for subscription in self._subscriptions.values():
            subscription.end(QmqError("closed"))  # nobody reads on, so nothing need wait for a reader
        if self.error is None:
            try:
                await asyncio.wait_for(self._request("DISCONNECT", {}), 5)
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

    async def _login(self, host: str, login: str, passcode: str) -> None:
        fields = {"accept-version": "1.2", "host": host, "heart-beat": "0,0"}
        if login or passcode:
            fields |= {"login": login, "passcode": passcode}
        await self._send("CONNECT", fields)
        await self._connected

    async def _request(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> Mapping[str, str]:
        receipt = str(next(self._numbers))
        answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        self._receipts[receipt] = answer
        try:
            await self._send(command, {**headers, "receipt": receipt}, body)
            return await answer
        finally:
            self._receipts.pop(receipt, None)

    async def _send(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> None:
        if self.error is not None:
            raise self.error
        data = stomp.encode(command, headers, body)
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
            subscription = self._subscriptions.get(headers.get("subscription", ""))
            if subscription is not None:
                await subscription.put(Received(headers, body))
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
        for answer in (self._connected, *self._receipts.values()):
            if not answer.done():
                answer.set_exception(reason)
                answer.exception()  # whoever waits is told; nobody else need be
        for subscription in self._subscriptions.values():
            subscription.end(reason)


async def connect(
    url: str, login: str = "", passcode: str = "", *, tls: ssl.SSLContext | None = None, seconds: float = 10.0
) -> Client:
    """Connects to a gateway and logs in.

    Args:
        url: `ws://` or `wss://` (or `http://`, `https://`), host and port; the
            path is `/stomp` if there is none; a query is sent with it.
        login: Name to log in with.
        passcode: Password or token.
        tls: For `wss`, if the default context does not do: for an authority of your
            own, or to show a certificate.
        seconds: How long all of it may take.

    Raises:
        QmqError: `connect-failed` if there is no gateway, or what it says.

    """
    try:
        async with asyncio.timeout(seconds):
            return await _connect(url, login, passcode, tls)
    except TimeoutError as error:
        raise QmqError("connect-failed", f"{url} did not answer within {seconds:g} seconds") from error


async def _connect(url: str, login: str, passcode: str, tls: ssl.SSLContext | None) -> Client:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise QmqError("connect-failed", f"{url!r}: {error}") from error
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise QmqError("connect-failed", f"{url!r} is no ws:// or wss:// address")
    secure = parts.scheme in ("wss", "https")
    port = port or (443 if secure else 80)
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, port, ssl=(tls or ssl.create_default_context()) if secure else None, limit=1 << 18
        )
    except (OSError, UnicodeError) as error:
        raise QmqError("connect-failed", f"{url}: {_explain(error)}") from error
    path = parts.path if parts.path.strip("/") else "/stomp"
    try:
        await _handshake(reader, writer, parts.netloc, f"{path}?{parts.query}" if parts.query else path)
    except BaseException:
        writer.close()
        raise
    client = Client(reader, writer)
    try:
        await client._login(parts.hostname, login, passcode)
    except BaseException:
        await client.close()
        raise
    return client


async def _handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n".encode()
    )
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        why = f": {_explain(error)}" if isinstance(error, ssl.SSLError) else ""
        raise QmqError("connect-failed", f"the server ended the WebSocket handshake{why}") from error
    status, _, head = answer.partition("\r\n")
    lines = [line.partition(":") for line in head.split("\r\n")]
    fields = {name.strip().lower(): value.strip() for name, _, value in lines}
    if status.split(" ")[1:2] != ["101"] or fields.get("sec-websocket-accept") != websocket.accept_key(key):
        raise QmqError("connect-failed", f"the server answered {status!r}")


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed: {error.reason.lower().replace('_', ' ')}"
    return str(getattr(error, "strerror", None) or error)


def _encode_body(body: Any) -> tuple[bytes, str]:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), ""
    if isinstance(body, str):
        return body.encode(), "text/plain"
    return json.dumps(body).encode(), "application/json"
