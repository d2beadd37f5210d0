"""The desk: requests to the server itself, answered in JSON.

A client sends a JSON object to `/manage/OPERATION` with a `reply-to`, and gets an object
back. What may be asked is the table `OPERATIONS`. Wrong requests are answered with a
code, like any other; they do not end the conversation. The desk only translates: what is
done, is done by the registry.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qmq import native
from qmq.core import options
from qmq.core.destination import EXCHANGE, QUEUE, TEMP_QUEUE, check_name
from qmq.core.exchange import Exchange, Kind
from qmq.core.queue import Queue
from qmq.core.registry import Registry
from qmq.errors import QmqError
from qmq.session.access import EVERYTHING, Rights
from qmq.stats import PRIVATE

PREFIX = "/manage/"
REFRESH = f"{PREFIX}refresh"  # where a client sends its new token; that it may always

_MAX_LISTED = 1000  # queues, exchanges, bindings or destinations in one answer
_MAX_DESCRIBED = 100  # connections, of which more is told
_MAX_COUNTED = 500  # destinations with their counters; each answer in about a fifth of the time of a turn

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: what it may do, and what exclusive queues are its own by, if it has a connection."""

    rights: Rights = EVERYTHING
    owner: Hashable = None


class Desk:
    """Answers requests about one node.

    Args:
        registry: The node's queues and exchanges.
        connections: Describes those of the node's connections whose names come after one, up to a number.
        kick: Ends the one of this name; returns whether there is one.

    """

    def __init__(
        self, registry: Registry, connections: Callable[[str, int], list[dict[str, Any]]], kick: Callable[[str], bool]
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._kick = kick

    def answer(self, destination: str, body: bytes, asker: Asker) -> tuple[bytes, str]:
        """Does what is asked.

        Args:
            destination: `/manage/OPERATION`.
            body: A JSON object; none is an empty one.
            asker: Who asks.

        Returns:
            The answer as JSON, and the code of the error if it is one.

        """
        try:
            return native.dumps(self.do(destination[len(PREFIX) :], request_of(body), asker)), ""
        except QmqError as error:
            code = error.code
            return native.dumps({"code": code.name, "title": code.text, "detail": error.detail}), code.name

    def do(self, operation: str, request: Request, asker: Asker) -> Any:
        """Does what is asked, as `answer`, and returns what JSON can carry.

        Raises:
            QmqError: `bad-operation` if there is none of this name; what else is wrong.

        """
        found = OPERATIONS.get(operation)
        if found is None:
            raise QmqError("bad-operation", f"{operation[:64]!r} is none of {', '.join(OPERATIONS)}")
        with self._registry.lock:
            return found(self, request, asker)

    def inspect(self, request: Request, asker: Asker) -> Any:
        """A queue's or an exchange's properties, state and counters."""
        destination = _text(request, "destination")
        asker.rights.check("manage", destination)
        if destination.startswith(EXCHANGE):
            return _show_exchange(self._registry.exchange(destination.removeprefix(EXCHANGE)), asker.owner)
        return _show_queue(self._registry.queue(destination, asker.owner))

    def list(self, request: Request, asker: Asker) -> Any:
        """The names of queues and exchanges, with how much waits; those whose name contains `match`."""
        match, after = _text(request, "match", ""), _text(request, "after", "")
        most, allows = _most(request, _MAX_LISTED), asker.rights.allows
        queues, more = _page((name for name in self._registry.queues if match in name), after, most)
        exchanges, others = _page(
            (name for name in self._registry.exchanges if match in name), _text(request, "after-exchange", ""), most
        )
        found = [self._registry.queues[name] for name in queues]
        shown = [each for each in found if each.owner in (None, asker.owner) and allows("manage", each.name)]
        return {
            "queues": [{"destination": queue.name, "messages": len(queue)} for queue in shown],
            "exchanges": [name for name in exchanges if allows("manage", EXCHANGE + name)],
            "more": more or others,
            **({"next": queues[-1]} if more else {}),
            **({"next-exchange": exchanges[-1]} if others else {}),
        }

    def declare(self, request: Request, asker: Asker) -> Any:
        """Makes a queue, or checks that it is as asked for."""
        destination, wanted = _queue_name(request), {}
        asker.rights.check("manage", destination)
        for header, value in request.items():
            name = header.replace("-", "_")
            if header != "destination":
                if name not in options.FIELDS:
                    raise QmqError("bad-operation", f"queues have no property {header[:64]!r}")
                wanted[name] = options.parse(name, value)
        asker.rights.check_dead_letters(wanted)
        if wanted.get("exclusive") and asker.owner is None:
            raise QmqError("bad-operation", "exclusive queues belong to connections")
        return _show_queue(self._registry.declare(destination, wanted, asker.owner))

    def delete(self, request: Request, asker: Asker) -> Any:
        """Deletes a queue and what it holds."""
        return {"messages": self._registry.delete(self._queue(request, asker).name, asker.owner)}

    def purge(self, request: Request, asker: Asker) -> Any:
        """Drops what waits in a queue."""
        return {"messages": self._queue(request, asker).purge()}

    def pause(self, request: Request, asker: Asker) -> Any:
        """Gives a queue's consumers nothing for the time being."""
        queue = self._queue(request, asker)
        queue.pause()
        return {"paused": queue.paused}

    def resume(self, request: Request, asker: Asker) -> Any:
        """Ends a pause."""
        queue = self._queue(request, asker)
        queue.resume()
        return {"paused": queue.paused}

    def declare_exchange(self, request: Request, asker: Asker) -> Any:
        """Makes an exchange: `name`, `kind`, and if wanted `alternate`, `auto-delete`, `internal`."""
        kind = _text(request, "kind", Kind.DIRECT)
        if kind not in list(Kind):
            raise QmqError("bad-operation", f"kind is none of {', '.join(Kind)}")
        properties: dict[str, Any] = {"alternate": _text(request, "alternate", "")}
        for name in ("auto-delete", "internal"):
            properties[name.replace("-", "_")] = options.truth(name, request.get(name, False))
        name, alternate = _text(request, "name"), properties["alternate"]
        asker.rights.check("manage", EXCHANGE + name)
        if alternate:  # gets what this one cannot route
            asker.rights.check("publish", f"{EXCHANGE}{alternate}/#")
        return _show_exchange(self._registry.declare_exchange(name, Kind(kind), **properties), asker.owner)

    def delete_exchange(self, request: Request, asker: Asker) -> Any:
        """Deletes an exchange and its bindings."""
        name = _text(request, "name")
        asker.rights.check("manage", EXCHANGE + name)
        self._registry.delete_exchange(name)
        return {}

    def bind(self, request: Request, asker: Asker) -> Any:
        """Binds the queue or exchange `destination` to the exchange `source`, by `key` or `arguments`."""
        source, destination, key, arguments = self._binding(request, asker)
        asker.rights.check_source(self._registry.exchange(source), key)
        return {"new": self._registry.bind(source, destination, key, arguments)}

    def unbind(self, request: Request, asker: Asker) -> Any:
        """Takes a binding away."""
        source, destination, key, arguments = self._binding(request, asker)
        return {"found": self._registry.unbind(source, destination, key, arguments)}

    def stats(self, request: Request, asker: Asker) -> Any:
        """The node's counters, and those of its destinations."""
        asker.rights.check("manage", f"{PREFIX}stats")
        registry = self._registry
        names, more = _page(registry.totals.names(), _text(request, "after", ""), _most(request, _MAX_COUNTED))
        return {
            "counters": registry.totals.snapshot(),
            "destinations": registry.totals.by_destination(names),
            "more": more,
            **({"next": names[-1]} if more else {}),
            "memory": {"used": registry.memory.used, "limit": registry.memory.ceiling, "full": registry.memory.full},
            "published": registry.hub.offset,
            "fanned_out": registry.hub.fanned_out,
        }

    def connections(self, request: Request, asker: Asker) -> Any:
        """The node's connections, by name."""
        asker.rights.check("manage", f"{PREFIX}connections")
        most = _most(request, _MAX_DESCRIBED)
        found = self._connections(_text(request, "after", ""), most + 1)
        more = len(found) > most
        del found[most:]
        return {"connections": found, "more": more, **({"next": found[-1]["name"]} if more else {})}

    def kick(self, request: Request, asker: Asker) -> Any:
        """Ends the connection called `name`, with `kicked`; it may come back."""
        asker.rights.check("manage", f"{PREFIX}kick")
        name = _text(request, "name")
        if not self._kick(name):
            raise QmqError("not-found", f"there is no connection {name[:64]!r}")
        return {}

    def _binding(self, request: Request, asker: Asker) -> tuple[str, str, str, dict[str, Any]]:
        """A binding that may be made or taken away; a queue of another connection's own is not to be touched."""
        binding = _binding(request)
        asker.rights.check("manage", binding[1])
        if binding[1] in self._registry.queues:
            self._registry.queue(binding[1], asker.owner)
        return binding

    def _queue(self, request: Request, asker: Asker) -> Queue:
        destination = _text(request, "destination")
        asker.rights.check("manage", destination)
        return self._registry.queue(destination, asker.owner)


OPERATIONS: dict[str, Callable[[Desk, Request, Asker], Any]] = {
    method.__name__.replace("_", "-"): method
    for method in (
        Desk.inspect, Desk.list, Desk.declare, Desk.delete, Desk.purge, Desk.pause, Desk.resume,
        Desk.declare_exchange, Desk.delete_exchange, Desk.bind, Desk.unbind, Desk.stats, Desk.connections,
        Desk.kick,
    )
}  # fmt: skip


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| destination | what it does |", "| --- | --- |"]
    lines += [f"| `{PREFIX}{name}` | {method.__doc__} |" for name, method in OPERATIONS.items()]
    return "\n".join(lines)


def request_of(body: bytes) -> Request:
    """A request from JSON; nothing at all is an empty one.

    Raises:
        QmqError: `bad-operation` if it is no object.

    """
    try:
        request = native.loads(body) if body else {}
    except ValueError as error:
        raise QmqError("bad-operation", f"the body is no JSON: {error}") from None
    if not isinstance(request, dict):
        raise QmqError("bad-operation", "the body is no JSON object")
    return request


def _text(request: Request, name: str, default: str | None = None) -> str:
    value = request.get(name, default)
    if not isinstance(value, str):
        raise QmqError("bad-operation", f"{name} is missing" if value is None else f"{name} must be text")
    return value


def _most(request: Request, limit: int) -> int:
    """How many are to be listed at most; a number larger than the limit is the limit."""
    value = request.get("max", limit)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if type(value) is not int or value < 1:
        raise QmqError("bad-operation", "max must be a whole number of at least 1")
    return min(value, limit)


def _page(names: Iterable[str], after: str, most: int) -> tuple[list[str], bool]:
    """The first of these names that come after one, in order, and whether there are more."""
    found = heapq.nsmallest(most + 1, (name for name in names if name > after) if after else names)
    return found[:most], len(found) > most


def _queue_name(request: Request) -> str:
    destination = check_name(_text(request, "destination"))
    if not destination.startswith(QUEUE):
        raise QmqError("bad-destination", f"{destination[:64]} is no queue")
    return destination


def _binding(request: Request) -> tuple[str, str, str, dict[str, Any]]:
    arguments = request.get("arguments", {})
    if not isinstance(arguments, dict):
        raise QmqError("bad-operation", "arguments must be an object")
    if any(isinstance(value, list | dict) for value in arguments.values()):
        raise QmqError("bad-operation", "arguments must be text, numbers, true, false or null")
    source, destination = _text(request, "source").removeprefix("/exchange/"), _text(request, "destination")
    if not destination.startswith((QUEUE, TEMP_QUEUE, EXCHANGE)):
        raise QmqError("bad-destination", f"{destination[:64]!r} is no queue and no exchange")
    return source, destination, _text(request, "key", ""), arguments


def _show_queue(queue: Queue) -> dict[str, Any]:
    return {
        "destination": queue.name,
        "properties": options.as_dict(queue.options),
        "messages": len(queue),
        "bytes": queue.octets,
        "unsettled": queue.unsettled,
        "consumers": len(queue.consumers),
        "paused": queue.paused,
        "published": queue.published,
        "delivered": queue.delivered,
        "acked": queue.acked,
        "redelivered": queue.redelivered,
        "counters": queue.stats.snapshot(),
    }


def _show_exchange(exchange: Exchange, owner: Hashable) -> dict[str, Any]:
    return {
        "name": exchange.name,
        "kind": exchange.kind,
        "alternate": exchange.alternate,
        "auto-delete": exchange.auto_delete,
        "internal": exchange.internal,
        "bindings": [
            {"destination": _name_of(each.target, owner), "key": each.key, "arguments": _plain(each.arguments)}
            for each in exchange.bindings[:_MAX_LISTED]
        ],
    }


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON has them; what it has no word for, as text."""
    return {
        name: value
        if value is None or isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 1 << 63)
        else str(value)
        for name, value in arguments.items()
    }


def _name_of(target: object, owner: Hashable) -> str:
    if isinstance(target, Exchange):
        return f"/exchange/{target.name}"
    assert isinstance(target, Queue)
    return target.name if target.owner in (None, owner) else PRIVATE  # only its owner knows where replies go
