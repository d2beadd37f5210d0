"""What programs hand over, as octets."""

import math
from enum import StrEnum

import pytest

from qmq.client import body as bodies
from qmq.errors import QmqError
from qmq.wire import stomp

BODIES = [
    (b"\xff\0", b"\xff\0", None),
    (bytearray(b"a"), b"a", None),
    (memoryview(b"a"), b"a", None),
    ("tëxt", "tëxt".encode(), "text/plain"),
    ("", b"", "text/plain"),
    ({"a": [1, None]}, b'{"a": [1, null]}', "application/json"),
    (None, b"null", "application/json"),
]


@pytest.mark.parametrize(("body", "octets", "kind"), BODIES)
def test_bodies(body, octets, kind):
    assert bodies.encode(body) == (octets, {"content-type": kind} if kind else {})


NO_BODIES = [
    (object(), TypeError),
    ({1j}, TypeError),
    ("\udcff", UnicodeEncodeError),
    (math.nan, ValueError),
    ([math.inf], ValueError),
    ({"price": -math.inf}, ValueError),
]


@pytest.mark.parametrize(("body", "error"), NO_BODIES)
def test_what_is_no_body(body, error):
    with pytest.raises(error):
        bodies.encode(body)


def test_a_header_that_no_frame_can_carry():
    assert bodies.frame("SEND", {"a": "b\nc"}, b"x") == b"SEND\na:b\\nc\ncontent-length:1\n\nx\0"
    with pytest.raises(QmqError) as error:
        bodies.frame("SEND", {"a": "\udcff"})
    assert error.value.code.name == "bad-header"


VALUES = [("x", "x"), (5, "5"), (-1.5, "-1.5"), (True, "true"), (False, "false"), (StrEnum("E", "a").a, "a")]


# What is escaped takes another way than what is not, so each value is tried on both.
@pytest.mark.parametrize("other", [{}, {"note": "plain"}, {"note": "a:b"}, {"note": "\\"}])
@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (5, "5"), (-1.5, "-1.5"), (True, "true"), (False, "false"), (StrEnum("E", "a").a, "a")],
)
def test_header_values_are_text_on_either_path(value, text, other):
    (head, _), *more = stomp.Decoder().feed(bodies.frame("SEND", {"a": value, **other}))
    assert (head.headers, more) == ({"a": text, **other}, [])


@pytest.mark.parametrize("other", [{}, {"note": "plain"}, {"note": "a:b"}])
@pytest.mark.parametrize("value", [None, b"x", [], {}, 1j])
def test_header_values_that_are_no_text_are_refused(value, other):
    with pytest.raises(TypeError, match="header 'a' must be text or a number"):
        bodies.frame("SEND", {**other, "a": value})


def test_header_names_are_text():
    assert bodies.frame("SEND", {1: "a"}) == b"SEND\n1:a\n\n\0"
    with pytest.raises(TypeError, match="header None"):
        bodies.frame("SEND", {None: "a"})
