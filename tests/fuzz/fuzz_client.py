"""Must hold: a client's end of WebSocket never raises; however a server's octets are cut, it hears the same.

That is: the same octets of STOMP, the same reason for the end, the same answers. Before the
handshake is through it hears nothing. In the input, `ACCEPT` stands for the right key.
"""

from qmq.client.address import parse
from qmq.client.websocket import WebSocket
from qmq.wire import websocket
from tests.fuzz.harness import pieces
from tests.helpers import KEY

ADDRESS = parse("ws://127.0.0.1")
HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n"
BODY = b'{"code": "bad-token", "detail": "x"}'
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 36\r\n\r\n" + BODY
FRAMES = [
    websocket.encode(websocket.TEXT, b"CONNECTED\nversion:1.2\n\n\0"),
    websocket.encode(websocket.BINARY, b"\xff\n"),
    websocket.encode(websocket.PING, b"p"),
    websocket.encode_close(1012, "later"),
    websocket.encode_close(4999),
    websocket.encode_masked(websocket.TEXT, b"x", b"mask"),
]
SEEDS = [HEAD, HEAD[:-2], HEAD.replace(b"101", b"200"), REFUSED, REFUSED[:-1], REFUSED.replace(b"401", b"503")]
SEEDS += [HEAD + frame + other for frame in FRAMES for other in FRAMES]
TOKENS = [
    b"\r\n\r\n",
    b"ACCEPT",
    b"101",
    b"Content-Length: ",
    b'"code"',
    b'"closed"',
    b"\x81\x01",
    b"\x88\x02",
    b"[",
    b"{",
]


def heard(octets, cut):
    carrier = WebSocket(ADDRESS)
    carrier._key = KEY  # or each would be told in words of its own
    octets = octets.replace(b"ACCEPT", websocket.accept_key(KEY).encode())
    found = b""
    for piece in pieces(octets) if cut else [octets]:
        if carrier.reason is not None:
            break
        found += carrier.receive(piece)
        assert carrier.ready or not found
    kinds = [kind for kind, _ in websocket.Decoder().feed(carrier.answer)]
    reason = carrier.reason
    return carrier.ready, found, kinds, reason and (reason.code, reason.detail)


def check(data):
    assert heard(data, False) == heard(data, True)
