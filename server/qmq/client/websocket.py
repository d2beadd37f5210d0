"""STOMP over WebSocket as a client speaks it (RFC 6455): the handshake, then a message for each frame.

It sits on `qmq.wire.websocket`, and opens no socket.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence

from qmq.client.address import Address
from qmq.errors import CODES, QmqError
from qmq.wire import stomp, websocket

MAX_MESSAGE = 64 << 20  # the server's limits decide, this only stops nonsense
_MAX_ANSWER = 64 << 10  # octets of the answer to the handshake


class WebSocket:
    """A client's end of one WebSocket connection. A `Carrier`."""

    def __init__(self, address: Address) -> None:
        self.ready = False
        self.reason: QmqError | None = None
        self.answer = b""
        self._address = address
        self._key = base64.b64encode(os.urandom(16)).decode()
        self._head = bytearray()
        self._decoder = websocket.Decoder(masked=False, max_message=MAX_MESSAGE)

    def hello(self) -> bytes:
        """The request for an upgrade."""
        return (
            f"GET {self._address.path} HTTP/1.1\r\nHost: {self._address.authority}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {self._key}\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n"
        ).encode()

    def receive(self, data: bytes) -> bytes:
        """The octets of all messages in what came; pings are answered.

        `reason` becomes `connect-failed` if the handshake fails, what a close frame says, or
        `bad-websocket` and the like.
        """
        if not self.ready:
            try:
                data = self._shake(data)
            except QmqError as error:
                self.reason = error
        if not self.ready or self.reason is not None:
            return b""
        found = [payload for kind, payload in self._decoder.feed(data) if self._is_message(kind, payload)]
        self.reason = self.reason or self._decoder.error
        return b"".join(found)

    def carry(self, frames: Sequence[bytes]) -> bytes:
        """Each frame as one masked message: text if it is, else binary."""
        return b"".join(
            [
                websocket.encode_masked(
                    websocket.TEXT if stomp.is_text(frame) else websocket.BINARY, frame, os.urandom(4)
                )
                for frame in frames
            ]
        )

    def _is_message(self, kind: int, payload: bytes) -> bool:
        if kind == websocket.PING:
            self.answer += websocket.encode_masked(websocket.PONG, payload, os.urandom(4))
        elif kind == websocket.CLOSE:
            self.answer += websocket.encode_masked(websocket.CLOSE, payload[:2], os.urandom(4))
            number = websocket.close_code(payload)
            name = next((code.name for code in CODES.values() if code.close == number), "connection-lost")
            self.reason = QmqError(name, payload[2:].decode(errors="replace"))
        return kind in (websocket.TEXT, websocket.BINARY)

    def _shake(self, data: bytes) -> bytes:
        """Takes the answer to the handshake; once it is there `ready` is set, and what follows it returned.

        Raises:
            QmqError: If the server does not agree.

        """
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > _MAX_ANSWER:
                raise QmqError("connect-failed", "the answer to the WebSocket handshake does not end")
            return b""
        status, _, head = self._head[:end].decode("latin-1").partition("\r\n")
        lines = [line.partition(":") for line in head.split("\r\n")]
        fields = {name.strip().lower(): value.strip() for name, _, value in lines}
        rest = bytes(self._head[end + 4 :])
        if status.split(" ")[1:2] == ["101"] and fields.get("sec-websocket-accept") == websocket.accept_key(self._key):
            self.ready = True
            self._head.clear()
            return rest
        length = fields.get("content-length", "")
        wanted = int(length) if length.isascii() and length.isdecimal() and len(length) < 6 else 0
        if len(rest) < wanted <= _MAX_ANSWER:  # why, it will say yet
            return b""
        raise _refusal(status, rest[:wanted])


def _refusal(status: str, body: bytes) -> QmqError:
    """What an answer means that is no upgrade: a problem of QMQ's own about who asks, else that nothing got through."""
    said = f"the server answered {status!r}"
    try:
        problem = json.loads(body)
        code, detail = CODES[problem["code"]], str(problem.get("detail", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return QmqError("connect-failed", said)
    if code.status in (401, 403):
        return QmqError(code.name, detail)
    return QmqError("connect-failed", f"{said}: {code.name}{': ' * bool(detail)}{detail}")
