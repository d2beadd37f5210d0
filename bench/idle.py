"""The memory of idle connections: how much a server grows by each client that subscribes and then stays silent.

The server is a fresh one, since one that has run scenarios would fill memory that it already has. Some connections are
opened before the first weighing, so that what a server loads or sets up once, on first use, is not divided among the
clients. Kernel memory (socket buffers) is not in the figure; it is the same for all servers.

It measures nothing but memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench import load
from bench.process import Process
from bench.servers import Conversation

FIRST = 100


@dataclass(frozen=True)
class Idle:
    """Resident memory per connection, over so many connections."""

    kb_per_connection: float
    connections: int
    empty_mb: float  # the server with the first few connections
    full_mb: float


def measure(server: Process, talk: Conversation, connections: int) -> Idle:
    """Weigh the server before and after that many connections join, each with one subscription."""
    opened = load.open_connections(server.port, FIRST, talk.subscriber)
    try:
        server.settle()
        before = server.resident_kb()
        opened += load.open_connections(server.port, connections, talk.subscriber)
        server.settle()
        after = server.resident_kb()
    finally:
        load.close(opened)
    return Idle((after - before) / connections, connections, before / 1024, after / 1024)
