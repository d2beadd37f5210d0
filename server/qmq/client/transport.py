"""What carries STOMP frames between client and gateway, as bytes only: the seam, and bare TCP.

A carrier opens no socket: a `Connection` gives it what came and sends what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qmq.errors import QmqError


class Carrier(Protocol):
    """One way to put STOMP on a stream of octets.

    Attributes:
        ready: Whether STOMP may be said.
        reason: Why it is over, once the other end has said goodbye, or nonsense.
        answer: What it has to say to the other end at once by itself; whoever sends it empties it.

    """

    ready: bool
    reason: QmqError | None
    answer: bytes

    def hello(self) -> bytes:
        """What is said first."""

    def receive(self, data: bytes) -> bytes:
        """The octets of STOMP in what came, those before the end if it sets `reason`."""

    def carry(self, frames: Sequence[bytes]) -> bytes:
        """STOMP frames as they are to be sent."""


class Plain:
    """TCP, with or without TLS: nothing is put around frames."""

    __slots__ = ("answer", "ready", "reason")

    def __init__(self) -> None:
        self.ready = True
        self.reason: QmqError | None = None
        self.answer = b""

    def hello(self) -> bytes:
        """Nothing: the client begins with CONNECT."""
        return b""

    def receive(self, data: bytes) -> bytes:
        """What came."""
        return data

    def carry(self, frames: Sequence[bytes]) -> bytes:
        """The frames, joined."""
        return b"".join(frames)
