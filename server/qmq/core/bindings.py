"""The bindings of all exchanges of a node: how many there are, and what goes when something goes.

A queue or an exchange that is no more takes all bindings to it along, an exchange those
from it, too; an exchange that is to go with its last binding does. Whoever keeps the
exchanges and the queues is not known here, but for the dictionary of exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qmq.core.exchange import Exchange, Target
from qmq.errors import QmqError


class Bindings:
    """The bindings of a node.

    Args:
        exchanges: By name; those that go are taken out.
        limit: How many bindings there may be.
        changed: Called when a binding has come or gone.

    """

    def __init__(self, exchanges: dict[str, Exchange], limit: int, changed: Callable[[], None]) -> None:
        self._exchanges = exchanges
        self._limit = limit
        self.changed = changed
        self._count = 0
        self._sources: dict[Target, dict[Exchange, None]] = {}  # by target: where it is bound

    def __len__(self) -> int:
        return self._count

    def add(self, source: Exchange, target: Target, key: str, arguments: Mapping[str, Any] | None) -> bool:
        """Binds a target to an exchange; returns whether that is new.

        Raises:
            QmqError: `bad-header`, `too-many-bindings`.

        """
        if self._count >= self._limit and not source.is_bound(target, key, arguments):
            raise QmqError("too-many-bindings", f"{self._limit} are allowed")
        if not source.bind(target, key, arguments):
            return False
        self._count += 1
        self._sources.setdefault(target, {})[source] = None
        self.changed()
        return True

    def remove(self, source: Exchange, target: Target, key: str, arguments: Mapping[str, Any] | None) -> bool:
        """Takes a binding away; returns whether it was there."""
        if not source.unbind(target, key, arguments):
            return False
        self._count -= 1
        if not source.leads_to(target):
            self._forget(source, target)
        self.changed()
        if _unused(source):
            self.drop(source)
        return True

    def drop(self, target: Target) -> None:
        """Takes away all bindings to a target that is no more, and of an exchange those from it, too."""
        gone = [target]  # grows while it is gone through: an auto-delete exchange may go with what it leads to
        before = self._count
        for each in gone:
            if isinstance(each, Exchange):
                self._exchanges.pop(each.name, None)
                self._count -= len(each)
                for further in {binding.target: None for binding in each.bindings}:
                    each.drop(further)
                    self._forget(each, further)
            for source in self._sources.pop(each, ()):
                held = len(source)
                source.drop(each)
                self._count -= held - len(source)
                if _unused(source):
                    gone.append(source)
        if self._count != before:
            self.changed()

    def _forget(self, source: Exchange, target: Target) -> None:
        sources = self._sources[target]
        del sources[source]
        if not sources:
            del self._sources[target]

    def __repr__(self) -> str:
        return f"<{self._count} bindings to {len(self._sources)} targets>"


def _unused(exchange: Exchange) -> bool:
    return exchange.auto_delete and exchange.had_bindings and not len(exchange)
