"""Event loops, and threads that have one each.

Whoever has a `Loop` can have something called there from any thread, or awaited there
from another loop. Nothing here knows what the loops are for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.ioloop import IOLoop


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
