"""What all HTTP handlers do alike: answer errors, check origins, set safe headers.

An error is answered as problem JSON (RFC 9457) with our `code`. The cause of an
internal one is logged and never sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http.client import responses
from typing import Any, cast
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler

from qmq import native
from qmq.addresses import normal_origin, same_host
from qmq.errors import QmqError
from qmq.gateway.standing import date
from qmq.stats import Stats

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "qmq",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}

_BY_STATUS = {403: "not-found", 404: "not-found", 405: "bad-method", 400: "bad-request", 431: "headers-too-large"}


def foreign_page(request: HTTPServerRequest) -> str | None:
    """The origin of the page that sends a request, in its normal form if it has one; None if it is of this very host.

    None also for clients that are no browsers, and where browsers say nothing at all.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if _site(request) in ("", "same-origin", "none"):
            return None
        # Browsers name no origin where a page fetches a picture, a script or a frame.
        origin = _referrer(request)
    page = normal_origin(origin)
    if page is None:
        return origin
    return None if same_host(page, request.host) else page


def is_own_page(request: HTTPServerRequest) -> bool:
    """Whether a page of this very host certainly sends the request. Only then do cookies count.

    A browser adds cookies to what any page asks for. It says whose page it is in `Origin`,
    else in `Sec-Fetch-Site` (not to plain HTTP addresses), else in `Referer`; pages can
    leave these out, but not make them up.
    """
    origin = request.headers.get("Origin")
    if origin is None and _site(request):
        return _site(request) == "same-origin"
    page = normal_origin(origin if origin is not None else _referrer(request))
    return page is not None and same_host(page, request.host)


def _site(request: HTTPServerRequest) -> str:
    site: str = request.headers.get("Sec-Fetch-Site", "")
    return site


def _referrer(request: HTTPServerRequest) -> str:
    """The origin of the page that the request names as its referrer, or what is no origin."""
    try:
        parts = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def refuse(handler: RequestHandler, error: QmqError, stats: Stats, headers: Mapping[str, str] | None = None) -> None:
    """Finishes a request with problem JSON, which the page that asked may read, and counts it."""
    stats.add(f"errors_{error.code.name}")
    handler.set_status(error.code.status)
    shared = readable(handler.request.headers) if handler.request.method != "OPTIONS" else {}
    for name, value in {**problem_headers(error), **shared, **(headers or {})}.items():
        handler.set_header(name, value)
    handler.finish(problem(error))


def problem_headers(error: QmqError) -> dict[str, str]:
    """The headers of an answer that tells of an error."""
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    if error.code.status == 401:
        # Not Basic, or browsers would ask their users for a password (RFC 9110, section 11.6.1).
        headers["WWW-Authenticate"] = 'Bearer realm="qmq"'
    elif error.code.retry:
        headers["Retry-After"] = str(-(-error.retry_after // 1000) or 5)
    return headers


def problem(error: QmqError) -> bytes:
    """Its body: problem JSON (RFC 9457)."""
    code = error.code
    told = {"type": "about:blank", "title": code.text, "status": code.status, "code": code.name}
    return native.dumps({**told, "detail": error.detail} if error.detail else told)


def whole_problem(error: QmqError, asked: Mapping[str, str] | None = None) -> bytes:
    """All bytes of an answer that tells of an error, after which the connection ends.

    Args:
        error: What is told.
        asked: The headers of the request, if they came so far.

    """
    body = problem(error)
    headers = {"Date": date(), **SAFE_HEADERS, **problem_headers(error), **readable(asked or {})}
    headers |= {"Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {error.code.status} {responses[error.code.status]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def note_request(handler: RequestHandler) -> None:
    """Notes on a connection that a whole request came on it, for the server's count of those without."""
    handler.request.connection.context.had_request = True  # type: ignore[union-attr]


def answer_failure(handler: RequestHandler, status: int, cause: BaseException | None, stats: Stats) -> None:
    """Answers what Tornado calls an error with problem JSON; what the cause was is sent only if it was the client's."""
    name = _BY_STATUS.get(status, "internal-error" if status >= 500 else "bad-request")
    detail = (cause.log_message or "") if isinstance(cause, HTTPError) and name == "bad-request" else ""
    refuse(handler, QmqError(name, detail), stats, {"Allow": allowed(handler)} if status == 405 else None)


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def allowed(handler: RequestHandler) -> str:
    """The methods that a handler answers, as `Allow` has them."""
    kind = type(handler)
    own = [each for each in _METHODS if getattr(kind, each.lower()) is not getattr(RequestHandler, each.lower())]
    return ", ".join(own)


def answer_options(handler: RequestHandler) -> None:
    """Says which methods an address answers. No page of another origin needs to ask."""
    handler.set_header("Allow", allowed(handler))
    handler.clear_header("Content-Type")
    handler.set_status(204)
    handler.finish()


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

    def options(self, *path: str) -> None:
        """Says what it answers."""
        answer_options(self)


class Elsewhere(Problems):
    """Sends browsers to another address, for now."""

    def initialize(self, stats: Stats, url: str = "/") -> None:
        super().initialize(stats)
        self._url = url

    def get(self) -> None:
        """Redirects."""
        self.set_header("Cache-Control", "no-cache")
        self.clear_header("Content-Type")
        self.redirect(self._url)

    head = get


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


def open_to_others(handler: RequestHandler) -> None:
    """Lets pages of any origin load this: a script that holds nothing secret."""
    handler.set_header("Cross-Origin-Resource-Policy", "cross-origin")
    handler.set_header("Access-Control-Allow-Origin", "*")


def readable(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers by which the page that sends a request may read the answer.

    For pages whose origin has been checked, and for refusals, which hold nothing but a code: whoever is refused
    is to know why, or it asks again for ever.

    Args:
        headers: The request's.

    """
    origin = headers.get("Origin")
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def shared_with_page(request: HTTPServerRequest) -> dict[str, str]:
    """The same, of a request."""
    return readable(request.headers)


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_MOST_HEADERS = 50


def preflight(request: HTTPServerRequest, methods: str = "") -> dict[str, str]:
    """The headers that say what pages of other origins may send. The origin has been checked.

    Whatever headers they ask for: those that tools add for tracing are of no harm, and ours are checked when they come.

    Args:
        request: The preflight.
        methods: What the address answers, if that is to be said here, for a day.

    """
    asked = request.headers.get("Access-Control-Request-Headers", "Authorization, Content-Type")
    names = [name for name in map(str.strip, asked.split(",")) if _HEADER.fullmatch(name)]
    headers = {"Access-Control-Allow-Methods": methods, "Access-Control-Max-Age": "86400"} if methods else {}
    headers |= {
        "Access-Control-Allow-Headers": ", ".join(names[:_MOST_HEADERS]),
        "Vary": "Origin, Access-Control-Request-Headers",
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers


def set_safe_headers(handler: RequestHandler) -> None:
    """What keeps a page from being sniffed, framed, opened or extended by others."""
    for name, value in SAFE_HEADERS.items():
        handler.set_header(name, value)
