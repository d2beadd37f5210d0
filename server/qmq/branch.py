"""What a node has on one loop: the gateway with its connections, the servers that accept them, the routes.

A node has one of these, or one for each of its threads. All of it is made, used and
ended on its own loop; what branches share was made before, by the node.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from qmq import __version__
from qmq.config import Config
from qmq.core.registry import Registry
from qmq.errors import QmqError
from qmq.gateway import avro_http, handlers, pages, poll_http, sockjs_connection, tcp
from qmq.gateway.api import page as api_page
from qmq.gateway.api.router import Api
from qmq.gateway.door import Door
from qmq.gateway.gateway import Gateway
from qmq.gateway.held import Serve
from qmq.gateway.listener import Listener, accepting
from qmq.gateway.proxied import ProxyListener
from qmq.gateway.server import App, Server
from qmq.gateway.sockjs import Router
from qmq.gateway.tcp import TcpServer
from qmq.gateway.tls import TlsListener
from qmq.gateway.websocket import WebSocketHandler, frame
from qmq.session.stomp_encoder import Framing
from qmq.stats import Stats
from qmq.wire import sockjs


class Branch:
    """The part of a node that lives on the running loop.

    Args:
        config: The node's.
        registry: The node's queues and exchanges, with this loop's hub.
        stats: This loop's counters.
        why_not_ready: Says why no new clients should come, if so.
        why_not_live: Says what does not go on any more, if so.
        door: Who may come in; the same for all loops.
        protocol: What Avro clients speak; likewise.

    Attributes:
        gateway: What the loop's connections share.
        servers: By scheme, once it serves.
        proxied: What stands before them, by scheme, where proxies say whose connection it is.
        listeners: The sockets, by scheme.
        sockjs: The routers of SockJS, whose sessions are of this loop.

    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        stats: Stats,
        why_not_ready: Callable[[], QmqError | None],
        why_not_live: Callable[[], QmqError | None],
        door: Door,
        protocol: avro_http.Protocol,
    ) -> None:
        self.config = config
        self.stats = stats
        self.gateway = Gateway(config, registry, stats, f"qmq/{__version__}", door)
        self.servers: dict[str, TCPServer | TlsListener] = {}
        self.proxied: dict[str, ProxyListener] = {}
        self.listeners: dict[str, Listener] = {}
        self.sockjs: list[Router] = []
        self._why_not = why_not_live, why_not_ready
        self._protocol = protocol

    def routes(self, serve: Serve | None = None) -> list[Any]:
        """Tornado rules for all that is answered over HTTP.

        Args:
            serve: Gives a stream back to the HTTP server, so that it can be used again after a long-poll.

        """
        info = {"name": self.config.name, "version": __version__, "demo": self.config.demo}
        over_websocket = {"gateway": self.gateway, "talk": self._talk(frame)}
        router = sockjs_connection.router(self.gateway, self._talk(sockjs.frame), "/sockjs")
        self.sockjs.append(router)
        return [
            (r"/api/v1/.*", Api(self.gateway)),
            (r"/stomp", WebSocketHandler, over_websocket),
            (r"/sockjs/websocket", WebSocketHandler, over_websocket),  # as SockJS has it: without its frames
            *router.routes,
            *poll_http.routes(self.gateway, self._talk(poll_http.frame), serve),
            *avro_http.routes(self.gateway, self._protocol),
            *api_page.routes(self.stats),
            *pages.routes(self.stats, *self._why_not, info, self.config.static),
        ]

    app: App

    def serve(self, contexts: Mapping[str, ssl.SSLContext]) -> None:
        """Makes the servers, for which `listen` is to find sockets."""
        door = self.gateway.door
        self.app = App(self.routes(self._serve_again), self.config, self.stats, door=door)
        server = Server(self.app, self.config, self.stats, door=door)
        self.servers = {"http": server, "stomp": TcpServer(self.gateway)}
        for scheme, context in contexts.items():
            self.servers[scheme] = self._tls_listener(scheme, context)
        for scheme, each in self.servers.items():
            accept = each.accept if isinstance(each, TlsListener) else accepting(each)
            if scheme in self.config.proxy_protocol:
                self.proxied[scheme] = ProxyListener(accept, door, self.config.limits, self.stats)
                accept = self.proxied[scheme].accept
            self.listeners[scheme] = Listener(accept, self.stats)

    def listen(self, scheme: str, sockets: list[socket.socket]) -> None:
        """Accepts connections on these."""
        self.listeners[scheme].add_sockets(sockets)

    def renew(self, config: Config, contexts: Mapping[str, ssl.SSLContext]) -> None:
        """Goes by another configuration: its limits and certificates are for connections that are still to come,
        the node's policy is for those that are there, too."""
        self.config = config
        self.gateway.use(config)
        for server in self.servers.values():
            if isinstance(server, Server):
                server.use(config)
        self.gateway.review()
        for scheme, context in contexts.items():
            listener = self.servers.get(scheme)
            if isinstance(listener, TlsListener):
                listener.context = context

    def close_listeners(self) -> None:
        """Accepts nothing more."""
        self.gateway.ready = False
        for each in (*self.listeners.values(), *self.proxied.values(), *self.servers.values()):
            each.stop()

    async def drain(self) -> None:
        """Sends clients away, and returns when they are gone. Other requests are answered meanwhile."""
        await self.gateway.drain(self.config.drain)

    async def close(self) -> None:
        """Closes what is left."""
        for router in self.sockjs:
            router.stop()
        for listener in self.servers.values():
            server = listener.outside if isinstance(listener, TlsListener) else listener
            if isinstance(server, Server):
                await server.close_all_connections()

    def _talk(self, framing: Framing) -> Callable[[Any], Any]:
        return lambda connection: self.gateway.stomp_session(connection, framing)

    def _serve_again(self, stream: IOStream, address: Any) -> None:
        server = self.servers["http"]
        assert isinstance(server, Server)
        server.serve_again(stream, address)

    def _tls_listener(self, scheme: str, context: ssl.SSLContext) -> TlsListener:
        """A listener in front of the server of the same protocol without TLS."""
        inside = self.servers[scheme.removesuffix("s")]
        assert isinstance(inside, TCPServer)
        outside: TCPServer = tcp.TlsRequired(self.gateway)
        if scheme == "https":
            app = App([], self.config, self.stats, handlers.TlsRequired)
            outside = Server(app, self.config, self.stats, once=True, door=self.gateway.door)
        return TlsListener(context, inside, outside, self.config.limits, self.stats, self.gateway.door)

    def __repr__(self) -> str:
        return f"<branch with {self.gateway.connections} connections>"
