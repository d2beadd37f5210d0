"""What all HTTP handlers do alike: answer errors, check origins, set safe headers.

An error is answered as problem JSON (RFC 9457) with our `code`. The cause of an
internal one is logged and never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from qmq.config import Config
from qmq.errors import QmqError
from qmq.stats import Stats

_BY_STATUS = {403: "not-found", 404: "not-found", 405: "bad-method", 400: "bad-request", 431: "headers-too-large"}


def check_origin(request: HTTPServerRequest, config: Config) -> None:
    """Lets pages of the same host and of the allowed origins in, and clients that are no browsers.

    Raises:
        QmqError: `bad-origin` for a foreign origin, or for none where one is required.

    """
    origin = request.headers.get("Origin")
    if origin is None:
        if config.require_origin:
            raise QmqError("bad-origin", "this server requires an Origin header")
        return
    if origin in config.allowed_origins or "*" in config.allowed_origins:
        return
    if origin.partition("://")[2].lower() != request.host.lower():
        raise QmqError("bad-origin", f"{origin[:100]} is neither this host nor on the list")


def refuse(handler: RequestHandler, error: QmqError, stats: Stats, headers: Mapping[str, str] | None = None) -> None:
    """Finishes a request with problem JSON, and counts it."""
    code = error.code
    stats.add(f"errors_{code.name}")
    handler.set_status(code.status)
    handler.set_header("Content-Type", "application/problem+json")
    handler.set_header("Cache-Control", "no-store")
    for name, value in (headers or {}).items():
        handler.set_header(name, value)
    if code.retry:
        handler.set_header("Retry-After", "5")
    problem = {"type": "about:blank", "title": code.text, "status": code.status, "code": code.name}
    handler.finish(orjson.dumps({**problem, "detail": error.detail} if error.detail else problem))


def note_request(handler: RequestHandler) -> None:
    """Notes on a connection that a whole request came on it, for the server's count of those without."""
    handler.request.connection.context.had_request = True  # type: ignore[union-attr]


def answer_failure(handler: RequestHandler, status: int, cause: BaseException | None, stats: Stats) -> None:
    """Answers what Tornado calls an error with problem JSON; what the cause was is sent only if it was the client's."""
    name = _BY_STATUS.get(status, "internal-error" if status >= 500 else "bad-request")
    detail = (cause.log_message or "") if isinstance(cause, HTTPError) and name == "bad-request" else ""
    refuse(handler, QmqError(name, detail), stats)


class Telling:
    """Mixed into handlers whose errors are problem JSON. `stats` is where they are counted."""

    stats: Any

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        answer_failure(cast(RequestHandler, self), status_code, kwargs.get("exc_info", (None, None))[1], self.stats)

    def log_exception(self, *args: Any) -> None:
        if not isinstance(args[1], HTTPError):  # those are answers, not failures
            super().log_exception(*args)  # type: ignore[misc]


class Problems(Telling, RequestHandler):
    """A handler of our own."""

    def initialize(self, stats: Stats) -> None:
        self.stats = stats

    def set_default_headers(self) -> None:
        set_safe_headers(self)


class NotFound(Problems):
    """Answers what nothing else does."""

    def prepare(self) -> None:
        refuse(self, QmqError("not-found", self.request.path[:200]), self.stats)


class TooLarge(Problems):
    """Answers a request whose headers pass the limit."""

    def prepare(self) -> None:
        refuse(self, QmqError("headers-too-large"), self.stats)


class TlsRequired(Problems):
    """Answers a request that came to a TLS address without TLS."""

    def prepare(self) -> None:
        refuse(self, QmqError("tls-required", "use https:// or wss://"), self.stats)


def set_safe_headers(handler: RequestHandler) -> None:
    """What keeps a page from being sniffed, framed or extended by others."""
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Referrer-Policy", "same-origin")
    handler.set_header("Cross-Origin-Opener-Policy", "same-origin")
    handler.set_header("Server", "qmq")
    handler.set_header(
        "Content-Security-Policy",
        "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    )
