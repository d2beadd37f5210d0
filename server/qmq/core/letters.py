"""Dead letters: what becomes of a message that a queue gives up.

It is published again, to the queue's `dead_letter` destination, with its history: for
programs as `Envelope.deaths`, for readers in headers. A message that only goes in a
circle (no consumer has ever refused it on the way) is let go.
"""

from __future__ import annotations

import dataclasses

from qmq.core.destination import EXCHANGE, split_exchange
from qmq.core.message import Death, Envelope, Message


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
    been_there = any(death.queue == queue for death in deaths)
    if been_there and reason != "rejected" and not any(death.reason == "rejected" for death in deaths):
        return None
    deaths = _with(deaths, Death(queue, reason, envelope.destination))
    first, last = deaths[0], deaths[-1]
    headers = {
        **envelope.headers,
        "x-first-death-queue": first.queue,
        "x-first-death-reason": first.reason,
        "x-last-death-queue": last.queue,
        "x-last-death-reason": last.reason,
        "x-death-count": str(sum(death.count for death in deaths)),
        "x-original-destination": first.destination,
    }
    headers.pop("expiration", None)  # it has had its time
    return Envelope(_address(target, envelope.destination), headers, priority=envelope.priority, deaths=deaths)


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
