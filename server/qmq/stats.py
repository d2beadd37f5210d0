"""Counters by name. Whatever is refused, dropped or ended is counted here.

A node has one `Stats`. Its connections have a child of it each: what they count is
counted for the node too. Destinations have one by their own name, which stands beside
the node's. Names of counters are fixed by their first use and end up in the operator's
view as they are, so they say what was counted, in plural. Counting is one dictionary
update; nothing here waits, logs or reads a clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

# Destinations beyond this number share one entry: clients choose their names. Those that
# nobody uses any more make room before; of them no more than this are kept at all.
_MAX_NAMED = 10_000
_MAX_RETIRED = 1_000
OTHERS = "(others)"
PRIVATE = "(private)"  # all queues that belong to one connection


class Stats:
    """What happened since the start, as numbers that only grow.

    Args:
        parent: Where everything is counted too.

    """

    __slots__ = ("_counts", "_named", "_parent", "_retired")

    def __init__(self, parent: Stats | None = None) -> None:
        # Made when first needed: most connections never count anything.
        self._counts: dict[str, int] | None = None
        self._named: dict[str, Stats] | None = None
        self._retired: OrderedDict[str, None] | None = None
        self._parent = parent

    def add(self, name: str, amount: int = 1) -> None:
        """Counts `amount` more of `name`."""
        counts = self._counts
        if counts is None:
            counts = self._counts = {}
        counts[name] = counts.get(name, 0) + amount
        if self._parent is not None:
            self._parent.add(name, amount)

    def of(self, name: str) -> Stats:
        """The counters of one destination."""
        if self._named is None:
            self._named = {}
        if self._retired:
            self._retired.pop(name, None)
        found = self._named.get(name)
        if found is None:
            if len(self._named) >= _MAX_NAMED and not self._forget_retired():
                name = OTHERS
            found = self._named.setdefault(name, Stats())
        return found

    def forget(self, name: str) -> None:
        """Lets go of the counters of a destination that is no more."""
        if self._named is not None:
            self._named.pop(name, None)
        if self._retired:
            self._retired.pop(name, None)

    def retire(self, name: str) -> None:
        """Notes that nobody counts for a destination any more: what was counted stays until many others retire."""
        counters = self._named.get(name) if self._named is not None else None
        if counters is None or name == OTHERS:
            return
        if not counters._counts:
            self.forget(name)
            return
        if self._retired is None:
            self._retired = OrderedDict()
        self._retired[name] = None
        if len(self._retired) > _MAX_RETIRED:
            self._forget_retired()

    def _forget_retired(self) -> bool:
        """Forgets the destination that has retired first, if there is one."""
        if not self._retired:
            return False
        self.forget(self._retired.popitem(last=False)[0])
        return True

    def names(self) -> list[str]:
        """The destinations that have counters."""
        return list(self._named.copy()) if self._named else []

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0) if self._counts else 0

    def snapshot(self) -> dict[str, int]:
        """All counts so far, sorted by name."""
        return dict(sorted(self._counts.copy().items())) if self._counts else {}

    def by_destination(self, names: Iterable[str] | None = None) -> dict[str, dict[str, int]]:
        """The counts of every destination that has any, or of these."""
        found = {name: self._counted(name) for name in (sorted(self.names()) if names is None else names)}
        return {name: counts for name, counts in found.items() if counts}

    def _counted(self, name: str) -> dict[str, int]:
        counters = self._named.get(name) if self._named is not None else None
        return counters.snapshot() if counters is not None else {}


class Sum(Stats):
    """The counters of several threads, as one. Each part is written by its own thread, and read here.

    Args:
        parts: Those that are added up; what is counted here itself is counted too.

    """

    __slots__ = ("parts",)

    def __init__(self, parts: list[Stats]) -> None:
        super().__init__()
        self.parts = parts

    def of(self, name: str) -> Stats:
        found = [part._named.get(name) for part in self.parts if part._named]  # another thread may forget it
        return Sum([each for each in found if each is not None])

    def _counted(self, name: str) -> dict[str, int]:
        return self.of(name).snapshot()

    def names(self) -> list[str]:
        return list({name for part in self.parts for name in part.names()})

    def __getitem__(self, name: str) -> int:
        return super().__getitem__(name) + sum([part[name] for part in self.parts])

    def snapshot(self) -> dict[str, int]:
        total = super().snapshot()
        for part in self.parts:
            for name, count in part.snapshot().items():
                total[name] = total.get(name, 0) + count
        return dict(sorted(total.items()))
