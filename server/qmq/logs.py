"""Log lines that say one thing each, whatever clients put into them.

What a client says ends up in the log: a destination, a header, a reason. A line end in it
would forge a line, an escape sequence would repaint the operator's terminal. So characters
that do not print are written as escapes, and the lines of a traceback are indented.
"""

from __future__ import annotations

import logging


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
        lines = super().formatException(ei).splitlines()  # type: ignore[arg-type]
        return "\n".join([f"    {printable(line)}" for line in lines])


def setup(level: str) -> None:
    """Logs to standard error, from this level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if level == "info":  # what clients garble is counted; a line for each would let them fill the disk
        logging.getLogger("tornado.general").setLevel(logging.WARNING)
