"""Names of destinations: which are well formed, and which are patterns.

A destination is `/KIND/NAME`. A name is words joined by dots; in a pattern a word
may be `*` (exactly one word) or, `#` (any number of words, also none). This file
only checks; what a destination does is decided by the hub.
"""

from __future__ import annotations

import re

from qmq.errors import QmqError

TOPIC = "/topic/"
KINDS = (TOPIC,)

MAX_NAME = 255  # characters, as AMQP's short strings have octets
MAX_WORDS = 32  # a name is matched word by word, so its depth has a bound too

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


def check_name(destination: str) -> str:
    """Returns a destination that one may publish to, as it came.

    Raises:
        QmqError: `bad-destination` for an unknown kind, `bad-pattern` for a
            malformed name or one with wildcards.

    """
    if is_pattern(check_pattern(destination)):
        raise QmqError("bad-pattern", f"wildcards are for subscriptions: {destination}")
    return destination


def check_pattern(destination: str) -> str:
    """Returns a destination that one may subscribe to, as it came.

    Raises:
        QmqError: `bad-destination` for an unknown kind, `bad-pattern` for a
            malformed name.

    """
    if not destination.startswith(KINDS):
        raise QmqError("bad-destination", f"{destination[:64]!r} is none of {' '.join(KINDS)}")
    if len(destination) > MAX_NAME:
        raise QmqError("bad-pattern", f"longer than {MAX_NAME} characters")
    name = words_of(destination)
    if _FORBIDDEN.search(destination) or "" in name or len(name) > MAX_WORDS:
        raise QmqError("bad-pattern", f"{destination!r} needs 1 to {MAX_WORDS} words joined by dots, without blanks")
    if any(len(word) > 1 and ("*" in word or "#" in word) for word in name):
        raise QmqError("bad-pattern", f"{destination!r}: * and # stand for whole words only")
    return destination


def is_pattern(destination: str) -> bool:
    """Whether a checked destination has wildcards."""
    return ("*" in destination or "#" in destination) and not {"*", "#"}.isdisjoint(words_of(destination))


def words_of(destination: str) -> list[str]:
    """The words of a destination's name, its kind left out."""
    return destination[destination.index("/", 1) + 1 :].split(".")
