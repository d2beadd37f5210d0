"""`/poll`: STOMP over long-polling and streaming, the HTTP side (docs/polling.md).

All requests are POST, so that nothing caches them, and simple ones in the sense of the
Fetch standard, so that a page of another origin needs no preflight. What a session is
and does is in `poll`; here its requests are checked, counted and passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from qmq import native
from qmq.errors import QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Conversation
from qmq.gateway.gateway import Gateway
from qmq.gateway.handlers import Problems, answer_options, note_request, preflight, refuse, shared_with_page
from qmq.gateway.held import Serve
from qmq.gateway.homes import hold
from qmq.gateway.poll import PollConnection

_NUMBER = re.compile(r"[0-9]{1,15}")
_UNTYPED = ("Content-Type", "Content-Length", "Date", "Etag")


def frame(data: bytes, text: bool) -> bytes:
    """STOMP frames mark their own ends; packets need no more."""
    return data


def routes(gateway: Gateway, talk: Callable[[Connection], Conversation], serve: Serve | None) -> list[Any]:
    """The rules for Tornado.

    Args:
        gateway: What all connections of a loop share.
        talk: Makes the conversation of a connection.
        serve: Gives a stream back to the HTTP server; without it each answer that waited ends its connection.

    """
    more = {"gateway": gateway, "talk": talk, "serve": serve, "sessions": {}}
    return [(r"/poll", Open, more), (r"/poll/([\w-]+)/(receive|send|close)", Session, more)]


class _Poll(Problems):
    """What both handlers do alike: origins, and who may read the answers."""

    def initialize(  # type: ignore[override]
        self,
        gateway: Gateway,
        talk: Callable[[Connection], Conversation],
        serve: Serve | None,
        sessions: dict[str, PollConnection],
    ) -> None:
        super().initialize(gateway.stats)
        self.gateway = gateway
        self.talk = talk
        self.serve = serve
        self.sessions = sessions

    def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store, no-transform")
        self.set_header("X-Accel-Buffering", "no")
        try:
            self.gateway.door.origins.check(self.request)
        except QmqError as error:
            refuse(self, error, self.stats)
            return
        for name, value in shared_with_page(self.request).items():
            self.set_header(name, value)

    def options(self, *path: str) -> None:
        """Answers a preflight, for pages that send a content type of their own."""
        for name, value in preflight(self.request, "POST").items():
            self.set_header(name, value)
        answer_options(self)

    def number(self, name: str) -> int:
        """A parameter of the query.

        Raises:
            QmqError: `bad-request` if it is missing or no number.

        """
        value = self.get_query_argument(name, "")
        if not _NUMBER.fullmatch(value):
            raise QmqError("bad-request", f"{name} must be a number: {value[:32]!r}")
        return int(value)


class Open(_Poll):
    """Opens sessions."""

    async def post(self) -> None:
        """Answers with the session's id. The body is the first that the client says."""
        gateway, request = self.gateway, self.request
        address = request.remote_ip or ""
        try:
            principal = await gateway.logins.principal(request)
            gateway.admit(address)
        except QmqError as error:
            refuse(self, error, self.stats)
            return
        origin, tls = request.headers.get("Origin"), request.protocol == "https"
        connection = PollConnection(gateway, origin, self.sessions.pop, tls, address)
        connection.principal = principal
        self.sessions[connection.id] = connection
        refusal = gateway.enter(connection)
        connection.start(self.talk(connection), refusal)
        connection.open(request.body)
        hold = round(gateway.config.limits.poll_hold_seconds * 1000)
        self.set_header("Content-Type", "application/json")
        self.finish(native.dumps({"session": connection.id, "hold": hold}))


class Session(_Poll):
    """The requests of a session."""

    async def post(self, name: str, action: str) -> None:
        """Receives, sends or closes."""
        try:
            principal = await self.gateway.logins.principal(self.request)
            connection = self.sessions.get(name)
            if connection is None or connection.origin != self.request.headers.get("Origin"):
                raise QmqError("unknown-session")
            if not connection.principal.is_same(principal):
                raise QmqError("unknown-session")
            await {"receive": self.receive, "send": self.send, "close": self.leave}[action](connection)
        except QmqError as error:
            refuse(self, error, self.stats)

    async def receive(self, connection: PollConnection) -> None:
        """Lets the session answer."""
        connection.acknowledge(self.number("ack"))
        goes_on = self.get_query_argument("stream", "") == "1"
        note_request(self)
        headers = {name: value for name, value in self._headers.get_all() if name not in _UNTYPED}
        held = hold(self, {**headers, "Content-Type": "application/octet-stream"}, self.serve)
        connection.receive(held, goes_on)

    async def send(self, connection: PollConnection) -> None:
        """Passes on what the client says, and answers when it may say more."""
        seq = self.number("seq")
        connection.acknowledge(self.number("ack"))
        await connection.send(seq, self.request.body)
        self.done()

    async def leave(self, connection: PollConnection) -> None:
        """Ends the session."""
        connection.leave()
        self.done()

    def done(self) -> None:
        """Answers that there is nothing to say."""
        self.set_status(204)
        self.clear_header("Content-Type")
        self.finish()
