"""What headers of STOMP frames ask for, as values of the core. Nothing here acts on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qmq.core import options
from qmq.core.destination import TEMP_QUEUE
from qmq.core.subscription import Bounds, Overflow
from qmq.errors import QmqError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversation may ask for. Sizes in octets, times in milliseconds.

    Subscriptions get the `default_` bounds unless they ask, and never more than
    the `max_` ones. `heartbeat_min` is the shortest interval that the server
    promises or demands. The limits on transactions are for all that a connection
    has open together. `counted` says that frames are to be counted, for limits on
    how many come in a second.
    """

    max_body: int = 1 << 20
    max_headers: int = 64
    max_header_bytes: int = 8192
    max_subscriptions: int = 1000
    default_messages: int = 1000
    default_bytes: int = 1 << 20
    max_messages: int = 100_000
    max_bytes: int = 16 << 20
    default_prefetch: int = 1000
    max_prefetch: int = 65_535
    max_transactions: int = 100
    transaction_messages: int = 10_000
    transaction_bytes: int = 16 << 20
    heartbeat_min: int = 100
    counted: bool = False


# Headers of SEND that speak to the server and are not passed on, and those that a
# MESSAGE has from the server only.
NOT_PASSED_ON = frozenset(
    {"destination", "content-length", "receipt", "transaction", "idempotency-key"}
    | {"subscription", "ack", "redelivered", "delivery-count"}
)

# A queue's properties by header. RabbitMQ's names for them are as good as ours.
_PROPERTIES = {options.header_of(name): name for name in options.FIELDS}
_PREFIXED = {f"x-{header}": name for header, name in _PROPERTIES.items()} | {"x-consumer-timeout": "ack_timeout"}
_DEAD_LETTER_EXCHANGE, _DEAD_LETTER_KEY = "x-dead-letter-exchange", "x-dead-letter-routing-key"
_OF_SEND = frozenset({*_PREFIXED, _DEAD_LETTER_EXCHANGE})
_OF_SUBSCRIBE = frozenset({*_PROPERTIES, *_OF_SEND})

# Headers of SUBSCRIBE that are QMQ's own: whoever uses one is told on the RECEIPT
# what it was granted. Others get a plain RECEIPT, which some clients compare whole.
OWN_OF_TOPICS = frozenset({"max-messages", "max-bytes", "overflow", "conflate-key", "cursor", "from", "prefetch-count"})
OWN_OF_QUEUES = frozenset({*_OF_SUBSCRIBE, "prefetch-count", "max-messages", "max-bytes", "from", "cursor"})

# All that SUBSCRIBE may say; what is left speaks of messages, to an exchange of kind `headers`.
_KNOWN = (
    OWN_OF_TOPICS
    | OWN_OF_QUEUES
    | {"id", "destination", "ack", "receipt", "content-length", "x-queue-name", _DEAD_LETTER_KEY}
)

_OF_OWN = options.QueueOptions(exclusive=True, overflow=options.Full.DROP_HEAD)

_NUMBER = re.compile(r"[0-9]{1,15}")
_TRUTH = {"true": True, "false": False}
_KEY = re.compile(r"[!-~]{1,128}")


def is_temporary(headers: Mapping[str, str]) -> bool:
    """Whether a SEND has to do with temporary queues, which come and go: it is looked at anew each time."""
    return headers["destination"].startswith(TEMP_QUEUE) or headers.get("reply-to", "").startswith(TEMP_QUEUE)


