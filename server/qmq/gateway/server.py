"""The HTTP side: Tornado's server and application, with our limits and counters.

How requests are read is in `http1`; Tornado routes them and writes their answers. This
counts the connections on which no request ever comes, and answers headers that are too
large. Nothing here knows what is asked.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from qmq.config import Config
from qmq.gateway.bodies import Allowed
from qmq.gateway.door import Door
from qmq.gateway.handlers import NotFound, TooLarge, note_request
from qmq.gateway.homes import Homes
from qmq.gateway.http1 import Context, Rules, ServerConnection
from qmq.gateway.quiet import Quiet, rouse
from qmq.gateway.stream import untaken
from qmq.gateway.tls import refuse_tls
from qmq.stats import Stats

_RETURNS_PER_PASS = 2  # streams on which the next request is read in one pass of the loop


class App(Application):
    """Routes requests to handlers; what has no route is answered as problem JSON.

    Args:
        rules: Tornado rules.
        config: For the limit on headers.
        stats: Where refusals are counted.
        otherwise: The handler of what has no route.
        door: Knows the proxies that are believed.

    Attributes:
        homes: With several loops: where sessions live.

    """

    def __init__(
        self,
        rules: list[Any],
        config: Config,
        stats: Stats,
        otherwise: type[RequestHandler] = NotFound,
        door: Door | None = None,
    ) -> None:
        more = {"stats": stats}
        # Requests are not logged: a busy gateway would log little else.
        super().__init__(rules, default_handler_class=otherwise, default_handler_args=more, log_function=note_request)
        self._max_header_bytes = config.limits.http_header_bytes
        self._too_large = more
        self._door = door or Door(config)
        self.homes: Homes | None = None

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        self._door.proxies.apply(request)
        size = len(request.uri or "") + sum(len(name) + len(value) + 4 for name, value in request.headers.get_all())
        if size > self._max_header_bytes:
            return self.get_handler_delegate(request, TooLarge, self._too_large)
        if self.homes is not None and (elsewhere := self.homes.elsewhere(request)) is not None:
            return elsewhere
        return super().find_handler(request, **kwargs)

    def take(self, request: HTTPServerRequest, body: bytes) -> None:
        """Answers a request that was read on another loop."""
        delegate: Any = super().find_handler(request)
        delegate.data_received(body)
        delegate.finish()


class Server(HTTPServer):
    """An HTTP server of one loop.

    Args:
        application: Whatever answers the requests.
        config: For the limits.
        stats: Where connections that never became a request are counted.
        once: Close after the first answer.
        door: Where connections are counted while they carry requests.

    """

    def initialize(  # type: ignore[override]
        self, application: App, config: Config, stats: Stats, once: bool = False, door: Door | None = None
    ) -> None:
        limits = config.limits
        self._door = door or Door(config)
        self._stats = stats
        self._idle = limits.connect_seconds
        self._resting: dict[IOStream, float] = {}  # between requests, and until when
        self._watching = False
        self._patience = limits.ping_seconds
        self._writing: dict[
            IOStream, tuple[int, int]
        ] = {}  # whose answers wait for them, and how much is left of those
        self._looking: asyncio.TimerHandle | None = None
        self._returned: deque[tuple[IOStream, Any]] = deque()  # with a request to be read
        super().initialize(
            application,
            no_keep_alive=once,
            max_buffer_size=limits.body + limits.http_header_bytes * 2,
            chunk_size=16 * 1024,
        )
        self.use(config)

    def use(self, config: Config) -> None:
        """Goes by another configuration, with connections that are still to come."""
        limits = config.limits
        self._rules = Rules(
            head=limits.http_header_bytes * 2,
            # One request's headers must be here by then; keep-alive connections may idle as long.
            seconds=limits.connect_seconds,
            rate=limits.body_rate,
            linger=limits.linger_seconds,
            allowed=Allowed(limits),
            stats=self._stats,
        )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        refuse_tls(stream, self._stats)
        self._begin(stream, address)

    def _begin(self, stream: IOStream, address: Any) -> None:
        """Reads requests, if there is room for one more who sends them."""
        if self._door.begin(address[0]):
            connection = ServerConnection(stream, self.conn_params, Context(stream, address), self._rules)
            self._connections.add(connection)
            connection.start_serving(self)
            if self._looking is None:
                self._looking = asyncio.get_running_loop().call_later(self._patience, self._look)
        else:
            self._stats.add("connections_dropped")
            stream.close()

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        assert isinstance(server_conn, ServerConnection)
        if server_conn.stream.closed():
            # Tornado goes on in what had come before the connection was closed, although nobody can be answered: what
            # stood behind the last request, as the headers of that one tell it, might be done as another one.
            return HTTPMessageDelegate()
        return super().start_request(server_conn, request_conn)

    def serve_again(self, stream: IOStream, address: Any) -> None:
        """Takes back a stream whose request was answered by hand, and reads the next one when it comes."""
        if not isinstance(stream, Quiet) or stream.heard:
            self._return(stream, address)
            return
        stream.on_octets = partial(self._return, stream, address)
        stream.set_close_callback(partial(self._forget, stream))
        loop = asyncio.get_running_loop()
        self._resting[stream] = loop.time() + self._idle
        if not self._watching:
            self._watching = True
            loop.call_later(self._idle, self._close_idle)

    def _forget(self, stream: IOStream) -> None:
        self._resting.pop(stream, None)

    def _close_idle(self) -> None:
        """Closes streams on which no further request comes; those that rest longest are the first."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._resting:
            stream, until = next(iter(self._resting.items()))
            if until > now:
                loop.call_at(until, self._close_idle)
                return
            self._forget(stream)
            stream.close()
        self._watching = False

    def _return(self, stream: IOStream, address: Any) -> None:
        """Lets the next request be read, in its turn.

        Not at once: thousands who waited for the same message come back together, and
        to read their requests takes longer than to deliver the rest of that message.
        """
        self._forget(stream)
        if isinstance(stream, Quiet):
            rouse(stream)
        stream.set_close_callback(None)
        if not self._returned:
            asyncio.get_running_loop().call_soon(self._serve_some)
        self._returned.append((stream, address))

    def _serve_some(self) -> None:
        for _ in range(min(len(self._returned), _RETURNS_PER_PASS)):
            self._begin(*self._returned.popleft())
        if self._returned:
            asyncio.get_running_loop().call_soon(self._serve_some)

    def _look(self) -> None:
        """Closes connections that have taken nothing of their answers since the last look, or they might for ever."""
        before, self._writing = self._writing, {}
        for stream in [connection.stream for connection in self._connections]:
            if stream.closed() or not stream.writing():
                continue
            # What the stream has given to the kernel, for which Tornado has no public word, and what is left there.
            left = (stream._total_write_done_index, untaken(stream.socket))
            if before.get(stream) == left:
                self._stats.add("connections_stuck")
                stream.close()
            else:
                self._writing[stream] = left
        again = asyncio.get_running_loop().call_later(self._patience, self._look) if self._connections else None
        self._looking = again

    async def close_all_connections(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        for stream in list(self._resting):
            stream.close()
        for stream, _ in self._returned:
            stream.close()
        await super().close_all_connections()

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        assert isinstance(server_conn, ServerConnection)
        context: Any = server_conn.context
        self._door.end(context.address[0])
        if not context.had_request:
            self._stats.add("connections_unfinished")
