"""An answer to an HTTP request that waits: Tornado has read the request, we write the answer.

While a request is held, Tornado's objects for it are gone; what is left is the stream,
and the head of the answer. An answer is written whole, or piece by piece. When the next
request begins to come, the stream goes back to the HTTP server, which reads it. Nothing
here knows what is answered.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.web import RequestHandler

from qmq.gateway.flow import LAST_CHUNK, chunk, ends_with_connection
from qmq.gateway.quiet import hush
from qmq.gateway.standing import date

# Gives a stream back to the HTTP server that it came from, with its peer's address.
Serve = Callable[[IOStream, Any], None]


class Held:
    """The answer to one request, until it is given.

    Args:
        handler: Whose request it is; it has nothing more to do with it.
        headers: Of the answer.
        serve: Where the stream goes afterwards; without it the connection ends with the answer.

    Attributes:
        on_gone: Called if the client goes before the answer is given.

    """

    __slots__ = ("_address", "_chunked", "_head", "_send", "_serve", "_stream", "on_gone")

    def __init__(self, handler: RequestHandler, headers: Mapping[str, str], serve: Serve | None = None) -> None:
        request = handler.request
        self._chunked = not ends_with_connection(request)
        lasting = request.version == "HTTP/1.1" and request.headers.get("Connection", "").lower() != "close"
        self._serve = serve if lasting else None
        lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in headers.items())]
        if self._serve is None:
            lines.append("Connection: close")
        self._head = "\r\n".join([*lines, ""]).encode("latin-1")
        self._address = getattr(request.connection.context, "address", None)  # type: ignore[union-attr]
        self.on_gone: Callable[[], None] | None = None
        self._stream = stream = handler.detach()
        hush(stream)
        # TLS must repeat a refused write with the same octets, which only the stream can do.
        self._send = None if isinstance(stream.socket, ssl.SSLSocket) else stream.socket.send
        handler.ui = {}  # type: ignore[assignment]  # refers to the handler; Tornado's own finish() lets go of it too
        stream.set_close_callback(self._gone)

    def answer(self, body: bytes) -> None:
        """Gives the whole answer."""
        self._write(b"%bDate: %b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, date().encode(), len(body), body))
        self._release()

    def begin(self, piece: bytes) -> None:
        """Gives the first piece of an answer that goes on."""
        head = b"%bDate: %b\r\n" % (self._head, date().encode())
        if self._chunked:
            head += b"Transfer-Encoding: chunked\r\n"
        elif self._serve is not None:
            self._serve = None
            head += b"Connection: close\r\n"
        self._write(head + b"\r\n" + self._piece(piece))

    def go_on(self, piece: bytes, then: Callable[[], None]) -> bool:
        """Gives another piece; if it is not taken at once, calls `then` when it is."""
        return self._write(self._piece(piece), then)

    def finish(self, piece: bytes = b"") -> None:
        """Gives the last piece."""
        last = self._piece(piece) if piece else b""
        self._write(last + LAST_CHUNK if self._chunked else last)
        self._release()

    def drop(self) -> None:
        """Closes the stream, whatever was said."""
        self.on_gone = None
        self._stream.close()

    def _piece(self, data: bytes) -> bytes:
        return chunk(data) if self._chunked else data

    def _write(self, data: bytes, then: Callable[[], None] | None = None) -> bool:
        if self._send is not None and not self._stream.writing():
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._stream.close()  # the close callback does the rest
                return False
            if sent == len(data):
                return True
            data = data[sent:]
        try:
            future: Any = self._stream.write(data)
        except StreamClosedError:
            return False
        if future.done():
            future.exception()  # noted: the close callback follows
            return True

        def written(future: Any) -> None:
            if future.exception() is None and then is not None:
                then()

        future.add_done_callback(written)
        return False

    def _release(self) -> None:
        """Lets the server have the stream again."""
        self.on_gone = None
        stream = self._stream
        if stream.closed():
            return
        if self._serve is None:
            _close_when_written(stream)
        else:
            self._serve(stream, self._address)

    def _gone(self) -> None:
        if self.on_gone is not None:
            self.on_gone()


def _close_when_written(stream: IOStream) -> None:
    def close(future: Any) -> None:
        future.exception()
        stream.close()

    future: Any = stream.write(b"")
    future.add_done_callback(close)
