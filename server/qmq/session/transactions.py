"""What a client does in transactions: kept until COMMIT, forgotten with ABORT or the connection.

A commit is checked as a whole before any of it is done: every message that it settles
must still be unsettled, and every queue that it publishes to must have room. Then all of
it is done in the order in which it was said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qmq.core.memory import OVERHEAD
from qmq.core.recent import Key
from qmq.core.registry import Registry
from qmq.errors import QmqError
from qmq.session.publishing import Publishing, check_room, loads_of
from qmq.session.stomp_consumer import QueueSubscription
from qmq.session.stomp_headers import Limits


@dataclass(frozen=True, slots=True)
class Settling:
    """An ACK or NACK that waits for its COMMIT."""

    subscription: QueueSubscription
    tag: int
    ack: bool
    requeue: bool


class Transactions:
    """The transactions that one connection has open.

    Args:
        registry: Knows where messages go, and how much memory there is.
        limits: How many and how large they may be.

    """

    __slots__ = ("_actions", "_failed", "_limits", "_octets", "_open", "_registry")

    def __init__(self, registry: Registry, limits: Limits) -> None:
        self._registry = registry
        self._limits = limits
        self._open: dict[str, list[Publishing | Settling]] = {}
        self._failed: dict[str, QmqError] = {}  # of those open, why they cannot be committed any more
        self._actions = self._octets = 0

    def __len__(self) -> int:
        return len(self._open)

    def destinations(self) -> set[str]:
        """Where it would publish."""
        waiting = (action for actions in self._open.values() for action in actions)
        return {action.envelope.destination for action in waiting if isinstance(action, Publishing)}

    def begin(self, name: str) -> None:
        """Opens a transaction.

        Raises:
            QmqError: `duplicate-transaction`, or `transaction-too-large` if there are too many.

        """
        if name in self._open:
            raise QmqError("duplicate-transaction", name)
        if len(self._open) >= self._limits.max_transactions:
            raise QmqError("transaction-too-large", f"{self._limits.max_transactions} may be open")
        self._open[name] = []

    def add(self, name: str, action: Publishing | Settling) -> None:
        """Keeps something until the COMMIT.

        Raises:
            QmqError: `unknown-transaction`; `transaction-too-large`; `memory-full`.

        """
        actions = self._open.get(name)
        if actions is None:
            raise QmqError("unknown-transaction", name)
        if name in self._failed:
            raise QmqError(self._failed[name].code.name, "another frame of this transaction was refused")
        self._registry.memory.check()
        octets = _octets(action)
        if self._actions >= self._limits.transaction_messages:
            raise QmqError("transaction-too-large", f"{self._limits.transaction_messages} frames may wait")
        if self._octets + octets > self._limits.transaction_bytes:
            raise QmqError("transaction-too-large", f"{self._limits.transaction_bytes} octets may wait")
        actions.append(action)
        self._actions += 1
        self._octets += octets
        self._registry.memory.take(octets)

    def fail(self, name: str, error: QmqError) -> None:
        """A frame that was to be part of it is refused: it cannot be committed any more, only aborted."""
        if name in self._open and name not in self._failed:
            self._take(name)
            self._open[name] = []
            self._failed[name] = error

    def commit(self, name: str) -> None:
        """Does all of it, or nothing; it is over in either case.

        Raises:
            QmqError: `unknown-transaction`; `unknown-delivery`, `queue-full` or what else
                stands in the way of one part, or why one was refused.

        """
        failed = self._failed.get(name)
        actions = self._take(name)
        if failed is not None:
            raise QmqError(failed.code.name, f"a frame of it was refused; nothing was committed. {failed.detail}")
        actions = self._without_repeated(actions)
        self._check(actions)
        for action in actions:
            if isinstance(action, Publishing):
                action.publish(action.envelope, action.body, action.text)
                if action.key is not None:
                    self._registry.published.add(action.key)
            else:
                for tag in action.subscription.settling(action.tag):
                    action.subscription.settle(tag, action.ack, action.requeue)

    def abort(self, name: str) -> None:
        """Forgets all of it: what was to be settled is unsettled as before.

        Raises:
            QmqError: `unknown-transaction`.

        """
        self._take(name)

    def close(self) -> None:
        """Forgets everything ("COMMIT and ABORT": an open transaction ends with its connection)."""
        for name in list(self._open):
            self._take(name)

    def _take(self, name: str) -> list[Publishing | Settling]:
        actions = self._open.pop(name, None)
        if actions is None:
            raise QmqError("unknown-transaction", name)
        self._failed.pop(name, None)
        octets = sum(map(_octets, actions))
        self._actions -= len(actions)
        self._octets -= octets
        self._registry.memory.free(octets)
        return actions

    def _without_repeated(self, actions: list[Publishing | Settling]) -> list[Publishing | Settling]:
        """What is left when each idempotency key counts once, also within a transaction."""
        left: list[Publishing | Settling] = []
        keys: set[Key] = set()
        for action in actions:
            key = action.key if isinstance(action, Publishing) else None
            if key is None or (key not in keys and not self._registry.repeats(key)):
                left.append(action)
                if key is not None:
                    keys.add(key)
        return left

    def _check(self, actions: list[Publishing | Settling]) -> None:
        returned = _check_settlings(action for action in actions if isinstance(action, Settling))
        loads = loads_of(self._registry, (action for action in actions if isinstance(action, Publishing)))
        for subscription, tags in returned.items():
            load = loads.get(subscription.consumer.queue)
            if load is not None:  # it may be in the way of what is published after it
                load.add(subscription.sizes(tags))
        check_room(self._registry, loads, "nothing was committed")

    def __repr__(self) -> str:
        return f"<{len(self)} transactions, {self._actions} actions, {self._octets} octets>"


def _octets(action: Publishing | Settling) -> int:
    return OVERHEAD + (
        len(action.body) + action.envelope.octets + sum(map(len, action.key or ()))
        if isinstance(action, Publishing)
        else 0
    )


def _check_settlings(actions: Iterable[Settling]) -> dict[QueueSubscription, set[int]]:
    """Checks that all of it can be settled, one after the other; returns what goes back."""
    settled: set[tuple[QueueSubscription, int]] = set()
    through: dict[QueueSubscription, int] = {}  # the last tag that is settled together with all before it
    returned: dict[QueueSubscription, set[int]] = {}
    for action in actions:
        subscription, tag = action.subscription, action.tag
        if tag <= through.get(subscription, 0) or (subscription, tag) in settled or not subscription.holds(tag):
            raise QmqError("unknown-delivery", f"number {tag} is settled; nothing was committed")
        settled.add((subscription, tag))
        if subscription.cumulative:
            through[subscription] = tag
        if not action.ack and action.requeue:
            returned.setdefault(subscription, set()).add(tag)
    return returned
