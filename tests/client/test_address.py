"""Addresses as people write them."""

import pytest

from qmq.client.address import parse
from qmq.errors import QmqError

GOOD = {
    "stomp://h": (False, False, "h", 61613, "/stomp"),
    "stomps://h": (False, True, "h", 61614, "/stomp"),
    "stomp://[::1]:7": (False, False, "::1", 7, "/stomp"),
    "ws://h": (True, False, "h", 80, "/stomp"),
    "http://h:8000/": (True, False, "h", 8000, "/stomp"),
    "wss://h/x/y?z=1#part": (True, True, "h", 443, "/x/y?z=1"),
    "https://h?z=%20": (True, True, "h", 443, "/stomp?z=%20"),
}


@pytest.mark.parametrize("url", GOOD)
def test_what_an_address_says(url):
    found = parse(url)
    assert (found.websocket, found.secure, found.host, found.port, found.path) == GOOD[url]
    assert (found.login, found.passcode) == ("", "")


def test_what_is_secret_is_not_shown():
    found = parse("wss://me:p%40ss@h:1/x?token=secret#y")
    assert (found.login, found.passcode, found.authority) == ("me", "p@ss", "h:1")
    assert found.url == "wss://h:1/x"
    with pytest.raises(QmqError) as error:
        parse("ftp://me:secret@h")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["", "h:1", "ftp://h", "stomp://", "ws://[::1", "ws://h:x", "ws://h:99999", "//h"])
def test_what_is_no_address(url):
    with pytest.raises(QmqError) as error:
        parse(url)
    assert error.value.code.name == "connect-failed"
