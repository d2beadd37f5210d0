"""WebSocket frames as bytes (RFC 6455), for both ends. No I/O, no handshake I/O.

The decoder works on whole read chunks: many frames per call, and payloads taken
as they come, so that a long message is never copied again for each piece and bad
UTF-8 is noticed at the octet that makes it bad. Messages come out whole.

No extension is spoken: the reserved bits must be zero.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
from collections.abc import Callable

from qmq.errors import QmqError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

LARGEST = 64 << 20  # octets of a message that comes in pieces

# One event: (TEXT | BINARY | CLOSE | PING | PONG, payload).
Event = tuple[int, bytes]
Unmask = Callable[[bytes, bytes], bytes]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# Close codes that may stand in a close frame (section 7.4): registered ones
# except those that only an endpoint may report to itself, and the private ranges.
_LEGAL_CLOSE = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


def accept_key(key: str) -> str:
    """The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def xor(mask: bytes, data: bytes) -> bytes:
    """Masks or unmasks `data` (section 5.3). Plain Python; a gateway has a faster one."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Decoder:
    """Turns a byte stream into WebSocket messages and control frames.

    It stops for good at the first violation (`error` has the code to close
    with) and after a close frame; what came before in the same call is returned.

    Args:
        masked: Whether the peer must mask: true for a server, false for a client.
        max_message: Octets of one message, over all its fragments.
        unmask: A faster `xor`, if there is one.
        joins: Whether text messages that follow each other may come as one, for
            protocols that only count octets.

    Attributes:
        pieces: Whether a message that is larger than allowed may come in pieces, for protocols that
            only count octets and have limits of their own; it has `LARGEST` at most then.

    """

    __slots__ = (
        "_chunks", "_fin", "_mask", "_masked", "_opcode", "_remaining", "_size", "_stopped", "_tail",
        "_unmask", "_utf8", "error", "joins", "max_message", "pieces",
    )  # fmt: skip

    def __init__(
        self, *, masked: bool = True, max_message: int = 1 << 20, unmask: Unmask = xor, joins: bool = False
    ) -> None:
        self.joins = joins
        self.pieces = False
        self.error: QmqError | None = None
        self.max_message = max_message
        self._masked = 0x80 if masked else 0
        self._unmask = unmask
        self._stopped = False
        self._tail = b""  # an incomplete frame header, at most 13 octets, or a short control frame
        self._opcode = 0  # of the message under way, 0 for none
        self._chunks: list[bytes] = []
        self._size = 0
        self._utf8: codecs.IncrementalDecoder | None = None
        self._remaining = -1  # octets still to come of the frame under way, -1 for none
        self._mask = b""
        self._fin = False

    def feed(self, data: bytes) -> list[Event]:
        """Returns the messages and control frames that `data` completes, in order."""
        events: list[Event] = []
        if self._stopped:
            return events
        if self._tail:
            data = self._tail + data
            self._tail = b""
        try:
            self._parse(data, events)
        except QmqError as error:
            self.error = error
            self._stop()
        return events

    def _stop(self) -> None:
        self._stopped = True
        self._chunks = []
        self._tail = b""

    def _parse(self, data: bytes, events: list[Event]) -> None:
        run: list[bytes] = []  # whole text messages that follow each other
        try:
            self._parse_frames(data, events, run)
        finally:
            if run:
                self._end_run(run, events)

    def _parse_frames(self, data: bytes, events: list[Event], run: list[bytes]) -> None:
        pos, end = 0, len(data)
        masked, unmask, max_message = self._masked, self._unmask, self.max_message
        mask_octets = masked >> 5  # four or none
        if self._remaining >= 0:
            pos = self._more_payload(data, 0, events)
        within = self._opcode
        while end - pos >= 2:
            first, second = data[pos], data[pos + 1]
            if second & 0x80 != masked:
                raise QmqError("bad-websocket", "a client must mask its frames, a server must not")
            length = second & 0x7F
            start = pos + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                if start > end:
                    break
                length = data[pos + 2] << 8 | data[pos + 3] if length == 126 else _long_length(data[pos + 2 : start])
                if length < 126:
                    raise QmqError("bad-websocket", "a length must be written in the fewest octets")
            start += mask_octets
            stop = start + length
            if first == 0x81 and stop <= end and not within and length <= max_message:
                run.append(unmask(data[start - 4 : start], data[start:stop]) if masked else data[start:stop])
                pos = stop
                continue
            # Everything but a text message in one frame that is all here.
            if start > end:
                break
            if run:
                self._end_run(run, events)
            stop = self._unusual(data, start, length, first, events)
            if stop < 0:
                break
            if self._stopped:
                return
            within = self._opcode
            pos = stop
        if pos < end:
            self._tail = data[pos:]

    def _end_run(self, run: list[bytes], events: list[Event]) -> None:
        """Turns a run of text messages into events; the good ones also if a later one is bad."""
        payloads, joined = run[:], b"".join(run)
        run.clear()
        if joined.isascii():
            if self.joins:
                events.append((TEXT, joined))
            else:
                events.extend([(TEXT, payload) for payload in payloads])
            return
        for payload in payloads:
            _check_utf8(payload)
            events.append((TEXT, payload))

    def _unusual(self, data: bytes, start: int, length: int, first: int, events: list[Event]) -> int:
        """One frame the slow way; where the next begins, or -1 to wait for more octets."""
        fin, opcode = first & 0x80, first & 0x0F
        if first & 0x70:
            raise QmqError("bad-websocket", "reserved bits are set, and no extension was agreed on")
        if opcode >= CLOSE:
            return self._control(data, start, length, first, events)
        if opcode > BINARY:
            raise QmqError("bad-websocket", f"opcode {opcode} is reserved")
        if opcode and self._opcode:
            raise QmqError("bad-websocket", "a new message began before the last one ended")
        if not opcode and not self._opcode:
            raise QmqError("bad-websocket", "a continuation without a beginning")
        if self._size + length > (LARGEST if self.pieces else self.max_message):
            raise QmqError("frame-too-large", f"messages may have {self.max_message} octets")
        if opcode:
            self._opcode = opcode
            self._utf8 = codecs.getincrementaldecoder("utf-8")() if opcode == TEXT else None
        self._size += length
        self._remaining = length
        self._fin = bool(fin)
        self._mask = data[start - 4 : start] if self._masked else b""
        return self._more_payload(data, start, events)

    def _more_payload(self, data: bytes, pos: int, events: list[Event]) -> int:
        """Takes what has come of the payload under way; where it ends in `data`."""
        chunk = data[pos : pos + self._remaining]
        if self._mask:
            raw, shift = chunk, len(chunk) & 3
            chunk = self._unmask(self._mask, raw)
            self._mask = self._mask[shift:] + self._mask[:shift]
        self._remaining -= len(chunk)
        done = self._fin and not self._remaining
        if self._utf8 is not None:
            try:
                self._utf8.decode(chunk, done)
            except UnicodeDecodeError as error:
                raise QmqError("bad-utf8", "in a text message") from error
            # Python's decoder takes the beginning of a surrogate for one of a character.
            begun = self._utf8.getstate()[0]
            if begun[:1] == b"\xed" and begun[1:2] >= b"\xa0":
                raise QmqError("bad-utf8", "in a text message")
        if chunk:
            self._chunks.append(chunk)
        if len(self._chunks) > 1024:  # however small the fragments, their number stays small
            self._chunks = [b"".join(self._chunks)]
        if done or (self._chunks and self._size > self.max_message):
            events.append((self._opcode, b"".join(self._chunks)))
            self._chunks = []
        if done:
            self._opcode = self._size = 0
            self._utf8 = None
        if not self._remaining:
            self._remaining = -1
        return pos + len(chunk)

    def _control(self, data: bytes, start: int, length: int, first: int, events: list[Event]) -> int:
        opcode = first & 0x0F
        if opcode > PONG:
            raise QmqError("bad-websocket", f"opcode {opcode} is reserved")
        if not first & 0x80 or length > 125:
            raise QmqError("bad-websocket", "a control frame must be whole and have at most 125 octets")
        stop = start + length
        if stop > len(data):
            return -1
        payload = data[start:stop]
        if self._masked:
            payload = self._unmask(data[start - 4 : start], payload)
        if opcode == CLOSE:
            _check_close(payload)
            self._stop()
        events.append((opcode, payload))
        return stop


def _long_length(octets: bytes) -> int:
    length = int.from_bytes(octets, "big")
    if length < 65536:
        raise QmqError("bad-websocket", "a length must be written in the fewest octets")
    if length >> 63:
        raise QmqError("bad-websocket", "a length has its highest bit set")
    return length


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise QmqError("bad-utf8", "in a text message") from error


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _LEGAL_CLOSE or 3000 <= code <= 4999):
        raise QmqError("bad-websocket", "a close frame with no legal code")
    _check_utf8(payload[2:])


def close_code(payload: bytes) -> int:
    """The code of a received close frame; 1005 if it has none (section 7.1.5)."""
    return int.from_bytes(payload[:2], "big") if payload else 1005


def frame_head(opcode: int, length: int, mask_bit: int = 0) -> bytes:
    """The header of an unfragmented frame, without mask."""
    if length < 126:
        return bytes((0x80 | opcode, mask_bit | length))
    if length < 65536:
        return bytes((0x80 | opcode, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((0x80 | opcode, mask_bit | 127)) + length.to_bytes(8, "big")


def encode(opcode: int, payload: bytes) -> bytes:
    """A server's frame: whole and unmasked."""
    return frame_head(opcode, len(payload)) + payload


def encode_masked(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A client's frame: whole and masked with four fresh random octets (section 5.3)."""
    return frame_head(opcode, len(payload), 0x80) + mask + xor(mask, payload)


def encode_close(code: int, reason: str = "") -> bytes:
    """A server's close frame, the reason cut to what a control frame can hold."""
    return encode(CLOSE, close_payload(code, reason))


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame: the code, and at most 123 octets of whole characters."""
    return code.to_bytes(2, "big") + reason.encode()[:123].decode(errors="ignore").encode()
