"""Must hold: a WebSocket decoder never raises; however its octets are cut, it gives the same messages and error.

Besides, no message passes the limit, text is valid UTF-8, control frames are short, and after
an error nothing more comes. The first octet chooses the side and how the rest is cut.
"""

from itertools import pairwise

from qmq.wire import websocket
from tests.fuzz.harness import pieces
from tests.helpers import ws

MAX = 300
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = (
    websocket.TEXT, websocket.BINARY, websocket.CONTINUATION, websocket.CLOSE, websocket.PING, websocket.PONG,
)  # fmt: skip
MESSAGES = [
    ws(b"hello"), ws(b"", BINARY), ws("größer 😀".encode()), ws(b"x" * 200, BINARY), ws(b"x" * 301),
    ws(b"a", fin=False) + ws(b"b", CONTINUATION, fin=False) + ws(b"p", PING) + ws(b"c", CONTINUATION),
    ws("é".encode()[:1], fin=False) + ws("é".encode()[1:], CONTINUATION), ws(b"\xed\xa0\x80"), ws(b"\xff"),
    ws(b"\x03\xe8bye", CLOSE), ws(b"", CLOSE), ws(b"\x03", CLOSE), ws(b"\x03\xe7", CLOSE), ws(b"x" * 125, PONG),
    ws(b"x" * 126, PING), ws(b"x", 3), ws(b"x", CONTINUATION), ws(b"x" * 70_000)[:400], ws(b"x" * 7, mask=b"\0\0\0\0"),
]  # fmt: skip
SEEDS = [bytes((number % 2,)) + message for number, message in enumerate(MESSAGES * 2)]
SEEDS += [b"\2" + first + second for first, second in pairwise(MESSAGES)]
TOKENS = [
    b"\x81",
    b"\x82",
    b"\x80",
    b"\x00",
    b"\x88",
    b"\x89",
    b"\x8a",
    b"\xfe\x00",
    b"\xff",
    b"\x85",
    b"\xc3",
    b"\xf0\x9f",
]


def decoded(masked, chunks):
    decoder = websocket.Decoder(masked=masked, max_message=MAX)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    if decoder.error is not None:
        assert decoder.feed(ws(b"x")) == []
    return events, decoder.error


def check(data):
    masked = not (data and data[0] & 1)
    octets = data[1:]
    whole, error = decoded(masked, [octets])
    cut, cut_error = decoded(masked, pieces(octets))
    assert whole == cut
    assert (error and error.code) == (cut_error and cut_error.code)
    for opcode, payload in whole:
        assert opcode in (TEXT, BINARY, CLOSE, PING, PONG)
        assert len(payload) <= (MAX if opcode <= BINARY else 125)
        if opcode == TEXT:
            payload.decode()
        if opcode == CLOSE:
            websocket.close_code(payload)
            payload[2:].decode()
            assert (opcode, payload) == whole[-1]
