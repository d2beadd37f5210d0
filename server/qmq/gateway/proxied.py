"""Connections that a proxy passes on: the header of the PROXY protocol is read before anybody else sees them.

Trusted proxies must send one, whatever follows, TLS or not. Everybody else is passed on
as they came, so that a header of theirs is what it is to the server behind: nonsense.
"""

from __future__ import annotations

import socket
from typing import Any

from qmq.errors import QmqError
from qmq.gateway.arrival import Arrival, Arrivals
from qmq.gateway.door import Door
from qmq.gateway.listener import Accept
from qmq.sections import Limits
from qmq.stats import Stats
from qmq.wire import proxy


class ProxyListener(Arrivals):
    """Stands before a server: reads the PROXY header of trusted proxies, and passes everybody else on as they are.

    Args:
        accept: The server's.
        door: Knows the proxies.
        limits: For the time in which it must be there.
        stats: Where connections are counted that come to nothing.

    """

    def __init__(self, accept: Accept, door: Door, limits: Limits, stats: Stats) -> None:
        super().__init__(limits, stats)
        self.pass_on = accept
        self.door = door

    def accept(self, sock: socket.socket, address: Any) -> None:
        """Takes a new connection."""
        if self.door.proxies.trusts(address[0]):
            _Arrival(self, sock, address)
        else:
            self.pass_on(sock, address)


class _Arrival(Arrival):
    """A connection of a proxy, until its header is there. What follows the header is left where it is."""

    __slots__ = ("_header",)

    _arrivals: ProxyListener

    def __init__(self, listener: ProxyListener, sock: socket.socket, address: Any) -> None:
        self._header = b""
        super().__init__(listener, sock, address)

    def look(self) -> None:
        try:
            header = self._read()
        except QmqError as error:
            self._arrivals.stats.add(f"errors_{error.code.name}")
            self.close()
            return
        if header is not None:
            self._forget()
            self._arrivals.pass_on(self._sock, header.address or self.address)

    def _read(self) -> proxy.Header | None:
        """Reads as far as the header goes; None if it is not all there, or the connection has come to its end."""
        while missing := proxy.missing(self._header):
            data = self._receive(missing)
            if not data:
                if data is not None:
                    self._give_up()
                return None
            self._header += data
        return proxy.parse(self._header)
