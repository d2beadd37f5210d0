"""Counters by name. Whatever is refused, dropped or ended is counted here.

A `Stats` belongs to one node. Names are fixed by their first use and end up in
the operator's view as they are, so they say what was counted, in plural. Counting
is one dictionary update; nothing here waits, logs or reads a clock.
"""

from __future__ import annotations

from collections import Counter


class Stats:
    """What happened since the start, as numbers that only grow."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Counts `amount` more of `name`."""
        self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """All counts so far, sorted by name."""
        return dict(sorted(self._counts.items()))
