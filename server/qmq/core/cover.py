"""Whether one pattern of destinations covers another: all that the second can match, the first matches too.

This is how access is decided, so what is in doubt is not covered. Patterns are those of
topics (`*` one word, `#` any number of words, also none), for every kind of destination.
An exchange has two of them, its name and its key: `/exchange/NAME` covers all keys. A
word that is `*` or `#` in a name that is no pattern is taken for one, which only makes
more of what is asked for. Nothing here knows who asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qmq.core.destination import EXCHANGE, KINDS, MAX_NAME, split_exchange, words_of
from qmq.errors import QmqError

EVERYTHING = "#"  # as a pattern: all destinations of all kinds

_KINDS = (*KINDS, "/manage/")
_WILD = frozenset("*# ")
_ANY = ("#",)


@dataclass(frozen=True, slots=True)
class Shape:
    """A destination or pattern, taken apart: its kind, the words of its name, for an exchange those of its key."""

    kind: str
    words: tuple[str, ...]
    key: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == EVERYTHING:
            return EVERYTHING
        key = ".".join(self.key)
        return f"{self.kind}{'.'.join(self.words)}{'/' if key else ''}{key}"

    def covers(self, asked: Shape) -> bool:
        """Whether everything that `asked` matches is matched by this one too."""
        if self.kind != asked.kind:
            return self.kind == EVERYTHING
        return _covers(self.words, asked.words) and _covers(self.key, asked.key)


def shape_of(destination: str, *, key: Sequence[str] = ()) -> Shape:
    """Takes a destination or pattern apart. Nothing is checked here.

    Args:
        destination: `/KIND/NAME`, or `/exchange/NAME/KEY`, or `#` for everything.
        key: What the key of an exchange is that names none; `("#",)` for all keys.

    """
    if destination == EVERYTHING:
        return Shape(EVERYTHING, _ANY, _ANY)
    if destination.startswith(EXCHANGE):
        name, found = split_exchange(destination)
        return Shape(EXCHANGE, _plain(name.split(".")), _plain(found.split(".") if found else key))
    slash = destination.find("/", 1)
    if slash < 0:  # nothing that there is has such a name
        return Shape(destination, ())
    return Shape(destination[: slash + 1], _plain(words_of(destination)))


def allowing(pattern: str) -> Shape:
    """The shape of a pattern that allows: an exchange without a key stands for all its keys."""
    return shape_of(pattern, key=_ANY)


def check_allowing(pattern: str) -> str:
    """Returns a pattern that may stand in a rule, as it came.

    Raises:
        QmqError: `bad-destination` for an unknown kind, `bad-pattern` for a malformed one.

    """
    if pattern == EVERYTHING:
        return pattern
    if not pattern.startswith(_KINDS):
        raise QmqError("bad-destination", f"{pattern[:64]!r} is none of {' '.join(_KINDS)} and is not #")
    if len(pattern) > MAX_NAME:
        raise QmqError("bad-pattern", f"longer than {MAX_NAME} characters")
    shape = allowing(pattern)
    for word in (*shape.words, *shape.key):
        if word not in ("*", "#") and (not word or not word.isprintable() or not _WILD.isdisjoint(word)):
            raise QmqError("bad-pattern", f"{pattern!r} has words joined by dots; * and # stand for whole words")
    return pattern


def _plain(words: Iterable[str]) -> tuple[str, ...]:
    """Words with each run of wildcards in its one usual form: as many `*` as it needs words, and `#` last, once."""
    found: list[str] = []
    open_ended = False
    for word in words:
        if word == "#":
            open_ended = True
            continue
        if open_ended and word != "*":
            found.append("#")
            open_ended = False
        found.append(word)
    return (*found, "#") if open_ended else tuple(found)


def _covers(allowed: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Walks `asked`, holding all places in `allowed` that what was read so far may have led to."""
    live = _beyond_hashes(allowed, {0})
    for word in asked:
        step = set()
        for place in live:
            here = allowed[place] if place < len(allowed) else ""
            if here == "#":
                step.add(place)
            elif word != "#" and here in ("*", word) and place < len(allowed):
                step.add(place + 1)
        live = _beyond_hashes(allowed, step)
        if not live:
            return False
    return len(allowed) in live


def _beyond_hashes(words: tuple[str, ...], places: set[int]) -> set[int]:
    """These places, and those behind each `#` among them, which may stand for no word at all."""
    found = set(places)
    for place in places:
        while place < len(words) and words[place] == "#":
            place += 1
            found.add(place)
    return found
