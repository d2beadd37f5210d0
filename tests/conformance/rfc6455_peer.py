"""A WebSocket client that can say anything, for conformance tests.

`frame` builds one frame, correct or not. `Peer` opens a connection, sends octets
as they are, and writes down what comes back until the connection ends. What the
server sends is held against RFC 6455 strictly: whatever is wrong with it ends up
in the outcome as text, and so never equals what a test expects.

It shares no code with the server, and waits for octets with a deadline, never for time.
"""

import base64
import contextlib
import hashlib
import os
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = bytes.fromhex("37fa213d")  # of the RFC's own examples
SECONDS = float(os.environ.get("QMQ_TEST_SECONDS", "10"))  # a case may take; slow machines need more
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    form: int | None = None,
    length: int | None = None,
) -> bytes:
    """One frame as a client sends it.

    Args:
        opcode: Any of 0 to 15.
        payload: What is sent behind the header.
        fin: Whether it is the last of its message.
        rsv: The three reserved bits, as a number.
        mask: Four octets, or None for a frame that is not masked.
        form: How many octets hold the length: 0 for the seven bits, 2 or 8; the fewest if not given.
        length: What the header says, if not the truth.

    """
    size = len(payload) if length is None else length
    if form is None:
        form = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[form]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    head += size.to_bytes(form, "big") if form else b""
    if mask is None:
        return head + payload
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(payload), "big")
    return head + mask + masked


@dataclass(frozen=True, slots=True)
class Event:
    """A message, or a ping or pong."""

    opcode: int
    payload: bytes

    def __repr__(self) -> str:
        names = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}
        shown = repr(self.payload) if len(self.payload) <= 40 else f"{self.payload[:30]!r}... ({len(self.payload)})"
        return f"{names.get(self.opcode, self.opcode)} {shown}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a server did.

    `close` is the code of its close frame, 0 for a close frame without one, None for
    no close frame. `end` is "eof" if the server then ended its half of the connection,
    else it says what happened instead.
    """

    events: tuple[Event, ...]
    close: int | None
    end: str = "eof"


class Peer:
    """One connection to a server.

    Args:
        url: Where the server is, as ws://host:port/path.
        seconds: How long all of it may take.

    """

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._deadline = time.monotonic() + seconds
        self._buffer = bytearray()
        self._events: list[Event] = []
        self._close: int | None = None
        self._end = ""
        self._opcode = 0  # of the message under way
        self._message = b""
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._shake_hands(parts.netloc, parts.path)

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Sends octets; a server that will not take them any more is no error here."""
        with contextlib.suppress(ConnectionError):
            self._socket.settimeout(self._left())
            self._socket.sendall(data)

    def wait(self, count: int) -> None:
        """Reads until so many events have come, or nothing more can."""
        while len(self._events) < count and not self._end:
            self._read()

    def outcome(self) -> Outcome:
        """Reads until the connection ends."""
        while not self._end:
            self._read()
        return Outcome(tuple(self._events), self._close, self._end)

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def _shake_hands(self, host: str, path: str) -> None:
        key = base64.b64encode(os.urandom(16))
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key.decode()}", "Sec-WebSocket-Version: 13",
        ]  # fmt: skip
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._buffer:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise ConnectionError(f"no answer to the handshake: {bytes(self._buffer)!r}")
            self._buffer += chunk
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        if not head.startswith(b"HTTP/1.1 101 ") or accept not in head:
            raise ConnectionError(f"the handshake was refused: {head!r}")
        self._buffer = bytearray(rest)
        self._parse()

    def _read(self) -> None:
        self._socket.settimeout(self._left())
        try:
            chunk = self._socket.recv(1 << 18)
        except TimeoutError:
            self._end = "timeout"
        except ConnectionError as error:
            self._end = type(error).__name__
        else:
            self._buffer += chunk
            self._parse()
            if not chunk:
                self._end = self._end or (f"eof within a frame: {bytes(self._buffer)!r}" if self._buffer else "eof")

    def _parse(self) -> None:
        while not self._end and len(self._buffer) >= 2:
            short = self._buffer[1] & 0x7F
            form = {126: 2, 127: 8}.get(short, 0)
            start = 2 + form
            size = int.from_bytes(self._buffer[2:start], "big") if form else short
            if len(self._buffer) < start + size:
                return
            payload = bytes(self._buffer[start : start + size])
            first, second = self._buffer[:2]
            del self._buffer[: start + size]
            minimal = 0 if size < 126 else 2 if size < 65536 else 8
            self._end = (
                self._take(first, second & 0x80, payload) if form == minimal else f"length {size} in {form} octets"
            )

    def _take(self, first: int, masked: int, payload: bytes) -> str:
        """Notes one frame; returns what is wrong with it, or nothing."""
        opcode, fin = first & 0x0F, first & 0x80
        if masked or first & 0x70 or self._close is not None:
            return f"a frame that must not be: {first:#x}, masked {masked}, close frame before {self._close}"
        if opcode >= CLOSE:
            return self._take_control(opcode, fin, payload)
        if bool(opcode) == bool(self._opcode):
            return f"opcode {opcode} within a message of opcode {self._opcode}"
        self._opcode = self._opcode or opcode
        self._message += payload
        if fin:
            if self._opcode == TEXT:
                self._message.decode()  # a server that sends bad text fails the test here
            self._events.append(Event(self._opcode, self._message))
            self._opcode, self._message = 0, b""
        return ""

    def _take_control(self, opcode: int, fin: int, payload: bytes) -> str:
        if not fin or len(payload) > 125 or opcode > PONG:
            return f"control frame {opcode} with fin {fin} and {len(payload)} octets"
        if opcode != CLOSE:
            self._events.append(Event(opcode, payload))
            return ""
        if len(payload) == 1:
            return "a close frame with one octet"
        payload[2:].decode()
        self._close = int.from_bytes(payload[:2], "big")
        return ""
