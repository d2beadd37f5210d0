"""Addresses and origins as text: what is one, and when two are the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.addresses import is_loopback, normal_origin, origin_pattern, parse_address, parse_network, place, same_host

# as written: in its normal form
ORIGINS = {
    "https://www.example.org": "https://www.example.org",
    "HTTPS://WWW.Example.ORG": "https://www.example.org",
    "https://www.example.org:443": "https://www.example.org",
    "http://www.example.org:80": "http://www.example.org",
    "http://www.example.org:443": "http://www.example.org:443",
    "wss://a:443": "wss://a",
    "http://[::1]:80": "http://[::1]",
    "http://[::1]:8000": "http://[::1]:8000",
    "chrome-extension://abcdef": "chrome-extension://abcdef",
}
NO_ORIGINS = [
    "null", "", "*", "://", "http://", "http://a/", "http://a/b", "http://a?b", "http://a#b", "http://u@a", "a", "//a",
    "http://a:b", "http://a:123456", "http://a:", "http://a b", "http://[", "http://[::1", "http://a\\b", "http://a\n",
    "http://a:80:80", "1http://a",
]  # fmt: skip


@pytest.mark.parametrize("text", ORIGINS)
def test_an_origin_has_one_form(text):
    assert normal_origin(text) == ORIGINS[text]


@pytest.mark.parametrize("text", NO_ORIGINS)
def test_what_is_no_origin(text):
    assert normal_origin(text) is None


@given(st.text() | st.from_regex(r"[a-z]{1,5}://[a-z.:@\[\]/0-9\\]{0,12}", fullmatch=True))
def test_a_normal_form_is_its_own_normal_form(text):
    found = normal_origin(text)
    assert found is None or normal_origin(found) == found


# entry of the configuration: origins that it stands for, and origins that it does not
PATTERNS = {
    "https://a.example": (["https://a.example"], ["http://a.example", "https://a.example:1", "https://b.a.example"]),
    "HTTPS://A.example:443": (["https://a.example"], ["https://a.example:443"]),
    "https://*.a.example": (
        ["https://b.a.example", "https://c.b.a.example"],
        ["https://a.example", "http://b.a.example", "https://ba.example", "https://b.a.example:8443", "https://.a.example",
         "https://evil/.a.example", "https://b.a.example.evil", "https://bxa.example"],
    ),
    "https://*.a.example:8443": (["https://b.a.example:8443"], ["https://b.a.example"]),
    "https://*.a.example:*": (["https://b.a.example:8443", "https://b.a.example"], ["https://a.example"]),
    "http://localhost:*": (["http://localhost", "http://localhost:5173"], ["http://localhost.evil", "https://localhost"]),
    "http://[::1]:*": (["http://[::1]:80", "http://[::1]"], ["http://[::2]"]),
    "null": (["null"], ["nullx", "file://"]),
    "file://": (["file://"], ["null", "file:///x"]),
    "capacitor://localhost": (["capacitor://localhost"], ["http://localhost"]),
}  # fmt: skip
NO_PATTERNS = ["*.a.example", "https://*", "https://*.", "https://a.*", "https://a*.b", "https://a/", "a", "", "https://a:b",
               "https://*.*.a", "file:///", "https://a:**"]  # fmt: skip


@pytest.mark.parametrize("text", PATTERNS)
def test_what_an_allowed_origin_stands_for(text):
    pattern = re.compile(origin_pattern(text))
    good, bad = PATTERNS[text]
    assert [each for each in good if not pattern.fullmatch(each)] == []
    assert [each for each in bad if pattern.fullmatch(each)] == []


@pytest.mark.parametrize("text", NO_PATTERNS)
def test_what_can_match_no_origin(text):
    assert origin_pattern(text) is None


# origin, Host header: whether they are the same
HOSTS = {
    ("https://a", "a"): True,
    ("https://a", "a:443"): True,
    ("https://a", "A"): True,
    ("http://a", "a:80"): True,
    ("http://a", "a:443"): False,
    ("https://a", "a:80"): False,
    ("http://a:8000", "a:8000"): True,
    ("https://a:8000", "a:8000"): True,
    ("http://a:8000", "a"): False,
    ("http://a", "a.evil"): False,
    ("http://a", "evil@a"): False,
    ("http://a", ""): False,
    ("http://[::1]:8000", "[::1]:8000"): True,
}


@pytest.mark.parametrize(("origin", "host"), HOSTS)
def test_same_host(origin, host):
    assert same_host(origin, host) == HOSTS[origin, host]


def test_places():
    assert place("127.0.0.1") == "127.0.0.1"
    assert place("::ffff:127.0.0.1") == "127.0.0.1"
    assert place("2001:db8::1") == place("2001:db8:0:0:ffff::2") == "2001:db8::/64"
    assert place("2001:db8:0:1::1") != place("2001:db8::1")
    assert place("") == ""
    assert place("a:b") == "a:b"


def test_addresses_and_networks():
    assert str(parse_address("::ffff:10.0.0.1")) == "10.0.0.1"
    assert parse_address("10.0.0") is None
    assert parse_address("10.0.0.1:80") is None
    assert str(parse_network("10.0.0.1")) == "10.0.0.1/32"
    assert parse_network("10.0.0.1/8") is None
    assert parse_network("x") is None


def test_loopback():
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "example.org", "10.0.0.1", "localhost.example.org", ""):
        assert not is_loopback(host)
