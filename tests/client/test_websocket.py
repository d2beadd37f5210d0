"""A client's end of WebSocket: the handshake whatever way it is cut, refusals, pings and goodbyes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.client.address import parse
from qmq.client.websocket import WebSocket
from qmq.wire import websocket
from qmq.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT


def begun():
    """A carrier, and the answer that it waits for."""
    carrier = WebSocket(parse("ws://me:secret@h:1/x?y=1"))
    hello = carrier.hello().decode()
    assert hello.startswith("GET /x?y=1 HTTP/1.1\r\nHost: h:1\r\n")
    assert "secret" not in hello
    key = re.search("Sec-WebSocket-Key: (.*)\r\n", hello).group(1)
    answer = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {websocket.accept_key(key)}\r\n\r\n"
    return carrier, answer.encode()


def open_one():
    carrier, answer = begun()
    assert carrier.receive(answer) == b""
    assert carrier.ready
    return carrier


def frames(data):
    """What a server reads."""
    return websocket.Decoder().feed(data)


@given(cuts=st.lists(st.integers(0, 120)))
def test_however_the_handshake_is_cut(cuts):
    carrier, answer = begun()
    data = answer + websocket.encode(TEXT, b"one") + websocket.encode(BINARY, b"\xfftwo")
    begin, found = 0, b""
    for cut in [*sorted(cuts), len(data)]:
        found += carrier.receive(data[begin:cut])
        begin = max(begin, cut)
    assert (found, carrier.reason, carrier.ready) == (b"one\xfftwo", None, True)


def test_frames_are_messages_of_their_own_text_if_they_can_be():
    assert frames(open_one().carry([b"a\0", b"\xff\0", "ë".encode()])) == [
        (TEXT, b"a\0"), (BINARY, b"\xff\0"), (TEXT, "ë".encode()),
    ]  # fmt: skip


def test_pings_are_answered():
    carrier = open_one()
    assert carrier.receive(websocket.encode(PING, b"1") + websocket.encode(TEXT, b"x")) == b"x"
    assert frames(carrier.answer) == [(PONG, b"1")]


@pytest.mark.parametrize(("number", "name"), [(1012, "shutting-down"), (4010, "queue-full"), (4999, "connection-lost")])
def test_a_goodbye_says_why_once_what_came_before_is_taken(number, name):
    carrier = open_one()
    assert carrier.receive(websocket.encode(TEXT, b"x") + websocket.encode_close(number, "why")) == b"x"
    assert (carrier.reason.code.name, carrier.reason.detail) == (name, "why")
    assert frames(carrier.answer) == [(CLOSE, number.to_bytes(2, "big"))]


def refused(*answer):
    carrier, _ = begun()
    for data in answer:
        assert carrier.receive(data) == b""
    return carrier.reason


def problem(status, code, **more):
    body = json.dumps({"code": code, **more}).encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n" % (status, len(body)), body


def test_refusals():
    assert refused(b"HTTP/1.1 404 Not Found\r\n\r\n").detail == "the server answered 'HTTP/1.1 404 Not Found'"
    full = refused(*problem(503, "too-many-connections", detail="2 are allowed"))
    assert (full.code.name, full.detail) == (
        "connect-failed", "the server answered 'HTTP/1.1 503 No': too-many-connections: 2 are allowed",
    )  # fmt: skip
    origin = refused(*problem(403, "bad-origin"))
    assert (origin.code.name, origin.code.retry) == ("bad-origin", False)
    head, body = problem(403, "bad-origin")
    assert refused(head, body[:-1]) is None  # it waits for the rest
    assert refused(head, b"x" * len(body)).code.name == "connect-failed"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"code": 1}', b'{"code": []}', b"[" * 10_000, b"\xff"])
def test_refusals_that_are_nonsense(body):
    answer = b"HTTP/1.1 500 x\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert refused(answer + body).code.name == "connect-failed"


def test_an_answer_without_end():
    assert refused(*[b"x: y\r\n" * 1000] * 20).code.name == "connect-failed"


@given(st.binary(max_size=300))
def test_any_octets_are_taken_or_refused(data):
    for carrier in (begun()[0], open_one()):
        carrier.receive(data)
        assert carrier.reason is None or carrier.reason.code.name
