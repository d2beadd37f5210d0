"""Event loops, and threads that have one each.

Whoever has a `Loop` can have something called there from any thread, or awaited there
from another loop. Nothing here knows what the loops are for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from tornado.ioloop import IOLoop

_T = TypeVar("_T")


async def aside(function: Callable[..., _T], *args: Any) -> _T:
    """Calls what may block on a thread of its own, which ends with it, and returns or raises what comes of it.

    It is no thread of a pool: one that never comes back (a disk that is gone) takes none from others, and a
    process ends without it.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()
    thread = threading.Thread(target=_run_aside, args=(loop, done, function, args), name="qmq-aside", daemon=True)
    thread.start()
    try:
        return await done
    finally:
        if not done.cancelled():
            thread.join()  # it has nothing left to do
        del done  # or it and what was raised would keep each other, and all that stood on the way


def _run_aside(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[_T], function: Callable[..., _T], args: tuple[Any, ...]
) -> None:
    try:
        tell, result = asyncio.Future.set_result, function(*args)
    except BaseException as error:
        tell, result = asyncio.Future.set_exception, error  # type: ignore[assignment]
    with suppress(RuntimeError):  # nobody waits any more: the loop is closed
        loop.call_soon_threadsafe(_unless_done, done, tell, result)
    del result, done  # as above


def _unless_done(done: asyncio.Future[_T], tell: Callable[..., None], result: Any) -> None:
    if not done.done():
        tell(done, result)


class Loop:
    """The running loop, for others.

    Attributes:
        asyncio: The loop itself.
        thread: The number of its thread.

    """

    asyncio: asyncio.AbstractEventLoop
    thread: int

    def __init__(self) -> None:
        self.asyncio = asyncio.get_running_loop()
        self.thread = threading.get_ident()

    def post(self, callback: Callable[..., Any], *args: Any) -> None:
        """Calls something on this loop soon, from any thread. After the loop's end, nothing."""
        try:
            self.asyncio.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if not self.asyncio.is_closed():
                raise

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls a function on this loop, and awaits there what it returns if that is to be awaited."""
        if self.asyncio is asyncio.get_running_loop():
            return await _call(function, *args)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_call(function, *args), self.asyncio))

    async def stop(self) -> None:
        """Ends what was begun for it."""


class LoopThread(Loop):
    """A thread with a loop of its own. `start` it, and `stop` it from the same loop.

    Args:
        name: Of the thread.

    """

    def __init__(self, name: str) -> None:
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._owner = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self._owner.create_future()
        self._ended: asyncio.Future[None] = self._owner.create_future()

    async def start(self) -> None:
        """Returns once the loop runs."""
        self._thread.start()
        await self._started

    async def stop(self) -> None:
        """Returns once the thread is gone."""
        self.post(self.asyncio.stop)
        await self._ended
        self._thread.join()  # it has nothing left to do

    def _run(self) -> None:
        loop = IOLoop(make_current=False)
        self.asyncio = loop.asyncio_loop
        self.thread = threading.get_ident()
        asyncio.set_event_loop(self.asyncio)
        self.asyncio.call_soon(self._tell, self._started)
        try:
            loop.start()
            self._cancel_tasks()
        finally:
            asyncio.set_event_loop(None)
            loop.close()
            self._tell(self._ended)

    def _cancel_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.asyncio)
        for task in tasks:
            task.cancel()
        if tasks:
            self.asyncio.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _tell(self, future: asyncio.Future[None]) -> None:
        self._owner.call_soon_threadsafe(future.set_result, None)

    def __repr__(self) -> str:
        return f"<loop on {self._thread.name}>"


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    result = function(*args)
    return await result if isinstance(result, Awaitable) else result