def number(headers: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    """A whole number.

    Raises:
        QmqError: `bad-header` if it is none, or too small.

    """
    value = headers.get(name)
    if value is None:
        return default
    if not _NUMBER.fullmatch(value) or int(value) < least:
        raise QmqError("bad-header", f"{name} must be a whole number of at least {least}: {value[:32]!r}")
    return int(value)


def truth(headers: Mapping[str, str], name: str, default: bool) -> bool:
    """True or false, in whatever case.

    Raises:
        QmqError: `bad-header` if it is neither.

    """
    value = headers.get(name)
    if value is None:
        return default
    found = _TRUTH.get(value.strip().lower())
    if found is None:
        raise QmqError("bad-header", f"{name} is true or false: {value[:32]!r}")
    return found


def idempotency_key(headers: Mapping[str, str]) -> str:
    """What tells a repeated SEND from a new one; empty if it has no key.

    Raises:
        QmqError: `bad-header` if it is not 1 to 128 printable characters of ASCII.

    """
    key = headers.get("idempotency-key")
    if key is None:
        return ""
    if not _KEY.fullmatch(key):
        raise QmqError("bad-header", "idempotency-key has 1 to 128 printable characters of ASCII, and no spaces")
    return key


def earliest(headers: Mapping[str, str]) -> bool:
    """Whether a subscription is to begin with the oldest message that is kept; else it begins now.

    Raises:
        QmqError: `bad-header`.

    """
    start = headers.get("from", "latest")
    if start not in ("latest", "earliest"):
        raise QmqError("bad-header", f"from is latest or earliest: {start[:32]!r}")
    return start == "earliest"


def heartbeat(header: str, shortest: int) -> tuple[int, int]:
    """What both ends owe each other, in milliseconds ("Heart-beating": the larger of both wishes).

    Blanks around the numbers are passed over.

    Raises:
        QmqError: `bad-header`.

    """
    parts = [part.strip() for part in header.split(",")]
    if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise QmqError("bad-header", f"heart-beat must be two numbers: {header[:32]!r}")
    can, wants = int(parts[0]), int(parts[1])
    return (max(wants, shortest) if wants else 0, max(can, shortest) if can else 0)


def ack_mode(headers: Mapping[str, str]) -> str:
    """`auto`, `client` or `client-individual` ("SUBSCRIBE").

    Raises:
        QmqError: `bad-header`.

    """
    mode = headers.get("ack", "auto")
    if mode not in ("auto", "client", "client-individual"):
        raise QmqError("bad-header", f"ack is auto, client or client-individual: {mode[:32]!r}")
    return mode


def bounds(headers: Mapping[str, str], limits: Limits) -> Bounds:
    """The bounds of a topic's subscription, never beyond the limits.

    Raises:
        QmqError: `bad-header`.

    """
    overflow = headers.get("overflow", Overflow.DISCONNECT)
    if overflow not in list(Overflow):
        raise QmqError("bad-header", f"overflow is none of {', '.join(Overflow)}: {overflow[:32]!r}")
    return Bounds(
        min(number(headers, "max-messages", limits.default_messages), limits.max_messages),
        min(number(headers, "max-bytes", limits.default_bytes), limits.max_bytes),
        Overflow(overflow),
        headers.get("conflate-key", ""),
    )


def prefetch(headers: Mapping[str, str], limits: Limits) -> int:
    """How many messages a consumer may have unsettled; 0 asks for as many as there may be.

    Raises:
        QmqError: `bad-header`.

    """
    asked = number(headers, "prefetch-count", limits.default_prefetch, 0)
    return min(asked or limits.max_prefetch, limits.max_prefetch)


def priority(headers: Mapping[str, str]) -> int:
    """A message's priority, 0 to 255.

    Raises:
        QmqError: `bad-header`.

    """
    value = headers.get("priority")
    if value is None:
        return 0
    if not _NUMBER.fullmatch(value):
        raise QmqError("bad-header", f"priority must be a whole number: {value[:32]!r}")
    return min(int(value), 255)


def properties(headers: Mapping[str, str], *, of_send: bool = False) -> dict[str, Any]:
    """The properties of a queue that a frame asks for. SEND can say them with `x-` only: the others are its own.

    Raises:
        QmqError: `bad-header`.

    """
    if (_OF_SEND if of_send else _OF_SUBSCRIBE).isdisjoint(headers):
        return {}
    names = _PREFIXED if of_send else {**_PREFIXED, **_PROPERTIES}
    wanted = {name: options.parse(name, headers[header]) for header, name in names.items() if header in headers}
    if _DEAD_LETTER_EXCHANGE in headers:
        exchange, key = headers[_DEAD_LETTER_EXCHANGE], headers.get(_DEAD_LETTER_KEY, "")
        wanted["dead_letter"] = f"/exchange/{exchange}{'/' * bool(key)}{key}" if exchange else f"/queue/{key}"
    return wanted


def granted(wanted: Mapping[str, Any], present: options.QueueOptions) -> dict[str, str]:
    """What a RECEIPT says about the properties that were asked for."""
    return {options.header_of(name): options.show(getattr(present, name)) for name in wanted}


def own(wanted: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The properties of a queue of one client's own. It never refuses: that would be the sender's loss.

    Raises:
        QmqError: `conflict` if it is asked to be another's too, or to refuse.

    """
    options.check_same(
        _OF_OWN, {name: wanted[name] for name in ("exclusive", "overflow") if name in wanted}, "your queue"
    )
    found = {**wanted, "exclusive": True, "overflow": options.Full.DROP_HEAD}
    if "max_length_bytes" in wanted:  # the largest body that there may be must find room
        found["max_length_bytes"] = max(wanted["max_length_bytes"], limits.max_body)
    return found


def private(headers: Mapping[str, str], wanted: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The properties of a queue that stands for one subscription to an exchange or topic: the oldest goes first.

    Raises:
        QmqError: `bad-header`; `conflict` as `own`.

    """
    bounds = {
        "max_length": min(number(headers, "max-messages", limits.max_messages), limits.max_messages),
        "max_length_bytes": min(number(headers, "max-bytes", limits.max_bytes), limits.max_bytes),
    }
    return {**own({**bounds, **wanted}, limits), "auto_delete": True}


def binding_arguments(headers: Mapping[str, str]) -> dict[str, str]:
    """What a subscription to an exchange of kind `headers` wants of messages: all headers without a meaning of ours."""
    return {name: value for name, value in headers.items() if name not in _KNOWN}
