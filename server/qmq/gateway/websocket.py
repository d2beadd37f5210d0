"""STOMP over WebSocket: the handshake on a Tornado handler, then our own codec.

Tornado accepts and routes the request. The handler checks it, detaches the stream
and answers 101; from then on whole read chunks go through `wire.websocket`, many
frames at a time, and Tornado's HTTP objects are gone. Nothing here knows STOMP: what
is said over the connection is a `Conversation`, and tests mount others.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator

from tornado.iostream import IOStream, StreamClosedError

from qmq import native
from qmq.errors import Code, QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Conversation
from qmq.gateway.gateway import Gateway
from qmq.gateway.handlers import Problems, note_request, refuse
from qmq.gateway.stream import StreamConnection
from qmq.wire import websocket

_unmask = native.unmask or websocket.xor

STOMP_SUBPROTOCOLS = ("v12.stomp", "v11.stomp", "v10.stomp")

# Frame headers of all short messages, by length, made once.
_SHORT = 1024
_TEXT_HEADS = [websocket.frame_head(websocket.TEXT, length) for length in range(_SHORT)]
_BINARY_HEADS = [websocket.frame_head(websocket.BINARY, length) for length in range(_SHORT)]


def frame(data: bytes, text: bool) -> bytes:
    """Puts one STOMP frame into one WebSocket message: text if it is UTF-8, else binary."""
    length = len(data)
    if length < _SHORT:
        return (_TEXT_HEADS if text else _BINARY_HEADS)[length] + data
    return websocket.encode(websocket.TEXT if text else websocket.BINARY, data)


class WebSocketConnection(StreamConnection):
    """A connection that speaks RFC 6455, server side.

    Args:
        stream: The detached stream, 101 already written.
        gateway: Counters, limits and times.
        address: Of the client.

    """

    __slots__ = ("_decoder", "_messages", "_peer_closed")

    def __init__(self, stream: IOStream, gateway: Gateway, address: str) -> None:
        limits = gateway.config.limits
        super().__init__(stream, gateway.stats, gateway.timing, limits.outbox_bytes, gateway.registry.memory, address)
        self._decoder = websocket.Decoder(max_message=limits.frame_bytes, unmask=_unmask)
        self._messages: Iterator[tuple[int, bytes]] = iter(())  # that came and are not worked off yet
        self._peer_closed = False

    def start(self, conversation: Conversation, refusal: QmqError | None = None) -> None:
        self._decoder.joins = conversation.stream
        super().start(conversation, refusal)

    def received(self, data: bytes) -> None:
        """Takes a chunk off the socket."""
        self._messages = iter(self._decoder.feed(data))
        self.work_on()

    def work_on(self) -> None:
        conversation = self.conversation
        for opcode, payload in self._messages:
            if opcode <= websocket.BINARY:
                conversation.receive(payload, opcode == websocket.TEXT)
                if conversation.behind:
                    return  # what comes after it is for a later pass
            elif opcode == websocket.PING:
                self.outbox.reply(websocket.encode(websocket.PONG, payload))
            elif opcode == websocket.CLOSE:
                self._on_close(payload)
        if conversation.ending is not None and not self._closing:
            self.end()
        error = self._decoder.error
        if error is not None and not self._closing:
            conversation.fail(error)
            self.end(error.code)

    def _keep_alive(self) -> None:
        # A message may be as long as it likes when it is never kept: the frames in it have their limits.
        self._decoder.pieces = getattr(self.conversation, "skips", False)
        super()._keep_alive()

    def _on_close(self, payload: bytes) -> None:
        self._peer_closed = True
        if not self._closing:
            # Section 5.5.1: the answer usually echoes the code received.
            self._closing = True
            self._stats.add("connections_closed_by_client")
            self.conversation.close()
            self.outbox.reply(websocket.encode(websocket.CLOSE, payload[:2]))
            self.flush()
            self._rearm(self._timing.linger, self._stream.close)
        self._close_if_done()

    def farewell(self, code: Code) -> bytes:
        return websocket.encode_close(code.close, code.name)

    def ping(self) -> bytes:
        return websocket.encode(websocket.PING, b"")

    @property
    def peer_done(self) -> bool:
        return self._peer_closed

    @property
    def deaf(self) -> bool:
        return self._decoder.error is not None


class WebSocketHandler(Problems):
    """Upgrades a request to a WebSocket and hands it to a new conversation.

    Args:
        gateway: What all connections of a loop share.
        talk: Makes the conversation of a connection.
        subprotocols: Those it can speak, best first. A client that offers none of
            them is served without one, as other STOMP servers do.

    """

    def initialize(  # type: ignore[override]
        self,
        gateway: Gateway,
        talk: Callable[[Connection], Conversation],
        subprotocols: tuple[str, ...] = STOMP_SUBPROTOCOLS,
    ) -> None:
        super().initialize(gateway.stats)
        self._gateway = gateway
        self._talk = talk
        self._subprotocols = subprotocols

    async def get(self) -> None:
        """Answers 101, or says what is wrong with the handshake (section 4.2)."""
        gateway = self._gateway
        try:
            gateway.door.origins.check(self.request)
            key = self._check_handshake()
            principal = await gateway.logins.principal(self.request)
            gateway.admit(self.request.remote_ip or "")
        except QmqError as error:
            more = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"} if error.code.status == 426 else {}
            refuse(self, error, gateway.stats, more)
            return
        note_request(self)
        try:
            stream = self._accept(key)
        except StreamClosedError:
            gateway.stats.add("connections_lost")
            return
        connection = WebSocketConnection(stream, gateway, self.request.remote_ip or "")
        connection.principal = principal
        refusal = gateway.enter(connection)
        connection.start(self._talk(connection), refusal)

    def _check_handshake(self) -> str:
        headers = self.request.headers
        if headers.get("Upgrade", "").lower() != "websocket":
            raise QmqError("not-upgrade")
        if "upgrade" not in _tokens(headers.get("Connection", "")):
            raise QmqError("bad-upgrade", "the Connection header does not say Upgrade")
        if headers.get("Sec-WebSocket-Version") != "13":
            raise QmqError("not-upgrade", "only version 13 is spoken")
        key = headers.get("Sec-WebSocket-Key", "")
        try:
            if len(base64.b64decode(key, validate=True)) != 16:
                raise ValueError
        except (binascii.Error, ValueError) as error:
            raise QmqError("bad-upgrade", "Sec-WebSocket-Key is not 16 octets in base64") from error
        if self.request.version != "HTTP/1.1":
            raise QmqError("bad-upgrade", "WebSocket needs HTTP/1.1")
        return key

    def _accept(self, key: str) -> IOStream:
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {websocket.accept_key(key)}",
        ]
        offered = _tokens(self.request.headers.get("Sec-WebSocket-Protocol", ""))
        chosen = next((name for name in self._subprotocols if name in offered), None)
        if chosen is not None:
            lines.append(f"Sec-WebSocket-Protocol: {chosen}")
        stream = self.detach()
        self.ui = {}  # type: ignore[assignment]  # refers to the handler; Tornado's own finish() lets go of it too
        stream.set_nodelay(True)
        stream.write("\r\n".join([*lines, "", ""]).encode()).add_done_callback(_ignore)
        return stream


def _ignore(future: object) -> None:
    # A client that is gone before its 101 is noticed by the first read.
    getattr(future, "exception", lambda: None)()


def _tokens(header: str) -> list[str]:
    return [token.strip().lower() for token in header.split(",")]
