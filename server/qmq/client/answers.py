"""Futures by the name of what they wait for: receipts by their ids, replies by their correlation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from qmq.errors import QmqError

T = TypeVar("T")


class Answers(Generic[T]):
    """Those who wait."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: str) -> bool:
        return key in self._waiting

    def __iter__(self) -> Iterator[str]:
        """What is waited for now."""
        return iter(list(self._waiting))

    def expect(self, key: str) -> asyncio.Future[T]:
        """Begins to wait; whoever gives up calls `drop`."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        return answer

    @contextmanager
    def expecting(self, key: str) -> Iterator[asyncio.Future[T]]:
        """The same for the time of a block."""
        try:
            yield self.expect(key)
        finally:
            self.drop(key)

    def drop(self, key: str) -> None:
        """Nobody waits any more."""
        answer = self._waiting.pop(key, None)
        if answer is not None:
            answer.cancel()

    def settle(self, key: str, value: T) -> bool:
        """Gives what came to whoever waits for it; false if nobody does."""
        answer = self._waiting.pop(key, None)
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(value)
        return True

    def fail(self, key: str, error: QmqError) -> bool:
        """Tells whoever waits that nothing will come; false if nobody does."""
        answer = self._waiting.pop(key, None)
        if answer is None:
            return False
        if not answer.done():
            answer.set_exception(error)
            answer.exception()  # whoever waits is told; nobody else need be
        return True

    def fail_all(self, error: QmqError) -> None:
        """The same of all."""
        for key in self:
            self.fail(key, error)
