"""Must hold: what a SockJS client sends is a list of texts, or broken in the protocol's own words.

Each text is octets, or a `bad-frame`; and what we say as text or octets arrives as it was.
"""

import json

from qmq.errors import QmqError
from qmq.gateway.sockjs_transports import parse
from qmq.wire import sockjs, stomp

CONNECT = "CONNECT\naccept-version:1.2\n\n\0"
IN_BASE64 = "SEND\ndestination:/topic/a\ncontent-transfer-encoding:base64\n\n/wA=\0"
SEEDS = [
    json.dumps([CONNECT]).encode(), json.dumps(CONNECT).encode(), json.dumps([IN_BASE64, "\n"]).encode(),
    json.dumps(["\r\n" + IN_BASE64 + "\n"]).encode(), b'["\\ud83d\\ude00", "\\ud83d"]', b"[]", b"{}", b"[1]", b"null",
    b"[[]]", b'""', b'["",""]', b"[" * 3000, IN_BASE64.encode(), b"\xff", b'"\xed\xa0\x80"', b"NaN", b"1e999",
]  # fmt: skip
TOKENS = [
    b'"',
    b"[",
    b"]",
    b",",
    b"\\n",
    b"\\u0000",
    b"\\ud83d",
    b"content-transfer-encoding:base64",
    b"\n\n",
    b"=",
    b"\\",
]
WORDS = {"Payload expected.", "Broken JSON encoding."}


def check(data):
    try:
        messages = parse(data)
    except ValueError as error:
        assert str(error) in WORDS
        messages = [data.decode("utf-8", "surrogateescape")]
    for message in messages:
        assert isinstance(message, str)
        try:
            octets, text = sockjs.unframe(message)
        except QmqError as error:
            assert error.code.name == "bad-frame"
        else:
            assert isinstance(octets, bytes) and (not text or octets.decode() is not None)
    frame = stomp.encode("MESSAGE", {"destination": "/topic/a"}, data)
    (said,) = json.loads(sockjs.array(sockjs.frame(frame, stomp.is_text(frame)))[1:])
    octets, _ = sockjs.unframe(said)
    ((_, body),) = stomp.Decoder().feed(octets)
    assert body == data
