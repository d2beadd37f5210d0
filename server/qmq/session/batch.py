"""Messages that one request publishes together, and that may take longer than one client may have the loop.

What fits into one turn is done in one, whole or not at all. What does not goes on in later turns, in order:
first what each message adds to which queues is collected, then there is a check that all of it has room, then
it is published. A batch never stops half way because nobody waits for its answer. No sockets, no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from time import monotonic as clock

from qmq.core.destination import TOPIC
from qmq.core.queue import Queue
from qmq.core.registry import Registry
from qmq.errors import QmqError
from qmq.session.publishing import Load, Publishing, add_load, check_room, publish_once
from qmq.wire import stomp

# How long one batch may have the loop before others get their turn.
TURN_SECONDS = 0.005

# Seconds after which what is left of a batch is done at once. Far more than any batch takes.
LONGEST = 600.0

_UNGUARDED = nullcontext()


class Batch:
    """Messages, each checked by itself, that are to be published in order.

    Args:
        registry: Where they go.
        publishings: What is to be published.

    Attributes:
        done: Whether all is published, or it has failed.
        turns: How many it has had.
        on_change: Called once it is done.

    """

    __slots__ = (
        "_checks", "_error", "_guard", "_ids", "_publishings", "_registry", "_steps", "done", "on_change", "turns",
    )  # fmt: skip

    def __init__(self, registry: Registry, publishings: list[Publishing]) -> None:
        self._registry = registry
        self._publishings = publishings
        self._ids: list[str] = []
        self._error: Exception | None = None
        # Of topics nothing is checked that could change meanwhile.
        self._checks = not all(each.envelope.destination.startswith(TOPIC) for each in publishings)
        self._guard = registry.lock if self._checks else _UNGUARDED
        self._steps = self._work()
        self.done = False
        self.turns = 0
        self.on_change: Callable[[], None] | None = None

    def go_on(self, seconds: float = TURN_SECONDS) -> bool:
        """Does as much as there is time for, one message at least; returns whether it is done."""
        if self.done:
            return True
        self.turns += 1
        deadline = clock() + seconds
        with self._guard:
            try:
                for _ in self._steps:
                    if clock() > deadline:
                        return False
            except Exception as error:  # it is the caller's, who asks for the ids
                self._error = error
        self.done = True
        if self.on_change is not None:
            self.on_change()
        return True

    def ids(self) -> list[str]:
        """The ids of what was published; an empty text for what had been before. What is left is done first.

        Raises:
            QmqError: What `check_room` and `Registry.publish` raise. The detail says how many were published
                if there was no room for the rest any more.

        """
        self.go_on(float("inf"))
        error, self._error = self._error, None  # its traceback leads to this very object
        if error is not None:
            raise error
        return self._ids

    def abandon(self) -> None:
        """Nobody waits for its answer. What has begun is done all the same."""

    def _work(self) -> Iterator[None]:
        """Pauses after each message: others may have their turn there."""
        registry, publishings = self._registry, self._publishings
        if self._checks and len(publishings) > 1:
            loads: dict[Queue, Load] = {}
            for each in publishings:
                if each.key is None or each.key not in registry.published:
                    add_load(registry, loads, each)
                    yield
            check_room(registry, loads, "nothing was published")
        for each in publishings:
            try:
                self._ids.append(self._publish(each))
            except QmqError as error:
                if not self._ids:
                    raise
                told = f"{len(self._ids)} of {len(publishings)} were published; {error.detail}"
                raise QmqError(error.code.name, told) from None
            yield

    def _publish(self, publishing: Publishing) -> str:
        body = publishing.body
        text = stomp.is_text(body)
        if publishing.key is not None:
            message = publish_once(self._registry, publishing.publish, publishing.envelope, body, text, publishing.key)
        else:
            message = publishing.publish(publishing.envelope, body, text)
        return message.id if message is not None else ""

    def __repr__(self) -> str:
        return f"<batch of {len(self._publishings)} messages, {len(self._ids)} are published>"
