"""Must hold: a STOMP decoder never raises; however its octets are cut, it gives the same frames and the same error.

Besides, no frame passes the limits, after an error there is nothing more, and a frame that is
encoded again is decoded to the same. The first octet chooses the version, and whether what is too large is skipped.
"""

import json
from pathlib import Path

from qmq.wire import stomp
from tests.fuzz.harness import pieces

VECTORS = json.loads((Path(__file__).parents[1] / "vectors/stomp.json").read_text("utf-8"))
SEEDS = [b"\0" + case["bytes"].encode("latin-1") for case in VECTORS["cases"]]
SEEDS += [b"\4" + seed[1:] for seed in SEEDS[::2]] + [
    b"\4SEND\nreceipt:r\ncontent-length:300\n\n" + b"x" * 300 + b"\0SEND\n\n\0",
    b"\4SEND\nx:" + b"y" * 400 + b"\nreceipt:r\n\nbody\0SEND\n\n\0",
]
SEEDS += [b"\1" + seed[1:] * 2 for seed in SEEDS[::3]] + [b"\2" + seed[1:] for seed in SEEDS[::4]]
TOKENS = [
    b"\n", b"\r\n", b"\0", b"\n\n", b"\n\n\0", b":", b"\\n", b"\\c", b"\\r", b"\\\\", b"\\t", b"SEND\n", b"CONNECT\n",
    b"DISCONNECT\n", b"content-length:", b"content-length:3\n", b"destination:/topic/a\n", b"receipt:r\n", b"\xff",
    b"content-length:201\n", b"x" * 201, b"a:b\n" * 7, b"x:" + b"y" * 301,
]  # fmt: skip
LIMITS = {"max_body": 200, "max_headers": 6, "max_header_bytes": 300}


def decoded(version, skips, chunks):
    decoder = stomp.CountingDecoder(version, **LIMITS)
    decoder.skips = skips
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    assert decoder.frames == len(frames)
    assert len(decoder._tail) <= 2 * sum(LIMITS.values()) + max(map(len, chunks), default=0)
    if decoder.error is not None:
        assert decoder.feed(b"SEND\n\n\0") == []
    told = [(head.command, head.headers, body, head.error and head.error.code.name) for head, body in frames]
    return told, decoder.error


def check(data):
    version = stomp.VERSIONS[data[0] % 3] if data else "1.2"
    skips, octets = bool(data) and data[0] % 8 > 3, data[1:]
    whole, error = decoded(version, skips, [octets])
    cut, cut_error = decoded(version, skips, pieces(octets))
    assert whole == cut
    assert (error and error.code) == (cut_error and cut_error.code)
    for command, headers, body, skipped in whole:
        if skipped:
            assert skips and not body and len(headers) <= 5
            continue
        assert len(body) <= LIMITS["max_body"] and len(headers) <= LIMITS["max_headers"]
        check_again(version, command, headers, body)


def check_again(version, command, headers, body):
    """What was decoded can be encoded, but for what older versions and CONNECT cannot write."""
    if version == "1.0" or command in stomp.UNESCAPED or "content-length" in headers:
        return
    if version == "1.1" and any("\r" in text for text in (*headers, *headers.values())):
        return
    decoder = stomp.Decoder(version)
    ((head, again),) = decoder.feed(stomp.encode(command, headers, body, version))
    assert (head.command, again) == (command, body)
    assert {**headers, **({"content-length": str(len(body))} if body else {})} == head.headers
