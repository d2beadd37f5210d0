"""The client for programs without asyncio: the same names, without `await`.

    with blocking.connect("stomp://127.0.0.1:61613") as client:
        client.publish("/topic/prices.eur", b"1.08")
        for message in client.subscribe("/topic/prices.*"):
            print(message.text())

Each client has a thread of its own that keeps the connection; any thread may call it, and
Ctrl-C ends whatever waits. Functions that are told something (`on_state`, `on_error`,
`on_recovered`) run on that thread and may not wait; handlers and callbacks run on threads
of a pool and may. A client does not survive `os.fork`: the child must connect anew.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import itertools
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from qmq.client import client as aio
from qmq.client.body import Headers
from qmq.client.connect import connect as dial
from qmq.client.options import State
from qmq.client.received import Message
from qmq.client.received import Received as AsyncReceived
from qmq.client.subscription import Subscription as AsyncSubscription
from qmq.client.subscription import reads
from qmq.client.transaction import Transaction
from qmq.errors import QmqError

__all__ = ["Client", "Received", "Subscription", "connect"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Work = Coroutine[Any, Any, T]

_MAX_HANDLERS = 1000  # threads of one client; how many there are is up to `concurrency`
_LOOK = 1.0  # seconds; a signal that comes just before a thread begins to wait does not wake it
_CHUNK = 1000  # messages of `publish_many` that go to the thread of the client in one go


class _Thread:
    """A thread that runs an event loop, for one client."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._ready: concurrent.futures.Future[asyncio.AbstractEventLoop] = concurrent.futures.Future()
        self._stop = asyncio.Event()
        self._stopped = False
        self._lock = threading.Lock()
        self._own = threading.local()
        self._thread = threading.Thread(target=self._run, name="qmq-client", daemon=True)
        self._thread.start()
        self._loop = self._ready.result()

    def run(self, work: Work[T], seconds: float | None = None) -> T:
        """Lets something run there, and returns what it returns.

        Raises:
            QmqError: `closed` if the client is.
            TimeoutError: If it takes longer than `seconds`.
            RuntimeError: If this is the client's own thread, or a child of the process.

        """
        future = self._begin(_within(work, seconds), work)
        try:
            while True:
                try:
                    return future.result(_LOOK)
                except TimeoutError:
                    if future.done():
                        return future.result()
        except concurrent.futures.CancelledError:
            raise QmqError("closed") from None
        except BaseException:
            future.cancel()
            raise

    def _begin(self, whole: Work[T], work: Work[T]) -> concurrent.futures.Future[T]:
        """Lets something begin there; what cannot is not left behind."""
        try:
            if os.getpid() != self._process:
                raise RuntimeError("this client belongs to the process that has forked: connect anew in the child")
            if threading.current_thread() is self._thread:
                raise RuntimeError("this is the client's own thread, on which nothing may wait for it")
            with self._lock:  # what begins before the end is told of the end
                if self._stopped:
                    raise QmqError("closed")
                return asyncio.run_coroutine_threadsafe(whole, self._loop)
        except (RuntimeError, QmqError):
            whole.close()
            work.close()
            raise

    def pooled(self, function: Callable[[T], R], argument: T) -> Work[R]:
        """Calls a function on a thread of the pool."""

        def call() -> R:
            self._own.is_pool = True
            return function(argument)

        return asyncio.to_thread(call)

    def stop(self) -> None:
        """Ends it; whatever runs there still is cancelled. Returns when handlers have returned, unless this is one."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._loop.call_soon_threadsafe(self._stop.set)
        if not getattr(self._own, "is_pool", False):
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._wait())

    async def _wait(self) -> None:
        asyncio.get_running_loop().set_default_executor(
            concurrent.futures.ThreadPoolExecutor(_MAX_HANDLERS, "qmq-handler")
        )
        self._ready.set_result(asyncio.get_running_loop())
        await self._stop.wait()


async def _within(work: Work[T], seconds: float | None) -> T:
    async with asyncio.timeout(seconds):
        return await work


class Received(Message):
    """One message, and what may be done with it. See `qmq.client.Received`."""

    __slots__ = ("_inner", "_thread")

    def __init__(self, inner: AsyncReceived, thread: _Thread) -> None:
        super().__init__(inner.headers, inner.body, inner.cursor)
        self._inner = inner
        self._thread = thread

    def ack(self, *, receipt: bool = True) -> None:
        """Says that the work is done. See `qmq.client.Received.ack`."""
        self._thread.run(self._inner.ack(receipt=receipt))

    def nack(self, requeue: bool = True, *, receipt: bool = True) -> None:
        """Says that the work was not done. See `qmq.client.Received.nack`."""
        self._thread.run(self._inner.nack(requeue, receipt=receipt))

    def reply(self, body: Any, headers: Headers | None = None, *, receipt: bool = True) -> None:
        """Answers a request. See `qmq.client.Received.reply`."""
        self._thread.run(self._inner.reply(body, headers, receipt=receipt))

    def check(self) -> None:
        """Whether it is to be settled. For transactions."""
        self._inner.check()

    def take(self) -> str:
        """Notes that it is settled now. For transactions."""
        return self._inner.take()


class Subscription:
    """The messages of one destination or pattern; iterate it. See `qmq.client.Subscription`.

    Several threads may read it: each message is given to one of them.
    """

    def __init__(self, inner: AsyncSubscription, thread: _Thread) -> None:
        self._inner = inner
        self._thread = thread

    @property
    def destination(self) -> str:
        """What was subscribed to."""
        return self._inner.destination

    @property
    def granted(self) -> Mapping[str, str]:
        """What the server granted."""
        return self._inner.granted

    @property
    def recovered(self) -> bool:
        """Whether nothing was missing when it was made, or made again, the last time."""
        return self._inner.recovered

    @property
    def cursor(self) -> str:
        """How far it was read."""
        return self._inner.cursor

    def next(self, seconds: float | None = None) -> Received | None:
        """The next message; None when there are no more after `unsubscribe`.

        Args:
            seconds: How long to wait; for ever if not said.

        Raises:
            TimeoutError: If none came in that time.
            QmqError: The reason, if the client has ended and all is read.

        """
        message = self._thread.run(self._inner.next(), seconds)
        reads(self._inner)
        return None if message is None else Received(message, self._thread)

    def unsubscribe(self) -> None:
        """Ends it. See `qmq.client.Subscription.unsubscribe`."""
        self._thread.run(self._inner.unsubscribe())

    def __iter__(self) -> Iterator[Received]:
        while (message := self.next()) is not None:
            yield message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()


def _waiting(
    method: Callable[Concatenate[aio.Client, P], Work[T]], made: Callable[[T, _Thread], R]
) -> Callable[Concatenate[Client, P], R]:
    """A method of the asyncio client as one that waits, and what it gives as something that waits."""

    @functools.wraps(method)
    def run(self: Client, /, *arguments: P.args, **options: P.kwargs) -> R:
        callback: Any = options.get("callback")
        if callback is not None:
            options["callback"] = self._on_pool(callback)
        return made(self._thread.run(method(self._inner, *arguments, **options)), self._thread)

    return run


Handler = TypeVar("Handler", bound=Callable[[Received], Any])


class Client:
    """A program's conversation with a gateway. Made by `connect`. See `qmq.client.Client`."""

    def __init__(self, inner: aio.Client, thread: _Thread) -> None:
        self._inner = inner
        self._thread = thread

    publish = _waiting(aio.Client.publish, lambda _, thread: None)
    request = _waiting(aio.Client.request, Received)
    subscribe = _waiting(aio.Client.subscribe, Subscription)

    @property
    def error(self) -> QmqError | None:
        """Why the client ended, once it has."""
        return self._inner.error

    @property
    def state(self) -> State:
        """`connecting`, `open`, `waiting` (for the next try) or `closed`."""
        return self._inner.state

    def publish_many(self, messages: Iterable[aio.Outgoing]) -> int:
        """Publishes many messages in order. See `qmq.client.Client.publish_many`."""
        number, rest = 0, iter(messages)
        while chunk := list(itertools.islice(rest, _CHUNK)):
            number += self._thread.run(self._inner.publish_many(chunk))
        return number

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction: `with client.transaction() as work: …`. See `qmq.client.Transaction`."""
        work = self._inner.transaction()
        yield work
        self._thread.run(work.commit())

    def serve(self, destination: str, handler: Callable[[Received], Any], *, concurrency: int = 1) -> None:
        """Works for a queue until Ctrl-C, or until the client ends. See `qmq.client.Client.serve`."""
        self._thread.run(self._inner.serve(destination, self._on_pool(handler), concurrency=concurrency))

    def handler(self, destination: str, *, concurrency: int = 1) -> Callable[[Handler], Handler]:
        """Lets the decorated function work for a queue, as `serve` does, until the client ends."""

        def begin(function: Handler) -> Handler:
            async def start() -> None:
                self._inner.handler(destination, concurrency=concurrency)(self._on_pool(function))

            self._thread.run(start())
            return function

        return begin

    def wait_closed(self, seconds: float | None = None) -> QmqError:
        """Returns when the client has ended, and why.

        Raises:
            TimeoutError: If it has not in that time.

        """
        return self.error or self._thread.run(self._inner.wait_closed(), seconds)

    def close(self) -> None:
        """Says goodbye and closes. See `qmq.client.Client.close`."""
        try:
            self._thread.run(self._inner.close())
        except QmqError:
            return  # it is closed
        self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _on_pool(self, function: Callable[[Received], Any]) -> Callable[[AsyncReceived], Work[Any]]:
        return lambda message: self._thread.pooled(function, Received(message, self._thread))


def _connecting(function: Callable[P, Work[aio.Client]]) -> Callable[P, Client]:
    @functools.wraps(function)
    def connect(*arguments: P.args, **options: P.kwargs) -> Client:
        thread = _Thread()
        try:
            return Client(thread.run(function(*arguments, **options)), thread)
        except BaseException:
            thread.stop()
            raise

    return connect


connect = _connecting(dial)
