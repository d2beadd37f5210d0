"""Answers that are not given at once, and connections that are given no more.

A `Hold` is a request that waits for something; `Turns` are for what is done bit by bit; `dismiss`
says the last word on a connection whose client goes on talking.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from tornado.iostream import StreamClosedError

from qmq.gateway.tls import say_end
from qmq.session.batch import Batch

_DISCARD = 64 * 1024  # bytes that are thrown away at once
_TURNS = 16  # times in a row, before others have their turn
_PATIENCE = 12  # times as long as is lingered at most, while more comes


class Waits(Protocol):
    """What a request waits for. `on_change` is called once, when there is something."""

    on_change: Callable[[], None] | None

    def abandon(self) -> None:
        """Gives it up."""


class Pause:
    """Nothing: only time has to pass."""

    on_change: Callable[[], None] | None = None

    def abandon(self) -> None:
        """There is nothing to give up."""


class Hold:
    """A request that waits, until there is something, its time is over, or its client is gone.

    Args:
        waits: What for.
        seconds: How long.
        then: Called once, in a pass of the loop of its own, unless it is cancelled.

    """

    __slots__ = ("_then", "_timer", "_waits")

    def __init__(self, waits: Waits, seconds: float, then: Callable[[], None]) -> None:
        self._waits = waits
        self._then: Callable[[], None] | None = then
        self._timer = asyncio.get_running_loop().call_later(seconds, self.end)
        waits.on_change = self._soon

    def _soon(self) -> None:
        # Not at once: more may come in the same pass.
        asyncio.get_running_loop().call_soon(self.end)

    def end(self) -> None:
        """Waits no longer."""
        then, self._then = self._then, None
        self._timer.cancel()
        self._waits.on_change = None
        if then is not None:
            then()

    def cancel(self) -> None:
        """Gives it up: nobody is there to be answered."""
        if self._then is not None:
            self._then = None
            self._timer.cancel()
            self._waits.abandon()


class Turns:
    """Batches that take longer than one client may have the loop: one of them has its turn in each pass."""

    __slots__ = ("_batches",)

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    def add(self, batch: Batch) -> None:
        """Works it off, in later passes."""
        self._batches.append(batch)
        if len(self._batches) == 1:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        batches = self._batches
        if batches[0].go_on():
            batches.popleft()
        else:
            batches.rotate(-1)
        if batches:
            asyncio.get_running_loop().call_soon(self._turn)


def dismiss(connection: Any, answer: bytes, seconds: float) -> None:
    """Takes an HTTP connection away from the server, says a last word, and closes when the client has read it.

    What still comes is thrown away meanwhile: to close at once would make the kernel send a reset, and browsers read
    an answer only when they have sent everything. So it may take longer, as long as more comes.

    Args:
        connection: Tornado's, or a handler.
        answer: The last word.
        seconds: How long nothing may come before the connection is closed.

    """
    stream = connection.detach()
    loop = asyncio.get_running_loop()
    timer = loop.call_later(seconds, lambda: look(_PATIENCE))
    stream.set_close_callback(lambda: timer.cancel())
    came = False

    def look(times: int) -> None:
        nonlocal came, timer
        if came and times > 1:
            came, timer = False, loop.call_later(seconds, look, times - 1)
        else:
            stream.close()

    def discard(future: Any = None) -> None:
        nonlocal came
        for _ in range(_TURNS):
            if future is not None:
                if future.cancelled() or future.exception() is not None:
                    stream.close()
                    return
                came = True
            try:
                future = stream.read_bytes(_DISCARD, partial=True)
            except StreamClosedError:
                return
            if not future.done():
                future.add_done_callback(discard)
                return
        loop.call_soon(discard, future)

    say_last(stream, answer, discard)


def say_last(stream: Any, words: bytes, then: Callable[[], None] = lambda: None) -> None:
    """Writes a last word, and says that nothing follows. What comes can still be read.

    Args:
        stream: Of a client.
        words: What is said.
        then: Called when it is.

    """

    def written(future: Any) -> None:
        if future.exception() is None and not stream.closed():
            say_end(stream.socket)
            with contextlib.suppress(OSError):
                stream.socket.shutdown(socket.SHUT_WR)
            then()

    with contextlib.suppress(StreamClosedError):
        stream.write(words).add_done_callback(written)
