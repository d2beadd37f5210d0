"""Bodies of requests: as they are or packed, in pieces, too large, or wrong."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.gateway.body import Body


class Connection:
    """Notes how much is to be read."""

    def set_max_body_size(self, size):
        self.size = size


def received(octets, size=1 << 20, most=1000, **headers):
    """What has come, in pieces of this size; or the code and detail of why it has not."""
    body = Body(most, Connection())
    try:
        body.begin({name.replace("_", "-"): value for name, value in headers.items()})
        for at in range(0, len(octets), size):
            body.feed(octets[at : at + size])
        return body.whole()
    except QmqError as error:
        return error.code.name, error.detail


def test_four_times_as_much_is_read_as_is_taken():
    connection = Connection()
    Body(1000, connection)
    assert connection.size == 4000


@given(st.binary(max_size=1000), st.integers(1, 300))
def test_what_is_sent_has_come(octets, size):
    assert received(octets, size) == octets
    assert received(octets, size, Content_Encoding="identity") == octets
    assert received(gzip.compress(octets), size, Content_Encoding="GZip") == octets


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_too_much(size):
    wanted = ("body-too-large", "a request's body has at most 1000 octets")
    assert received(bytes(1001), size) == wanted
    assert received(gzip.compress(bytes(10_000_000)), size, Content_Encoding="gzip") == wanted
    assert received(gzip.compress(bytes(1000)), size, Content_Encoding="gzip") == bytes(1000)


def test_what_is_no_gzip():
    assert received(b"plain", Content_Encoding="gzip") == ("bad-request", "the body is no gzip")
    cut = gzip.compress(b"x" * 100)[:-1]
    assert received(cut, Content_Encoding="gzip") == ("bad-request", "the body is cut off: its gzip has no end")
    assert received(b"", Content_Encoding="gzip")[0] == "bad-request"
    assert received(b"", Content_Encoding="br")[0] == "unsupported-type"
