"""Server-Sent Events: an HTTP answer that goes on, on a connection like any other.

The request's stream is detached from Tornado; what follows the head are the events of a
`session.events` conversation. The answer has no length and ends with its connection, so
that nothing need be put around an event, whoever it goes to. What is said is none of
this file's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qmq.errors import QmqError
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
    """A connection on which events go out. What comes in, the conversation does not hear."""

    __slots__ = ()

    def begin(self) -> None:
        """Writes what the conversation has said by itself, and begins to give signs of life."""
        self._after_talk()


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
    raw = call.take_stream(HEADERS)
    if raw is None:
        gateway.stats.add("connections_lost")
        return
    connection = SseConnection(raw, gateway, address)
    connection.principal = call.rights.principal
    conversation = EventStream(gateway.registry, connection.outbox, connection.stats, call.rights)
    refusal = gateway.enter(connection) or gateway.logins.count(connection, connection.principal)
    connection.start(conversation, refusal)
    if refusal is None:
        conversation.begin(pattern, bounds, start)
        connection.begin()
