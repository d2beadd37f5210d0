"""HTTP/1.x as it is read: heads, bodies, chunks, and what is told to a client that breaks the rules.

Tornado's connection writes the answers and hands requests to handlers. How a request is
read is said here, once for all addresses (RFC 9112): chunk extensions and trailers are
passed over, a whole URL as target is taken, a body may take its time as long as it comes.
What cannot be taken is answered with problem JSON before the connection ends. Nothing
here knows what a request is for; how large its body may be is in `bodies`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters, HTTP1ServerConnection
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    parse_request_start_line,
)
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

from qmq.errors import QmqError
from qmq.gateway.bodies import Allowed
from qmq.gateway.handlers import whole_problem
from qmq.gateway.hold import dismiss, say_last
from qmq.gateway.standing import add_standing
from qmq.stats import Stats

log = logging.getLogger("qmq.gateway")

_PIECE = 16 * 1024  # bytes that are read at once
_TURN = 256 * 1024  # bytes of work after which others have their turn
_CHUNK = 1024  # what a chunk costs of that, however small it is
_LINE = 4096  # bytes of a chunk's length with its extensions
_GRACE = 0.5  # seconds that who is too slow has to read so

# Each takes as many bytes as may be, if the end does not come before: so that who sends more can be answered.
_CHUNK_LINE = re.compile(rb"\A(?:[^\n]{0,%d}\n|[^\n]{%d})" % (_LINE - 1, _LINE))
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_WHOLE_URL = re.compile(r"https?://([^/?#@]+)((?:[/?].*)?)", re.IGNORECASE)


@dataclass(slots=True)
class Rules:
    """What holds for the requests of a server.

    Attributes:
        head: Bytes of a request's head, at most.
        seconds: How long the whole head may take, and over which the rate of a body is measured.
        rate: Bytes in a second that a body must bring at least; 0 for any number.
        linger: Seconds that a client has to read a refusal.
        allowed: How large a body may be, by path.
        stats: Where refusals are counted.

    """

    head: int
    seconds: float
    rate: int
    linger: float
    allowed: Allowed
    stats: Stats

    @property
    def end_of_head(self) -> re.Pattern[bytes]:
        """What ends a head, or is too much of it."""
        return re.compile(rb"\A(?:(?:[^\n]*\n)+?\r?\n|(?s:.{%d}))" % self.head)


class Context:
    """Of whom a connection is; `request.connection.context`.

    Attributes:
        address: Of the peer, as the socket has it.
        had_request: Whether a whole request, or a refusal of ours, made use of it.

    """

    def __init__(self, stream: IOStream, address: Any) -> None:
        self.address = address
        self.remote_ip = address[0] if address else ""
        self.protocol = "https" if isinstance(stream, SSLIOStream) else "http"
        self.had_request = False

    def __str__(self) -> str:
        return str(self.remote_ip)


class ServerConnection(HTTP1ServerConnection):
    """A client's connection: request after request."""

    def __init__(self, stream: IOStream, params: HTTP1ConnectionParameters, context: Context, rules: Rules) -> None:
        super().__init__(stream, params, context)
        self.rules = rules
        self.end_of_head = rules.end_of_head

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        try:
            going_on = True
            while going_on:
                connection = Connection(self)
                going_on = await connection.read_response(delegate.start_request(self, connection))
                if going_on:
                    await asyncio.sleep(0)
        except (StreamClosedError, asyncio.CancelledError) as error:
            # Its frames know the future that has it: all that the request had would stay until a full collection.
            error.__traceback__ = None
        finally:
            delegate.on_close(self)


