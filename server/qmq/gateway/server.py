"""The HTTP side: Tornado's server and application, with our limits and counters.

Tornado reads, checks and routes requests. This adds a time limit for a request to
come, a count of the connections on which none ever does, and an answer to headers
that are too large. What lies beyond twice that limit Tornado cuts off unanswered.
"""

from __future__ import annotations

from typing import Any

from tornado.http1connection import HTTP1ServerConnection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, UnsatisfiableReadError
from tornado.web import Application, RequestHandler

from qmq.config import Config
from qmq.gateway.handlers import NotFound, TooLarge, note_request
from qmq.gateway.tls import refuse_tls
from qmq.stats import Stats


class App(Application):
    """Routes requests to handlers; what has no route is answered as problem JSON.

    Args:
        rules: Tornado rules.
        config: For the limit on headers.
        stats: Where refusals are counted.
        otherwise: The handler of what has no route.

    """

    def __init__(
        self, rules: list[Any], config: Config, stats: Stats, otherwise: type[RequestHandler] = NotFound
    ) -> None:
        more = {"stats": stats}
        # Requests are not logged: a busy gateway would log little else.
        super().__init__(rules, default_handler_class=otherwise, default_handler_args=more, log_function=note_request)
        self._max_header_bytes = config.limits.http_header_bytes
        self._too_large = more

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        size = len(request.uri or "") + sum(len(name) + len(value) + 4 for name, value in request.headers.get_all())
        if size > self._max_header_bytes:
            return self.get_handler_delegate(request, TooLarge, self._too_large)
        return super().find_handler(request, **kwargs)


class Server(HTTPServer):
    """An HTTP server of one loop.

    Args:
        application: Whatever answers the requests.
        config: For the limits.
        stats: Where connections that never became a request are counted.
        once: Close after the first answer.

    """

    def initialize(  # type: ignore[override]
        self, application: App, config: Config, stats: Stats, once: bool = False
    ) -> None:
        limits = config.limits
        self._stats = stats
        super().initialize(
            application,
            no_keep_alive=once,
            # One request's headers must be here by then; keep-alive connections may idle as long.
            idle_connection_timeout=limits.connect_seconds,
            body_timeout=limits.connect_seconds,
            max_header_size=limits.http_header_bytes * 2,
            max_body_size=limits.body,
            max_buffer_size=limits.body + limits.http_header_bytes * 2,
            chunk_size=16 * 1024,
        )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        refuse_tls(stream, self._stats)
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        super().on_close(server_conn)
        assert isinstance(server_conn, HTTP1ServerConnection)
        if isinstance(server_conn.stream.error, UnsatisfiableReadError):
            self._stats.add("errors_headers-too-large")
        elif not getattr(server_conn.context, "had_request", False):
            self._stats.add("connections_unfinished")
