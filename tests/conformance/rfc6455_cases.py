"""The table of WebSocket cases: what a client sends, and what an echo server must do.

The sections have the numbers of the Autobahn suite's: 1 framing, 2 pings, 3 reserved
bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 closing, 10 fragments of a long message. Section
11 is ours: masks, lengths and limits. The cases say what RFC 6455 demands where it
leaves no choice, and what this server chose where it does: always the strictest answer.

This file only lists; test_rfc6455.py runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rfc6455_peer import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Event, Outcome, frame
from rfc6455_utf8 import INVALID, VALID, first_bad

MAX_MESSAGE = (1 << 20) + 8192 + 4  # of the echo server: a STOMP frame with the largest body and headers

TYPES = {"text": TEXT, "binary": BINARY}
HELLO = Event(TEXT, b"Hello, world!")
BYE = frame(CLOSE, (1000).to_bytes(2, "big"))


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation.

    `sends` are octets to send, each as one write, and numbers: how many events
    to wait for before the next write. In a `rude` one the client talks on after its
    close frame: the server, which owes it nothing more, may answer with a reset.
    """

    name: str
    sends: tuple[bytes | int, ...]
    expected: Outcome
    rude: bool = False


def fine(name: str, sends: list[bytes | int], *events: Event) -> Case:
    """All is answered, and the close frame that follows too."""
    return Case(name, (*sends, len(events), BYE), Outcome(events, 1000))


def bad(name: str, sends: list[bytes | int], *events: Event, code: int = 1002) -> Case:
    """The server closes by itself after `events`, without being asked."""
    return Case(name, tuple(sends), Outcome(events, code))


