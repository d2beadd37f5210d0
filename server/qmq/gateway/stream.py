"""A connection on a Tornado stream: a socket of its own, for as long as the client is there.

What is to be written is given to the socket at once. Only if the socket does not take
all of it, the rest goes to the stream, and until the stream has written that the
connection is blocked: Tornado's own write buffer has no limit.

After the last words the socket stays until the client has read them, so that no reset
destroys what was said.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import ssl
import sys
import termios

from tornado.iostream import IOStream, StreamClosedError

from qmq.core.memory import UNCOUNTED, Memory
from qmq.errors import QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Conversation, Timing
from qmq.gateway.tls import say_end
from qmq.stats import Stats

_READ_CHUNK = 64 * 1024


class StreamConnection(Connection):
    """A connection on a socket. Subclasses say how octets become its conversation's.

    Args:
        stream: Taken over whole.
        stats: As for every connection, and so the rest.

    """

    __slots__ = ("_send", "_stream", "_untaken")

    def __init__(
        self,
        stream: IOStream,
        stats: Stats,
        timing: Timing,
        max_outbox: int,
        memory: Memory = UNCOUNTED,
        address: str = "",
    ) -> None:
        super().__init__(stats, timing, max_outbox, memory, address)
        self._stream = stream
        # TLS must repeat a refused write with the same octets, which only the stream can do.
        self._send = None if isinstance(stream.socket, ssl.SSLSocket) else stream.socket.send
        self._untaken = 0

    def start(self, conversation: Conversation, refusal: QmqError | None = None) -> None:
        self._stream.set_close_callback(self._ended)
        super().start(conversation, refusal)
        self._read()

    def abort(self) -> None:
        """Closes the socket now."""
        self._stream.close()

    @property
    def tls(self) -> bool:
        return self._send is None

    @property
    def peer_done(self) -> bool:
        """Whether the client has said goodbye too, so that closing loses nothing."""
        return False

    @property
    def deaf(self) -> bool:
        """Whether no goodbye can be heard any more, because what comes makes no sense."""
        return False

    def _read(self) -> None:
        try:
            future = self._stream.read_bytes(_READ_CHUNK, partial=True)
        except StreamClosedError:
            return
        assert isinstance(future, asyncio.Future)
        if future.done():  # more had come already
            self._on_read(future)
        else:
            future.add_done_callback(self._on_read)

    def _on_read(self, future: asyncio.Future[bytes]) -> None:
        if not future.cancelled() and future.exception() is None:  # else the close callback follows
            self._take(future.result())

    def _write(self, data: bytes) -> bool:
        """Sends what the socket takes and leaves the rest to the stream; true if all was taken."""
        sent = 0
        if self._send is not None:
            try:
                sent = self._send(data)
            except BlockingIOError:
                pass
            except OSError:
                self._stream.close()  # the close callback does the rest
                return False
            if sent == len(data):
                return True
        try:
            future = self._stream.write(memoryview(data)[sent:] if sent else data)
        except StreamClosedError:
            return False
        if future.done() and future.exception() is None:
            return True  # with TLS the usual case; the socket has it, which says nothing of the client
        self._blocked = True
        future.add_done_callback(self._on_written)
        return False

    def _ended(self) -> None:
        error = self._stream.error
        if error is not None:
            error.__traceback__ = None  # its frames refer to the stream, and the two would keep each other
        super()._ended()

    def _on_written(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and future.exception() is None:  # else the close callback follows
            self._drained()

    def _is_taking(self) -> bool:
        """Whether a blocked client has acknowledged anything since the last look."""
        if self._stream.closed():  # and nobody has been told yet
            return False
        before, self._untaken = self._untaken, untaken(self._stream.socket)
        return before != self._untaken

    def _close_if_done(self) -> None:
        if not self._closing or self._blocked or self._stream.closed():
            return
        if self.peer_done:
            self._stream.close()
        elif self.deaf:
            # The client sees the end behind our last words, and its own end is what we wait for.
            say_end(self._stream.socket)
            with contextlib.suppress(OSError):
                self._stream.socket.shutdown(socket.SHUT_WR)


def untaken(sock: socket.socket) -> int:
    """Octets that the kernel has and the other end has not acknowledged; 0 where it does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4), sys.byteorder)
    except OSError:
        return 0
