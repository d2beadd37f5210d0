"""How long to wait before the next try. It waits for nothing itself.

The time is a random part of one that doubles with each failure, so that clients that
were cut off together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_FIRST = 0.5  # the first try comes within so many seconds
_CAP = 20.0  # no try waits for longer, unless the server asks for it


class Backoff:
    """The pauses of one client.

    Args:
        chance: A number from 0 to 1; replaced in tests.

    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._limit = _FIRST

    def next(self, least: float = 0.0) -> float:
        """How many seconds to wait now.

        Args:
            least: What the server asked for, in seconds.

        """
        pause = least + self._chance() * self._limit
        self._limit = min(2 * self._limit, _CAP)
        return pause

    def reset(self) -> None:
        """It worked: the next failure is the first."""
        self._limit = _FIRST
