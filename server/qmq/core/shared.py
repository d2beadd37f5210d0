"""Queues and exchanges that several threads use: the same ones, with a lock around whatever is called from outside.

One reentrant lock guards all of a node's queues, exchanges, bindings, keys and timers. A
consumer has a home, the loop of its client. What a queue gives it from elsewhere waits
for it there, little at a time; what it is given at home it has at once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar, cast

from qmq.core.consumer import Client, Consumer, end_consumer, tell_cancelled
from qmq.core.mailbox import Bell
from qmq.core.memory import OVERHEAD, Memory
from qmq.core.message import Message
from qmq.core.options import QueueOptions, Rules
from qmq.core.queue import Queue
from qmq.core.registry import Registry
from qmq.core.sibling import Sibling
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.stats import Stats

_UNDER_WAY = 64 * 1024  # octets that may be on their way to one consumer's home
_MAX_BOUND = 10_000  # topics of which it is remembered what is bound to them

F = TypeVar("F", bound=Callable[..., Any])


def locked(method: F) -> F:
    """The same method, under its object's lock."""

    @wraps(method)
    def under_lock(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return method(self, *args, **kwargs)

    return cast(F, under_lock)


class Home:
    """Where one loop's consumers get what queues give them on other loops.

    Args:
        lock: Of the registry; held by whoever posts.
        bell: Wakes the loop.

    """

    def __init__(self, lock: AbstractContextManager[Any], bell: Bell) -> None:
        self._lock = lock
        self._bell = bell
        self._parcels: list[tuple[Homed, Consumer, int, Message, int]] = []
        self._ends: list[tuple[Homed, Consumer, QmqError]] = []

    def post(self, homed: Homed, consumer: Consumer, tag: int, message: Message, deliveries: int) -> None:
        """Leaves a message for a consumer."""
        self._parcels.append((homed, consumer, tag, message, deliveries))
        self._bell.ring()

    def post_end(self, homed: Homed, consumer: Consumer, error: QmqError) -> None:
        """Leaves word that a consumer gets no more."""
        self._ends.append((homed, consumer, error))
        self._bell.ring()

    def arrive(self) -> None:
        """Hands over what was left here. On its own loop."""
        if not self._parcels and not self._ends:
            return
        with self._lock:
            parcels, self._parcels = self._parcels, []
            ends, self._ends = self._ends, []
            for parcel in parcels:
                parcel[0].under_way = 0
        rooms: dict[Consumer, bool] = {}
        for homed, consumer, tag, message, deliveries in parcels:
            if consumer.auto or tag in consumer.unsettled:  # else it went back to its queue meanwhile
                try:
                    rooms[consumer] = homed.client.deliver(consumer, tag, message, deliveries)
                except Exception as error:
                    end_consumer(homed.client, error)
        for consumer, room in rooms.items():
            assert isinstance(consumer, SharedConsumer)
            consumer.had(room)
        for homed, consumer, reason in ends:
            tell_cancelled(homed.client, consumer, reason)

    def __repr__(self) -> str:
        return f"<home with {len(self._parcels)} parcels>"


class Homed:
    """A consumer's client, as its queue sees it from any thread.

    Attributes:
        client: The client.
        under_way: Octets that wait for it at its home.

    """

    __slots__ = ("_here", "_home", "client", "under_way")

    def __init__(self, client: Client, here: Callable[[], Home]) -> None:
        self.client = client
        self.under_way = 0
        self._here = here
        self._home = here()

    def deliver(self, consumer: Consumer, tag: int, message: Message, deliveries: int) -> bool:
        home = self._home
        if not self.under_way and home is self._here():
            return self.client.deliver(consumer, tag, message, deliveries)
        self.under_way += len(message.body) + message.envelope.octets + OVERHEAD
        home.post(self, consumer, tag, message, deliveries)
        return self.under_way < _UNDER_WAY

    def cancelled(self, consumer: Consumer, error: QmqError) -> None:
        self._home.post_end(self, consumer, error)

    def failed(self, error: Exception) -> None:
        end_consumer(self.client, error)


class SharedConsumer(Consumer):
    """A consumer whose queue others use at the same time."""

    __slots__ = ("lock",)

    def __init__(self, queue: Queue, client: Client, prefetch: int, auto: bool, exclusive: bool) -> None:
        assert isinstance(queue, SharedQueue)
        self.lock = queue.lock
        super().__init__(queue, client, prefetch, auto, exclusive)

    def had(self, room: bool) -> None:
        """Notes that all that was under way has arrived, and whether there is room for more."""
        with self.lock:
            self.stalled = not room
            if room:
                self.queue.credit(self)
            else:
                self.queue.sit_out(self)

    ack = locked(Consumer.ack)
    nack = locked(Consumer.nack)
    through = locked(Consumer.through)
    fetch = locked(Consumer.fetch)
    resume = locked(Consumer.resume)
    cancel = locked(Consumer.cancel)
    stop = locked(Consumer.stop)


class SharedQueue(Queue):
    """A queue that several threads use. To `put` and to `credit` is for those who hold its lock."""

    __slots__ = ("_here", "lock")

    makes = SharedConsumer

    def __init__(self, name: str, options: QueueOptions, host: SharedRegistry, owner: Hashable = None) -> None:
        self.lock = host.lock
        self._here = host.here
        super().__init__(name, options, host, owner)

    def consume(self, client: Client, prefetch: int, auto: bool = False, exclusive: bool = False) -> Consumer:
        with self.lock:
            return super().consume(Homed(client, self._here), prefetch, auto, exclusive)

    has_room = locked(Queue.has_room)
    purge = locked(Queue.purge)
    pause = locked(Queue.pause)
    resume = locked(Queue.resume)
    touch = locked(Queue.touch)
    take_all_back = locked(Queue.take_all_back)


class SharedRegistry(Registry):
    """The queues and exchanges of a node with several threads. Each loop has a `view` of its own.

    Args:
        hub: Of the loop on which timers fall due.
        timers: Their callbacks are called under the lock.
        memory: The share of what the lock guards.
        stats: Counted in under the lock.
        rules: From the configuration.
        lock: Reentrant. The `Sequence`'s may be taken under it, never the other way round.
        here: The home of the loop that calls.

    """

    def __init__(
        self,
        hub: Sibling,
        timers: Timers,
        memory: Memory,
        stats: Stats,
        rules: Rules,
        lock: AbstractContextManager[Any],
        here: Callable[[], Home],
    ) -> None:
        self.lock = lock
        self.here = here
        self._host = self
        self._bound: dict[str, Callable[[Message], None] | None] = {}
        super().__init__(hub, timers, memory, stats, rules)
        self._bindings.changed = self._bound.clear

    def view(self, hub: Sibling, memory: Memory) -> SharedRegistry:
        """The same queues and exchanges, for another loop.

        Args:
            hub: The loop's.
            memory: The loop's share, for what waits for its clients.

        """
        view = copy.copy(self)
        view.hub = hub
        view.memory = memory
        hub.bound = self._bound_to
        return view

    def arrive(self) -> None:
        self.here().arrive()

    def _new_queue(self, destination: str, options: QueueOptions, owner: Hashable) -> Queue:
        return SharedQueue(destination, options, self._host, owner)

    def _bound_to(self, destination: str) -> Callable[[Message], None] | None:
        try:
            return self._bound[destination]
        except KeyError:
            pass
        with self.lock:
            if len(self._bound) >= _MAX_BOUND:
                self._bound.clear()
            bound = self._bound[destination] = self._under_lock(super()._bound_to(destination))
        return bound

    def _under_lock(self, pass_on: Callable[[Message], None] | None) -> Callable[[Message], None] | None:
        if pass_on is None:
            return None

        def pass_on_locked(message: Message) -> None:
            with self.lock:
                pass_on(message)

        return pass_on_locked

    publish = locked(Registry.publish)
    repeats = locked(Registry.repeats)
    targets = locked(Registry.targets)
    queue = locked(Registry.queue)
    declare = locked(Registry.declare)
    declare_private = locked(Registry.declare_private)
    delete = locked(Registry.delete)
    drop_queue = locked(Registry.drop_queue)
    release = locked(Registry.release)
    exchange = locked(Registry.exchange)
    declare_exchange = locked(Registry.declare_exchange)
    delete_exchange = locked(Registry.delete_exchange)
    bind = locked(Registry.bind)
    unbind = locked(Registry.unbind)
