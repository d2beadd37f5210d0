"""What the hubs of a node with several threads share: the numbers, what topics keep, and who wants what.

Numbering a message, keeping it and leaving it in the mailboxes of those who want it is
one step under one short lock. So every mailbox has one order, that of the numbers, and
whoever holds the lock sees numbers, stores and mailboxes agree. Nothing foreign is
called under it: no encoder, no connection.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from qmq.core.history import History
from qmq.core.hub import MAX_ROUTES
from qmq.core.mailbox import Mailbox
from qmq.core.matcher import Matcher
from qmq.core.message import Envelope, Message, Origin
from qmq.core.store import Store

if TYPE_CHECKING:
    from qmq.core.sibling import Sibling

Boxes = tuple[Mailbox, ...]


class Sequence:
    """The one order of what a node's clients publish.

    Args:
        origin: Where it is published.
        history: What topics keep; used under the lock only.
        lock: Reentrant, short, and the last that is ever taken.

    Attributes:
        offset: The number of the last message.
        hubs: One for each thread.

    """

    def __init__(self, origin: Origin, history: History, lock: AbstractContextManager[Any]) -> None:
        self.origin = origin
        self.history = history
        self.lock = lock
        self.offset = 0
        self.hubs: list[Sibling] = []
        self._interests: Matcher[Mailbox] = Matcher()
        self._routes: dict[str, tuple[Store, Boxes]] = {}
        self._store: Store | None = None  # the last that took a message
        self._unsettled: dict[Store, None] = {}
        history.position = lambda: self.offset
        history.forget = self._forget

    def publish(self, envelope: Envelope, body: bytes, text: bool, offered: Envelope | None = None) -> Message:
        """Numbers a message, keeps it, and leaves it in all mailboxes that want it.

        Args:
            envelope: Its destination and headers.
            body: Its octets.
            text: Whether the body is known to be valid UTF-8.
            offered: What subscribers get instead, under the same number; for what comes by an exchange.

        """
        with self.lock:
            self.offset = offset = self.offset + 1
            message = posted = Message(envelope, body, text, self.origin, offset)
            if offered is not None:
                posted = Message(offered, body, text, self.origin, offset)
            destination = posted.envelope.destination
            store, boxes = self._routes.get(destination) or self._find_route(destination)
            store.append(posted)
            if store is not self._store:
                self._store = store
                self._unsettled[store] = None
            for box in boxes:
                box.post(posted)
        for box in boxes:
            box.bell.ring()
        return message

    def number(self, envelope: Envelope, body: bytes, text: bool) -> Message:
        """Makes the next message, for those who offer it elsewhere."""
        with self.lock:
            self.offset = offset = self.offset + 1
        return Message(envelope, body, text, self.origin, offset)

    def settle(self) -> None:
        """Lets stores count what they took. Once in a pass of each loop."""
        if self._unsettled:
            with self.lock:
                unsettled, self._unsettled, self._store = self._unsettled, {}, None
                self.history.settle(unsettled)

    def want(self, pattern: str, box: Mailbox) -> None:
        """Leaves what matches in a mailbox, from now on."""
        with self.lock:
            self._interests.add(pattern, box)
            self._routes.clear()

    def unwant(self, pattern: str, box: Mailbox) -> None:
        """Does so no more."""
        with self.lock:
            self._interests.remove(pattern, box)
            self._routes.clear()

    def _find_route(self, destination: str) -> tuple[Store, Boxes]:
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        if self.history.crowded:
            self.settle()
        store = self.history.store(destination)
        route = self._routes[destination] = (store, tuple(self._interests.match(destination)))
        return route

    def _forget(self, destination: str) -> None:
        self._routes.pop(destination, None)

    def __repr__(self) -> str:
        return f"<sequence at {self.origin.id_of(self.offset)} of {len(self.hubs)} hubs>"
