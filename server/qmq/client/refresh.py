"""Shows the server a new token before the old one expires, so that the connection can stay."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from qmq.client.dial import fetch_token
from qmq.client.options import Options
from qmq.errors import QmqError

DESTINATION = "/manage/refresh"

_PART = 0.8  # of the time that a token has left, after which the next is fetched
_PAUSE = 1.0  # seconds between tries, at least


class Owner(Protocol):
    """What it needs of a client."""

    async def tell(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> Mapping[str, str]:
        """Sends a frame; returns the headers of its receipt."""

    def warn(self, error: QmqError) -> None:
        """Tells the program what is wrong, though nothing has ended."""


def time_left(headers: Mapping[str, str]) -> float | None:
    """For how many seconds the server takes the token of now; None for ever."""
    left = headers.get("expires-in", "")
    return int(left) / 1000 if left.isascii() and left.isdecimal() and len(left) < 16 else None


async def keep_fresh(owner: Owner, options: Options, left: float | None) -> None:
    """Does so for one connection, until it ends.

    If the program has no token in time the server ends the connection; the login on the next
    asks for one again.
    """
    if not callable(options.token):
        return
    while left is not None:
        await asyncio.sleep(max(left * _PART, _PAUSE))
        left -= left * _PART
        try:
            token = await fetch_token(options)
        except QmqError as error:
            owner.warn(error)
            continue
        try:
            left = time_left(await owner.tell("SEND", {"destination": DESTINATION}, token.encode()))
        except QmqError:
            return  # the connection has ended
