"""STOMP 1.0, 1.1 and 1.2 frames as bytes (stomp.github.io, "STOMP Frames").

The decoder takes bytes cut anywhere and returns whole frames. A header block
that comes again byte for byte (a publisher's usual case) is parsed once: its
`Head` is kept and shared, so a head and its headers must never be changed.

Nothing here knows which frame is legal when, what a header means (except
`content-length`), or where the bytes come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from qmq.errors import QmqError
from qmq.wire.stomp_skip import WITH_BODY, Skipper

VERSIONS = ("1.2", "1.1", "1.0")

# Frames that carry CONNECT's header rules: never escaped ("Value Encoding").
UNESCAPED = frozenset({"CONNECT", "CONNECTED"})

_ESCAPES = {
    "1.0": {},
    "1.1": {"\\": "\\\\", "\n": "\\n", ":": "\\c"},
    "1.2": {"\\": "\\\\", "\n": "\\n", ":": "\\c", "\r": "\\r"},
}
_UNESCAPES = {version: {text: char for char, text in table.items()} for version, table in _ESCAPES.items()}
_ESCAPE_TABLES = {version: str.maketrans(table) for version, table in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\.?", re.DOTALL)
_COMMAND = re.compile(r"[A-Z]+")
_LENGTH = re.compile(r"[0-9]{1,18}")

# The head cache of one decoder: enough for a publisher's handful of
# destinations, and small enough that nobody can use it to hold memory.
_CACHED_HEADS = 32
_CACHED_HEAD_BYTES = 512


class Head:
    """A command and its headers: all of a frame but the body.

    Attributes:
        command: As sent, such as `SEND`.
        headers: The first value of each name, unescaped, in order.
        length: The `content-length`, or None; None also where the frame has no body in spite of it.
        memo: Free for the reader of the frame: whatever it derived from this
            head, so that it need not derive it again.
        error: Why the frame was skipped; then its headers are only those by which its sender knows it.

    """

    __slots__ = ("command", "error", "headers", "length", "memo")

    def __init__(
        self, command: str, headers: dict[str, str], length: int | None = None, error: QmqError | None = None
    ) -> None:
        self.command = command
        self.headers = headers
        self.length = length
        self.error = error
        self.memo: Any = None

    def __repr__(self) -> str:
        return f"<{self.command} with {', '.join(self.headers)}>"  # not what they say: some are secret


class _Oversize(Exception):
    """A frame is too large, and may be skipped: where its rest begins, and its head if that has been read."""

    def __init__(self, error: QmqError, data: bytes, pos: int, head: Head | None = None) -> None:
        self.skipper = Skipper(error) if head is None else Skipper(error, head.command, head.headers)
        self.data = data
        self.pos = pos


# A frame is its head, which may be shared with other frames, and its body. A plain
# tuple: one is made for every message that passes through a server.
Frame = tuple[Head, bytes]


class Decoder:
    """Turns a byte stream into STOMP frames.

    After the first malformed frame it returns nothing more, and `error` says
    why; frames that came before it in the same call are still returned.

    Args:
        version: Decides which escapes exist. May be set anew between calls,
            once the version is negotiated.
        max_body: Octets of one body.
        max_headers: Header lines of one frame.
        max_header_bytes: Octets of the command and all header lines together.

    Attributes:
        skips: Whether a frame that is too large is left out, and its head given with an `error`, where
            its end can be found; else it is the end.

    """

    __slots__ = (
        "_heads", "_last", "_pending", "_skipper", "_tail", "_version", "error", "max_body", "max_header_bytes",
        "max_headers", "skips",
    )  # fmt: skip

    def __init__(
        self,
        version: str = "1.2",
        *,
        max_body: int = 1 << 20,
        max_headers: int = 64,
        max_header_bytes: int = 8192,
    ) -> None:
        self.error: QmqError | None = None
        self.max_body = max_body
        self.max_headers = max_headers
        self.max_header_bytes = max_header_bytes
        self._version = version
        self._heads: dict[bytes, Head] = {}
        self._last: tuple[bytes, Head | None] = (b"", None)  # the last of them, its blank line included
        self._tail = bytearray()  # the beginning of a frame that is not complete yet
        self._pending: Head | None = None  # its head, if that much has come; then the tail is body only
        self.skips = False
        self._skipper: Skipper | None = None  # of the frame that is being skipped

    @property
    def version(self) -> str:
        return self._version

    @version.setter
    def version(self, version: str) -> None:
        self._version = version
        self._heads.clear()
        self._last = (b"", None)

    @property
    def idle(self) -> bool:
        """Whether no frame has begun that is not complete."""
        return not self._tail and self._pending is None and self._skipper is None

    def forget_memos(self) -> None:
        """Lets go of what readers have noted on the heads that are kept: it holds no more."""
        for head in (*self._heads.values(), self._last[1], self._pending):
            if head is not None:
                head.memo = None

    def feed(self, data: bytes) -> list[Frame]:
        """Returns the frames that `data` completes, in order."""
        frames: list[Frame] = []
        pos = 0
        while self.error is None:
            try:
                self._take(data, pos, frames)
                break
            except _Oversize as found:
                data, pos = found.data, found.pos
                self._skipper = found.skipper
            except QmqError as error:
                self.error = error
            self._tail.clear()
            self._pending = None
        return frames

    def _take(self, data: bytes, pos: int, frames: list[Frame]) -> None:
        if self._skipper is not None:
            pos = self._skip(self._skipper, data, pos, frames)
        elif self._tail or self._pending is not None:
            if not self._worth_parsing(data):
                return
            data = bytes(self._tail)
            self._tail.clear()
        self._parse(data, pos, frames)

    def _skip(self, skipper: Skipper, data: bytes, pos: int, frames: list[Frame]) -> int:
        """Skips what is here of a frame that is too large; where the next one begins."""
        pos = skipper.feed(data, pos)
        if skipper.done:
            self._skipper = None
            headers = skipper.headers
            if skipper.command not in UNESCAPED:
                headers = {name: self._unescape(value) for name, value in headers.items()}
            frames.append((Head(skipper.command, headers, error=skipper.error), b""))
        return pos

    def _too_large(self, data: bytes, pos: int, head: Head) -> Exception:
        """The body that begins here is too large."""
        error = QmqError("frame-too-large", f"bodies may have {self.max_body} octets")
        return _Oversize(error, data, pos, head) if self.skips else error

    def _parse(self, data: bytes, pos: int, frames: list[Frame]) -> None:
        end = len(data)
        last_raw, last = self._last
        head = self._pending
        self._pending = None
        if head is not None and head.length and pos < end and head.command not in WITH_BODY:
            self._check_length(head, data[pos])
        while pos < end:
            if head is None and last is not None and data.startswith(last_raw, pos):
                head = last
                pos += len(last_raw)
            if head is None:
                if data[pos] in b"\r\n":  # a heart-beat, or padding between frames
                    pos += 1
                    continue
                stop = data.find(b"\n\n", pos)
                start = stop + 2
                head = self._heads.get(data[pos:stop]) if stop >= 0 else None
                if head is not None:
                    self._last = last_raw, last = data[pos:start], head
                else:
                    try:
                        found = self._find_head(data, pos, stop)
                    except QmqError as error:
                        if self.skips and error.code.name in ("frame-too-large", "headers-too-large"):
                            raise _Oversize(error, data, pos) from None
                        raise
                    if found is None:
                        break
                    head, start = found
                    if head.length and start < end and head.command not in WITH_BODY:
                        self._check_length(head, data[start])
                pos = start
            length = head.length
            stop = data.find(b"\0", pos) if length is None else pos + length
            if stop < 0 or stop >= end:
                self._pending = head
                break
            if length is None:
                if stop - pos > self.max_body:
                    raise self._too_large(data, pos, head)
            elif data[stop]:
                raise QmqError("bad-frame", f"no NUL after the {length} octets of content-length")
            frames.append((head, data[pos:stop]))
            head = None
            pos = stop + 1
        if self._pending is not None:
            self._check_body_size(data, pos)
        if pos < end:
            self._tail += data[pos:]

    def _worth_parsing(self, data: bytes) -> bool:
        """Adds to the tail; false if it certainly holds no whole frame yet.

        Keeps the work linear however small the pieces: a body is looked at again
        only when its last octet is there.
        """
        tail = self._tail
        head = self._pending
        tail += data
        if head is None:
            return True
        if head.length is not None:
            bare = head.command not in WITH_BODY and len(tail) > 0  # see `_check_length`
            return len(tail) > head.length or (bare and (not tail[0] or head.length > self.max_body))
        if b"\0" in data:
            return True
        self._check_body_size(tail, 0)
        return False

    def _check_length(self, head: Head, first: int) -> None:
        """Forgets the content-length of a frame that has no body, which begins with this octet: clients repeat the
        headers of a MESSAGE in its ACK."""
        if not first:
            head.length = None
        elif head.length is not None and head.length > self.max_body:
            raise QmqError("frame-too-large", f"bodies may have {self.max_body} octets")

    def _check_body_size(self, data: bytes | bytearray, pos: int) -> None:
        """Checks a body that nothing but its NUL will end, as far as it has come."""
        head = self._pending
        if head is not None and head.length is None and len(data) - pos > self.max_body:
            raise self._too_large(bytes(data), pos, head)

    def _find_head(self, data: bytes, pos: int, stop: int) -> tuple[Head, int] | None:
        """Parses the head at `pos`; `stop` is where LF LF was found, or -1."""
        start = stop + 2
        # An earlier end with CR LF: the LF LF just found belongs to the body.
        crlf = data.find(b"\n\r\n", pos, start if stop >= 0 else len(data))
        if crlf >= 0:
            stop, start = crlf, crlf + 3
        nul = data.find(b"\0", pos, stop if stop >= 0 else len(data))
        if 0 <= nul <= pos + self.max_header_bytes:  # beyond, it is too large, whatever it is
            # Some old clients leave out DISCONNECT's blank line.
            raw = data[pos:nul].rstrip(b"\r\n")
            if raw.split(b"\n", 1)[0].rstrip(b"\r") == b"DISCONNECT" and len(raw) <= self.max_header_bytes:
                return self._parse_head(raw), nul
            raise QmqError("bad-frame", "NUL before the blank line that ends the headers")
        size = (stop if stop >= 0 else len(data)) - pos
        if stop < 0:  # what comes last may be the beginning of the blank line
            size -= 2 if data.endswith(b"\n\r") else data.endswith(b"\n")
        if size > self.max_header_bytes:
            raise QmqError("headers-too-large", f"a frame may have {self.max_header_bytes} octets of headers")
        if stop < 0:
            return None
        raw = data[pos:stop]
        head = self._parse_head(raw)
        if head.command == "SEND" and "receipt" not in head.headers and crlf < 0 and size <= _CACHED_HEAD_BYTES:
            if len(self._heads) >= _CACHED_HEADS:
                self._heads.clear()
            self._heads[raw] = head
        return head, start

    def _parse_head(self, raw: bytes) -> Head:
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise QmqError("bad-utf8", "in the headers") from error
        lines = [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]
        command = lines.pop(0)
        if not _COMMAND.fullmatch(command) or "\r" in "".join(lines):
            raise QmqError("bad-frame", f"no STOMP command: {command[:32]!r}")
        if len(lines) > self.max_headers:
            raise QmqError("headers-too-large", f"a frame may have {self.max_headers} headers")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not name:
                raise QmqError("bad-frame", f"a header line without a name or colon: {line[:32]!r}")
            if command not in UNESCAPED:
                name, value = self._unescape(name), self._unescape(value)
            headers.setdefault(name, value)  # "Repeated Header Entries": the first one counts
        return Head(command, headers, self._length(headers.get("content-length"), command in WITH_BODY))

    def _unescape(self, text: str) -> str:
        if self._version == "1.0":  # knows no escapes, and its own examples pad with blanks
            return text.strip(" ")
        if "\\" not in text:
            return text
        table = _UNESCAPES[self._version]
        try:
            return _ESCAPED.sub(lambda match: table[match.group()], text)
        except KeyError as error:
            raise QmqError("bad-escape", f"{error.args[0]} in a header") from None

    def _length(self, value: str | None, bounded: bool) -> int | None:
        if value is None:
            return None
        if not _LENGTH.fullmatch(value):
            raise QmqError("bad-frame", f"content-length is no number: {value[:32]!r}")
        length = int(value)
        if bounded and length > self.max_body:
            raise QmqError("frame-too-large", f"bodies may have {self.max_body} octets")
        return length


class CountingDecoder(Decoder):
    """A decoder for those who limit what a client may send.

    Attributes:
        frames: That were decoded so far.
        sends: Those of them that are SEND.

    """

    __slots__ = ("frames", "sends")

    def __init__(self, version: str = "1.2", **limits: int) -> None:
        super().__init__(version, **limits)
        self.frames = self.sends = 0

    def feed(self, data: bytes) -> list[Frame]:
        frames = super().feed(data)
        self.frames += len(frames)
        self.sends += [head.command for head, _ in frames].count("SEND")
        return frames


def is_text(body: bytes) -> bool:
    """Whether a body or frame is valid UTF-8, so that a transport may carry it as text."""
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def escape(text: str, version: str = "1.2") -> str:
    """Escapes a header name or value for a frame other than CONNECT and CONNECTED."""
    return text.translate(_ESCAPE_TABLES[version])


def header_lines(headers: Mapping[str, str] | Iterable[tuple[str, str]], version: str = "1.2") -> bytes:
    """Header lines as octets, each ended by LF, escaped."""
    pairs = headers.items() if isinstance(headers, Mapping) else list(headers)
    plain, count = "".join([f"{name}:{value}\n" for name, value in pairs]), len(pairs)
    if plain.count(":") == plain.count("\n") == count and "\\" not in plain and "\r" not in plain:
        return plain.encode()  # as most are
    table = _ESCAPE_TABLES[version]
    return "".join([f"{name.translate(table)}:{value.translate(table)}\n" for name, value in pairs]).encode()


def encode(command: str, headers: Mapping[str, str], body: bytes = b"", version: str = "1.2") -> bytes:
    """One frame as octets, the headers in the order given.

    Adds `content-length` last when there is a body and no such header. In
    CONNECT and CONNECTED, which have no escapes, a line end in a header would
    forge another header, so it is refused.

    Raises:
        QmqError: `bad-header` for a header that cannot be written.

    """
    if command in UNESCAPED or version == "1.0":
        for text in (*headers, *headers.values()):
            if "\n" in text or "\r" in text or "\0" in text:
                raise QmqError("bad-header", f"{command} cannot carry a line end in a header")
        lines = "".join([f"{name}:{value}\n" for name, value in headers.items()]).encode()
    else:
        lines = header_lines(headers, version)
    if body and "content-length" not in headers:
        lines += b"content-length:%d\n" % len(body)
    return b"%b\n%b\n%b\0" % (command.encode(), lines, body)
