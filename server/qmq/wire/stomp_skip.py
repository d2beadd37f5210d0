"""Finds the end of a STOMP frame that is larger than is allowed, and keeps nothing of it.

What is kept are the few short headers by which its sender is told of it. However large
the frame, that is some kilobytes, and each byte is looked at once. It never says that a
frame ends where that is not certain: then the reason is the end of all reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from qmq.errors import QmqError

LARGEST = 64 << 20  # bytes of a frame that are skipped; one that is larger is the end
WITH_BODY = frozenset({"SEND", "MESSAGE", "ERROR"})  # the only commands whose frames may have one ("Body")
_LINE = 4096  # bytes of a header line that are kept
_KEPT = frozenset({"content-length", "destination", "id", "receipt", "transaction"})
_COMMAND = re.compile(r"[A-Z]{1,32}")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Skipper:
    """The rest of one frame.

    Args:
        error: What is wrong with it.
        command: As far as it is known; empty if the frame begins with the first byte that is fed.
        headers: Those of a frame of which only the body is still to come.

    Attributes:
        error: The same.
        command: What the frame is.
        headers: Those by which its sender knows it.
        done: Whether the end is found.

    """

    __slots__ = ("_awaited", "_before", "_begun", "_in_body", "_line", "command", "done", "error", "headers")

    def __init__(self, error: QmqError, command: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.error = error
        self.command = command
        self.headers = dict(headers or {})
        self.done = False
        self._in_body = headers is not None
        self._begun = False  # whether the first byte after the headers has come
        self._line = bytearray()  # a header line that is not whole yet
        self._before = 0  # bytes of the frame so far
        self._awaited: int | None = None  # bytes of the body that are still to come; None if a NUL ends it

    def feed(self, data: bytes, pos: int) -> int:
        """Takes what belongs to the frame; returns where the rest of `data` begins.

        Raises:
            QmqError: If its end is not to be found, or too far away.

        """
        start = pos
        while pos < len(data) and not self._in_body:
            pos = self._take_line(data, pos)
        if self._in_body:
            pos = self._take_body(data, pos)
        self._before += pos - start
        if self._before > LARGEST:
            raise self.error
        return pos

    def _take_line(self, data: bytes, pos: int) -> int:
        stop = data.find(b"\n", pos)
        end = len(data) if stop < 0 else stop
        if data.find(b"\0", pos, end) >= 0:
            raise self.error  # a header holds none, so nobody knows where the frame ends
        self._line += data[pos : min(end, pos + _LINE)]
        if stop < 0:
            del self._line[_LINE:]
            return end
        line = bytes(self._line).removesuffix(b"\r")
        self._line.clear()
        if len(line) < _LINE:
            self._read_line(line)
        elif not self.command:
            raise self.error  # these are no frames
        return stop + 1

    def _read_line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        if not self.command:
            if not _COMMAND.fullmatch(text):
                raise self.error
            self.command = text
        elif text:
            name, _, value = text.partition(":")
            if name in _KEPT:
                self.headers.setdefault(name, value)
        else:
            self._in_body = True
            self._awaited = self._length()

    def _length(self) -> int | None:
        value = self.headers.pop("content-length", None)
        if value is None:
            return None
        if not _LENGTH.fullmatch(value):
            raise QmqError("bad-frame", f"content-length is no number: {value[:32]!r}")
        if int(value) > LARGEST:
            raise self.error
        return int(value)

    def _take_body(self, data: bytes, pos: int) -> int:
        if self._awaited is None:
            stop = data.find(b"\0", pos)
            self.done = stop >= 0
            return stop + 1 if self.done else len(data)
        if not self._begun and pos < len(data):
            self._begun = True
            if not data[pos] and self.command not in WITH_BODY:
                self._awaited = 0  # it repeats the content-length of another frame
        taken = min(self._awaited, len(data) - pos)
        self._awaited -= taken
        pos += taken
        if self._awaited or pos == len(data):
            return pos
        if data[pos]:
            raise QmqError("bad-frame", "no NUL after the bytes of content-length")
        self.done = True
        return pos + 1
