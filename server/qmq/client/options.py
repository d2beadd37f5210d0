"""What a client is told when it is made, and the words for it. Nothing here acts on it."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from qmq.client.address import Address
from qmq.errors import QmqError

# Where `qmq serve` listens unless it is told otherwise.
DEFAULT_URL = "stomp://127.0.0.1:61613"

State = Literal["connecting", "open", "waiting", "closed"]
Overflow = Literal["disconnect", "drop-oldest", "drop-newest", "conflate"]
Start = Literal["latest", "earliest"]
Ack = Literal["auto", "client", "client-individual"]
Token = str | Callable[[], str | Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Options:
    """As of `connect`, which says what they mean."""

    addresses: tuple[Address, ...]
    login: str
    passcode: str
    token: Token | None
    tls: ssl.SSLContext | None
    seconds: float
    heartbeat: float
    reconnect: bool
    patient: bool
    outbox_messages: int
    outbox_bytes: int
    on_state: Callable[[State], None] | None
    on_error: Callable[[QmqError], None] | None
