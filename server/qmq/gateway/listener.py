"""Listening sockets of one loop: connections are accepted and passed on to a server.

When the process has no file descriptor left, nothing is accepted for a moment: those who
come wait in the kernel's queue, and those who are there are served as ever.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from qmq.stats import Stats

log = logging.getLogger("qmq.gateway")

# Takes a connection: the socket and its peer's address.
Accept = Callable[[socket.socket, Any], None]

# Connections that are accepted in one pass of the loop. When thousands come back at once, each costs a handshake, a
# login and what it missed; those who are there are served in between, and who waits in the kernel is none the later.
_AT_ONCE = 1
_PAUSE = 0.1  # seconds without accepting, when there is no room
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Accepts connections on the running loop.

    Args:
        accept: Takes each of them.
        stats: Where it is counted how often there was no room.

    """

    def __init__(self, accept: Accept, stats: Stats) -> None:
        self._accept = accept
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accepts connections on these, too."""
        for sock in sockets:
            self._sockets.append(sock)
            self._listen(sock)

    def stop(self) -> None:
        """Accepts nothing more."""
        for sock in self._sockets:
            self._loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _listen(self, sock: socket.socket) -> None:
        if sock in self._sockets:  # and not stopped meanwhile
            self._loop.add_reader(sock, self._on_readable, sock)

    def _on_readable(self, sock: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, address = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._pause(sock, error)
                    return
                continue  # that one is gone already
            try:
                self._accept(connection, address)
            except Exception:
                log.exception("a new connection could not be served")
                connection.close()
            if sock.fileno() < 0:
                return  # stopped by what was accepted

    def _pause(self, sock: socket.socket, error: OSError) -> None:
        self._stats.add("accepts_postponed")
        log.debug("nothing is accepted for a moment: %s", error.strerror)
        self._loop.remove_reader(sock)
        self._loop.call_later(_PAUSE, self._listen, sock)


def hand_over(server: TCPServer, sock: socket.socket, address: Any, kind: type[IOStream] = IOStream) -> None:
    """Gives a connection to a server that has not accepted it itself."""
    stream = kind(sock, max_buffer_size=server.max_buffer_size, read_chunk_size=server.read_chunk_size)
    server.handle_stream(stream, address)


def accepting(server: TCPServer) -> Accept:
    """How a server takes connections."""
    return partial(hand_over, server)
