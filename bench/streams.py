"""Server-Sent Events: how late a message is on one of thousands of streams that get one each second.

Each stream is of a topic of its own, so nothing is shared between them: every message is matched, encoded and written
for one connection. The publisher is one STOMP client that sends them evenly spread over the second.

Only QMQ is asked; the figure is an absolute one.
"""

from __future__ import annotations

import select
import time

from bench import load, wire
from bench.process import BenchError, Process
from bench.results import Figure
from bench.servers import Conversation

STREAMS = 2000
WARM_UP = 2.0
SECONDS = 10.0
TICK = 0.005  # seconds between two bursts of the publisher


def measure(server: Process, talk: Conversation) -> Figure:
    """The 99th percentile of the latency, in milliseconds."""
    run = Run(server.port, talk)
    try:
        with load.no_garbage_collection():
            run.go_on(WARM_UP)
            run.latencies.clear()
            run.go_on(SECONDS)
        ordered = sorted(run.latencies)
        rate = len(ordered) / SECONDS
        if rate < 0.98 * STREAMS:
            raise BenchError(f"only {rate:,.0f} messages a second came")
        p50, p99 = load.percentile(ordered, 50), load.percentile(ordered, 99)
        return Figure(p99, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms at {rate:,.0f} messages/s")
    finally:
        run.close()


class Run:
    """The streams and their publisher."""

    def __init__(self, port: int, talk: Conversation) -> None:
        self.latencies: list[float] = []
        self.publisher = load.open_connections(port, 1, talk.publisher)[0]
        self.streams = []
        try:
            for number in range(STREAMS):
                ask = wire.get(f"/api/v1/stream?destination=/topic/stream.{number}", port)
                self.streams += load.open_connections(port, 1, [(ask, b"event: subscribed")])
        except BaseException:
            self.close()
            raise
        self._numbers = {each.fileno(): number for number, each in enumerate(self.streams)}
        self._frames = [wire.client_frame(wire.publication(f"/topic/stream.{n}")) for n in range(STREAMS)]
        self._sent_at = [0.0] * STREAMS
        self._next = 0
        self._epoll = select.epoll()
        for each in self.streams:
            each.setblocking(False)
            self._epoll.register(each.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Close all connections."""
        load.close([self.publisher, *self.streams])

    def go_on(self, seconds: float) -> None:
        """Publish and read for that long."""
        began = time.perf_counter()
        first, sent = self._next, 0
        while (now := time.perf_counter()) < began + seconds:
            due = int((now - began) * STREAMS)
            burst = []
            while sent < due:
                number = (first + sent) % STREAMS
                burst.append(self._frames[number])
                self._sent_at[number] = now
                sent += 1
            if burst:
                self.publisher.sendall(b"".join(burst))
            self._read(now + TICK)
        self._next = (first + sent) % STREAMS

    def _read(self, until: float) -> None:
        while (left := until - time.perf_counter()) > 0:
            for file, _ in self._epoll.poll(left, 256):
                number = self._numbers[file]
                data = self.streams[number].recv(65536)
                if not data:
                    raise BenchError("the server closed a stream")
                if wire.MARKER in data:
                    self.latencies.append(time.perf_counter() - self._sent_at[number])
