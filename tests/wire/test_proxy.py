"""The PROXY protocol's header: whole, cut at every octet, wrong in every way, and anything at all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.wire import proxy

FOUR = proxy.encode(("192.0.2.7", 4711), ("198.51.100.1", 443))
SIX = proxy.encode(("2001:db8::7", 4711), ("2001:db8::1", 443))
LOCAL = proxy.encode(None)

GOOD = {
    "IPv4": (FOUR, ("192.0.2.7", 4711)),
    "IPv6": (SIX, ("2001:db8::7", 4711)),
    "the proxy itself": (LOCAL, None),
    "the proxy itself, with what it likes to say": (proxy.encode(None, extra=b"\x03\0\x04abcd"), None),
    "more behind the addresses": (proxy.encode(("192.0.2.7", 1), extra=b"\x02\0\x01x" * 200), ("192.0.2.7", 1)),
    "a unix socket": (proxy.SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), None),
    "unspecified": (proxy.SIGNATURE + b"\x21\0\0\0", None),
    "a line, IPv4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n", ("192.0.2.7", 4711)),
    "a line, IPv6": (b"PROXY TCP6 2001:DB8::7 2001:db8::1 65535 0\r\n", ("2001:db8::7", 65535)),
    "a line, nobody": (b"PROXY UNKNOWN\r\n", None),
    "a line, nobody at length": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None),
}
BAD = {
    "HTTP": b"GET / HTTP/1.1\r\n",
    "another word": b"PROXIES TCP4 192.0.2.7 198.51.100.1 4711 443\r\n",
    "a line of another family": b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 443\r\n",
    "a line with one port": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
    "a line with one space more": b"PROXY TCP4  192.0.2.7 198.51.100.1 4711 443\r\n",
    "a line of one family with the addresses of another": b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
    "a line without our address": b"PROXY TCP4 192.0.2.7 here 4711 443\r\n",
    "a line with an address of no ASCII": b"PROXY TCP4 192.0.2.\xb2 198.51.100.1 4711 443\r\n",
    "a line with a port too large": b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
    "a line with a port below zero": b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 -1\r\n",
    "a line without an end": b"PROXY UNKNOWN " + b"f" * 93,
    "a line that ends too late": b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    "version 3": proxy.SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),
    "unknown command": proxy.SIGNATURE + b"\x22\x11\0\x0c" + bytes(12),
    "unknown family": proxy.SIGNATURE + b"\x21\x77\0\x0c" + bytes(12),
    "no room for the addresses": proxy.SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
    "no room for long addresses": proxy.SIGNATURE + b"\x21\x21\0\x0c" + bytes(12),
    "too long": proxy.SIGNATURE + b"\x21\x11\xff\xff",
}


@pytest.mark.parametrize("name", GOOD)
def test_whose_connection_it_is(name):
    data, address = GOOD[name]
    assert proxy.parse(data) == proxy.Header(len(data), address)
    assert proxy.parse(data + b"more") == proxy.Header(len(data), address)
    assert proxy.length(data) == len(data)
    for cut in range(len(data)):
        assert proxy.parse(data[:cut]) is None
        assert 0 < proxy.missing(data[:cut]) <= len(data) - cut  # so nothing of what follows is ever read
    assert proxy.missing(data) == 0


@pytest.mark.parametrize("name", BAD)
def test_what_is_none_is_refused(name):
    with pytest.raises(QmqError, match="bad-proxy-header"):
        proxy.parse(BAD[name])


@given(st.binary(max_size=300), st.sampled_from([b"", proxy.SIGNATURE, proxy.WORD, b"PROXY TCP4 ", b"PROXY TCP6 "]))
@example(b"\x21\x11\0\x0c" + bytes(12), proxy.SIGNATURE)
def test_anything(data, beginning):
    """What comes is a header, the beginning of one, or refused; and what is read is no more than what is there."""
    data = beginning + data
    try:
        found = proxy.parse(data)
    except QmqError as error:
        assert error.code.name == "bad-proxy-header"
        return
    assert found is None or found.size <= len(data) <= proxy.FIXED + proxy.MAX_EXTRA + 300


@given(st.ip_addresses().map(str), st.integers(0, 65535), st.binary(max_size=100))
def test_what_is_encoded_is_parsed(address, port, extra):
    data = proxy.encode((address, port), extra=extra)
    assert proxy.parse(data) == proxy.Header(len(data), (address, port))
