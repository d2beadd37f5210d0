"""What topics keep: a store for each name, and whether all since a position is still there.

The rings of one rule share its clock of numbers: now and then the number reached so
far is noted with the time, and what is older than a note of long ago is too old. So
time costs nothing per message. All rings together have a ceiling; beyond it the oldest
message of all goes first.

A name whose messages are all gone is remembered, with the number of the last one, as
long as there is room for names. Beyond that, names are forgotten at the end of a pass,
when everything is settled: first those that have nothing, then those that were published
to longest ago. Positions before the last number of a forgotten name count as not
recoverable for any name of the same rule. Nothing else stays of it.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from qmq.core.destination import is_pattern
from qmq.core.matcher import Matcher
from qmq.core.message import Message
from qmq.core.store import Keep, Ring, Store, offset_of
from qmq.core.timers import Timers
from qmq.stats import Stats

# A rule's time is noted this many times while a message grows too old, so what is
# kept for a minute may stay for a second or two more.
_NOTES = 64

_RELIEF = 0.95  # of the ceiling: beyond it rings drop messages down to this

# Names that one pass may bring beyond the limit before its stores are settled early.
_SLACK = 256

# Patterns whose names are kept at hand.
_MAX_WATCHED = 256


class History:
    """The stores of one origin's topics.

    Args:
        timers: For what grows too old.
        rules: How much which topics keep, by pattern; the first that matches is
            the one. What matches none keeps nothing.
        ceiling: Octets of all rings together.
        max_names: Topics that are remembered at the end of a pass.
        stats: Where what the ceiling drops is counted.

    Attributes:
        used: Octets of all rings.
        forget: Called with the destination of a store that is given up.
        position: Says the number that was reached.

    """

    def __init__(
        self,
        timers: Timers,
        rules: Sequence[tuple[str, Keep]] = (),
        ceiling: int = 256 << 20,
        max_names: int = 10_000,
        stats: Stats | None = None,
    ) -> None:
        self.used = 0
        self.ceiling = ceiling
        self.max_names = max_names
        self.forget: Callable[[str], None] = lambda destination: None
        self.position: Callable[[], int] = lambda: 0
        self.stats = stats or Stats()
        self._shelves = [Shelf(self, keep, timers) for _, keep in rules]
        self._rules: Matcher[int] = Matcher()
        for number, (pattern, _) in enumerate(rules):
            self._rules.add(pattern, number)
        self._none = Shelf(self, Keep(0, 0, 0.0), timers)
        self._rings: OrderedDict[str, Ring] = OrderedDict()  # the last one is that which was settled last
        self._empty: OrderedDict[Ring, None] = OrderedDict()  # likewise
        self._watched: dict[str, list[Ring]] = {}  # by pattern: the rings whose names match
        self._watching: Matcher[str] = Matcher()

    def __len__(self) -> int:
        return len(self._rings)

    @property
    def crowded(self) -> bool:
        """Whether stores are to be settled before another one is made."""
        return len(self._rings) >= self.max_names + _SLACK

    def store(self, destination: str) -> Ring:
        """The store of a topic, which is made if need be. It stays at least until `settle` is called."""
        ring = self._rings.get(destination)
        if ring is None:
            shelf = self._shelf_of(destination)
            ring = self._rings[destination] = Ring(destination, shelf.keep, shelf)
            self._empty[ring] = None
            for pattern in self._watching.match(destination):
                self._watched[pattern].append(ring)
        return ring

    def settle(self, stores: Iterable[Store]) -> None:
        """Lets stores count what they took, then forgets names beyond the limit. At the end of a pass.

        Args:
            stores: All that have taken something since the last time. Another one that was
                made here must not be used after this, as it may be given up.

        """
        rings = self._rings
        for store in stores:
            store.settle()
            rings.move_to_end(store.destination)
        while len(rings) > self.max_names:
            self._give_up()

    def dropped(self, pattern: str) -> int:
        """The largest number below which something of this name or pattern may be missing."""
        rings = self._matching(pattern, trimmed=True)
        if is_pattern(pattern):
            return max([shelf.lost for shelf in (self._none, *self._shelves)] + [ring.dropped for ring in rings])
        shelf = self._shelf_of(pattern)
        return max([shelf.lost, *[ring.dropped for ring in rings]])

    def after(self, pattern: str, position: int) -> Iterator[Message]:
        """What is still there beyond a position, in the order of numbers. To be used at once."""
        parts = [ring.after(position) for ring in self._matching(pattern) if ring.last > position]
        return parts[0] if len(parts) == 1 else heapq.merge(*parts, key=offset_of)

    def describe(self) -> Iterable[Ring]:
        """All rings that have something."""
        return [ring for ring in self._rings.values() if len(ring)]

    def _shelf_of(self, destination: str) -> Shelf:
        numbers = self._rules.match(destination)
        return self._shelves[min(numbers)] if numbers else self._none

    def _matching(self, pattern: str, trimmed: bool = False) -> Sequence[Ring]:
        if is_pattern(pattern):
            rings: Sequence[Ring] = self._watched[pattern] if pattern in self._watched else self._watch(pattern)
        else:
            ring = self._rings.get(pattern)
            rings = () if ring is None else (ring,)
        if trimmed:
            for ring in rings:
                ring.trim()
        return rings

    def _watch(self, pattern: str) -> list[Ring]:
        if len(self._watched) >= _MAX_WATCHED:
            oldest = next(iter(self._watched))
            del self._watched[oldest]
            self._watching.remove(oldest, oldest)
        single: Matcher[bool] = Matcher()
        single.add(pattern, True)
        found = self._watched[pattern] = [ring for name, ring in self._rings.items() if single.match(name)]
        self._watching.add(pattern, pattern)
        return found

    # For the shelves

    def grew(self, ring: Ring, octets: int) -> None:
        """Notes that a ring takes so much more, or less."""
        self.used += octets
        self._empty.pop(ring, None)
        if not ring.count:
            self._empty[ring] = None
        if self.used > self.ceiling and octets > 0:
            self._shrink()

    def _shrink(self) -> None:
        """Drops the oldest of all until the ceiling is kept."""
        goal = int(self.ceiling * _RELIEF)
        while self.used > goal:
            oldest = self._oldest()
            if oldest is None:
                break
            oldest.drop_oldest()
            self.stats.add("history_evicted")

    def _oldest(self) -> Ring | None:
        """The ring with the oldest message."""
        shelves = [shelf for shelf in self._shelves if shelf.oldest]
        return min(shelves, key=lambda shelf: shelf.oldest).first if shelves else None

    def _give_up(self) -> None:
        """Forgets a name: one that has nothing, or that was published to longest ago."""
        ring = next(iter(self._empty)) if self._empty else next(iter(self._rings.values()))
        while ring.count:
            ring.drop_oldest()
            self.stats.add("history_evicted")
        shelf = self._shelf_of(ring.destination)
        shelf.give_up(ring)
        del self._empty[ring], self._rings[ring.destination]
        for pattern in self._watching.match(ring.destination):
            self._watched[pattern].remove(ring)
        self.forget(ring.destination)

    def __repr__(self) -> str:
        return f"<history of {len(self._rings)} topics, {self.used} octets>"


class Shelf:
    """The rings of one rule, by the age of what they have.

    Attributes:
        keep: The rule.
        expired: The last number that is too old.
        lost: Before this number, what forgotten names had is not known any more.

    """

    def __init__(self, history: History, keep: Keep, timers: Timers) -> None:
        self.keep = keep
        self.expired = 0
        self.lost = 0
        self._history = history
        self._timers = timers
        self._heap: list[tuple[int, int, Ring]] = []  # by the number of the oldest, which may be gone
        self._notes: deque[tuple[float, int]] = deque()
        self._ticking = False
        self._gone = 0  # rings in the heap that were given up, or more

    @property
    def oldest(self) -> int:
        """The number of the oldest message of all; 0 if there is none."""
        heap = self._heap
        while heap:
            number, key, ring = heap[0]
            if ring.first == number:
                return number
            if ring.count:
                heapq.heapreplace(heap, (ring.first, key, ring))
            else:
                heapq.heappop(heap)
                ring.shelved = False
        return 0

    @property
    def first(self) -> Ring:
        """The ring with the oldest message. Only while there is one."""
        return self._heap[0][2]

    def give_up(self, ring: Ring) -> None:
        """Lets go of a ring that has nothing."""
        self.lost = max(self.lost, ring.last)
        self._gone += ring.shelved
        if self._gone * 2 > len(self._heap):
            self._sweep()

    def _sweep(self) -> None:
        """Takes rings without messages out of the heap, the given up ones among them."""
        for _, _, ring in self._heap:
            ring.shelved = bool(ring.count)
        self._heap = [entry for entry in self._heap if entry[2].shelved]
        heapq.heapify(self._heap)
        self._gone = 0

    def grew(self, ring: Ring, octets: int) -> None:
        """Notes that a ring takes so much more, or less."""
        if ring.count and not ring.shelved:
            ring.shelved = True
            heapq.heappush(self._heap, (ring.first, id(ring), ring))
            if not self._ticking:
                self._ticking = True
                self._wait()
        self._history.grew(ring, octets)

    def _wait(self) -> None:
        self._timers.at(self._timers.clock() + self.keep.seconds / _NOTES, self._tick)

    def _tick(self) -> None:
        """Notes the time, and drops what was there at a note that is old enough."""
        now, notes = self._timers.clock(), self._notes
        notes.append((now, self._history.position()))
        while notes and notes[0][0] <= now - self.keep.seconds:
            self.expired = notes.popleft()[1]
        while 0 < self.oldest <= self.expired:
            self.first.trim()
        self._ticking = bool(self.oldest)
        if self._ticking:
            self._wait()
        else:
            notes.clear()
