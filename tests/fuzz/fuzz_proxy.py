"""Must hold: what begins a connection of a proxy is a header, the beginning of one, or refused as `bad-proxy-header`.

What has not come is never needed, a header is never longer than allowed, and no octet that comes
after it changes it.
"""

from ipaddress import ip_address

from qmq.errors import QmqError
from qmq.wire import proxy

SEEDS = [
    proxy.encode(("192.0.2.7", 4711), ("198.51.100.1", 443)),
    proxy.encode(("2001:db8::7", 4711), ("2001:db8::1", 443)),
    proxy.encode(None),
    proxy.encode(("192.0.2.7", 1), extra=b"\x02\0\x01x" * 20),
    proxy.SIGNATURE + b"\x21\x31\0\xd8" + bytes(216),
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n",
    b"PROXY UNKNOWN\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
]
TOKENS = [
    proxy.SIGNATURE, b"\x20", b"\x21", b"\x22", b"\x11", b"\x12", b"\x31", b"\0\x0c", b"\0\x24", b"\xff\xff",
    proxy.WORD, b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"\r\n", b" ",
]  # fmt: skip


def found(data):
    try:
        return proxy.parse(data)
    except QmqError as error:
        return error.code.name


def check(data):
    header = found(data)
    if header == "bad-proxy-header":
        assert found(data + b"x") == header
    elif header is None:
        assert len(data) < proxy.FIXED + proxy.MAX_EXTRA
    else:
        assert header.size <= min(len(data), proxy.FIXED + proxy.MAX_EXTRA)
        assert found(data[: header.size]) == header == found(data + b"more")
        assert found(data[: header.size - 1]) is None
        if header.address is not None:
            address, port = header.address
            assert str(ip_address(address)) == address and 0 <= port < 65536
