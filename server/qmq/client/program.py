"""The program that uses a client: its functions are called here, and what they raise goes no further."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from qmq.client.options import Options, State
from qmq.errors import QmqError


class Program:
    """What a client knows of its program.

    Args:
        options: Whom to tell.

    Attributes:
        tasks: What runs for it until the client ends: callbacks and workers.

    """

    def __init__(self, options: Options) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._options = options

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls a function; what it raises is reported."""
        try:
            function(*arguments)
        except Exception as error:
            self.report(f"{function!r} failed", error)

    def warn(self, error: QmqError) -> None:
        """Tells what is wrong with the connection."""
        if self._options.on_error is not None:
            self.call(self._options.on_error, error)

    def enter(self, state: State) -> None:
        """Tells of a new state."""
        if self._options.on_state is not None:
            self.call(self._options.on_state, state)

    def report(self, message: str, error: BaseException) -> None:
        """Reports what is wrong with the program itself, as asyncio does."""
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Lets something run until it ends, or the client does. What it raises is reported."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def stop(self) -> None:
        """Ends all that runs, but for whoever calls this."""
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, QmqError):  # the end of the client is told elsewhere
            self.report(f"{task!r} failed", error)
