"""Where a STOMP client's subscriptions get their messages from: queues that are made and bound if need be.

Beside them stand the client's own queues, by the names that only it knows them by. What
one frame makes on its way is gone again if the frame is refused; nothing is taken away
that was there before, or that somebody else has come to use meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qmq.core.destination import EXCHANGE, QUEUE, TEMP_QUEUE, TOPIC, TOPIC_EXCHANGE, check_name, split_exchange
from qmq.core.exchange import Exchange, Kind
from qmq.core.queue import Queue
from qmq.errors import QmqError
from qmq.session import stomp_headers

if TYPE_CHECKING:
    from qmq.session.stomp import Session


class Sources:
    """The queues that one client consumes from, and its own.

    Args:
        session: The conversation, which knows what the client may do.

    Attributes:
        temporary: The client's own queues, by the name that it knows them by.
        made: The queues that are new with the frame that is worked on.

    """

    __slots__ = ("_bound", "_session", "made", "temporary")

    def __init__(self, session: Session) -> None:
        self._session = session
        self.temporary: dict[str, Queue] = {}
        self.made: list[Queue] = []
        self._bound: list[tuple[str, str, str, Mapping[str, Any]]] = []

    def begin(self) -> None:
        """What was made so far stays; another frame is worked on."""
        self.made.clear()
        self._bound.clear()

    def undo(self) -> None:
        """Takes away what the frame has made, unless somebody else uses it."""
        registry = self._session.registry
        for bound in self._bound:
            with suppress(QmqError):  # it has gone already, and that is what is wanted
                registry.unbind(*bound)
        for queue in self.made:
            if not len(queue) and not queue.consumers:
                registry.drop_queue(queue)
        self.temporary = {name: each for name, each in self.temporary.items() if each.name in registry.queues}
        self.begin()

    def declare(self, destination: str, wanted: Mapping[str, Any]) -> Queue:
        """As `Registry.declare`, for this client."""
        registry = self._session.registry
        is_new = destination not in registry.queues
        queue = registry.declare(destination, wanted, self._session)
        if is_new:
            self.made.append(queue)
        return queue

    def queue_for(self, destination: str, headers: Mapping[str, str], wanted: dict[str, object]) -> Queue:
        """The queue that a subscription consumes from, which is made and bound if need be."""
        registry, session, rights = self._session.registry, self._session, self._session.rights
        rights.check_dead_letters(wanted)
        if destination.startswith(TEMP_QUEUE):
            if destination in registry.queues:
                return registry.queue(destination, session)
            return self.own_queue(destination, stomp_headers.own(wanted, session.limits) if wanted else {})
        if not destination.startswith((EXCHANGE, TOPIC)):
            rights.check("consume", destination)
            return self.declare(destination, wanted)
        exchange, key = self.check_source(destination)
        arguments = stomp_headers.binding_arguments(headers) if exchange.kind is Kind.HEADERS else {}
        name = headers.get("x-queue-name", "")
        if name:
            rights.check_bound(destination := check_name(f"{QUEUE}{name}"))
            queue = self.declare(destination, wanted)
        else:
            queue = self._private("", stomp_headers.private(headers, wanted, session.limits))
        if registry.bind(exchange.name, queue.name, key, arguments):
            self._bound.append((exchange.name, queue.name, key, arguments))
        return queue

    def check_source(self, destination: str) -> tuple[Exchange, str]:
        """Exchange and key that a subscription names, if it may."""
        self._session.rights.check("subscribe", destination)
        exchange, key = self._source(destination)
        self._session.rights.check_source(exchange, key)
        return exchange, key

    def _source(self, destination: str) -> tuple[Exchange, str]:
        if destination.startswith(TOPIC):
            return self._session.registry.exchange(TOPIC_EXCHANGE), destination[len(TOPIC) :]
        name, key = split_exchange(destination)
        return self._session.registry.exchange(name), key

    def own_queue(self, destination: str, wanted: dict[str, object] | None = None) -> Queue:
        """This client's queue of a name that only it knows it by."""
        session = self._session
        queue = self.temporary.get(destination)
        if queue is None or session.registry.queues.get(queue.name) is not queue:
            if len(self.temporary) >= session.limits.max_subscriptions:
                raise QmqError("too-many-subscriptions", f"{len(self.temporary)} temporary queues are allowed")
            name = destination.removeprefix(TEMP_QUEUE)
            check_name(f"{TEMP_QUEUE}{'0' * 24}.{name}")  # the address is longer, and others must be able to say it
            queue = self._private(name, wanted or stomp_headers.own({}, session.limits))
            self.temporary[destination] = queue
        elif wanted:
            session.registry.declare(queue.name, wanted, session)
        return queue

    def _private(self, name: str, properties: Mapping[str, Any]) -> Queue:
        queue = self._session.registry.declare_private(self._session, name, **properties)
        self.made.append(queue)
        return queue
