"""Must hold: a destination is one, in its usual form, or refused as `bad-destination` or `bad-pattern`.

One that is accepted is its own usual form, fits on one line, can be put into a matcher, and matches itself.
"""

from qmq.core.destination import MAX_NAME, check_name, check_pattern, is_pattern, is_reserved, split_exchange, words_of
from qmq.core.matcher import Matcher
from qmq.errors import QmqError

SEEDS = [
    b"/topic/a", b"/topic/a.b.c", b"/topic/a.*.c", b"/topic/#", b"/topic/a.#.b", b"/queue/a.b", b"/temp-queue/x",
    b"/exchange/amq.topic/a.b", b"/exchange/own/k", b"/exchange/amq.fanout", b"/exchange//", b"/topic/", b"topic/a",
    "/topic/größe.日本".encode(), b"/topic/" + b"a." * 40, b"/topic/system.peers", b"/topic/" + b"x" * 300, b"/",
]  # fmt: skip
TOKENS = [
    b"/topic/",
    b"/queue/",
    b"/exchange/",
    b"amq.topic/",
    b".",
    b"..",
    b"*",
    b"#",
    b"/",
    b" ",
    b"\0",
    b"\xe2\x80\xa8",
]


def checked(check_it, text):
    try:
        return check_it(text)
    except QmqError as error:
        assert error.code.name in ("bad-destination", "bad-pattern")
        return None


def check(data):
    text = data.decode("utf-8", "replace")
    name, pattern = checked(check_name, text), checked(check_pattern, text)
    assert name is None or name == pattern
    if pattern is None:
        return
    assert check_pattern(pattern) == pattern and len(pattern) <= MAX_NAME
    assert len(pattern.splitlines()) == 1 and " " not in pattern
    is_reserved(pattern)
    if pattern.startswith("/exchange/"):
        split_exchange(pattern)
        return
    words_of(pattern)
    matcher = Matcher()
    matcher.add(pattern, 1)
    if not is_pattern(pattern):
        assert matcher.match(pattern) == [1]
    matcher.match("/topic/a.b.c")
    matcher.remove(pattern, 1)
    assert matcher.match(pattern) == []