class Connection(HTTP1Connection):
    """One request on it, and its answer.

    Args:
        server: Whose it is.

    """

    def __init__(self, server: ServerConnection) -> None:
        super().__init__(server.stream, False, server.params, server.context)
        self._rules = server.rules
        self._context: Any = server.context
        self._end_of_head = server.end_of_head
        self._timer: asyncio.TimerHandle | None = None
        self._most = 0  # bytes of the body, as far as handlers say so
        self._came = 0  # bytes of the body so far
        self._looked = 0  # how many there were at the last look
        self._given_up = False  # what still comes is thrown away
        self._awaits_answer = False  # whether all of the request has come

    def set_max_body_size(self, max_body_size: int) -> None:
        self._most = max_body_size

    async def read_response(self, delegate: HTTPMessageDelegate) -> bool:
        """Reads a request and waits for its answer; returns whether another one may follow."""
        told = True  # whether the delegate knows how it ended
        try:
            head = await self._read_head()
            if head is None:
                return False
            start_line, headers = self._parse(head)
            told = False
            await self._call(delegate.headers_received, start_line, headers)
            if self.stream is None:  # another protocol has it
                told = True
                return False
            if not await self._read_whole_body(start_line.path, headers, delegate):
                return False
            self._read_finished = True
            told = True
            if not self._write_finished:
                await self._call(delegate.finish)
            await self._until_answered()
            return self.stream is not None
        except QmqError as error:
            self._refuse(error)
            return False
        finally:
            self._stop_timer()
            if not told:
                delegate.on_connection_close()
            self._clear_callbacks()

    async def _until_answered(self) -> None:
        if not self._finish_future.done() and self.stream is not None and not self.stream.closed():
            if self._close_callback is not None:  # else nobody asks, and who has only ended its half is answered
                self.stream.set_close_callback(self._on_connection_close)
            self._awaits_answer = True
            try:
                await self._finish_future
            finally:
                self._awaits_answer = False

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        super().set_close_callback(callback)
        if self._awaits_answer and callback is not None and self.stream is not None:
            self.stream.set_close_callback(self._on_connection_close)

    async def _call(self, method: Callable[..., Any], *args: Any) -> None:
        """Calls a delegate; what fails in there is the server's fault, and only this connection's."""
        try:
            found = method(*args)
            if found is not None:
                await found
        except HTTPInputError as error:
            raise QmqError("bad-request", str(error)[:200]) from None
        except (QmqError, StreamClosedError):
            raise
        except Exception:
            log.exception("a request could not be handled")
            raise QmqError("internal-error") from None

    # The head

    async def _read_head(self) -> bytes | None:
        """The head with the empty line; None if it did not come in time."""
        future: Any = self.stream.read_until_regex(self._end_of_head)  # type: ignore[arg-type]
        if not future.done():
            self._timer = asyncio.get_running_loop().call_later(self._rules.seconds, self._head_is_late)
        head: bytes = await future
        self._stop_timer()
        if self._given_up:
            return None
        if len(head) >= self._rules.head or not head.endswith(b"\n"):
            self._context.had_request = True
            raise QmqError("headers-too-large")
        return head

    def _head_is_late(self) -> None:
        if self.stream._read_buffer_size:  # something of it is there, for which Tornado has no public word
            self._give_up(QmqError("too-slow", "the head of the request did not come in time"))
        else:
            self.stream.close()  # nobody asks anything

    def _parse(self, head: bytes) -> tuple[RequestStartLine, HTTPHeaders]:
        line, _, rest = head.decode("latin-1").lstrip("\r\n").partition("\n")
        try:
            start_line = parse_request_start_line(line.rstrip("\r"))
            headers = HTTPHeaders.parse(rest)
        except HTTPInputError as error:
            raise QmqError("bad-request", str(error)[:200]) from None
        if not start_line.path.startswith("/"):
            start_line = _without_host(start_line, headers)
        self._request_start_line = start_line
        self._request_headers = headers
        self._disconnect_on_finish = not self._can_keep_alive(start_line, headers)
        return start_line, headers

    # The body

    async def _read_whole_body(self, path: str, headers: HTTPHeaders, delegate: HTTPMessageDelegate) -> bool:
        """Reads what there is of it. Returns whether it has come, and is of use."""
        length = _length(headers)
        if not length:
            return True
        most, code = self._rules.allowed.at(path)
        if length > most:
            raise QmqError(code, f"a request's body has at most {most} octets")
        if headers.get("Expect", "").lower() == "100-continue" and not self._write_finished:
            self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length > 0:
            await self._read_bytes(length, delegate.data_received)
        else:
            await self._read_chunks(max(most, self._most), code, delegate)
        self._stop_timer()
        return not self._given_up

    async def _read_chunks(self, most: int, code: str, delegate: HTTPMessageDelegate) -> None:
        size, gathered, work = 0, bytearray(), 0

        def gather(piece: bytes) -> Any:
            gathered.extend(piece)
            return self._hand_over(gathered, delegate) if len(gathered) >= _PIECE else None

        while True:
            found = _SIZE.fullmatch(await self._read(self.stream.read_until_regex(_CHUNK_LINE)))  # type: ignore[arg-type]
            if found is None:
                raise _broken("a chunk does not begin with its length")
            length = int(found[1], 16)
            if not length:
                break
            size += length
            if size > most:
                raise QmqError(code, f"a request's body has at most {most} octets")
            await self._read_bytes(length, gather)
            if await self._read(self.stream.read_bytes(2)) != b"\r\n":
                raise _broken("a chunk does not end where its length says")
            work += _CHUNK
            if work >= _TURN:
                work = 0
                await asyncio.sleep(0)
        await self._pass_over_trailers()
        if gathered:
            await self._hand_over(gathered, delegate)

    async def _hand_over(self, gathered: bytearray, delegate: HTTPMessageDelegate) -> None:
        piece = bytes(gathered)
        gathered.clear()
        await self._deliver(piece, delegate.data_received)

    async def _pass_over_trailers(self) -> None:
        size = 0
        line = b""
        while line != b"\r\n":
            line = await self._read(self.stream.read_until_regex(_CHUNK_LINE))  # type: ignore[arg-type]
            size += len(line)
            if size > self._rules.head or not line.endswith(b"\n"):
                raise QmqError("headers-too-large", "of the trailers")
            if line != b"\r\n" and not line.endswith(b"\r\n"):
                raise _broken("a trailer does not end as it must")

    async def _read_bytes(self, length: int, take: Callable[[bytes], Any]) -> None:
        work = 0
        while length:
            piece = await self._read(self.stream.read_bytes(min(_PIECE, length), partial=True))
            length -= len(piece)
            await self._deliver(piece, take)
            work += len(piece)
            if work >= _TURN:
                work = 0
                await asyncio.sleep(0)

    async def _deliver(self, piece: bytes, take: Callable[[bytes], Any]) -> None:
        if not self._write_finished and not self._given_up:
            await self._call(take, piece)

    async def _read(self, future: Any) -> bytes:
        if self._timer is None and self._rules.rate and not self._given_up and not future.done():
            self._watch()
        piece: bytes = await future
        self._came += len(piece)
        return piece

    def _watch(self) -> None:
        self._looked = self._came
        self._timer = asyncio.get_running_loop().call_later(self._rules.seconds, self._look)

    def _look(self) -> None:
        """Whether enough has come since the last look."""
        if self._came - self._looked < self._rules.rate * self._rules.seconds:
            self._give_up(QmqError("too-slow", f"a body must bring {self._rules.rate} bytes in a second"))
        else:
            self._watch()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Refusals

    def _refuse(self, error: QmqError) -> None:
        """Tells a client what is wrong, if it was told nothing else, and ends the connection when it has read that."""
        stream = self.stream
        if stream is None or stream.closed():
            return
        if self._given_up:
            return  # it is told already
        if self._response_start_line is not None:
            self.close()
            return
        dismiss(self, self._words(error), self._rules.linger)

    def _give_up(self, error: QmqError) -> None:
        """Tells a client that is being read from what is wrong; the connection ends soon."""
        self._given_up = True
        stream = self.stream
        if self._response_start_line is not None:
            stream.close()
            return
        self._timer = None
        say_last(stream, self._words(error))
        # Not as long as others may linger: little comes of who is slow, so that little can be in the way of the answer.
        asyncio.get_running_loop().call_later(min(_GRACE, self._rules.linger), stream.close)

    def _words(self, error: QmqError) -> bytes:
        log.debug("a request from %s is refused: %s", self.context, error)
        self._rules.stats.add(f"errors_{error.code.name}")
        return whole_problem(error, self._request_headers)

    # Answers

    def write_headers(self, start_line: Any, headers: HTTPHeaders, chunk: bytes | None = None) -> Any:
        add_standing(headers)
        if headers.get("Connection") != "close" or "Content-Length" in headers or self._request_start_line is None:
            return super().write_headers(start_line, headers, chunk)
        # It ends with the connection (`flow`); Tornado would put chunks around it, but for clients that know none.
        self._disconnect_on_finish = True
        asked, said = self._request_start_line, self._request_headers
        self._request_start_line, self._request_headers = asked._replace(version="HTTP/1.0"), HTTPHeaders()
        try:
            return super().write_headers(start_line, headers, chunk)
        finally:
            self._request_start_line, self._request_headers = asked, said


