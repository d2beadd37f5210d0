"""Log lines that say one thing each, whatever clients put into them.

What a client says ends up in the log: a destination, a header, a reason. A line end in it
would forge a line, an escape sequence would repaint the operator's terminal. So characters
that do not print are written as escapes, and the lines of a traceback are indented.

Whoever logs never waits for what reads the log: lines go by a queue (`qmq.logqueue`).
"""

from __future__ import annotations

import atexit
import logging
import sys
import time
from collections.abc import Callable
from copy import copy
from traceback import TracebackException
from typing import Any, TextIO

from qmq.logqueue import LogQueue

_LAST_WORDS = 1.0  # seconds that a process may take at its end to have its last lines written


def printable(text: str) -> str:
    """A text on one line, with escapes for what does not print."""
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else ascii(char)[1:-1] for char in text])


class OneLine(logging.Formatter):
    """Formats each record as one line, and tracebacks as indented ones."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        return _indented(super().formatException(ei))  # type: ignore[arg-type]


def _indented(text: str) -> str:
    return "\n".join([f"    {printable(line)}" for line in text.splitlines()])


class Queued(logging.Handler):
    """Puts records into a queue, as one line each."""

    def __init__(self, queue: LogQueue) -> None:
        super().__init__()
        self.queue = queue

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = copy(record)
            line.exc_info = line.exc_text = None
            self.queue.put(self.format(line), _traceback_of(record.exc_info))
        except Exception as error:  # arguments that do not fit their text; never a traceback on the loop's thread
            self.queue.put(f"{record.levelname} {record.name}: cannot be put into words: {type(error).__name__}")

    def flush(self) -> None:
        """Nothing: who logs does not wait. They are flushed at exit."""


def _traceback_of(raised: Any) -> Callable[[], str] | None:
    """What puts a traceback into words later: that reads the files it speaks of. It keeps nothing else alive."""
    kind, error, trace = raised or (None, None, None)
    if kind is None or error is None:
        return None
    found = TracebackException(kind, error, trace, lookup_lines=False)
    return lambda: _indented("".join(found.format()))


def setup(level: str) -> LogQueue:
    """Logs to standard error, from this level on. Returns the queue of the lines."""
    handler = Queued(queue_of(sys.stderr, _dropped))
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.captureWarnings(True)  # else they are written to standard error, by whichever thread causes them
    if level == "info":  # what clients garble is counted; a line for each would let them fill the disk
        logging.getLogger("tornado.general").setLevel(logging.WARNING)
    return handler.queue


def queue_of(stream: TextIO | None, told: Callable[[int], str] | None = None) -> LogQueue:
    """A queue for a standard stream, which may be closed."""
    try:
        descriptor = stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        descriptor = None
    queue = LogQueue(descriptor, told=told)
    atexit.register(queue.flush, _LAST_WORDS)
    return queue


def _dropped(count: int) -> str:
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now % 1 * 1000):03}"
    return f"{stamp} WARNING qmq: {count} log lines were dropped: they could not be written as fast as they came"
