"""What state a client is in, for whoever wants to follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from qmq.client.options import State

_KEPT = 100  # states that one follower has not read yet; beyond it the oldest are dropped


class States:
    """The state of one client.

    Attributes:
        now: As of `Client.state`.

    """

    def __init__(self) -> None:
        self.now: State = "connecting"
        self._followers: list[tuple[deque[State], asyncio.Event]] = []

    def enter(self, state: State) -> bool:
        """Changes it; false if it is the same."""
        if state == self.now:
            return False
        self.now = state
        for states, changed in self._followers:
            states.append(state)
            changed.set()
        return True

    async def follow(self) -> AsyncIterator[State]:
        """The state of now, then each that follows, up to `closed`."""
        follower = (deque[State]([self.now], _KEPT), asyncio.Event())
        self._followers.append(follower)
        states, changed = follower
        try:
            while True:
                while states:
                    state = states.popleft()
                    yield state
                    if state == "closed":
                        return
                changed.clear()
                await changed.wait()
        finally:
            self._followers.remove(follower)
