"""Which patterns match a name. Cost depends on the name, not on how many do not match.

Exact names are found in a dictionary. Patterns are a tree of words: to match is to
walk it with the name's words, level by level, holding all nodes that what was read
so far may have led to. It never tries anything twice, and never calls itself: a word
of the name costs at most one look at each node held. Values are compared by identity
or as they themselves compare, and kept in no order.

Not safe for several threads; each hub and each topic exchange has one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain
from typing import Generic, TypeVar

from qmq.core.destination import words_of

V = TypeVar("V", bound=Hashable)


def words_of_destination(destination: str) -> list[str]:
    """The words of `/topic/a.b`, the kind (`/topic`) being the first, so that one matcher serves all kinds."""
    return [destination[: destination.index("/", 1)], *words_of(destination)]


def words_of_key(key: str) -> list[str]:
    """The words of an AMQP routing key: none if it is empty, empty ones if dots follow each other (0-9-1, 3.1.3.3)."""
    return key.split(".") if key else []


def normal_form(words: Sequence[str]) -> list[str]:
    """The same pattern with its wildcards in one order: of those beside each other all `*` first, then one `#` at most.

    So patterns that say the same in many ways, such as `#.*.#` and `*.#`, cost what one does.
    """
    found: list[str] = []
    stars, many = 0, False
    for word in (*words, ""):
        if word == "*":
            stars += 1
        elif word == "#":
            many = True
        else:
            found += ["*"] * stars + ["#"] * many + [word]
            stars, many = 0, False
    return found[:-1]


class _Node(Generic[V]):
    """What patterns with the same first words share. Its wildcards are apart: a name's word `*` is a word."""

    __slots__ = ("many", "one", "values", "words")

    def __init__(self) -> None:
        self.words: dict[str, _Node[V]] = {}
        self.one: _Node[V] | None = None
        self.many: _Node[V] | None = None
        self.values: dict[V, tuple[str, ...]] = {}  # and how the patterns were spelled that have led here

    def __bool__(self) -> bool:
        return bool(self.values or self.words) or self.one is not None or self.many is not None

    def child(self, word: str) -> _Node[V] | None:
        if word == "*":
            return self.one
        return self.many if word == "#" else self.words.get(word)

    def grow(self, word: str) -> _Node[V]:
        child: _Node[V] = _Node()
        if word == "*":
            self.one = child
        elif word == "#":
            self.many = child
        else:
            self.words[word] = child
        return child

    def prune(self, word: str) -> None:
        if word == "*":
            self.one = None
        elif word == "#":
            self.many = None
        else:
            del self.words[word]


class Matcher(Generic[V]):
    """A set of (name or pattern, value) pairs, searchable by name.

    A pattern has a word that is `*` (exactly one word) or `#` (any number of words, also
    none). All else is a name, also one with a word such as `a*b`. Nothing is checked here.

    Args:
        path: Splits a name or pattern into words; by default those of a destination.

    """

    def __init__(self, path: Callable[[str], Sequence[str]] = words_of_destination) -> None:
        self._path = path
        self._names: dict[str, dict[V, None]] = {}
        self._root: _Node[V] = _Node()
        self._patterns = 0

    def add(self, pattern: str, value: V) -> bool:
        """Adds a pair; returns whether it is new. Adding it again changes nothing."""
        if not self._is_pattern(pattern):
            values = self._names.setdefault(pattern, {})
            is_new = value not in values
            values[value] = None
            return is_new
        ways = self._grow(pattern).values
        spelled = ways.get(value, ())
        if pattern in spelled:
            return False
        ways[value] = (*spelled, pattern)
        self._patterns += 1
        return True

    def remove(self, pattern: str, value: V) -> None:
        """Takes a pair out, and with it whatever held nothing else.

        Raises:
            KeyError: If the pair is not there.

        """
        if self._is_pattern(pattern):
            self._remove_pattern(pattern, value)
            return
        values = self._names[pattern]
        del values[value]
        if not values:
            del self._names[pattern]

    def match(self, name: str) -> list[V]:
        """The values of all names and patterns that match, each once."""
        exact = self._names.get(name, ())
        nodes = self._walk(self._path(name)) if self._patterns else ()
        if not nodes:
            return list(exact)
        found = dict.fromkeys(exact)
        for node in nodes:
            found.update(dict.fromkeys(node.values))
        return list(found)

    def _is_pattern(self, text: str) -> bool:
        return ("*" in text or "#" in text) and not {"*", "#"}.isdisjoint(self._path(text))

    def _grow(self, pattern: str) -> _Node[V]:
        node = self._root
        for word in normal_form(self._path(pattern)):
            node = node.child(word) or node.grow(word)
        return node

    def _remove_pattern(self, pattern: str, value: V) -> None:
        trail: list[tuple[_Node[V], str]] = []
        node = self._root
        for word in normal_form(self._path(pattern)):
            trail.append((node, word))
            child = node.child(word)
            if child is None:
                raise KeyError(pattern)
            node = child
        spelled = node.values[value]
        if pattern not in spelled:
            raise KeyError(pattern)
        left = tuple(each for each in spelled if each != pattern)
        if left:
            node.values[value] = left
        else:
            del node.values[value]
        self._patterns -= 1
        while trail and not node:
            node, word = trail.pop()
            node.prune(word)

    def _walk(self, words: Sequence[str]) -> list[_Node[V]]:
        """All nodes at which a pattern may end that matches these words."""
        # `open_ended` are those reached by a `#`. It may take every word that comes, so they stay for
        # good; kept apart in a dictionary, none is there twice, however many ways lead to it.
        live = [self._root]
        open_ended: dict[_Node[V], None] = dict.fromkeys(_hashes(self._root))
        for word in words:
            step = []
            for node in chain(live, open_ended) if open_ended else live:
                child = node.words.get(word)
                if child is not None:
                    step.append(child)
                if node.one is not None:
                    step.append(node.one)
            live = step
            for node in live:
                if node.many is not None and node.many not in open_ended:
                    open_ended.update(dict.fromkeys(_hashes(node)))
            if not live and not open_ended:
                break
        return [*live, *open_ended]


def _hashes(node: _Node[V]) -> Iterator[_Node[V]]:
    """The nodes that patterns reach from here by `#`, `#.#` and so on, with no word."""
    below = node.many
    while below is not None:
        yield below
        below = below.many
