"""Counters by name. Whatever is refused, dropped or ended is counted here.

A node has one `Stats`. Its connections have a child of it each: what they count is
counted for the node too. Destinations have one by their own name, which stands beside
the node's. Names of counters are fixed by their first use and end up in the operator's
view as they are, so they say what was counted, in plural. Counting is one dictionary
update; nothing here waits, logs or reads a clock.
"""

from __future__ import annotations

# Destinations beyond this number share one entry: clients choose their names.
_MAX_NAMED = 10_000
OTHERS = "(others)"
PRIVATE = "(private)"  # all queues that belong to one connection


class Stats:
    """What happened since the start, as numbers that only grow.

    Args:
        parent: Where everything is counted too.

    """

    __slots__ = ("_counts", "_named", "_parent")

    def __init__(self, parent: Stats | None = None) -> None:
        # Made when first needed: most connections never count anything.
        self._counts: dict[str, int] | None = None
        self._named: dict[str, Stats] | None = None
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
        found = self._named.get(name)
        if found is None:
            if len(self._named) >= _MAX_NAMED:
                name = OTHERS
            found = self._named.setdefault(name, Stats())
        return found

    def forget(self, name: str) -> None:
        """Lets go of the counters of a destination that is no more."""
        if self._named is not None:
            self._named.pop(name, None)

    def names(self) -> list[str]:
        """The destinations that have counters."""
        return list(self._named.copy()) if self._named else []

    def __getitem__(self, name: str) -> int:
        return self._counts.get(name, 0) if self._counts else 0

    def snapshot(self) -> dict[str, int]:
        """All counts so far, sorted by name."""
        return dict(sorted(self._counts.copy().items())) if self._counts else {}

    def by_destination(self) -> dict[str, dict[str, int]]:
        """The counts of every destination that has any."""
        found = {name: self.of(name).snapshot() for name in sorted(self.names())}
        return {name: counts for name, counts in found.items() if counts}


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
        return Sum([part._named[name] for part in self.parts if part._named and name in part._named])

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
