"""Dead letters: what becomes of a message that a queue gives up.

It is published again, to the queue's `dead_letter` destination, with its history: for
programs as `Envelope.deaths`, for readers in headers. A message that only goes in a
circle (no consumer has refused it since this queue gave it up the last time) is let go.

A request that no consumer has had, and that nobody keeps as a dead letter, is answered
with the code `no-consumer`, so that its client need not wait for its own time-out.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qmq.core.destination import EXCHANGE, TEMP_QUEUE, TOPIC_EXCHANGE, check_name, check_not_reserved, split_exchange
from qmq.core.faults import note
from qmq.core.message import Death, Envelope, Message
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.stats import Stats

if TYPE_CHECKING:
    from qmq.core.queue import Queue

_AT_ONCE = 1000  # letters published before other work gets its turn


class Letters:
    """The dead letters of a node that are to be published in the next pass.

    Args:
        publish: Publishes one.
        timers: For the next pass.
        stats: Where they are counted.

    """

    def __init__(self, publish: Callable[[Envelope, bytes, bool], Any], timers: Timers, stats: Stats) -> None:
        self._publish = publish
        self._timers = timers
        self._stats = stats
        self._waiting: deque[tuple[Message, Queue | None, str]] = deque()
        self._due = False

    def add(self, message: Message, queue: Queue, reason: str) -> None:
        """Takes what a queue gives up."""
        if queue.options.dead_letter:
            self._waiting.append((message, queue, reason))
            self._arm()
        else:
            self.decline(message)

    def decline(self, message: Message) -> None:
        """Takes what no consumer has had. If it is a request, its client is told."""
        # Only a temporary queue is the requester's own: of any other, nobody has checked whether it may publish there.
        if message.envelope.headers.get("reply-to", "").startswith(TEMP_QUEUE):
            self._waiting.append((message, None, "no-consumer"))
            self._arm()

    def _arm(self) -> None:
        if self._waiting and not self._due:
            self._due = True
            self._timers.at(self._timers.clock(), self._send)

    def _send(self) -> None:
        # What is published may make other queues give something up: that is for the next pass.
        self._due = False
        for _ in range(min(len(self._waiting), _AT_ONCE)):
            message, queue, reason = self._waiting.popleft()
            try:
                self._send_one(message, queue, reason)
            except QmqError:
                self._stats.add("dead_letters_lost")
            except Exception as error:
                self._stats.add("dead_letters_lost")
                note(self._stats, f"the dead letter of {message.id}", error)
        self._arm()

    def _send_one(self, message: Message, queue: Queue | None, reason: str) -> None:
        if queue is None:
            self._publish(answer_to(message, reason), b"", True)
            self._stats.add("requests_declined")
            return
        envelope = letter_of(message, queue.name, queue.options.dead_letter, reason)
        if envelope is None:
            self._stats.add("dead_letters_in_circles")
            return
        check_not_reserved(envelope.destination)
        self._publish(envelope, message.body, message.text)
        self._stats.add("dead_letters")

    def __len__(self) -> int:
        return len(self._waiting)


def check_target(destination: str) -> None:
    """Checks that dead letters may go there.

    Raises:
        QmqError: `bad-destination`, `bad-pattern`; `forbidden` for topics that only the server publishes to.

    """
    if destination != EXCHANGE + TOPIC_EXCHANGE:  # without a key it is no name to publish to
        check_name(destination)
    check_not_reserved(destination)


def letter_of(message: Message, queue: str, target: str, reason: str) -> Envelope | None:
    """The envelope of a dead letter; None if it would go in a circle.

    Args:
        message: As the queue had it.
        queue: The queue that gives it up.
        target: Where its dead letters go. `/exchange/NAME` without a key keeps the
            message's own: its topic, the key it was published with, or the queue's name.
        reason: `expired`, `rejected`, `maxlen` or `delivery_limit`.

    """
    envelope = message.envelope
    deaths = envelope.deaths
    if target == queue and reason in ("expired", "maxlen"):
        return None
    if reason != "rejected" and _is_circle(deaths, queue):
        return None
    headers = {**envelope.headers, "x-last-death-queue": queue, "x-last-death-reason": reason}
    if not deaths:  # else they are there: what a client said of them was replaced by the first death
        headers["x-first-death-queue"] = queue
        headers["x-first-death-reason"] = reason
        headers["x-original-destination"] = envelope.destination
    deaths = _with(deaths, Death(queue, reason, envelope.destination))
    headers["x-death-count"] = str(sum(death.count for death in deaths))
    headers.pop("expiration", None)  # it has had its time
    return Envelope(_address(target, envelope.destination), headers, priority=envelope.priority, deaths=deaths)


def answer_to(request: Message, code: str) -> Envelope:
    """The envelope of the reply to a request that nobody else replies to."""
    asked = request.envelope.headers
    headers = {"code": code, "request-destination": request.envelope.destination}
    if "correlation-id" in asked:
        headers["correlation-id"] = asked["correlation-id"]
    return Envelope(asked["reply-to"], headers)


def _is_circle(deaths: tuple[Death, ...], queue: str) -> bool:
    """Whether a message has been given up by this queue before, and refused by nobody since."""
    for death in reversed(deaths):
        if death.reason == "rejected":
            return False
        if death.queue == queue:
            return True
    return False


def _with(deaths: tuple[Death, ...], new: Death) -> tuple[Death, ...]:
    """The history with one more death; the same one again is counted, and becomes the last."""
    count = 1
    others = []
    for death in deaths:
        if (death.queue, death.reason) == (new.queue, new.reason):
            count += death.count
        else:
            others.append(death)
    return (*others, dataclasses.replace(new, count=count))


def _address(target: str, destination: str) -> str:
    if not target.startswith(EXCHANGE) or split_exchange(target)[1]:
        return target
    key = split_exchange(destination)[1] if destination.startswith(EXCHANGE) else destination.split("/", 2)[2]
    return f"{target.rstrip('/')}/{key}"
