"""Addresses and origins as text: what is one, and when two are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.addresses import is_loopback, normal_origin, parse_address, parse_network, place, same_host

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
