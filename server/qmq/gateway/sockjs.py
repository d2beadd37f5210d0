"""SockJS on sockjs-tornado, with what that library gets wrong put right (docs/sockjs.md).

The library knows the protocol: URLs, frames, transports, the life of sessions. Added
here: origins are checked before anything else, sessions belong to who opened them,
what is not JSON is answered and not logged as a failure, one answer carries one frame,
nobody may write while an earlier write is under way. So there is no queue in here:
what waits, waits in the connection's outbox.

What is said over a session is not known here; a `Peer` is told when it may speak.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from random import randrange
from typing import Any, Protocol

from sockjs.tornado import proto, session, static, transports
from sockjs.tornado.router import SockJSRouter
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError

from qmq.errors import QmqError
from qmq.gateway.flow import Flowing
from qmq.gateway.gateway import Gateway
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

_ABSENT = 5.0  # seconds without a receiver after which a session is over, as all SockJS clients expect
_RESPONSE = 128 * 1024  # octets after which a streamed response ends and the client asks for the next


class Peer(Protocol):
    """Who is at our end of a session."""

    def on_open(self, info: object) -> None:
        """The session begins; nothing may be said yet."""

    def on_messages(self, messages: list[str]) -> asyncio.Future[None] | None:
        """The client says something; no more is read before the result is done."""

    def on_ready(self) -> None:
        """One SockJS frame may be said, by `Session.say`."""

    def on_away(self) -> None:
        """There is no receiver now."""

    def on_close(self) -> None:
        """The session is over."""


class Session(session.Session):
    """A session without a queue.

    Attributes:
        owner: Who opened it. Others do not get at it, whatever id they guess.
        principal: Who that is, as far as requests say.
        tls: Whether it was opened over TLS.
        address: Of the client that opened it.

    """

    def __init__(self, *args: Any) -> None:
        self.owner: object = None
        self.principal = ANONYMOUS
        self.tls = False
        self.address = ""
        super().__init__(*args)
        self._heartbeat_timer: asyncio.TimerHandle | None = None

    def set_handler(self, handler: Any, start_heartbeat: bool = True) -> bool:
        if self.owner is None:
            self.owner = _owner(handler)
            self.principal = handler.principal
            self.tls = handler.request.protocol == "https"
            self.address = handler.request.remote_ip or ""
        attached: bool = super().set_handler(handler, start_heartbeat)
        return attached

    def remove_handler(self, handler: Any) -> None:
        super().remove_handler(handler)
        if self.conn is not None:
            self.conn.on_away()

    @property
    def ready(self) -> bool:
        """Whether `say` may be called."""
        return self.state == session.OPEN and self.handler is not None and self.handler.active

    def say(self, frame: str) -> None:
        """Sends one SockJS frame. Only while `ready`."""
        self.handler.send_pack(frame)

    def take(self, messages: list[str]) -> asyncio.Future[None] | None:
        """Passes on what the client says."""
        return self.conn.on_messages(messages) if messages and self.state == session.OPEN else None

    # By these two the library says that a receiver waits.

    def flush(self) -> None:
        if self.ready:
            if self._heartbeat_timer is None:
                self._arm()
            self.conn.on_ready()

    def start_heartbeat(self) -> None:
        self._arm()
        self.flush()

    # The library leaves a timer behind for every poll, and none for streams.

    def _arm(self) -> None:
        self.stop_heartbeat()
        delay = self.server.settings["heartbeat_delay"]
        self._heartbeat_timer = asyncio.get_running_loop().call_later(delay, self._heartbeat)

    def stop_heartbeat(self) -> None:
        if self._heartbeat_timer is not None:
            self._heartbeat_timer.cancel()
            self._heartbeat_timer = None

    def _heartbeat(self) -> None:
        if self.handler is not None:
            self._arm()
            if self.ready:
                self.say(proto.HEARTBEAT)


class Router(SockJSRouter):
    """The sessions of one base URL. Within a running loop; `stop` it there.

    Args:
        gateway: Limits, counters and origins.
        peer: Makes the `Peer` of a session.
        prefix: The base URL, without a slash at its end.

    """

    def __init__(self, gateway: Gateway, peer: Any, prefix: str) -> None:
        config = gateway.config
        settings = {
            "disconnect_delay": _ABSENT,
            "heartbeat_delay": gateway.timing.ping,
            "response_limit": _RESPONSE,
            "jsessionid": False,
            "verify_ip": False,  # `owner` does
            "sockjs_url": config.sockjs_client,
        }
        super().__init__(peer, prefix, settings, IOLoop.current(), Session)
        self.stats._callback.stop()  # its figures are not used
        self.stats.sess_transports = defaultdict(int)  # it stumbles over sessions that change their transport
        self.gateway = gateway
        of_session = prefix + r"/[^/.]+/(?P<session_id>[^/.]+)/"
        rules: list[tuple[str, Any]] = [
            (f"{prefix}/?", Greeting),
            (f"{prefix}/info", Info),
            (f"{of_session}websocket", WebSocket),
            (f"{of_session}xhr", XhrPolling),
            (f"{of_session}xhr_streaming", XhrStreaming),
            (f"{of_session}xhr_send", XhrSend),
            (f"{of_session}eventsource", EventSource),
        ]
        if config.sockjs_client:
            rules.append((prefix + r"/iframe[0-9-.a-z_]*\.html", IFrame))
        if config.sockjs_legacy:
            from qmq.gateway import sockjs_legacy  # most gateways have no use for it

            rules += sockjs_legacy.rules(of_session)
        self.routes = [(pattern, handler, {"server": self}) for pattern, handler in rules]

    def stop(self) -> None:
        """Lets go of the loop."""
        self._sessions_cleanup.stop()


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


def _owner(handler: _Checked) -> tuple[object, ...]:
    """Page, address and principal. Pages of the same host are not named: browsers do so in some requests only."""
    return foreign_page(handler.request), handler.request.remote_ip, handler.principal.kind, handler.principal.name


class _Checked(Telling, RequestHandler):
    """What is put right in all handlers."""

    server: Router
    principal = ANONYMOUS

    @property
    def stats(self) -> Any:
        return self.server.gateway.stats

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
        info = {"websocket": True, "cookie_needed": False, "origins": ["*:*"], "entropy": randrange(1 << 32)}
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
        elif found.owner != _owner(self):
            raise QmqError("unknown-session")

    def send_pack(self, message: str, binary: bool = False) -> None:
        """One frame at a time: the next waits, or the next request finds out."""
        if self.active:
            super().send_pack(message, binary)


class XhrPolling(Receiving, transports.XhrPollingTransport):
    """A response for each frame."""


class XhrStreaming(Flowing, Receiving, transports.XhrStreamingTransport):
    """Many frames in a response."""


class EventSource(Flowing, Receiving, transports.EventSourceTransport):
    """Many frames as events."""


class Sending(_Http):
    """A request that sends. It is answered when more may be sent."""

    async def post(self, session_id: str) -> None:
        self.preflight()
        self.disable_cache()
        found = self.server.get_session(session_id)
        if found is None or found.is_closed or found.owner != _owner(self):
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
        return 2 * self.server.gateway.config.limits.frame_bytes  # JSON takes more room

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
