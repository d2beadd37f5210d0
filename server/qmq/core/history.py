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
from qmq.core.index import Index
from qmq.core.matcher import Matcher
from qmq.core.store import Keep, Ring, Store
from qmq.core.timers import Timers
from qmq.stats import Stats

# A rule's time is noted this many times while a message grows too old, so what is
# kept for a minute may stay for a second or two more.
_NOTES = 64

# Names that one pass may bring beyond the limit before its stores are settled early.
_SLACK = 256

# Steps through the names of a pattern after which one that asks whether anything is missing is told that it may be.
_MAX_STEPS = 5_000

# What grew too old is dropped from so many rings at once; the others have their turn at once after.
_MAX_EXPIRED = 512


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
        self._index = Index()

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
            ring.place = self._index.add(ring)
            self.note_empty(ring)
        return ring

    def settle(self, stores: Iterable[Store]) -> None:
        """Lets stores count what they took, then forgets names beyond the limit. At the end of a pass.

        Args:
            stores: All that have taken something since the last time. Another one that was
                made here must not be used after this, as it may be given up.

        """
        rings, index, number = self._rings, self._index, self.position()
        for store in stores:
            doubtful = store.settle()
            destination = store.destination
            place = rings[destination].place
            rings.move_to_end(destination)
            index.touch(place, number)
            if place.dropped < doubtful:
                index.lose(place, doubtful)
        while len(rings) > self.max_names:
            self._give_up()

    def whole(self, pattern: str, position: int) -> bool:
        """Whether nothing of this name or pattern is missing beyond a position. To be asked when all is settled."""
        if self.lost(pattern) > position:
            return False
        for step, store in enumerate(self.walk(pattern, position, losses=True)):
            if store is not None:
                store.trim()
                if store.dropped > position:
                    return False
            if step > _MAX_STEPS:
                return False
        return True

    def lost(self, pattern: str) -> int:
        """The largest number that a forgotten name of this name or pattern may have had."""
        if is_pattern(pattern):
            return max([shelf.lost for shelf in (self._none, *self._shelves)])
        return self._shelf_of(pattern).lost

    def walk(self, pattern: str, position: int, losses: bool = False) -> Iterator[Store | None]:
        """As `Index.walk`, in steps: the stores that may have something beyond a position, and None in between."""
        if is_pattern(pattern):
            return self._index.walk(pattern, position, losses)
        ring = self._rings.get(pattern)
        return iter(() if ring is None else (ring,))

    def describe(self) -> Iterable[Ring]:
        """All rings that have something."""
        return [ring for ring in self._rings.values() if len(ring)]

    def _shelf_of(self, destination: str) -> Shelf:
        numbers = self._rules.match(destination)
        return self._shelves[min(numbers)] if numbers else self._none

    # For the shelves

    def note_empty(self, ring: Ring) -> None:
        """Notes that a ring has nothing: the last one of those that have nothing."""
        ring.empty = True
        self._empty[ring] = None
        self._empty.move_to_end(ring)

    def note_used(self, ring: Ring) -> None:
        """Notes that a ring has something again."""
        ring.empty = False
        del self._empty[ring]

    def note_dropped(self, ring: Ring) -> None:
        """Notes that a ring has dropped something."""
        self._index.lose(ring.place, ring.dropped)

    def shrink(self) -> None:
        """Drops the oldest of all until the ceiling is kept."""
        while self.used > self.ceiling:
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
        self._index.remove(ring.place)
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
        self._clear_top()
        return self._heap[0][0] if self._heap else 0

    def _clear_top(self) -> None:
        """Sees to it that the first ring of the heap has the oldest message."""
        heap = self._heap
        while heap:
            number, key, ring = heap[0]
            if ring.first == number:
                break
            if ring.count:
                heapq.heapreplace(heap, (ring.first, key, ring))
            else:
                heapq.heappop(heap)
                ring.shelved = False

    @property
    def first(self) -> Ring:
        """The ring with the oldest message. Only while there is one."""
        return self._heap[0][2]

    def give_up(self, ring: Ring) -> None:
        """Lets go of a ring that has nothing."""
        self.lost = max(self.lost, ring.last)
        self._gone += ring.shelved
        self._clear_top()
        if self._gone * 4 > len(self._heap):
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
        history = self._history
        history.used += octets
        if not ring.count:
            history.note_empty(ring)
        else:
            if not ring.shelved:
                self._shelve(ring)
            if ring.empty:
                history.note_used(ring)
        if octets < 0:
            history.note_dropped(ring)
        elif history.used > history.ceiling:
            history.shrink()

    def _shelve(self, ring: Ring) -> None:
        ring.shelved = True
        heapq.heappush(self._heap, (ring.first, id(ring), ring))
        if not self._ticking:
            self._ticking = True
            self._wait()

    def _wait(self) -> None:
        self._timers.at(self._timers.clock() + self.keep.seconds / _NOTES, self._tick)

    def _tick(self) -> None:
        """Notes the time and, if a note is old enough, that what was there then is too old."""
        now, notes = self._timers.clock(), self._notes
        notes.append((now, self._history.position()))
        while notes and notes[0][0] <= now - self.keep.seconds:
            self.expired = notes.popleft()[1]
        self._expire()

    def _expire(self) -> None:
        """Drops what is too old, of some rings now and of the others soon."""
        for _ in range(_MAX_EXPIRED):
            if not 0 < self.oldest <= self.expired:
                break
            self.first.expire(self.expired)
        else:
            self._timers.at(self._timers.clock(), self._expire)
            return
        self._ticking = bool(self.oldest)
        if self._ticking:
            self._wait()
        else:
            self._notes.clear()
