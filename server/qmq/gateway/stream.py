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

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream, StreamClosedError

from qmq.core.memory import UNCOUNTED, Memory
from qmq.errors import QmqError
from qmq.gateway.connection import Connection, guarded
from qmq.gateway.conversation import Conversation, Timing
from qmq.gateway.tls import say_end
from qmq.stats import Stats

_READ_CHUNK = 64 * 1024
_LAST_WORDS = 8 * 1024 * 1024  # bytes that are taken from the kernel at most when the client is gone; it has fewer


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
        self._stream.set_close_callback(self._lost)
        self._stream.close_fd = self._close_socket  # type: ignore[method-assign]
        super().start(conversation, refusal)
        self._read()

    def abort(self) -> None:
        """Closes the socket now."""
        self._doomed = True  # what has come is of no interest any more
        if self._stream.closed():
            self._ended()
        else:
            self._stream.close()

    def _close_socket(self) -> None:
        """Closes the descriptor, once what the kernel still has of a client that is gone has been taken from it."""
        stream = self._stream
        del stream.close_fd  # the two would keep each other
        if not self._closing and not self._doomed:
            take_last_words(stream)
        stream.close_fd()

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
            self._ended()  # nothing is left of it
            return
        assert isinstance(future, asyncio.Future)
        if future.done():  # more had come already
            self._on_read(future)
        else:
            future.add_done_callback(self._on_read)

    def _on_read(self, future: asyncio.Future[bytes]) -> None:
        if future.cancelled():
            return
        if future.exception() is None:
            self._take(future.result())
        else:
            self._read()  # what came before the end is there still

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

    def _overlook_end(self) -> None:
        # Tornado looks out for it where nothing is read, and closes the socket, also of who has ended its half only.
        stream = self._stream
        if not stream.closed() and stream._state is not None and not (stream.reading() or stream.writing()):
            stream._state = IOLoop.ERROR
            stream.io_loop.update_handler(stream.fileno(), IOLoop.ERROR)

    @guarded
    def _lost(self) -> None:
        """The client is gone, without a goodbye: what came whole is worked off first, however that has to wait.

        Until `_ended`, which whoever reads on calls when nothing is left; for as long as a login may take.
        """
        left = self._asking or self.conversation.behind or self._stream._read_buffer_size
        if not left or self._closing or self._doomed:
            self._ended()
        elif not self._gone:
            self._gone = self._blocked = True
            self._rearm(self._timing.connect, self._ended)
            if self._paused:
                self._paused = False
                self._read()

    def _ended(self) -> None:
        if not self._stream.closed():
            self._stream.close()
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


def take_last_words(stream: IOStream) -> None:
    """Puts what the kernel has for a stream into its buffer, from which it can be read also when it is closed.

    It is lost else where the client did not read what it was told: then writing fails, before all is read.
    """
    room = memoryview(bytearray(_READ_CHUNK))
    with contextlib.suppress(OSError):  # all of it is there
        for _ in range(_LAST_WORDS // _READ_CHUNK):
            count = stream.read_from_fd(room)
            if not count:
                return
            stream._read_buffer += room[:count]
            stream._read_buffer_size += count


def untaken(sock: socket.socket) -> int:
    """Octets that the kernel has and the other end has not acknowledged; 0 where it does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4), sys.byteorder)
    except OSError:
        return 0
