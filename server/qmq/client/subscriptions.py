"""The subscriptions of one client by their ids, which of them waits for which receipt, and which is full.

On each connection all of them are asked for anew. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qmq.client import body as bodies
from qmq.client.subscription import Subscription
from qmq.errors import QmqError


class Subscriptions:
    """What a client is subscribed to, or wants to be."""

    def __init__(self) -> None:
        self._all: dict[str, Subscription] = {}
        self._wanted: dict[str, Subscription] = {}  # by the receipt that is to come
        self._full: set[Subscription] = set()

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, subscription: Subscription) -> bool:
        return self._all.get(subscription.key) is subscription

    @property
    def full(self) -> bool:
        """Whether there is one for whose sake nothing is read from the connection."""
        return bool(self._full)

    def get(self, key: str) -> Subscription | None:
        """The one of this id."""
        return self._all.get(key)

    def add(self, subscription: Subscription) -> None:
        """Takes a new one."""
        self._all[subscription.key] = subscription

    def remove(self, subscription: Subscription) -> bool:
        """Forgets one; false if it is none of them."""
        return self._all.pop(subscription.key, None) is not None

    def frame(self, subscription: Subscription, receipt: str) -> bytes:
        """The SUBSCRIBE of one, which then waits for this receipt."""
        self._wanted[receipt] = subscription
        return bodies.frame("SUBSCRIBE", {**subscription.frame_headers(), "receipt": receipt})

    def grant(self, receipt: str, headers: Mapping[str, str]) -> bool:
        """The server has one; false if none waits for this receipt."""
        subscription = self._wanted.pop(receipt, None)
        if subscription is not None:
            subscription.grant(headers)
        return subscription is not None

    def refuse(self, receipt: str, error: QmqError) -> bool:
        """The server refuses the one that waits for this receipt; false if none does."""
        subscription = self._wanted.pop(receipt, None)
        if subscription is not None:
            self.remove(subscription)
            subscription.end(error)
        return subscription is not None

    def hold(self, subscription: Subscription, held: bool) -> None:
        """One is full, or not any more."""
        (self._full.add if held else self._full.discard)(subscription)

    def lose(self) -> None:
        """The connection ended."""
        self._wanted.clear()
        for subscription in self:
            subscription.lose()

    def end(self, error: QmqError) -> None:
        """The client ended."""
        for subscription in self:
            subscription.end(error)
