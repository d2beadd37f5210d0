"""What programs hand over, as octets."""

import pytest

from qmq.client import body as bodies
from qmq.errors import QmqError

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


@pytest.mark.parametrize(("body", "error"), [(object(), TypeError), ({1j}, TypeError), ("\udcff", UnicodeEncodeError)])
def test_what_is_no_body(body, error):
    with pytest.raises(error):
        bodies.encode(body)


def test_a_header_that_no_frame_can_carry():
    assert bodies.frame("SEND", {"a": "b\nc"}, b"x") == b"SEND\na:b\\nc\ncontent-length:1\n\nx\0"
    with pytest.raises(QmqError) as error:
        bodies.frame("SEND", {"a": "\udcff"})
    assert error.value.code.name == "bad-header"
