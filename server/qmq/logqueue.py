"""Lines on their way to a descriptor: a bounded queue, and a thread that writes.

What reads a log may stop reading, its disk may be full, its pipe closed. Whoever logs is
an event loop and must never wait for that. So a line is put into a queue, and a thread of
its own writes; when the queue is full, lines are dropped and counted, and as soon as
something can be written again, a line says how many. Nothing here raises, nothing blocks
its caller, but `flush` for the time that it is given.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

MOST_LINES = 10_000  # that may wait
MOST_BYTES = 4 << 20
_PIECE = 1 << 16  # bytes that are written at once


class LogQueue:
    """The lines for one descriptor, from any thread.

    Args:
        descriptor: Where they go; None if there is nothing, and all are dropped.
        most: How many may wait.
        told: What becomes of the number of dropped lines; by default nothing is written of it.

    Attributes:
        dropped: Lines that were never written, since the start.
        on_drop: Called with each line that is dropped, on the thread where that is noticed. Must be quick.

    """

    def __init__(
        self, descriptor: int | None, most: int = MOST_LINES, told: Callable[[int], str] | None = None
    ) -> None:
        self.dropped = 0
        self.on_drop: Callable[[], None] | None = None
        self._descriptor = descriptor
        self._most = most
        self._told = told
        self._untold = 0  # of those dropped
        self._lines: deque[tuple[bytes, Callable[[], str] | None]] = deque()
        self._waiting = 0  # bytes, also of what is being written
        self._state = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None

    def put(self, line: str, more: Callable[[], str] | None = None) -> None:
        """Has a line written soon, or drops it. A line end is added.

        Args:
            line: It.
            more: Makes the lines after it, on the writing thread: to put a traceback into words takes files.

        """
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._state:
            room = len(self._lines) < self._most and self._waiting + len(data) <= MOST_BYTES
            if room and self._descriptor is not None:
                self._lines.append((data, more))
                self._waiting += len(data)
                self._state.notify_all()
                if self._thread is None:
                    self._begin()
                return
        self._drop(1)

    def flush(self, seconds: float) -> bool:
        """Waits until all is written, at most for so long; returns whether it is."""
        with self._state:
            return self._state.wait_for(lambda: not self._waiting, seconds)

    def _begin(self) -> None:
        # A daemon: where a write never ends, the process is to end all the same.
        self._thread = threading.Thread(target=self._run, name="qmq-log", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no memory for a thread, or the interpreter is ending: the next line tries again
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: bool(self._lines))
                lines = self._take()
            lost = not _write(self._descriptor, b"".join([data + _words(more) for data, more in lines]))
            with self._state:
                self._waiting -= sum(len(data) for data, _ in lines)
                self._state.notify_all()
            if lost:
                self._drop(len(lines))
            elif self._untold:
                self._tell()

    def _take(self) -> list[tuple[bytes, Callable[[], str] | None]]:
        lines, size = [], 0
        while self._lines and size < _PIECE:
            lines.append(self._lines.popleft())
            size += len(lines[-1][0])
        return lines

    def _drop(self, count: int) -> None:
        with self._state:
            self.dropped += count
            self._untold += count
        if self.on_drop is not None:
            self.on_drop()

    def _tell(self) -> None:
        """Says how many were dropped, before the lines that wait; on the writing thread."""
        with self._state:
            count, self._untold = self._untold, 0
        if self._told is not None and not _write(self._descriptor, self._told(count).encode() + b"\n"):
            with self._state:
                self._untold += count

    def __repr__(self) -> str:
        return f"<log queue of {len(self._lines)} lines, {self.dropped} dropped>"


def _words(more: Callable[[], str] | None) -> bytes:
    try:
        return more().encode("utf-8", "backslashreplace") + b"\n" if more is not None else b""
    except Exception:  # the line before it stands
        return b""


def _write(descriptor: int | None, data: bytes) -> bool:
    """Writes all of it, however long it takes; returns whether that was possible."""
    assert descriptor is not None
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # others may have made the pipe that we share so
            try:
                select.select([], [descriptor], [], 1.0)
            except ValueError:  # a descriptor beyond what select takes
                time.sleep(0.05)
        except OSError:
            return False
    return True
