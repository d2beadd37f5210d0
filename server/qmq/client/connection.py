"""One connection to a gateway, from the socket to its end: login, frames both ways, heart-beats.

It is used once, and says once why it ended. What its frames mean it does not know, and it
never connects again.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from qmq.client.transport import Carrier
from qmq.client.websocket import MAX_MESSAGE
from qmq.errors import CODES, QmqError
from qmq.wire import stomp

_MAX_PENDING = 1 << 16  # octets that wait for the end of the loop pass, to go out in one piece


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection ended.

    Attributes:
        error: The reason.
        culprit: The receipt that the frame asked for which was to blame; empty if none is.
        final: Whether there is no use in coming back.

    """

    error: QmqError
    culprit: str = ""
    final: bool = False

    @classmethod
    def of(cls, error: QmqError) -> Ended:
        """With what the code says about coming back."""
        return cls(error, "", not error.code.retry)


_CLOSED = Ended(QmqError("closed"))


class Owner(Protocol):
    """Whoever hears of a connection."""

    def take(self, frame: stomp.Frame) -> None:
        """A frame came, after the login."""

    def lose(self, ended: Ended) -> None:
        """It has ended. Nothing follows."""


class Connection(asyncio.Protocol):
    """A client's end of one connection.

    Args:
        carrier: What STOMP goes over.
        limit: How many octets may wait for the socket before `blocked` is true.

    Attributes:
        ended: Why, once it has.
        session: The headers of CONNECTED.

    """

    def __init__(self, carrier: Carrier, limit: int) -> None:
        self.ended: Ended | None = None
        self.session: Mapping[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._carrier = carrier
        self._limit = limit
        self._owner: Owner | None = None
        self._transport: asyncio.Transport | None = None
        self._decoder = stomp.Decoder(max_body=MAX_MESSAGE, max_headers=1000, max_header_bytes=1 << 20)
        self._pending: list[bytes] = []
        self._pending_octets = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._held = False
        self._shaken: asyncio.Future[None] = self._loop.create_future()  # STOMP may be said
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._beat: asyncio.TimerHandle | None = None
        self._said = self._heard = self._loop.time()

    # Login

    async def login(self, headers: Mapping[str, str], heartbeat: float) -> None:
        """Waits for the transport, logs in, and begins with the heart-beats.

        Args:
            headers: More for CONNECT.
            heartbeat: Seconds between signs of life, in both directions; 0 for none.

        Raises:
            QmqError: Why the server does not want it.

        """
        await self._shaken
        asked = round(heartbeat * 1000)
        fields = {"accept-version": "1.2", "heart-beat": f"{asked},{asked}", "refusals": "true", **headers}
        self.send(stomp.encode("CONNECT", fields))
        await self._connected
        ours, theirs = _agreed(asked, self.session.get("heart-beat", "0,0"))
        if ours or theirs:
            self._watch(ours, theirs)

    def own(self, owner: Owner) -> None:
        """Gives it an owner, who hears everything from now on."""
        self._owner = owner
        if self.ended is not None:
            owner.lose(self.ended)

    # Sending

    @property
    def blocked(self) -> bool:
        """Whether too much waits for the socket already."""
        return not self._writable.is_set()

    def send(self, *frames: bytes) -> None:
        """Sends encoded frames; at the latest at the end of the loop pass."""
        if self.ended is not None:
            return
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending += frames
        self._pending_octets += sum(map(len, frames))
        if self._pending_octets > _MAX_PENDING:
            self._flush()

    async def drain(self) -> None:
        """Returns when it is not `blocked`, or has ended."""
        await self._writable.wait()

    def hold(self, held: bool) -> None:
        """Reads nothing more, or reads on."""
        if self._held is held or self.ended is not None:
            return
        self._held = held
        assert self._transport is not None
        if held:
            self._transport.pause_reading()
        else:
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def end(self, ended: Ended) -> None:
        """Ends it; what was sent still goes out, as far as the other end takes it."""
        if self.ended is not None:
            return
        self._flush()
        self.ended = ended
        if self._beat is not None:
            self._beat.cancel()
        if self._transport is not None:
            self._transport.close()
        self._writable.set()
        for step in (self._shaken, self._connected):
            if not step.done():
                step.set_exception(ended.error)
                step.exception()  # whoever waits is told; nobody else need be
        if self._owner is not None:
            self._owner.lose(ended)

    def abort(self, ended: Ended = _CLOSED) -> None:
        """Ends it, and drops what still waits for the socket."""
        self.end(ended)
        if self._transport is not None:
            self._transport.abort()

    async def gone(self) -> None:
        """Returns when the socket is closed. An end that is not taken within a second is dropped."""
        try:
            async with asyncio.timeout(1):
                await self._gone.wait()
        except TimeoutError:
            self.abort()
            await self._gone.wait()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=self._limit)
        transport.write(self._carrier.hello())
        if self._carrier.ready:
            _step(self._shaken)

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        carrier = self._carrier
        octets = carrier.receive(data)
        if carrier.answer and self._transport is not None:
            self._transport.write(carrier.answer)
            carrier.answer = b""
        if carrier.ready:
            _step(self._shaken)
        for frame in self._decoder.feed(octets):
            if self.ended is not None:
                return
            self._take(frame)
        error = carrier.reason or self._decoder.error
        if error is not None:
            self.end(Ended.of(error))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        detail = explain(error) if error is not None else ""
        if self._carrier.ready:
            self.end(Ended(QmqError("connection-lost", detail)))
        else:
            why = f": {detail}" if detail else ""
            self.end(Ended(QmqError("connect-failed", f"the server ended the WebSocket handshake{why}")))
        self._gone.set()

    def _take(self, frame: stomp.Frame) -> None:
        head, body = frame
        if head.command == "ERROR" and not (self.session and head.headers.get("fatal") == "false"):
            self.end(told(head.headers, body))
        elif not self.session:
            if head.command == "CONNECTED":
                self.session = head.headers
                _step(self._connected)
        elif self._owner is not None:
            self._owner.take(frame)

    def _flush(self) -> None:
        if self._pending and self.ended is None:
            assert self._transport is not None
            data = self._carrier.carry(self._pending)
            self._pending = []
            self._pending_octets = 0
            self._said = self._loop.time()
            self._transport.write(data)

    # Heart-beats

    def _watch(self, ours: float, theirs: float) -> None:
        """Says something if nothing was said for a while, and ends it if nothing was heard for too long."""
        now = self._loop.time()
        if theirs and not self._held and now - self._heard > 2 * theirs:
            self.abort(Ended(QmqError("connection-lost", f"nothing was heard for {now - self._heard:.3g} seconds")))
            return
        if ours and now - self._said >= ours / 2:
            self.send(b"\n")
        self._beat = self._loop.call_later(min(each for each in (ours, theirs) if each) / 2, self._watch, ours, theirs)


