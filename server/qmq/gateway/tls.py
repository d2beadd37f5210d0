"""TLS on a listener: the first octet, the handshake, and the stream that comes of it.

A connection's first octet tells whether it speaks TLS. On a TLS listener one that
does shakes hands here, without Tornado, so that what clients do wrong is counted and
never logged as trouble; then the server behind gets the stream. One that does not
goes to another server, which says so. On a plain listener it is the other way round.

Nothing here knows HTTP or STOMP, and certificates are made into contexts elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from typing import Any

from tornado.iostream import IOStream, SSLIOStream
from tornado.tcpserver import TCPServer

from qmq.gateway.arrival import Arrival, Arrivals
from qmq.gateway.door import Door
from qmq.gateway.listener import hand_over
from qmq.sections import Limits
from qmq.stats import Stats

log = logging.getLogger("qmq.gateway")

_HANDSHAKE = 0x16  # the first octet of whatever begins with TLS (RFC 8446, section 5.1)
_ALERT = bytes((0x15, 3, 1, 0, 2, 2, 40))  # fatal, handshake_failure (RFC 8446, section 6)
_DISCARD = 64 * 1024


class TlsStream(SSLIOStream):
    """A stream after its handshake. Tornado's own logs a warning for what a client garbles."""

    def _is_connreset(self, exc: BaseException) -> bool:
        return isinstance(exc, ssl.SSLError) or super()._is_connreset(exc)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        try:
            return super().read_from_fd(buf)
        except ssl.SSLWantWriteError:
            # A client wants new keys and does not read: it gets the answer with the next write.
            return None

    def close_fd(self) -> None:
        say_end(self.socket)
        super().close_fd()


def say_end(sock: socket.socket) -> None:
    """Says close_notify, by which a client knows that nothing was cut off; then TLS is over on this socket."""
    if isinstance(sock, ssl.SSLSocket):
        # unwrap() says it and then looks for the answer, which nobody needs. What it raises is that there is none
        # yet, or that all is over already.
        with contextlib.suppress(OSError, ValueError):
            sock.unwrap()


class _Deaf(IOStream):
    """A stream on which nothing comes any more but its end."""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        return None if size else size


class _Unheard(IOStream):
    """A plain stream until its first octet, which may be that of a TLS client."""

    stats: Stats

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        if not size:
            return size
        if buf[0] != _HANDSHAKE:
            self.__class__ = IOStream  # type: ignore[assignment]  # so that what follows costs nothing
            return size
        # Not closed: the rest of the hello may be on its way, and would make the kernel take the alert back.
        self.__class__ = _Deaf  # type: ignore[assignment]
        self.stats.add("errors_tls-not-here")
        with contextlib.suppress(OSError):
            self.socket.send(_ALERT)
            self.socket.shutdown(socket.SHUT_WR)
        return None


def refuse_tls(stream: IOStream, stats: Stats) -> None:
    """Lets a new plain stream answer a client that begins with TLS: an alert, and the end."""
    if type(stream) is IOStream:
        stream.__class__ = _Unheard
        stream.stats = stats  # type: ignore[attr-defined]


class TlsListener(Arrivals):
    """Agrees on TLS with new connections, all together within `connect_seconds`.

    Attributes:
        context: Used for handshakes that begin; may be replaced at any time.

    Args:
        context: See there.
        inside: The server that gets the streams, once TLS is agreed on.
        outside: The server that gets those that do not speak TLS.
        limits: For the times.
        stats: Where connections are counted that come to nothing.
        door: Where those are counted that have not agreed yet.

    """

    def __init__(
        self, context: ssl.SSLContext, inside: TCPServer, outside: TCPServer, limits: Limits, stats: Stats, door: Door
    ) -> None:
        super().__init__(limits, stats)
        self.context = context
        self.inside = inside
        self.outside = outside
        self.door = door

    def gone(self, arrival: Arrival) -> None:
        self.door.end(arrival.address[0])

    def accept(self, sock: socket.socket, address: Any) -> None:
        """Takes a new connection."""
        if self.door.begin(address[0]):
            _Arrival(self, sock, address)
        else:
            self.stats.add("connections_dropped")
            sock.close()


class _Arrival(Arrival):
    """A connection on its way in: silent, then shaking hands, then passed on, or told off and closed."""

    __slots__ = ()

    _arrivals: TlsListener

    def look(self) -> None:
        """Looks at the first octet, and leaves it where it is."""
        first = self._receive(1, socket.MSG_PEEK)
        if first is None:
            return
        if not first:
            self._give_up()
        elif first[0] == _HANDSHAKE:
            self._begin()
        else:
            self._pass_on(self._arrivals.outside, IOStream)

    def _begin(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        try:
            self._sock = self._arrivals.context.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        except OSError:  # it is gone already
            self._give_up()
            return
        self._loop.add_reader(self._sock.fileno(), self._shake)
        self._shake()

    def _shake(self) -> None:
        sock = self._sock
        assert isinstance(sock, ssl.SSLSocket)
        self._loop.remove_writer(sock.fileno())
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._loop.add_writer(sock.fileno(), self._shake)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self._give_up()
        except ssl.SSLError as error:
            self._refuse(error)
        except OSError:
            self._give_up()
        else:
            self._pass_on(self._arrivals.inside, TlsStream)

    def _pass_on(self, server: TCPServer, kind: type[IOStream]) -> None:
        self._forget()
        hand_over(server, self._sock, self.address, kind)

    def _refuse(self, error: ssl.SSLError) -> None:
        """Ends a handshake that failed. OpenSSL has told the client why; it gets the time to read it."""
        reason = error.reason or "unknown"
        refused = isinstance(error, ssl.SSLCertVerificationError) or reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        self._arrivals.stats.add("tls_certificates_refused" if refused else "tls_handshakes_failed")
        log.debug("handshake with %s failed: %s", self.address, getattr(error, "verify_message", "") or reason)
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        self._timer.cancel()
        self._timer = self._loop.call_later(self._arrivals.limits.linger_seconds, self.close)
        self._loop.add_reader(self._sock.fileno(), self._discard)

    def _discard(self) -> None:
        # After its shutdown() the socket gives what comes as it is.
        if self._receive(_DISCARD) == b"":
            self.close()
