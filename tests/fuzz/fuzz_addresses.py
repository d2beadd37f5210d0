"""Must hold: addresses, origins and forwarded headers are understood, or not; nothing raises.

An origin in its normal form is its own normal form; a page is of its own host; and only what
is an address becomes the address of a client.
"""

from ipaddress import ip_address

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qmq.addresses import is_loopback, normal_origin, parse_address, parse_network, place, same_host
from qmq.config import make
from qmq.errors import QmqError
from qmq.gateway.handlers import is_own_page
from qmq.gateway.origins import Origins
from qmq.gateway.proxies import Proxies

SEEDS = [
    b"https://www.example.org", b"HTTP://A:80", b"https://a:443", b"null", b"http://[::1]:8000", b"http://u@a", b"",
    b"10.0.0.1", b"::ffff:10.0.0.1", b"10.0.0.0/8", b"2001:db8::/32", b"1.1.1.1, 10.0.0.1", b"10.0.0.1:80", b"http://[",
    b"file:///x", b"a%00b", b"fe80::1%eth0", b"http://a.example/x?y#z",
]  # fmt: skip
TOKENS = [b"://", b":", b"/", b"[", b"]", b"@", b".", b",", b"%", b"::", b"http", b"10.0.0.1", b"\xc3\xa9", b" "]
CONFIG = make({"allowed_origins": ("https://a.example",)})
ORIGINS = Origins(CONFIG)
PROXIES = Proxies(("10.0.0.0/8", "2001:db8::/32"))


def check(data):
    text = data.decode("latin-1")
    origin = normal_origin(text)
    if origin is not None:
        assert normal_origin(origin) == origin
        assert same_host(origin, origin.partition("://")[2])
    parse_network(text)
    is_loopback(text)
    assert place(place(text)) == place(text)
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address
    check_request(text)


def check_request(text):
    plain = "".join(char for char in text if char.isprintable() and char.isascii())[:500]  # as HTTP lets it in
    headers = HTTPHeaders({"Host": "a.example"})
    for name in ("Origin", "Referer", "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto"):
        headers[name] = plain.strip()
    request = HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=headers)
    request.remote_ip, request.protocol = "10.0.0.9", "http"
    PROXIES.apply(request)
    if not request.remote_ip.startswith(("unknown-", "_")):
        assert str(ip_address(request.remote_ip)) == request.remote_ip
    assert request.protocol in ("http", "https")
    for missing in ("", "Origin", "Sec-Fetch-Site"):
        request.headers.pop(missing, None)
        is_own_page(request)
        try:
            ORIGINS.check(request)
        except QmqError as error:
            assert error.code.name == "bad-origin"
