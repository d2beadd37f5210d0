"""Server-Sent Events: an HTTP answer that goes on, on a connection like any other.

The request's stream is detached from Tornado; what follows the head are the events of a
`session.events` conversation. The answer has no length and ends with its connection; for
clients that need them there are chunks around what is written at once (`gateway.flow`).
What is said is none of this file's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tornado.iostream import IOStream

from qmq.errors import QmqError
from qmq.gateway.flow import LAST_CHUNK, chunk, ends_with_connection
from qmq.gateway.gateway import Gateway
from qmq.gateway.tcp import TcpConnection
from qmq.session import stomp_headers
from qmq.session.events import EventStream
from qmq.session.topics import Start

if TYPE_CHECKING:
    from qmq.gateway.api.request import Call

HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Connection": "close",
}


class SseConnection(TcpConnection):
    """A connection on which events go out. What comes in, the conversation does not hear.

    Args:
        stream: As of every connection, and so the rest.
        chunked: Whether the answer is in chunks.

    """

    __slots__ = ("_chunked",)

    def __init__(self, stream: IOStream, gateway: Gateway, address: str, chunked: bool) -> None:
        super().__init__(stream, gateway, address)
        self._chunked = chunked

    def begin(self) -> None:
        """Writes what the conversation has said by itself, and begins to give signs of life."""
        self._after_talk()

    def _write(self, data: bytes) -> bool:
        return super()._write(chunk(data) if self._chunked else data)

    def _close_if_done(self) -> None:
        if self._closing and not self._blocked and self._chunked:
            self._chunked = False
            super()._write(LAST_CHUNK)  # if it has to wait, this is called again
        super()._close_if_done()


def stream(call: Call, start: Start) -> None:
    """Answers a request with events until either end goes.

    Raises:
        QmqError: What stands in the way, before anything is answered.

    """
    gateway, given = call.api.gateway, call.given
    if call.request.method == "HEAD":
        raise QmqError("bad-method", "a stream has nothing but its events")
    pattern = call.api.operations.topic(call.rights, given["destination"])
    bounds = stomp_headers.bounds({name: str(value) for name, value in given.items()}, call.api.operations.limits)
    address = call.request.remote_ip or ""
    gateway.admit(address)
    chunked = not ends_with_connection(call.request)
    raw = call.take_stream({**HEADERS, "Transfer-Encoding": "chunked"} if chunked else HEADERS)
    if raw is None:
        gateway.stats.add("connections_lost")
        return
    connection = SseConnection(raw, gateway, address, chunked)
    connection.principal = call.rights.principal
    conversation = EventStream(gateway.registry, connection.outbox, connection.stats, call.rights)
    refusal = gateway.enter(connection) or gateway.logins.count(connection, connection.principal)
    connection.start(conversation, refusal)
    if refusal is None:
        conversation.begin(pattern, bounds, start)
        connection.begin()