def pieces(data: bytes, size: int) -> list[bytes | int]:
    """The same octets in several writes."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def fragments(opcode: int, payload: bytes, size: int) -> list[bytes]:
    """The frames of a message, each with `size` octets of it."""
    parts = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    last = len(parts) - 1
    return [frame(CONTINUATION if place else opcode, part, fin=place == last) for place, part in enumerate(parts)]


def hello() -> bytes:
    """A message that is all right."""
    return frame(TEXT, HELLO.payload)


def framing() -> Iterator[Case]:
    """Section 1: messages of all lengths."""
    for kind, opcode in TYPES.items():
        for size in (0, 1, 124, 125, 126, 127, 128, 1023, 1024, 65534, 65535, 65536, 65537, 300_000):
            echo = Event(opcode, b"*" * size)
            yield fine(f"1 {kind} of {size}", [frame(opcode, echo.payload)], echo)
        echo = Event(opcode, b"*" * 65536)
        yield fine(f"1 {kind} of 65536 in writes of 997", pieces(frame(opcode, echo.payload), 997), echo)
    both = [Event(opcode, b"%d" % number) for number in range(100) for opcode in (TEXT, BINARY)]
    yield fine("1 many in one write", [b"".join(frame(event.opcode, event.payload) for event in both)], *both)
    octets = Event(BINARY, bytes(range(256)))
    yield fine("1 all octets in a binary message", [frame(BINARY, octets.payload)], octets)


def pings() -> Iterator[Case]:
    """Section 2: pings are answered with what they carry, pongs are not answered."""
    for payload in (b"", b"Hello", bytes((0x00, 0xFF, 0xFE, 0xC0, 0x80)), b"\xfe" * 124, b"\xfe" * 125):
        pong = Event(PONG, payload)
        yield fine(f"2 ping of {payload[:5]!r}, {len(payload)}", [frame(PING, payload)], pong)
        yield fine(f"2 pong of {payload[:5]!r}, {len(payload)}, then hello", [frame(PONG, payload), hello()], HELLO)
    for opcode in (PING, PONG, CLOSE):
        for size in (126, 127, 65536):
            yield bad(f"2 control frame {opcode} of {size}", [frame(opcode, b"x" * size), frame(PING)])
            # The header alone decides; no payload need come.
            yield bad(f"2 control frame {opcode} of {size}, header only", [frame(opcode, length=size)])
    several = [Event(PONG, b"payload-%d" % number) for number in range(10)]
    asked = [frame(PING, event.payload) for event in several]
    yield fine("2 ten pings", list(asked), *several)
    yield fine("2 ten pings in one write", [b"".join(asked)], *several)
    yield fine("2 unsolicited pong before a ping", [frame(PONG, b"no"), frame(PING, b"yes")], Event(PONG, b"yes"))


def reserved_bits() -> Iterator[Case]:
    """Section 3: no extension was agreed on, so the reserved bits are zero."""
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, PONG, CLOSE):
            payload = b"" if opcode == CLOSE else b"Hello"
            yield bad(f"3 bits {rsv} on opcode {opcode}", [frame(opcode, payload, rsv=rsv), frame(PING)])
        begun = frame(TEXT, b"a", fin=False)
        yield bad(f"3 bits {rsv} on a continuation", [begun, frame(CONTINUATION, b"b", rsv=rsv), frame(PING)])
        yield bad(f"3 bits {rsv} after hello", [hello(), frame(TEXT, b"Hello", rsv=rsv), frame(PING)], HELLO)


def opcodes() -> Iterator[Case]:
    """Section 4: what has no meaning is refused."""
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"reserved"):
            wrong = frame(opcode, payload)
            yield bad(f"4 opcode {opcode} of {len(payload)}", [wrong])
            yield bad(f"4 opcode {opcode} of {len(payload)} after hello", [hello(), wrong, frame(PING)], HELLO)
            yield bad(f"4 opcode {opcode} of {len(payload)}, all in one write", [hello() + wrong + frame(PING)], HELLO)
        yield bad(f"4 opcode {opcode}, not final", [frame(opcode, b"a", fin=False)])


def fragmentation() -> Iterator[Case]:
    """Section 5: messages in several frames, with control frames between them and not within."""
    for kind, opcode in TYPES.items():
        both = Event(opcode, b"fragment1fragment2")
        start = frame(opcode, b"fragment1", fin=False)
        rest = frame(CONTINUATION, b"fragment2")
        more = frame(CONTINUATION, b"fragment2", fin=False)
        yield fine(f"5 {kind} in two", [start, rest], both)
        yield fine(f"5 {kind} in two, one write", [start + rest], both)
        pong = Event(PONG, b"ping")
        yield fine(f"5 {kind} in two, ping between", [start, frame(PING, b"ping"), rest], pong, both)
        yield fine(f"5 {kind} in two, ping between, one write", [start + frame(PING, b"ping") + rest], pong, both)
        yield fine(f"5 {kind} in two, ping answered between", [start, frame(PING, b"ping"), 1, rest], pong, both)
        yield fine(f"5 {kind} in two, pong between", [start, frame(PONG, b"pong"), rest], both)
        yield fine(f"5 {kind} in five, two pings", [
            start, more, frame(PING, b"one"), 1, more, more, frame(PING, b"two"), 2, rest,
        ], Event(PONG, b"one"), Event(PONG, b"two"), Event(opcode, b"fragment1" + b"fragment2" * 4))  # fmt: skip
        yield fine(f"5 {kind} twice in two", [start, rest, start, rest], both, both)
        yield fine(f"5 {kind} all empty", [frame(opcode, fin=False), frame(CONTINUATION)], Event(opcode, b""))
        yield fine(f"5 {kind} with empty ones", [
            frame(opcode, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION, b"x", fin=False),
            frame(CONTINUATION, fin=False), frame(CONTINUATION),
        ], Event(opcode, b"x"))  # fmt: skip
        long = Event(opcode, b"0123456789" * 300)
        yield fine(f"5 {kind} in 3000", [b"".join(fragments(opcode, long.payload, 1))], long)
        for new, begun in TYPES.items():
            yield bad(f"5 {kind}, then {new} in the middle", [start, frame(begun, b"new")])
            yield bad(f"5 {kind}, then unfinished {new} in the middle", [start, frame(begun, b"new", fin=False)])
        yield bad(f"5 {kind} done, then continued", [start, rest, more, hello()], both)
        yield bad(f"5 {kind} whole, then continued", [frame(opcode, b"x"), rest, hello()], Event(opcode, b"x"))
    for fin in (True, False):
        for payload in (b"", b"nothing to continue"):
            alone = frame(CONTINUATION, payload, fin=fin)
            yield bad(f"5 continuation of nothing, {fin=}, {len(payload)}", [alone, hello()])
            yield bad(f"5 continuation of nothing, {fin=}, {len(payload)}, one write", [alone + hello()])
    for opcode in (PING, PONG, CLOSE):
        yield bad(f"5 control frame {opcode} in two", [frame(opcode, fin=False), frame(CONTINUATION)])
        yield bad(f"5 control frame {opcode} in two within a message", [
            frame(TEXT, b"a", fin=False), frame(opcode, fin=False), frame(CONTINUATION, b"b"),
        ])  # fmt: skip


def utf8() -> Iterator[Case]:
    """Section 6: a text message is UTF-8, wherever its frames and writes are cut."""
    for kind, payloads in VALID.items():
        for number, payload in enumerate(payloads):
            echo = Event(TEXT, payload)
            yield fine(f"6 {kind} {number}", [frame(TEXT, payload)], echo)
            yield fine(f"6 {kind} {number} in fragments of 1", [b"".join(fragments(TEXT, payload, 1))], echo)
    for kind, payloads in INVALID.items():
        for number, payload in enumerate(payloads):
            yield from _bad_text(f"6 {kind} {number}", payload)
            echo = Event(BINARY, payload)
            yield fine(f"6 {kind} {number}, but binary", [frame(BINARY, payload)], echo)
    for number, payload in enumerate(INVALID["impossible octets"]):
        yield fine(f"6 ping with bad text {number}", [frame(PING, payload)], Event(PONG, payload))
    start, rest = frame(TEXT, "κό".encode()[:3], fin=False), frame(CONTINUATION, "κό".encode()[3:])
    split = Event(TEXT, "κό".encode())
    yield fine("6 a ping within a character", [start, frame(PING), 1, rest], Event(PONG, b""), split)
    yield fine("6 a character over two writes", pieces(frame(TEXT, split.payload), 9), split)
    good = Event(TEXT, "ä".encode() * 50_000)
    yield fine("6 characters over many writes", pieces(frame(TEXT, good.payload), 4095), good)
    yield bad("6 the next message does not finish a character", [frame(TEXT, b"\xc3"), frame(TEXT, b"\xa4")], code=1007)


def _bad_text(name: str, payload: bytes) -> Iterator[Case]:
    place = first_bad(payload)
    assert place is not None
    yield bad(f"{name}", [frame(TEXT, payload)], code=1007)
    yield bad(f"{name} after hello, one write", [hello() + frame(TEXT, b"ok" + payload) + hello()], HELLO, code=1007)
    yield bad(f"{name} in fragments of 1", [b"".join(fragments(TEXT, payload, 1))], code=1007)
    if place == len(payload):
        return  # only the end of the message makes it bad
    # Fail fast: nothing is sent behind the bad octet, though the header promises more.
    yield bad(f"{name} noticed within a frame", [frame(TEXT, payload[: place + 1], length=len(payload) + 9)], code=1007)
    good, wrong = frame(TEXT, payload[:place], fin=False), frame(CONTINUATION, payload[place : place + 1], fin=False)
    yield bad(f"{name} noticed within a message", [good, wrong], code=1007)
    # The pong proves that what came before the bad octet was still accepted.
    yield bad(f"{name} noticed not too early", [good, frame(PING), 1, wrong], Event(PONG, b""), code=1007)


def closing() -> Iterator[Case]:
    """Section 7: a close frame is echoed, once, and is the last that is heard."""

    def said(name: str, payload: bytes, code: int) -> Case:
        return Case(f"7 {name}", (frame(CLOSE, payload),), Outcome((), code))

    def after(name: str, *sends: bytes) -> Case:
        return Case(f"7 {name}", (hello(), BYE, *sends), Outcome((HELLO,), 1000), bool(sends))

    yield after("hello, then close")
    yield Case("7 hello and close in one write", (hello() + BYE,), Outcome((HELLO,), 1000))
    yield after("close twice", BYE)
    yield after("ping after close", frame(PING))
    yield after("text after close", hello())
    yield after("nonsense after close", b"\xff" * 100)
    yield Case("7 all after close in one write", (BYE + BYE + frame(PING) + hello(),), Outcome((), 1000), True)
    start, rest = frame(TEXT, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")
    yield Case("7 close within a message", (start, BYE, rest), Outcome((), 1000), True)
    long = Event(TEXT, b"BAsd7&jh23" * 26_000)
    yield Case("7 long text, close, ping", (frame(TEXT, long.payload), BYE, frame(PING)), Outcome((long,), 1000), True)

    yield said("empty", b"", 0)
    yield said("one octet", b"a", 1002)
    for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999):
        octets = code.to_bytes(2, "big")
        yield said(f"code {code}", octets, code)
        yield said(f"code {code} with a reason", octets + b"reason", code)
    for code in (0, 1, 255, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535):
        octets = code.to_bytes(2, "big")
        yield said(f"code {code} is refused", octets, 1002)
        yield said(f"code {code} with a reason is refused", octets + b"reason", 1002)
    normal = (1000).to_bytes(2, "big")
    yield said("reason of 123", normal + b"*" * 123, 1000)
    yield said("reason of 124", normal + b"*" * 124, 1002)
    yield said("reason beyond ASCII", normal + "schön, 世界".encode(), 1000)
    for kind, payloads in INVALID.items():
        for number, payload in enumerate(payloads):
            yield said(f"reason: {kind} {number}", normal + payload[:123], 1007)
    # The last words must not be lost to a reset when the client goes on talking.
    flood = b"\x00" * (1 << 20)
    yield bad("7 a violation, then a flood", [frame(3) + flood[:1000], flood], code=1002)
    yield Case("7 close, then a flood", (BYE, flood), Outcome((), 1000), True)


def long_fragments() -> Iterator[Case]:
    """Section 10: a long message in many frames of one size."""
    for kind, opcode in TYPES.items():
        for size in (1300, 64, 65535):
            echo = Event(opcode, b"*" * 65536)
            yield fine(f"10 {kind} of 65536 in frames of {size}", list(fragments(opcode, echo.payload, size)), echo)


def lengths() -> Iterator[Case]:
    """Section 11: clients mask, lengths take the fewest octets, and a message has a limit."""
    for opcode, payload in ((TEXT, b"Hello"), (BINARY, b""), (PING, b"Hello"), (PONG, b""), (CLOSE, b"\x03\xe8")):
        plain = frame(opcode, payload, mask=None)
        yield bad(f"11 opcode {opcode} unmasked", [plain])
        yield bad(f"11 opcode {opcode} unmasked after hello", [hello() + plain], HELLO)
        yield bad(f"11 opcode {opcode} unmasked within a message", [frame(TEXT, b"a", fin=False), plain])
    yield bad("11 continuation unmasked", [frame(TEXT, b"a", fin=False), frame(CONTINUATION, b"b", mask=None)])
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\xff\0\x80"):
        yield fine(f"11 mask {mask.hex()}", [frame(TEXT, HELLO.payload, mask=mask)], HELLO)
    for form, size in ((2, 0), (2, 1), (2, 125), (8, 0), (8, 125), (8, 126), (8, 65535)):
        for opcode in (TEXT, BINARY, PING):
            yield bad(f"11 opcode {opcode}, {size} in {form} octets", [frame(opcode, b"x" * size, form=form)])
    for opcode in (TEXT, BINARY, PING):
        for size in (1 << 63, (1 << 64) - 1, 1 << 63 | 5):
            yield bad(f"11 opcode {opcode} of {size:#x}", [frame(opcode, b"Hello", length=size)])
    for kind, opcode in TYPES.items():
        echo = Event(opcode, b"x" * MAX_MESSAGE)
        yield fine(f"11 {kind} of the largest size", [frame(opcode, echo.payload)], echo)
        for size in (MAX_MESSAGE + 1, 1 << 32, (1 << 63) - 1):
            yield bad(f"11 {kind} of {size:#x} is too large", [frame(opcode, length=size)], code=1009)
        half = frame(opcode, b"x" * (MAX_MESSAGE // 2), fin=False)
        over = frame(CONTINUATION, length=MAX_MESSAGE - MAX_MESSAGE // 2 + 1)
        yield bad(f"11 {kind} grows too large", [half, over], code=1009)


SECTIONS = (
    framing, pings, reserved_bits, opcodes, fragmentation, utf8, closing, long_fragments, lengths,
)  # fmt: skip
CASES = [case for section in SECTIONS for case in section()]
