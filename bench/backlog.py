"""The memory of waiting messages: how much a server grows by each small message in a queue that nobody consumes.

The server is a fresh one, as for the idle connections. Some messages are published before the first weighing, so that
what a server sets up once is not divided among the messages. No body is like another, so that no server can keep one
for many. What the bodies themselves need is taken off.

It measures nothing but memory; how long the publishing takes is not looked at.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from bench import load, wire
from bench.process import BenchError, Process
from bench.servers import QueueTalk

BODY = b"%016d"
BODY_OCTETS = len(BODY % 0)
FIRST = 1000
AT_ONCE = 1000  # messages of one send
SECONDS = 120.0  # for each send, and for the receipt: a server may hold us back for a while


@dataclass(frozen=True)
class Backlog:
    """Resident memory per waiting message, over so many messages."""

    octets_per_message: float  # without its body
    messages: int
    empty_mb: float  # the server with the first few messages
    full_mb: float


def measure(server: Process, queue: QueueTalk, messages: int) -> Backlog:
    """Weigh the server before and after that many messages are published."""
    talk = queue(server.port, 1, 0)
    opened = load.open_connections(server.port, 1, talk.producer)
    try:
        _publish(opened[0], talk.destination, range(FIRST))
        server.settle()
        before = server.resident_kb()
        _publish(opened[0], talk.destination, range(FIRST, FIRST + messages))
        server.settle()
        after = server.resident_kb()
    finally:
        load.close(opened)
    return Backlog((after - before) * 1024 / messages - BODY_OCTETS, messages, before / 1024, after / 1024)


def _publish(producer: socket.socket, destination: str, numbers: range) -> None:
    """Publish a message for each number; it returns when the server says that it has the last one."""
    blank = b"?" * BODY_OCTETS
    frame = wire.client_frame(wire.publication(destination, blank), key=wire.PLAIN_KEY)
    head, _, tail = frame.partition(blank.translate(wire.MASKED))
    producer.settimeout(SECONDS)
    try:
        for at in range(0, len(numbers) - 1, AT_ONCE):
            bodies = [(BODY % number).translate(wire.MASKED) for number in numbers[:-1][at : at + AT_ONCE]]
            producer.sendall(head + (tail + head).join(bodies) + tail)
    except OSError as error:
        raise BenchError(f"after {at:,} messages: {error}") from error
    last = wire.client_frame(wire.publication(destination, BODY % numbers[-1], receipt=wire.LAST))
    load.converse([producer], (last, b"receipt-id:" + wire.LAST.encode()), time.monotonic() + SECONDS)
