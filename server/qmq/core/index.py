"""Which stores of a pattern have something beyond a position, without looking at those that have not.

The names of topics are a tree of words. Every node knows the number that was reached when
anything at or below it last came, and no child of it is newer; children are in the order of
these numbers. So a walk with a position sees those that changed since then, and what is below
a word that no pattern's word fits is never seen. What is kept is no affair of this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, repeat

from qmq.core.matcher import words_of_destination
from qmq.core.store import Store

# Levels of the tree, the kind (`/topic`) being the first. The words of a longer name beyond it
# are one: so a deep name takes no more memory than this many nodes.
_LEVELS = 9

_WORDS_PER_STEP = 4  # of those

_FEW = 32


class Node:
    """A word of names that begin alike. Made by `Index.add`."""

    __slots__ = ("dropped", "newest", "parent", "store", "touched", "word", "words")

    def __init__(self, word: str, parent: Node | None) -> None:
        self.word = word
        self.parent = parent
        self.store: Store | None = None
        self.touched = 0
        self.dropped = 0
        self.words: dict[str, Node] | None = None
        self.newest: Node | None = None  # the last of `words`


class Index:
    """The stores of topics by the words of their names."""

    def __init__(self) -> None:
        self._root = Node("", None)

    def add(self, store: Store) -> Node:
        """Adds a store; its place is for `touch`, `lose` and `remove`."""
        words = words_of_destination(store.destination)
        if len(words) > _LEVELS:
            words[_LEVELS - 1 :] = [".".join(words[_LEVELS - 1 :])]
        node = self._root
        for word in words:
            if node.words is None:
                node.words = {}
            child = node.words.get(word)
            if child is None:
                # Older than all others, until something comes; but those are in front of it.
                child = node.words[word] = node.newest = Node(word, node)
                child.touched = node.touched
            node = child
        node.store = store
        return node

    def remove(self, node: Node) -> None:
        """Takes a store out, and the words that only its name had."""
        node.store = None
        while node.store is None and not node.words and node.parent is not None:
            parent = node.parent
            assert parent.words is not None
            del parent.words[node.word]
            if parent.newest is node:
                parent.newest = None
            node = parent

    def touch(self, node: Node, number: int) -> None:
        """Notes that a store has taken something.

        Args:
            node: Its place.
            number: What was reached by now: not less than ever before.

        """
        while node.touched != number:
            node.touched = number
            parent = node.parent
            if parent is None:
                break
            if parent.newest is not node:
                words = parent.words
                assert words is not None
                del words[node.word]
                words[node.word] = parent.newest = node
            node = parent

    def lose(self, node: Node, number: int) -> None:
        """Notes that a store may have dropped everything up to a number."""
        place: Node | None = node
        while place is not None and place.dropped < number:
            place.dropped = number
            place = place.parent

    def walk(self, pattern: str, position: int, losses: bool = False) -> Iterator[Store | None]:
        """The stores whose names match and that may have taken something beyond a position.

        It may be left and gone on with later, whatever happens in between; what is new since it
        began is then not given.

        Args:
            pattern: A topic or pattern.
            position: After which number.
            losses: Whether only those are wanted that may have dropped something beyond it.

        Yields:
            A store or, for every other step, None.

        """
        shape = _Pattern(words_of_destination(pattern))
        stack = [(self._below(self._root, shape, shape.start, position, 1), shape.start)]
        while stack:
            nodes, state = stack[-1]
            node = next(nodes, None)
            if node is None:
                stack.pop()
                continue
            if node.touched <= position or (losses and node.dropped <= position):
                yield None
                continue
            level = len(stack)
            state = shape.step(state, node.word) if level < _LEVELS else shape.steps(state, node.word)
            if level == _LEVELS:
                yield from repeat(None, node.word.count(".") // _WORDS_PER_STEP)
            yield node.store if state & shape.end else None
            if state and node.words:
                stack.append((self._below(node, shape, state, position, level + 1), state))

    def _below(self, node: Node, shape: _Pattern, state: int, position: int, level: int) -> Iterator[Node]:
        """The children that a walk is to see."""
        words = node.words
        if words is None:
            return iter(())
        if not state & shape.wild and level < _LEVELS:
            return iter([words[word] for word, bit in shape.words.items() if state & bit and word in words])
        return _recent(words, position)


def _recent(words: dict[str, Node], position: int) -> Iterator[Node]:
    """The children that were touched after a position: a few at first, as many a walk ends there, then all others."""
    few = list(islice(reversed(words.values()), _FEW))
    for child in few:
        if child.touched <= position:
            return
        yield child
    if len(few) == _FEW:
        seen = set(few)
        rest = []
        for child in reversed(words.values()):
            if child.touched <= position:
                break
            if child not in seen:
                rest.append(child)
        yield from rest


class _Pattern:
    """A pattern as a machine that reads words. Its state is a set of bits: which of the pattern's words may come next.

    Attributes:
        start: The state before the first word.
        end: The bit of a state in which a name may end.
        words: For each word that is no wildcard, the bits of its places.
        wild: The bits of those that are.

    """

    __slots__ = ("_many", "_one", "end", "start", "wild", "words")

    def __init__(self, words: list[str]) -> None:
        self.words: dict[str, int] = {}
        self._one = self._many = 0
        bit, before = 1, ""
        for word in words:
            if word == "#" == before:
                continue  # two of them are no more than one
            before = word
            if word == "#":
                self._many |= bit
            elif word == "*":
                self._one |= bit
            else:
                self.words[word] = self.words.get(word, 0) | bit
            bit <<= 1
        self.end = bit
        self.wild = self._one | self._many
        self.start = 1 | (1 & self._many) << 1

    def step(self, state: int, word: str) -> int:
        """The state after one more word; 0 if nothing fits."""
        stays = state & self._many
        state = (state & (self.words.get(word, 0) | self._one)) << 1 | stays
        return state | (state & self._many) << 1

    def steps(self, state: int, words: str) -> int:
        """The state after words that are joined by dots."""
        for word in words.split("."):
            state = self.step(state, word)
        return state