def _step(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def explain(error: Exception) -> str:
    """What an error of a socket or of TLS means, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed: {error.reason.lower().replace('_', ' ')}"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio says it in words of its own
    return str(getattr(error, "strerror", None) or error)


def _agreed(asked: int, answer: str) -> tuple[float, float]:
    """Every how many seconds we owe a sign of life, and the server does ("Heart-beating"); 0 for never."""
    can, _, wants = answer.partition(",")
    if not (can.isascii() and can.isdecimal() and wants.isascii() and wants.isdecimal()) or len(answer) > 20:
        return 0.0, 0.0
    ours, theirs = (max(asked, int(each)) / 1000 if asked and int(each) else 0.0 for each in (wants, can))
    return ours, theirs


def told(headers: Mapping[str, str], body: bytes) -> Ended:
    """What an ERROR frame says, of its connection or of one frame.

    A code of a later version is `connection-lost`, with its name.
    """
    code, detail = headers.get("code", ""), body.decode(errors="replace") or headers.get("message", "")
    if code in CODES and detail == CODES[code].text:
        detail = ""  # the code says it
    after = headers.get("retry-after", "")
    wait = int(after) if after.isascii() and after.isdecimal() and len(after) < 9 else 0
    known = CODES.get(code)
    error = QmqError(known.name if known else "connection-lost", detail, wait)
    retry = headers.get("retry", "true" if error.code.retry else "false")
    return Ended(error, headers.get("receipt-id", ""), retry != "true")
