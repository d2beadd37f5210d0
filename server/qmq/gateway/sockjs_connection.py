"""A connection over SockJS: our end of one of its sessions, and where it is mounted.

All that waits for the client waits in the outbox, where its bounds apply, until the
session says that one more frame may go. SockJS itself looks after lost clients.
Nothing here knows STOMP: what is said is a `Conversation`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from qmq.errors import CODES, Code, QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Conversation
from qmq.gateway.gateway import Gateway
from qmq.gateway.sockjs import Options, Router, Session
from qmq.wire import sockjs


def router(
    gateway: Gateway, talk: Callable[[Connection], Conversation], prefix: str, options: Options | None = None
) -> Router:
    """Mounts a conversation at a base URL.

    Args:
        gateway: What all connections of the loop share.
        talk: Makes the conversation of a connection. What it says is framed by `wire.sockjs`.
        prefix: The base URL.
        options: What its sessions are like; if left out, as the gateway's configuration says.

    """
    return Router(gateway, lambda session: SockJsConnection(gateway, talk, session), prefix, options)


class SockJsConnection(Connection):
    """A client that comes over SockJS.

    Args:
        gateway: Counters, limits and times.
        talk: Makes its conversation.
        session: Carries it.

    """

    __slots__ = ("_code", "_gateway", "_reading", "_session", "_talk")

    pings = False

    def __init__(self, gateway: Gateway, talk: Callable[[Connection], Conversation], session: Session) -> None:
        limits = gateway.config.limits
        super().__init__(gateway.stats, gateway.timing, limits.outbox_bytes, gateway.registry.memory)
        self._gateway = gateway
        self._talk = talk
        self._session = session
        self._blocked = True  # until the session says otherwise
        self._reading: asyncio.Future[None] | None = None  # until more may be read
        self._code: Code | None = None  # how it ended

    # What the session says

    def on_open(self, info: object) -> None:
        """Begins."""
        self.address = self._session.address
        self.principal = self._session.principal
        refusal = self._gateway.enter(self)
        self.start(self._talk(self), refusal)

    def on_messages(self, messages: list[str]) -> asyncio.Future[None]:
        """Takes what the client says; what is returned is done when more may come."""
        reading = self._reading
        if reading is None or reading.done():
            reading = self._reading = self._loop.create_future()
        if self._closing:
            self._read()
        else:
            self._take(messages)
        return reading

    def on_ready(self) -> None:
        """Goes on with what waits; if the client is about to be sent away, with that."""
        if self._doomed and not self._closing:
            self._loop.call_soon(self._when_ready)
        else:
            self._drained()

    def _when_ready(self) -> None:
        if self._session.ready:
            self._drained()

    def on_moved(self, address: str) -> None:
        """Is counted where the client is now."""
        self._gateway.follow(self, address)

    def on_away(self) -> None:
        """Waits for the next receiver."""
        self._blocked = True

    def on_close(self) -> None:
        """It is over."""
        self._read()
        if self.on_end is not None:  # it has begun
            self._ended()

    # What a connection does

    def received(self, data: Any) -> None:
        for message in data:
            try:
                octets, text = sockjs.unframe(message)
            except QmqError as error:
                self.conversation.fail(error)
                return
            self.conversation.receive(octets, text)

    def farewell(self, code: Code) -> bytes:
        self._code = code
        return b""

    def ping(self) -> bytes:
        return b""

    @property
    def tls(self) -> bool:
        return self._session.tls

    def abort(self) -> None:
        """Ends the session, which says why if anybody listens."""
        code = self._code or CODES["closed"]
        self._session.close(code.close, code.name)

    def _read(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def _write(self, data: bytes) -> bool:
        self._session.say(sockjs.array(data))
        self._blocked = not self._session.ready
        return not self._blocked

    def _close_if_done(self) -> None:
        if self._closing and not self._blocked and not self.outbox.backlog_bytes and not self.outbox.fresh:
            self._loop.call_soon(self.abort)
