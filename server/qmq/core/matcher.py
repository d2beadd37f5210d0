"""Which patterns match a name. Cost depends on the name, not on how many do not match.

Exact names are found in a dictionary. Patterns are a tree of words: to match is to
walk it with the name's words, taking at each level the child of that word, the
`*` child and the `#` child. Values are compared by identity and kept in no order.

Not safe for several threads; each hub has one of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from qmq.core.destination import is_pattern, words_of

V = TypeVar("V", bound=Hashable)


class _Node(Generic[V]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.values: dict[V, None] = {}


class Matcher(Generic[V]):
    """A set of (destination or pattern, value) pairs, searchable by name.

    The kind (`/topic`) counts as the first word, so one matcher serves all kinds.
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[V, None]] = {}
        self._root: _Node[V] = _Node()
        self._patterns = 0

    def add(self, pattern: str, value: V) -> None:
        """Adds a pair; adding it again changes nothing."""
        if not is_pattern(pattern):
            self._names.setdefault(pattern, {})[value] = None
            return
        node = self._root
        for word in _path(pattern):
            node = node.children.setdefault(word, _Node())
        if value not in node.values:
            self._patterns += 1
        node.values[value] = None

    def remove(self, pattern: str, value: V) -> None:
        """Takes a pair out, and with it whatever held nothing else.

        Raises:
            KeyError: If the pair is not there.

        """
        if not is_pattern(pattern):
            values = self._names[pattern]
            del values[value]
            if not values:
                del self._names[pattern]
            return
        trail = [(self._root, "")]
        for word in _path(pattern):
            trail.append((trail[-1][0].children[word], word))
        del trail[-1][0].values[value]
        self._patterns -= 1
        while len(trail) > 1:
            node, word = trail.pop()
            if node.values or node.children:
                break
            del trail[-1][0].children[word]

    def match(self, name: str) -> list[V]:
        """The values of all patterns that match, each once."""
        found = dict(self._names.get(name, ()))
        if self._patterns:
            for node in self._walk(self._root, _path(name), 0, set()):
                found.update(node.values)
        return list(found)

    def _walk(self, node: _Node[V], words: list[str], depth: int, seen: set[tuple[int, int]]) -> Iterator[_Node[V]]:
        # `seen` keeps `#.#.#` from trying every way to share out the same words.
        if (id(node), depth) in seen:
            return
        seen.add((id(node), depth))
        many = node.children.get("#")
        if many is not None:
            for rest in range(depth, len(words) + 1):
                yield from self._walk(many, words, rest, seen)
        if depth == len(words):
            yield node
            return
        for word in (words[depth], "*"):
            child = node.children.get(word)
            if child is not None:
                yield from self._walk(child, words, depth + 1, seen)


def _path(destination: str) -> list[str]:
    return [destination[: destination.index("/", 1)], *words_of(destination)]
