"""What a publish is before it is done: the same for every protocol.

Headers become an envelope here, a publish that comes again is dropped, and what is to be
published together is checked before any of it is done. Nothing here knows frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, TypeAlias

from qmq.core.destination import TOPIC
from qmq.core.memory import OVERHEAD
from qmq.core.message import Envelope
from qmq.core.queue import Queue
from qmq.core.recent import Key
from qmq.core.registry import Registry
from qmq.errors import QmqError
from qmq.session import stomp_headers
from qmq.session.access import Rights
from qmq.session.auth import Kind

Publish: TypeAlias = Callable[[Envelope, bytes, bool], Any]


@dataclass(frozen=True, slots=True)
class Publishing:
    """A message that is to be published, with others or later. `key` is its idempotency key, if it has one."""

    publish: Publish
    envelope: Envelope
    body: bytes
    text: bool
    key: Key | None = None


@dataclass(slots=True)
class Load:
    """What is to be added to one queue; `largest` is the largest body of what is published."""

    messages: int = 0
    octets: int = 0
    largest: int = 0

    def publish(self, octets: int) -> None:
        self.add([octets])
        self.largest = max(self.largest, octets)

    def add(self, sizes: list[int]) -> None:
        self.messages += len(sizes)
        self.octets += sum(sizes)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that readers of a message get."""
    # Names are interned: a queue may hold a million messages that differ in a value.
    return {intern(name): headers[name] for name in headers if name not in stomp_headers.NOT_PASSED_ON}


def envelope_of(destination: str, headers: Mapping[str, str], kept: Mapping[str, str]) -> Envelope:
    """The envelope of a message.

    Args:
        destination: Where it goes, checked by the caller.
        headers: All that its publisher said.
        kept: What readers get of it.

    Raises:
        QmqError: `bad-header` if its priority or expiration is no number.

    """
    ttl = stomp_headers.number(headers, "expiration", -1, 0)
    priority = stomp_headers.priority(headers)
    return Envelope(intern(destination), kept, priority=priority, ttl=None if ttl < 0 else ttl)


def key_of(rights: Rights, envelope: Envelope, key: str, body: bytes) -> Key | None:
    """What is remembered of a publish with an idempotency key: whose it is, and where it went; None without one.

    All who have not logged in are one publisher, and may come back with another address. So what they say counts,
    too: one can make nothing of another vanish that was not published.
    """
    if not key:
        return None
    principal = rights.principal
    if principal.kind is Kind.ANONYMOUS:
        key = f"{key} {len(body)} {hash(body):x}"  # by a secret of this process
    return str(principal), envelope.destination, key


def way_to(registry: Registry, destination: str) -> Publish:
    """What publishes to a destination."""
    return registry.hub.publish if destination.startswith(TOPIC) else registry.publish


def publish_once(registry: Registry, publish: Publish, envelope: Envelope, body: bytes, text: bool, key: Key) -> Any:
    """Publishes unless that was done before with the same key; what was published, or None.

    Raises:
        QmqError: As `Registry.publish`.

    """
    with registry.lock:
        if registry.repeats(key):
            return None
        message = publish(envelope, body, text)
        registry.published.add(key)  # now that it has succeeded: what was refused can be tried again
        return message


def loads_of(registry: Registry, publishings: Iterable[Publishing]) -> dict[Queue, Load]:
    """What these would add to which queues; one that does not exist yet is created.

    Raises:
        QmqError: As `Registry.targets`.

    """
    loads: dict[Queue, Load] = {}
    for each in publishings:
        add_load(registry, loads, each)
    return loads


def add_load(registry: Registry, loads: dict[Queue, Load], publishing: Publishing) -> None:
    """Adds what this would add to queues; one that does not exist yet is created.

    Raises:
        QmqError: As `Registry.targets`.

    """
    octets = len(publishing.body)
    for queue in registry.targets(publishing.envelope):
        loads.setdefault(queue, Load()).publish(octets)


def check_room(registry: Registry, loads: Mapping[Queue, Load], nothing: str) -> None:
    """Checks that queues and memory have room for all of it.

    Args:
        registry: Knows how much memory there is.
        loads: What is to be added.
        nothing: Says in errors that nothing was done.

    Raises:
        QmqError: `queue-full`, `memory-full`.

    """
    for queue, load in loads.items():
        if load.largest > queue.options.max_length_bytes or not queue.has_room(load.messages, load.octets):
            raise QmqError("queue-full", f"{queue.name} has no room for all of it; {nothing}")
    more = sum(load.octets + load.messages * OVERHEAD for load in loads.values())
    if more and registry.memory.used + more >= registry.memory.brim:
        raise QmqError("memory-full", nothing)
