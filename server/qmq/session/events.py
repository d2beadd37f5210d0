"""One client's stream of Server-Sent Events (HTML, section 9.2): a subscription to topics, and nothing said back.

It is a conversation like any other: its messages are encoded once for all streams of the
same topic, wait in the connection's outbox, and obey the bounds of their subscription.
An event's id is the cursor with which a client comes back. The last event says why the
stream ends, if there is anything to say.
"""

from __future__ import annotations

import secrets
from typing import Any

from qmq import native
from qmq.core.outbox import Outbox
from qmq.core.registry import Registry
from qmq.core.replay import Replay
from qmq.core.subscription import Bounds, Subscription
from qmq.errors import CODES, Code, QmqError
from qmq.session import topics
from qmq.session.access import Rights
from qmq.session.rest import EVENTS
from qmq.session.topics import Start
from qmq.stats import Stats

_BEAT = 15_000  # milliseconds between signs of life
_COME_BACK = 1000  # milliseconds after which a browser is to come back, if it is cut off


class EventStream:
    """The conversation.

    Args:
        registry: With the hub of the loop that the connection lives on.
        outbox: What the connection owes its client.
        stats: The connection's counters.
        rights: What the client may do.

    Attributes:
        stream, ending, failure, heartbeat, name, busy, counts: As for every conversation.
        rights: What the client may do.

    """

    __slots__ = ("_outbox", "_pattern", "_registry", "_stats", "_subscription", "ending", "failure", "name", "rights")

    stream = True
    heartbeat = (_BEAT, 0)
    publishes = False
    busy = True
    counts = (0, 0)

    def __init__(self, registry: Registry, outbox: Outbox, stats: Stats, rights: Rights) -> None:
        self.ending: Code | None = None
        self.failure: QmqError | None = None
        self.name = secrets.token_hex(6)
        self.rights = rights
        self._registry = registry
        self._outbox = outbox
        self._stats = stats
        self._pattern = ""
        self._subscription: Subscription | Replay | None = None

    @property
    def open(self) -> bool:
        """Whether there is anything to come."""
        return self.ending is None

    def begin(self, pattern: str, bounds: Bounds, start: Start) -> None:
        """Subscribes, and tells what it is granted.

        Args:
            pattern: A topic or pattern, checked, also whether the client may have it.
            bounds: How much may wait.
            start: Where to begin.

        """
        self._pattern = pattern
        begun = topics.subscribe(self._registry.hub, pattern, EVENTS, self._outbox, bounds, start)
        self._subscription = begun.subscription
        told = {
            "cursor": begun.cursor,
            "recovered": begun.recovered,
            "maxMessages": bounds.max_messages,
            "maxBytes": bounds.max_bytes,
        }
        head = f"retry: {_COME_BACK}\n".encode() + _event("subscribed", told, begun.cursor)
        self._outbox.reply(head + (b"" if begun.recovered else _event("gap", told)))

    behind = False

    def go_on(self) -> None:
        """Nothing."""

    def receive(self, data: bytes, text: bool = False) -> None:
        """Nobody listens."""

    def change(self, rights: Rights) -> None:
        """Takes other rights of the same client.

        Raises:
            QmqError: `forbidden` if they do not allow what it does.

        """
        rights.check("subscribe", self._pattern)
        self.rights = rights

    def fail(self, error: QmqError) -> None:
        """Tells the client what is wrong, in an event `error`, and ends."""
        if self.ending is not None:
            return
        self.failure = error
        self.close(error.code)
        code = error.code
        self._stats.add(f"errors_{code.name}")
        told = {"code": code.name, "title": code.text, "detail": error.detail, "retry": code.retry}
        wait = f"retry: {_COME_BACK + error.retry_after}\n".encode() if error.retry_after else b""
        self._outbox.reply(wait + _event("error", told))

    def close(self, code: Code = CODES["closed"]) -> None:
        """Ends without a word."""
        self.ending = self.ending or code
        self._outbox.ended = True
        subscription, self._subscription = self._subscription, None
        if isinstance(subscription, Replay):
            subscription.end()
        elif subscription is not None:
            self._registry.hub.unsubscribe(subscription)

    def beat(self) -> None:
        """A comment, as a sign of life."""
        self._outbox.reply(b":\n\n")

    def describe(self) -> dict[str, object]:
        """What an operator may know about it."""
        return {
            "name": self.name,
            "protocol": "events",
            "principal": str(self.rights.principal),
            "state": "open" if self.open else "closing",
            "waiting_bytes": self._outbox.backlog_bytes,
            "subscriptions": 1 if self._subscription is not None else 0,
            "counters": self._stats.snapshot(),
        }

    def __repr__(self) -> str:
        return f"<event stream {self.name} of {self._pattern}>"


def _event(name: str, data: Any, cursor: str = "") -> bytes:
    identity = f"id: {cursor}\n" if cursor else ""
    return f"event: {name}\n{identity}".encode() + b"data: " + native.dumps(data) + b"\n\n"
