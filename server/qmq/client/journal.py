"""What was published and the server may not have: what waits for a connection, and what has no receipt yet.

All of it goes out on the next connection, in the order in which it was said. It takes no
more than its limits, and nothing that it took is ever dropped. It sends nothing itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from qmq.errors import QmqError


class Journal:
    """The publishes of one client that are not settled.

    Args:
        max_messages: How many it takes.
        max_bytes: How many octets of encoded frames it takes.

    """

    def __init__(self, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._octets = 0
        self._entries: dict[str, tuple[list[bytes], int, bool]] = {}
        self._promised_messages = self._promised_octets = 0  # to those who have waited for it
        self._waiting: dict[asyncio.Future[None], int] = {}  # and the size of what they have, in order

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def fits(self, size: int) -> bool:
        """Whether there is room for so many octets. Alone, a message fits whatever its size."""
        messages, octets = len(self._entries) + self._promised_messages, self._octets + self._promised_octets
        return not messages or (messages < self._max_messages and octets + size <= self._max_bytes)

    def add(self, key: str, frames: list[bytes], kept: bool) -> None:
        """Takes what belongs together.

        Args:
            key: Of nothing else that is in it.
            frames: One or several, encoded.
            kept: Whether it stays when it was sent, to be sent again if its receipt is lost.

        Raises:
            QmqError: `outbox-full`.

        """
        size = sum(map(len, frames))
        if not self.fits(size):
            raise QmqError("outbox-full", f"{len(self)} messages, {self._octets} octets wait for the server already")
        self._octets += size
        self._entries[key] = (frames, size, kept)

    def remove(self, key: str) -> None:
        """Forgets what is done, or no longer wanted."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._octets -= entry[1]
            self._wake()

    def flush(self) -> Iterator[list[bytes]]:
        """All that it has, in order; what is not kept is in it no more."""
        for key, (frames, _, kept) in list(self._entries.items()):
            if not kept:
                self.remove(key)
            yield frames

    async def room(self, size: int) -> None:
        """Returns when there is room, first come first served. Whoever called it adds at once.

        Raises:
            QmqError: What `refuse` says.

        """
        if not self._waiting and self.fits(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = size
        try:
            await turn
        except BaseException:
            self._give_up(turn, size)
            raise
        self._promise(-1, -size)

    def refuse(self, error: QmqError) -> None:
        """Tells all who wait for room that there will be none."""
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)
        self._waiting.clear()

    def clear(self, error: QmqError) -> None:
        """Forgets everything."""
        self._entries.clear()
        self._octets = 0
        self.refuse(error)

    def _wake(self) -> None:
        """Promises room to the first of those who wait, as far as there is some."""
        while self._waiting:
            turn, size = next(iter(self._waiting.items()))
            if not turn.done():
                if not self.fits(size):
                    return
                self._promise(1, size)
                turn.set_result(None)
            del self._waiting[turn]

    def _give_up(self, turn: asyncio.Future[None], size: int) -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._promise(-1, -size)
        self._waiting.pop(turn, None)
        self._wake()

    def _promise(self, messages: int, octets: int) -> None:
        self._promised_messages += messages
        self._promised_octets += octets
