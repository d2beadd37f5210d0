"""The requests of SockJS, one handler for each transport: URLs and frames are sockjs-tornado's, checked and put right.

A request belongs to the principal and the page that opened its session, from whatever
address it comes. A session is free for the next request before the answer to this one
can arrive. Nothing here knows what is said.
"""

from __future__ import annotations

import json
from random import randrange
from typing import TYPE_CHECKING, Any

from sockjs.tornado import static, transports
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError

from qmq.errors import QmqError
from qmq.gateway.bodies import in_json
from qmq.gateway.flow import Flowing
from qmq.gateway.handlers import (
    Telling,
    foreign_page,
    note_request,
    preflight,
    refuse,
    set_safe_headers,
    shared_with_page,
)
from qmq.session.auth import ANONYMOUS
from qmq.wire import sockjs as wire

if TYPE_CHECKING:
    from qmq.gateway.sockjs import Router


def parse(data: str | bytes) -> list[str]:
    """What a client says: a string, or a list of them; empty ones do not count.

    The standard library's parser: others refuse half surrogate pairs, which browsers send.

    Raises:
        ValueError: With the text that the protocol wants as an answer.

    """
    if not data:
        raise ValueError("Payload expected.")
    try:
        said = json.loads(data if isinstance(data, str) else data.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError("Broken JSON encoding.") from error
    messages = said if isinstance(said, list) else [said]
    if not all(isinstance(message, str) for message in messages):
        raise ValueError("Broken JSON encoding.")
    return [message for message in messages if message]


class _Checked(Telling, RequestHandler):
    """What is put right in all handlers."""

    server: Router
    principal = ANONYMOUS

    @property
    def stats(self) -> Any:
        return self.server.gateway.stats

    @property
    def owner(self) -> tuple[object, ...]:
        """Page and principal. Pages of the same host are not named: browsers do so in some requests only."""
        return foreign_page(self.request), self.principal.kind, self.principal.name

    def set_default_headers(self) -> None:
        set_safe_headers(self)

    async def prepare(self) -> None:
        super().prepare()
        note_request(self)
        try:
            self.server.gateway.door.origins.check(self.request)
            self.principal = await self.server.gateway.logins.principal(self.request)
            self.check()
        except QmqError as error:
            refuse(self, error, self.stats)

    def check(self) -> None:
        """Refuses what should not go on.

        Raises:
            QmqError: Whatever subclasses find.

        """


class _Http(_Checked, static.BaseHandler):
    """What is put right in plain HTTP."""

    def preflight(self) -> None:
        asked = preflight(self.request) if self.request.method == "OPTIONS" else {}
        for name, value in {"Access-Control-Allow-Origin": "*", **shared_with_page(self.request), **asked}.items():
            self.set_header(name, value)

    def disable_cache(self) -> None:
        self.set_header("Cache-Control", "no-store, no-cache, no-transform, must-revalidate, max-age=0")
        self.set_header("X-Accel-Buffering", "no")

    def finish(self, chunk: Any = None) -> Any:
        self._log_disconnect()
        # Past the library's own, which loses the future; HTTP/1.0 ends what has no length by closing.
        done = super(static.BaseHandler, self).finish(chunk)
        if self.request.version == "HTTP/1.0" and "Content-Length" not in self._headers:
            stream = self.request.connection.stream  # type: ignore[union-attr]
            done.add_done_callback(lambda _: stream.close())
        return done


class Greeting(_Http, static.GreetingsHandler):
    """Says that SockJS is spoken here."""


class Info(_Http, static.InfoHandler):
    """What the client needs to choose a transport."""

    def get(self) -> None:
        self.preflight()
        self.disable_cache()
        # The library's entropy has more bits than the protocol, and than numbers in browsers.
        options = self.server.options
        info: dict[str, object] = {"websocket": options.websocket, "cookie_needed": options.cookies}
        info |= {"origins": ["*:*"], "entropy": randrange(1 << 32)}
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(json.dumps(info, separators=(",", ":")))


class IFrame(_Http, static.IFrameHandler):
    """A page that connects on behalf of one that has another origin; only those that may connect may frame it."""

    def check(self) -> None:
        """Anybody may ask for it: it says nothing, and the browser shows it only in frames of those."""

    def get(self) -> None:
        super().get()
        let_frame(self)


class Receiving(_Http):
    """A request that receives."""

    active: bool

    def check(self) -> None:
        found = self.server.get_session(self.path_kwargs["session_id"])
        if found is None:
            self.server.gateway.admit(self.request.remote_ip or "")
        elif not found.belongs_to(self):
            raise QmqError("unknown-session")

    def send_pack(self, message: str, binary: bool = False) -> None:
        """One frame at a time: the next waits, or the next request finds out."""
        if self.active:
            super().send_pack(message, binary)


class Answering(Receiving):
    """A request that is answered with one frame.

    The session lets go of it before the answer is written: the next request may be there, on another connection and
    by another thread, before this one hears that its answer was taken.
    """

    session: Any
    _answered: Any = None  # the session, while the answer is on its way

    def send_pack(self, message: str, binary: bool = False) -> None:
        if not self.active:
            return
        self.active = False
        session = self._answered = self.session
        if session is not None:
            self.session = None
            session.remove_handler(self)
        data = self.answer_of(message)
        self.set_header("Content-Length", len(data))
        self.write(data)
        self.flush().add_done_callback(self.send_complete)

    def answer_of(self, message: str) -> bytes:
        """The body of the answer. Sets its headers."""
        raise NotImplementedError

    def send_complete(self, future: Any = None) -> None:
        if future is not None:
            future.exception()  # noted: the close callback follows
        self._answered = None
        super().send_complete(future)

    def on_connection_close(self) -> None:
        if self._answered is not None:  # the client has part of the answer at most
            self._answered.close(1002, "Connection interrupted")
        super().on_connection_close()


class XhrPolling(Answering, transports.XhrPollingTransport):
    """A response for each frame."""

    def answer_of(self, message: str) -> bytes:
        self.set_header("Content-Type", "application/javascript; charset=UTF-8")
        return f"{message}\n".encode()


class XhrStreaming(Flowing, Receiving, transports.XhrStreamingTransport):
    """Many frames in a response."""


class EventSource(Flowing, Receiving, transports.EventSourceTransport):
    """Many frames as events. Clients undo percent-encoding in them, as all servers of SockJS do it."""

    def send_pack(self, message: str, binary: bool = False) -> None:
        super().send_pack(wire.escaped(message), binary)


class Sending(_Http):
    """A request that sends. It is answered when more may be sent."""

    async def post(self, session_id: str) -> None:
        self.preflight()
        self.handle_session_cookie()
        self.disable_cache()
        found = self.server.get_session(session_id)
        if found is None or found.is_closed or not found.belongs_to(self):
            raise HTTPError(404)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        try:
            messages = parse(self.payload())
        except ValueError as error:
            self.stats.add("errors_bad-request")
            self.set_status(500)
            self.finish(str(error))
            return
        ready = found.take(messages)
        if ready is not None:
            await ready
        self.answer()

    def payload(self) -> str | bytes:
        """The JSON in the request."""
        return self.request.body

    def answer(self) -> None:
        """Says that it was taken."""
        self.set_status(204)
        self.finish()


class XhrSend(Sending, transports.XhrSendHandler):
    """What goes with the xhr transports, and with eventsource."""


class WebSocket(_Checked, transports.WebSocketTransport):
    """SockJS frames over WebSocket."""

    def initialize(self, server: Router) -> None:
        super().initialize(server)
        self.ping_every = server.gateway.timing.ping

    @property
    def ping_interval(self) -> float:
        return self.ping_every

    @property
    def max_message_size(self) -> int:
        return in_json(self.server.gateway.config.limits)

    async def _execute(self, transforms: Any, *args: Any, **kwargs: Any) -> None:
        if self.request.method == "GET":
            await super()._execute(transforms, *args, **kwargs)
            return
        self._transforms = transforms  # the library answers other methods with a page
        refuse(self, QmqError("bad-method"), self.stats, {"Allow": "GET"})

    def check(self) -> None:
        self.server.gateway.admit(self.request.remote_ip or "")

    def check_origin(self, origin: str) -> bool:
        return True  # `check` did

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return None  # the protocol is SockJS; its clients ask for none

    def on_message(self, message: str | bytes) -> Any:
        if not message or self.session is None:
            return None
        try:
            messages = parse(message)
        except ValueError:
            self.stats.add("errors_bad-request")
            self.abort_connection()
            return None
        return self.session.take(messages)

    def send_pack(self, message: str, binary: bool = False) -> None:
        self.active = False
        try:
            self.write_message(message).add_done_callback(self._sent)
        except WebSocketClosedError:
            self.server.io_loop.add_callback(self.on_close)

    def _sent(self, future: Any) -> None:
        self.active = True
        if future.exception() is None and self.session is not None:
            self.session.flush()

    def session_closed(self) -> None:
        try:
            self.close(*self.session.get_close_reason())
        finally:
            self._detach()


def let_frame(handler: _Checked) -> None:
    """Lets pages that may connect show this one in a frame, and lets it do whatever it is made for."""
    origins = handler.server.gateway.door.origins.frames
    handler.clear_header("X-Frame-Options")
    handler.set_header("Cross-Origin-Resource-Policy", "cross-origin")
    handler.set_header("Content-Security-Policy", f"frame-ancestors 'self' {' '.join(origins)}")
