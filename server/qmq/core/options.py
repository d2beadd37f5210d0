"""What can be said about a queue: the one table of its properties; and what the configuration says of all of them.

STOMP headers, configuration, AMQP arguments and the documentation all take their names,
types and meanings from these fields. Nothing here knows where a value came from.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from qmq.errors import QmqError


class Full(StrEnum):
    """What happens to a message beyond a queue's bounds."""

    REJECT_PUBLISH = "reject-publish"
    DROP_HEAD = "drop-head"


def _option(default: Any, text: str, least: int = 0) -> Any:
    return dataclasses.field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """The properties of a queue. Times are in milliseconds, sizes in octets."""

    max_length: int = _option(10_000_000, "messages that may wait", 1)
    max_length_bytes: int = _option(1 << 30, "octets of bodies that may wait", 1)
    overflow: Full = _option(Full.REJECT_PUBLISH, "beyond that: `reject-publish` or `drop-head`")
    message_ttl: int = _option(0, "how long a message may wait; 0: for ever")
    expires: int = _option(0, "how long the queue stays without consumers; 0: for ever")
    dead_letter: str = _option("", "the destination of messages that expire, are refused or are dropped")
    delivery_limit: int = _option(0, "deliveries of one message after which it is a dead letter; 0: any number")
    ack_timeout: int = _option(1_800_000, "how long a consumer may take to settle a message; 0: for ever")
    max_priority: int = _option(0, "the highest priority, up to 255; 0: all messages are equal")
    single_active_consumer: bool = _option(False, "one consumer gets all messages, the others stand by")
    exclusive: bool = _option(False, "for the connection that declared it only, and gone with it")
    auto_delete: bool = _option(False, "gone with its last consumer")
    durable: bool = _option(False, "kept for AMQP clients, who ask for it; queues live in memory")

    def __post_init__(self) -> None:
        if self.max_priority > 255:
            raise QmqError("bad-header", f"max-priority is at most 255, not {self.max_priority}")


@dataclass(frozen=True)
class Rules:
    """What the configuration says about queues and exchanges.

    Attributes:
        queues: Patterns of queue names, with the properties that they fix. Where
            several match, later ones add to earlier ones.
        exchanges: Name, and what `declare_exchange` takes.
        bindings: What `bind` takes.
        max_queues: How many there may be.
        auto_create: Whether queues that nobody declared appear on first use; those
            that a pattern of the configuration names do in any case.
        keys: How many idempotency keys are remembered.
        key_seconds: How long each is.
        max_claimed: How many messages one holder of tokens may have unsettled.

    """

    queues: Sequence[tuple[str, Mapping[str, Any]]] = ()
    exchanges: Sequence[tuple[str, Mapping[str, Any]]] = ()
    bindings: Sequence[tuple[str, str, str, Mapping[str, Any]]] = ()
    max_queues: int = 10_000
    max_exchanges: int = 1_000
    max_bindings: int = 100_000
    auto_create: bool = True
    keys: int = 100_000
    key_seconds: float = 300.0
    max_claimed: int = 65_535


FIELDS: dict[str, dataclasses.Field[Any]] = {field.name: field for field in dataclasses.fields(QueueOptions)}

_NUMBER = re.compile(r"[0-9]{1,15}")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def header_of(name: str) -> str:
    """How a property is written in headers: `max_length` is `max-length`."""
    return name.replace("_", "-")


def parse(name: str, value: object) -> Any:
    """A property's value from text, or from a value of its own type.

    Raises:
        QmqError: `bad-header` if it is none.

    """
    default = FIELDS[name].default
    if isinstance(default, Full):
        if value not in list(Full):
            raise _wrong(name, f"one of {', '.join(Full)}", value)
        return Full(str(value))
    if isinstance(default, bool):
        return truth(name, value)
    if isinstance(default, int):
        return _parse_number(name, value)
    if not isinstance(value, str):
        raise _wrong(name, "a destination", value)
    return value


def truth(name: str, value: object) -> bool:
    """True or false, from text or as it is.

    Raises:
        QmqError: `bad-header` if it is neither.

    """
    found = value if isinstance(value, bool) else _TRUTH.get(str(value).lower())
    if found is None:
        raise _wrong(name, "true or false", value)
    return found


def _parse_number(name: str, value: object) -> int:
    least = FIELDS[name].metadata["least"]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if type(value) is not int or not least <= value < 10**15:
        raise _wrong(name, f"a whole number of at least {least}", value)
    return value


def check_same(present: object, wanted: Mapping[str, Any], what: str) -> None:
    """Checks that nothing else is wanted than what is there.

    Raises:
        QmqError: `conflict`, naming both values.

    """
    for name, value in wanted.items():
        there = getattr(present, name)
        if there != value:
            raise QmqError("conflict", f"{header_of(name)} of {what} is {show(there)}, {show(value)} was asked for")


def show(value: object) -> str:
    """A value as users write it."""
    return (
        str(value).lower() if isinstance(value, bool) else f"{str(value)[:100]!r}" if value == "" else str(value)[:100]
    )


def as_dict(options: QueueOptions) -> dict[str, Any]:
    """All properties by their names in headers."""
    return {header_of(name): getattr(options, name) for name in FIELDS}


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| header | `[[queues]]` key | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in FIELDS.items():
        default = f"`{show(field.default)}`" if field.default != "" else "none"
        lines.append(f"| `{header_of(name)}` | `{name}` | {default} | {field.metadata['help']} |")
    return "\n".join(lines)


def _wrong(name: str, kind: str, value: object) -> QmqError:
    return QmqError("bad-header", f"{header_of(name)} must be {kind}, not {str(value)[:32]!r}")
