"""Frames that are too large are skipped to their end, however they are cut, and nothing of them is kept."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.wire import stomp, stomp_skip

LIMITS = {"max_body": 100, "max_headers": 5, "max_header_bytes": 200}
NEXT = b"SEND\ndestination:/topic/next\n\nhere\0"


def decoder(**more):
    made = stomp.Decoder(**LIMITS, **more)
    made.skips = True
    return made


def heads(frames):
    return [(head.command, head.headers, head.error and head.error.code.name) for head, _ in frames]


SKIPPED = {
    "body": (
        b"SEND\ndestination:/topic/a\nreceipt:r\ncontent-length:5000\n\n" + b"\0" * 5000 + b"\0",
        "frame-too-large",
    ),
    "body of one too many": (b"SEND\nreceipt:r\ncontent-length:101\n\n" + b"x" * 101 + b"\0", "frame-too-large"),
    "body without a length": (b"SEND\nreceipt:r\n\n" + b"x" * 5000 + b"\0", "frame-too-large"),
    "long header": (b"SEND\nbig:" + b"x" * 5000 + b"\nreceipt:r\n\nbody\0", "headers-too-large"),
    "long header and body": (
        b"SEND\nreceipt:r\nbig:" + b"x" * 5000 + b"\ncontent-length:900\n\n" + b"\0" * 900 + b"\0",
        "headers-too-large",
    ),
    "many headers": (b"SEND\nreceipt:r\n" + b"a:b\n" * 6 + b"\nbody\0", "headers-too-large"),
    "many headers with CR LF": (b"SEND\r\nreceipt:r\r\n" + b"a:b\r\n" * 6 + b"\r\nbody\0", "headers-too-large"),
    "ACK that repeats a content-length": (
        b"ACK\nid:7\nreceipt:r\nbig:" + b"x" * 5000 + b"\ncontent-length:5\n\n\0",
        "headers-too-large",
    ),
    "subscription": (b"SUBSCRIBE\nid:7\nreceipt:r\nbig:" + b"x" * 5000 + b"\n\n\0", "headers-too-large"),
}


@pytest.mark.parametrize("name", SKIPPED)
@pytest.mark.parametrize("size", [1, 7, 100, 1000, 100_000])
def test_frame_that_is_too_large_is_skipped_however_it_is_cut(name, size):
    data, code = SKIPPED[name]
    feeding = decoder()
    data = NEXT + data + NEXT + data + NEXT
    frames = [frame for at in range(0, len(data), size) for frame in feeding.feed(data[at : at + size])]
    assert feeding.error is None and feeding.idle
    assert [error for _, _, error in heads(frames)] == [None, code, None, code, None]
    assert frames[0][1] == frames[2][1] == frames[4][1] == b"here"
    head, body = frames[1]
    assert (head.headers["receipt"], body) == ("r", b"")


def test_its_sender_is_known_by_short_headers_only():
    frames = decoder().feed(
        b"SEND\ndestination:/topic/a\\c\nid:1\ntransaction:t\nreceipt:r\nreceipt:s\nown:x\ncontent-length:500\n\n"
        + b"x" * 501
        + b"\0"
    )
    assert frames == []
    frames = decoder().feed(
        b"SEND\ndestination:/topic/a\\c\nid:1\ntransaction:t\nreceipt:r\ncontent-length:500\n\n" + b"x" * 500 + b"\0"
    )
    expected = {"destination": "/topic/a:", "id": "1", "transaction": "t", "receipt": "r"}
    assert heads(frames) == [("SEND", expected, "frame-too-large")]


THE_END = {
    "NUL in the headers": (b"SEND\nx:" + b"y" * 300 + b"\0\n\n\0", "headers-too-large"),
    "no NUL after it": (b"SEND\ncontent-length:500\n\n" + b"x" * 600, "bad-frame"),
    "a length that is none": (b"SEND\nx:" + b"y" * 300 + b"\ncontent-length:z\n\n\0", "bad-frame"),
    "a length beyond all": (b"SEND\ncontent-length:99999999999\n\n", "frame-too-large"),
    "no command": (b"x" * 9000 + b"\n\n\0", "headers-too-large"),
    "a bad command": (b"send it\nx:" + b"y" * 300 + b"\n\n\0", "headers-too-large"),
    "a bad escape": (b"SEND\nreceipt:\\t\ncontent-length:500\n\n" + b"x" * 500 + b"\0", "bad-escape"),
}


@pytest.mark.parametrize("name", THE_END)
@pytest.mark.parametrize("size", [1, 64, 100_000])
def test_uncertain_end_is_the_end_of_reading(name, size):
    data, code = THE_END[name]
    feeding = decoder()
    frames = [frame for at in range(0, len(data), size) for frame in feeding.feed(data[at : at + size])]
    assert frames == []
    assert feeding.error.code.name == code
    assert feeding.feed(NEXT) == []


@pytest.mark.parametrize("name", SKIPPED)
def test_stock_client_is_refused_as_before(name):
    data, code = SKIPPED[name]
    feeding = stomp.Decoder(**LIMITS)
    assert feeding.feed(data + NEXT) == []
    assert feeding.error.code.name == code


def test_skipping_has_an_end_and_costs_no_memory(monkeypatch):
    monkeypatch.setattr(stomp_skip, "LARGEST", 1 << 20)
    for begin in (b"SEND\n\n", b"SEND\nx:", b"SEND\ncontent-length:1048576\n\n"):
        feeding = decoder()
        feeding.feed(begin)
        piece, fed = b"x" * 4096, 0
        while feeding.error is None:
            assert feeding.feed(piece) == []
            fed += len(piece)
            kept = feeding._skipper and len(feeding._skipper._line)
            assert sys.getsizeof(feeding._tail) < 1000 and (kept or 0) <= 4096
        assert (1 << 20) <= fed <= (1 << 20) + 8192
        assert feeding.error.code.name in ("frame-too-large", "headers-too-large", "bad-frame")


def test_many_in_one_piece_cost_no_depth_and_no_copies():
    data = (b"SEND\n" + b"a:b\n" * 6 + b"\n\0") * 20_000
    frames = decoder().feed(data)
    assert len(frames) == 20_000
    assert {head.error.code.name for head, _ in frames} == {"headers-too-large"}


@given(st.binary(max_size=300), st.integers(1, 40))
def test_garbage_never_raises(data, size):
    feeding = decoder()
    feeding.feed(b"SEND\nx:" + b"y" * 300 + b"\n")
    for at in range(0, len(data), size):
        feeding.feed(data[at : at + size])
