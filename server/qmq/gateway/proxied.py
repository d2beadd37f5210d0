"""Connections that a proxy passes on: the header of the PROXY protocol is read before anybody else sees them.

Trusted proxies must send one, whatever follows, TLS or not. Everybody else is passed on
as they came, so that a header of theirs is what it is to the server behind: nonsense.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from qmq.errors import QmqError
from qmq.gateway.door import Door
from qmq.gateway.listener import Accept
from qmq.sections import Limits
from qmq.stats import Stats
from qmq.wire import proxy


class ProxyListener:
    """Stands before a server: reads the PROXY header of trusted proxies, and passes everybody else on as they are.

    Args:
        accept: The server's.
        door: Knows the proxies.
        limits: For the time in which it must be there.
        stats: Where connections are counted that come to nothing.

    """

    def __init__(self, accept: Accept, door: Door, limits: Limits, stats: Stats) -> None:
        self.pass_on = accept
        self.door = door
        self.limits = limits
        self.stats = stats
        self.arrivals: set[_Arrival] = set()

    def stop(self) -> None:
        """Closes what has not said whose it is."""
        for arrival in list(self.arrivals):
            arrival.close()

    def accept(self, sock: socket.socket, address: Any) -> None:
        """Takes a new connection."""
        if self.door.proxies.trusts(address[0]):
            self.arrivals.add(_Arrival(self, sock, address))
        else:
            self.pass_on(sock, address)


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
            self._listener.pass_on(self._sock, header.address or self._address)

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
