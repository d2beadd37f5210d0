"""Connections on their way in: accepted, and looked at before any server gets them.

Each has a time in which it must have got further; those that have not are closed and
counted. What is looked at is the business of subclasses, and so is who gets it then.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from qmq.sections import Limits
from qmq.stats import Stats


class Arrivals:
    """Those of one listener.

    Args:
        limits: For the time that each has.
        stats: Where those are counted that come to nothing.

    """

    def __init__(self, limits: Limits, stats: Stats) -> None:
        self.limits = limits
        self.stats = stats
        self.arrivals: set[Arrival] = set()

    def stop(self) -> None:
        """Closes all of them."""
        for arrival in list(self.arrivals):
            arrival.close()

    def gone(self, arrival: Arrival) -> None:
        """One has been closed, or passed on. Called once for each."""


class Arrival:
    """One connection. Subclasses say what is done when something comes: `look`.

    Args:
        arrivals: Where it belongs.
        sock: As accepted.
        address: Of its peer.

    """

    __slots__ = ("_arrivals", "_loop", "_sock", "_timer", "address")

    def __init__(self, arrivals: Arrivals, sock: socket.socket, address: Any) -> None:
        sock.setblocking(False)
        self.address = address
        self._arrivals = arrivals
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(arrivals.limits.connect_seconds, self._give_up)
        self._loop.add_reader(sock.fileno(), self.look)
        arrivals.arrivals.add(self)

    def look(self) -> None:
        """Something has come, or the end."""
        raise NotImplementedError

    def _receive(self, size: int, flags: int = 0) -> bytes | None:
        """What has come; nothing at the end, None if it was nothing yet."""
        try:
            return self._sock.recv(size, flags)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _give_up(self) -> None:
        self._arrivals.stats.add("connections_unfinished")
        self.close()

    def close(self) -> None:
        """Closes the socket without a word."""
        self._forget()
        self._sock.close()

    def _forget(self) -> None:
        self._timer.cancel()
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
        if self in self._arrivals.arrivals:
            self._arrivals.arrivals.discard(self)
            self._arrivals.gone(self)
