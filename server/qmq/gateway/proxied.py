"""Connections that a proxy passes on: the header of the PROXY protocol is read before anybody else sees them.

Trusted proxies must send one, whatever follows, TLS or not. Everybody else is passed on
as they came, so that a header of theirs is what it is to the server behind: nonsense.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from typing import Any

from tornado.netutil import add_accept_handler

from qmq.config import Limits
from qmq.errors import QmqError
from qmq.gateway.door import Door
from qmq.stats import Stats
from qmq.wire import proxy

# Takes a connection as it was accepted: the socket and its peer's address.
Accept = Callable[[socket.socket, Any], None]


class ProxyListener:
    """Stands before a server: reads the PROXY header of trusted proxies, and passes everybody else on as they are.

    Args:
        accept: The server's.
        door: Knows the proxies.
        limits: For the time in which it must be there.
        stats: Where connections are counted that come to nothing.

    """

    def __init__(self, accept: Accept, door: Door, limits: Limits, stats: Stats) -> None:
        self.accept = accept
        self.door = door
        self.limits = limits
        self.stats = stats
        self.arrivals: set[_Arrival] = set()
        self._sockets: list[tuple[socket.socket, Callable[[], None]]] = []

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accepts connections on these, too."""
        self._sockets += [(sock, add_accept_handler(sock, self._accept)) for sock in sockets]

    def stop(self) -> None:
        """Accepts nothing more, and closes what has not said whose it is."""
        for sock, stop_accepting in self._sockets:
            stop_accepting()
            sock.close()
        self._sockets.clear()
        for arrival in list(self.arrivals):
            arrival.close()

    def _accept(self, sock: socket.socket, address: Any) -> None:
        if self.door.proxies.trusts(address[0]):
            self.arrivals.add(_Arrival(self, sock, address))
        else:
            self.accept(sock, address)


class _Arrival:
    """A connection of a proxy, until its header is there. What follows the header is left where it is."""

    __slots__ = ("_address", "_header", "_listener", "_loop", "_sock", "_timer")

    def __init__(self, listener: ProxyListener, sock: socket.socket, address: Any) -> None:
        sock.setblocking(False)
        self._listener = listener
        self._sock = sock
        self._address = address
        self._header = b""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(listener.limits.connect_seconds, self._give_up)
        self._loop.add_reader(sock.fileno(), self._read)

    def _read(self) -> None:
        size = proxy.length(self._header) or proxy.FIXED
        try:
            data = self._sock.recv(size - len(self._header))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._give_up()
            return
        self._header += data
        try:
            header = proxy.parse(self._header)
        except QmqError as error:
            self._listener.stats.add(f"errors_{error.code.name}")
            self.close()
            return
        if header is not None:
            self._forget()
            self._listener.accept(self._sock, header.address or self._address)

    def _give_up(self) -> None:
        self._listener.stats.add("connections_unfinished")
        self.close()

    def close(self) -> None:
        """Closes the socket without a word."""
        self._forget()
        self._sock.close()

    def _forget(self) -> None:
        self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._listener.arrivals.discard(self)