def _length(headers: HTTPHeaders) -> int:
    """How many bytes a body has; -1 if its chunks say so.

    Raises:
        QmqError: `bad-request` if that cannot be said for certain: two who read it in two ways could be played off
            against each other.

    """
    given = headers.get("Content-Length")
    coding = headers.get("Transfer-Encoding")
    if coding is not None:
        if given is not None:
            raise _broken("both Content-Length and Transfer-Encoding are there")
        if coding.lower() != "chunked":
            raise _broken(f"Transfer-Encoding is chunked, not {coding[:64]!r}")
        return -1
    if given is None:
        return 0
    pieces = set(re.split(r",[ \t]*", given))  # proxies double it now and then
    length = pieces.pop()
    if pieces or re.fullmatch(r"[0-9]+", length) is None:
        raise _broken(f"Content-Length is no number: {given[:64]!r}")
    headers["Content-Length"] = length
    return int(length) if len(length) <= 15 else 10**15


def _broken(how: str) -> QmqError:
    return QmqError("bad-request", f"the body breaks the rules of HTTP: {how}")


def _without_host(start_line: RequestStartLine, headers: HTTPHeaders) -> RequestStartLine:
    """A request whose target is a whole URL, as proxies send it, in the usual form (RFC 9112, section 3.2.2)."""
    found = _WHOLE_URL.fullmatch(start_line.path)
    if found is None:
        if start_line.path == "*":
            return start_line
        raise QmqError("bad-request", "the target is neither a path nor an http URL")
    if len(headers.get_list("Host")) > 1:
        raise QmqError("bad-request", "more than one Host")
    host, path = found.groups()
    headers["Host"] = host
    return start_line._replace(path=path if path.startswith("/") else f"/{path}")
