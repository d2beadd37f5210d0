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
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Protocol

from sockjs.tornado import proto, session
from sockjs.tornado.router import SockJSRouter
from tornado.ioloop import IOLoop

from qmq.gateway import sockjs_transports as transports
from qmq.gateway.gateway import Gateway
from qmq.session.auth import ANONYMOUS

_ABSENT = 5.0  # seconds without a receiver after which a session is over, as all SockJS clients expect


class Peer(Protocol):
    """Who is at our end of a session."""

    def on_open(self, info: object) -> None:
        """The session begins; nothing may be said yet."""

    def on_messages(self, messages: list[str]) -> asyncio.Future[None] | None:
        """The client says something; no more is read before the result is done."""

    def on_ready(self) -> None:
        """One SockJS frame may be said, by `Session.say`."""

    def on_moved(self, address: str) -> None:
        """The client comes from another address now."""

    def on_away(self) -> None:
        """There is no receiver now."""

    def on_close(self) -> None:
        """The session is over."""


class Session(session.Session):
    """A session without a queue.

    Attributes:
        owner: Page and principal that opened it. Others do not get at it, whatever id they guess.
        principal: Who that is, as far as requests say.
        tls: Whether it was opened over TLS.
        address: Of the client; it may change.

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
            self.owner = handler.owner
            self.principal = handler.principal
            self.tls = handler.request.protocol == "https"
            self.address = handler.request.remote_ip or ""
        attached: bool = super().set_handler(handler, start_heartbeat)
        return attached

    def remove_handler(self, handler: Any) -> None:
        super().remove_handler(handler)
        if self.conn is not None:
            self.conn.on_away()

    def belongs_to(self, handler: Any) -> bool:
        """Whether a request may use it; if so, it follows the request's address: phones change theirs."""
        if self.owner != handler.owner:
            return False
        address = handler.request.remote_ip or ""
        if address != self.address:
            self.address = address
            if self.conn is not None:
                self.conn.on_moved(address)
        return True

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


@dataclass(frozen=True, slots=True)
class Options:
    """What the sessions of one base URL are like.

    `websocket`: whether that transport is offered. `cookies`: whether answers set `JSESSIONID`, by which some load
    balancers find the node of a session. `response_bytes`: after which a streamed response ends, and the client
    asks for the next. `client`: the URL of sockjs-client for the iframe page; without it there is no such page.
    `legacy`: whether jsonp and htmlfile are offered. How a session ends is for the peer to say, by `Session.close`.
    """

    websocket: bool = True
    cookies: bool = False
    response_bytes: int = 128 * 1024
    client: str = ""
    legacy: bool = False


class Router(SockJSRouter):
    """The sessions of one base URL. Within a running loop; `stop` it there.

    Args:
        gateway: Limits, counters and origins.
        peer: Makes the `Peer` of a session.
        prefix: The base URL, without a slash at its end.
        options: What its sessions are like; if left out, as the gateway's configuration says.

    """

    def __init__(self, gateway: Gateway, peer: Any, prefix: str, options: Options | None = None) -> None:
        config = gateway.config
        self.options = options or Options(client=config.sockjs_client, legacy=config.sockjs_legacy)
        settings = {
            "disconnect_delay": _ABSENT,
            "heartbeat_delay": gateway.timing.ping,
            "response_limit": self.options.response_bytes,
            "jsessionid": self.options.cookies,
            "verify_ip": False,  # phones change their address
            "sockjs_url": self.options.client,
        }
        super().__init__(peer, prefix, settings, IOLoop.current(), Session)
        self.stats._callback.stop()  # its figures are not used
        self.stats.sess_transports = defaultdict(int)  # it stumbles over sessions that change their transport
        self.gateway = gateway
        of_session = prefix + r"/[^/.]+/(?P<session_id>[^/.]+)/"
        rules: list[tuple[str, Any]] = [
            (f"{prefix}/?", transports.Greeting),
            (f"{prefix}/info", transports.Info),
            (f"{of_session}xhr", transports.XhrPolling),
            (f"{of_session}xhr_streaming", transports.XhrStreaming),
            (f"{of_session}xhr_send", transports.XhrSend),
            (f"{of_session}eventsource", transports.EventSource),
        ]
        if self.options.websocket:
            rules.append((f"{of_session}websocket", transports.WebSocket))
        if self.options.client:
            rules.append((prefix + r"/iframe[0-9-.a-z_]*\.html", transports.IFrame))
        if self.options.legacy:
            from qmq.gateway import sockjs_legacy  # most gateways have no use for it

            rules += sockjs_legacy.rules(of_session)
        self.routes = [(pattern, handler, {"server": self}) for pattern, handler in rules]

    def stop(self) -> None:
        """Lets go of the loop."""
        self._sessions_cleanup.stop()
