"""The memory of waiting messages: how much a server grows by each small message in a queue that nobody consumes.

The server is a fresh one, as for the idle connections. Some messages are published before the first weighing, so that
what a server sets up once is not divided among the messages. No body is like another, so that no server can keep one
for many. What the bodies themselves need is taken off.

It measures nothing but memory; how long the publishing takes is not looked at.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from bench import load, wire
from bench.process import BenchError, Process
from bench.servers import QueueTalk

BODY = b"%016d"
BODY_OCTETS = len(BODY % 0)
FIRST = 1000
AT_ONCE = 1000  # messages of one send
SECONDS = 120.0  # for any one step: a server may hold us back for a while


@dataclass(frozen=True)
class Backlog:
    """Resident memory per waiting message, over so many messages."""

    octets_per_message: float  # without its body
    messages: int
    empty_mb: float  # the server with the first few messages
    full_mb: float


def _publish(producer: socket.socket, destination: str, numbers: range) -> None:
    """Publish a message for each number, and wait until the server has them all."""
    *others, last = numbers
    for at in range(0, len(others), AT_ONCE):
        producer.sendall(b"".join(_frame(destination, number) for number in others[at : at + AT_ONCE]))
    load.converse(producer, (_frame(destination, last, receipt=wire.LAST), b"receipt-id:" + wire.LAST.encode()), SECONDS)


def _frame(destination: str, number: int, **headers: str) -> bytes:
    return wire.client_frame(wire.publication(destination, BODY % number, **headers))


def measure(server: Process, queue: QueueTalk, messages: int) -> Backlog:
    """Weigh the server before and after that many messages are published."""
