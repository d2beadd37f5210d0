"""Names of destinations: which are well formed, and which are patterns.

A destination is `/KIND/NAME`. A name is words joined by dots; in a pattern of topics a
word may be `*` (exactly one word) or `#` (any number of words, also none). An exchange
has a second part, the key: `/exchange/NAME/KEY`. This file only checks names; what a
destination does is decided by hub and registry.
"""

from __future__ import annotations

import re

from qmq.errors import QmqError

TOPIC = "/topic/"
QUEUE = "/queue/"
TEMP_QUEUE = "/temp-queue/"
EXCHANGE = "/exchange/"
KINDS = (TOPIC, QUEUE, TEMP_QUEUE, EXCHANGE)

# `/topic/a.b` is the key `a.b` on this exchange (AMQP 0-9-1, section 3.1.3.3).
TOPIC_EXCHANGE = "amq.topic"

MAX_NAME = 255  # characters, as AMQP's short strings have octets
MAX_WORDS = 32  # a name is matched word by word, so its depth has a bound too

_RESERVED = f"{TOPIC}system"

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


def check_name(destination: str) -> str:
    """Returns a destination that one may publish to; of several ways to write it, the usual one.

    Raises:
        QmqError: `bad-destination` for an unknown kind, `bad-pattern` for a
            malformed name or one with wildcards.

    """
    destination = check_pattern(destination)
    if is_pattern(destination) and not destination.startswith(EXCHANGE):
        raise QmqError("bad-pattern", f"wildcards are for subscriptions: {destination}")
    return destination


def check_pattern(destination: str) -> str:
    """Returns a destination that one may subscribe to; of several ways to write it, the usual one.

    Raises:
        QmqError: `bad-destination` for an unknown kind, `bad-pattern` for a
            malformed name.

    """
    if not destination.startswith(KINDS):
        raise QmqError("bad-destination", f"{destination[:64]!r} is none of {' '.join(KINDS)}")
    if len(destination) > MAX_NAME:
        raise QmqError("bad-pattern", f"longer than {MAX_NAME} characters")
    if _FORBIDDEN.search(destination):
        raise QmqError("bad-pattern", f"{destination!r} has blanks or control characters")
    if destination.startswith(EXCHANGE):
        name, key = split_exchange(destination)
        if not name:
            raise QmqError("bad-pattern", f"{destination!r} needs the name of an exchange")
        if name != TOPIC_EXCHANGE:
            return destination
        destination = TOPIC + key
    _check_words(destination)
    return destination


def _check_words(destination: str) -> None:
    name = words_of(destination)
    if "" in name or len(name) > MAX_WORDS:
        raise QmqError("bad-pattern", f"{destination!r} needs 1 to {MAX_WORDS} words joined by dots")
    if ">" in name:
        raise QmqError("bad-pattern", f"{destination!r}: > is no wildcard here, write # for any number of words")
    if not destination.startswith(TOPIC):
        if is_pattern(destination):
            raise QmqError("bad-pattern", f"{destination!r}: only topics have patterns")
    elif any(len(word) > 1 and ("*" in word or "#" in word) for word in name):
        raise QmqError("bad-pattern", f"{destination!r}: * and # stand for whole words only")


def is_pattern(destination: str) -> bool:
    """Whether a checked destination has wildcards."""
    return ("*" in destination or "#" in destination) and not {"*", "#"}.isdisjoint(words_of(destination))


def is_reserved(destination: str) -> bool:
    """Whether a topic is one that only the server publishes to: `/topic/system` and all below it."""
    return destination.startswith(_RESERVED) and destination[len(_RESERVED) :][:1] in ("", ".")


def check_not_reserved(destination: str) -> None:
    """Checks that a message that comes from a client may go there.

    Raises:
        QmqError: `forbidden`.

    """
    if is_reserved(destination):
        raise QmqError("forbidden", f"only the server publishes to {destination}")


def words_of(destination: str) -> list[str]:
    """The words of a destination's name, its kind left out."""
    return destination[destination.index("/", 1) + 1 :].split(".")


def split_exchange(destination: str) -> tuple[str, str]:
    """Name and key of `/exchange/NAME/KEY`; the key may be missing."""
    name, _, key = destination[len(EXCHANGE) :].partition("/")
    return name, key
