"""Requests of sessions that live on another loop: read where they arrive, answered where the session is.

Which loop that is, the path says: a session of `/poll` has it in its id, for one of SockJS
it follows from the id. The loop that reads a request keeps the connection; handlers on
the other loop write to a stand-in for it, and what they are told of it comes back.
"""

from __future__ import annotations

import re
import zlib
from asyncio import Future
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import RequestHandler

from qmq.gateway.flow import ends_with_connection
from qmq.gateway.held import Held, Serve
from qmq.loops import Loop

_POLL = re.compile(r"/poll/([0-9]{1,3})-[^/]+/[a-z]+")
# What is a WebSocket, or no session's, stays where it arrives.
_SOCKJS = re.compile(r"/sockjs/[^/.]+/([^/.]+)/(?:xhr|xhr_streaming|xhr_send|eventsource|htmlfile|jsonp|jsonp_send)")

Take = Callable[[HTTPServerRequest, bytes], None]  # has a request that was read elsewhere answered


class Homes:
    """Where the sessions of a node live, as one of its loops sees it.

    Args:
        index: Of this loop.
        loops: All of them, with what answers requests there.

    """

    def __init__(self, index: int, loops: Sequence[tuple[Loop, Take]]) -> None:
        self._index = index
        self._loops = loops

    def elsewhere(self, request: HTTPServerRequest) -> HTTPMessageDelegate | None:
        """What reads a request and passes it on; None if it is for this loop."""
        home = self._home_of(request.path)
        if home == self._index:
            return None
        there, take = self._loops[home]
        return _Passing(request, self._loops[self._index][0], there, take)

    def _home_of(self, path: str) -> int:
        if (found := _POLL.fullmatch(path)) is not None:
            home = int(found[1])
            return home if home < len(self._loops) else self._index
        if (found := _SOCKJS.fullmatch(path)) is not None:
            return zlib.crc32(unquote(found[1]).encode("utf-8", "surrogatepass")) % len(self._loops)
        return self._index


class _Passing(HTTPMessageDelegate):
    """A request on its way to another loop. Tornado has it read, within all its limits."""

    def __init__(self, request: HTTPServerRequest, here: Loop, there: Loop, take: Take) -> None:
        self._request = request
        self._here = here
        self._there = there
        self._take = take
        self._chunks: list[bytes] = []

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> None:
        pass

    def data_received(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def finish(self) -> None:
        self._request.connection = Remote(self._request.connection, self._here, self._there)
        self._there.post(self._take, self._request, b"".join(self._chunks))

    def on_connection_close(self) -> None:
        self._chunks.clear()


class Remote(HTTPConnection):
    """Stands for a connection on another loop.

    Args:
        connection: That.
        landing: The loop where it is.
        home: The loop where this is used.

    """

    def __init__(self, connection: Any, landing: Loop, home: Loop) -> None:
        self.context = connection.context
        self._connection = connection
        self._landing = landing
        self._home = home
        self._on_close: Callable[[], Any] | None = None
        self._closed = False
        connection.set_close_callback(self._tell)

    # For handlers, at home

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Calls back when the client has gone; at once if it has."""
        self._on_close = callback
        if self._closed:
            self._home.post(self._gone)

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Future[None]:
        return self._do(self._connection.write_headers, start_line, headers, chunk)

    def write(self, chunk: bytes) -> Future[None]:
        return self._do(self._connection.write, chunk)

    def finish(self) -> None:
        self._landing.post(self._connection.finish)

    def detach(self) -> Remote:
        """Lets an answer be written by hand: to this."""
        return self

    def close(self) -> None:
        """Closes the connection."""
        self._landing.post(self._connection.close)

    @property
    def stream(self) -> Remote:
        """For those who close it, or look at its certificate."""
        return self

    @property
    def socket(self) -> Any:
        """Only to be looked at."""
        return self._connection.stream.socket

    def _do(self, method: Callable[..., Future[None]], *args: Any) -> Future[None]:
        done: Future[None] = self._home.asyncio.create_future()
        self._landing.post(self._perform, done, method, args)
        return done

    def _gone(self) -> None:
        self._closed = True
        self._home.asyncio.call_soon(self._call_back)  # after whoever waits for a write that was told before

    def _call_back(self) -> None:
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    # Where the connection is

    def _perform(self, done: Future[None], method: Callable[..., Future[None]], args: tuple[Any, ...]) -> None:
        def tell(future: Future[None]) -> None:
            self._home.post(_settle, done, future.exception())

        future = method(*args)
        if future.done() or self._connection.stream.writing():
            future.add_done_callback(tell)
        else:
            # The kernel has all of it. That is told before anything that the client may do then, such as to go.
            self._home.post(_settle, done, None)
            future.add_done_callback(Future.exception)

    def _tell(self) -> None:
        self._home.post(self._gone)


class Passed(Held):
    """An answer that waits, to a request that was read elsewhere."""

    __slots__ = ("_chunked", "_headers", "_lasting", "_remote")

    def __init__(self, handler: RequestHandler, headers: Mapping[str, str]) -> None:
        remote: Any = handler.detach()
        self._remote: Remote = remote
        self._headers = dict(headers)
        self._lasting = handler.request.version == "HTTP/1.1"
        self._chunked = not ends_with_connection(handler.request)
        self.on_gone = None
        if not self._lasting:
            self._headers["Connection"] = "close"
        handler.ui = {}  # type: ignore[assignment]  # as for those that are answered here
        remote.set_close_callback(self._gone)

    def answer(self, body: bytes) -> None:
        self._begin({**self._headers, "Content-Length": str(len(body))}, body)
        self.finish()

    def begin(self, piece: bytes) -> None:
        if not self._chunked:
            self._lasting = False
            self._headers["Connection"] = "close"
        self._begin(self._headers, piece)

    def go_on(self, piece: bytes, then: Callable[[], None]) -> bool:
        def written(future: Future[None]) -> None:
            if future.exception() is None:
                then()

        self._remote.write(piece).add_done_callback(written)
        return False

    def finish(self, piece: bytes = b"") -> None:
        self.on_gone = None
        if piece:
            self._remote.write(piece)
        self._remote.finish()
        if not self._lasting:
            self._remote.write(b"").add_done_callback(lambda _: self._remote.close())

    def drop(self) -> None:
        self.on_gone = None
        self._remote.close()

    def _begin(self, headers: Mapping[str, str], piece: bytes) -> None:
        self._remote.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders(headers), piece)


def hold(handler: RequestHandler, headers: Mapping[str, str], serve: Serve | None) -> Held:
    """Lets the answer to a request wait, wherever its connection is. Arguments as of `Held`."""
    if isinstance(handler.request.connection, Remote):
        return Passed(handler, headers)
    return Held(handler, headers, serve)


def _settle(done: Future[None], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
        done.exception()  # noted: whoever writes is told by the close callback, too
