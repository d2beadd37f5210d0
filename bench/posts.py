"""Publishing by HTTP requests: the same POST over and over, on a few connections that stay open.

Each connection has one request on its way at a time, as a client has that waits for the answer. A message counts when
the request that carried it is answered with success, so what is measured is what a publisher is promised.
"""

from __future__ import annotations

import re
import select
import socket
import time

from bench import load
from bench.plan import PostScenario
from bench.process import BenchError
from bench.servers import Post

_HEAD = re.compile(rb"HTTP/1\.1 (\d+) [^\r]*\r\n.*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def run(port: int, post: Post, scenario: PostScenario, warm_up: float, seconds: float) -> load.Sample:
    """One run of one scenario."""
    run = Posting(port, post(port), scenario)
    try:
        with load.no_garbage_collection():
            return run.measure(warm_up, seconds)
    finally:
        run.close()


class Posting:
    """Open connections, and the request that is sent on each."""

    def __init__(self, port: int, request: bytes, scenario: PostScenario) -> None:
        self._request = request
        self._batch = scenario.batch
        self._answered = 0
        self._latencies: list[float] = []
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._cut: dict[int, bytes] = {}  # by connection: the beginning of an answer
        self._sent_at: dict[int, float] = {}
        for _ in range(scenario.connections):
            connection = load.connect(port)
            self._connections[connection.fileno()] = connection
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Close them all."""
        self._epoll.close()
        load.close(list(self._connections.values()))

    def measure(self, warm_up: float, seconds: float) -> load.Sample:
        """Send for that long, and tell what happened after the warm-up."""
        for file in self._connections:
            self._send(file)
        self._go_on(warm_up)
        self._latencies.clear()
        before, began, busy = self._answered, time.perf_counter(), time.process_time()
        self._go_on(seconds)
        took = time.perf_counter() - began
        rate = (self._answered - before) * self._batch / took
        busy = (time.process_time() - busy) / took
        latencies = sorted(self._latencies)
        return load.Sample(rate, load.percentile(latencies, 50), load.percentile(latencies, 99), busy, 0)

    def _send(self, file: int) -> None:
        self._sent_at[file] = time.perf_counter()
        self._connections[file].sendall(self._request)

    def _go_on(self, seconds: float) -> None:
        now = time.perf_counter()
        until, stalled = now + seconds, now + load.STALL_SECONDS
        while now < until:
            before = self._answered
            for file, _ in self._epoll.poll(0.1):
                self._take(file)
            now = time.perf_counter()
            if self._answered != before:
                stalled = now + load.STALL_SECONDS
            elif now > stalled:
                raise BenchError(f"stalled after {self._answered} answers")

    def _take(self, file: int) -> None:
        """Read what there is; if it ends an answer, send again."""
        data = self._connections[file].recv(load.BUFFER)
        if not data:
            raise BenchError("the server closed a connection")
        data = self._cut.pop(file, b"") + data
        head = _HEAD.match(data)
        length = _LENGTH.search(data, 0, head.end()) if head else None
        if head is None or length is None or len(data) < head.end() + int(length[1]):
            self._cut[file] = data
            return
        if head[1][:1] != b"2":
            raise BenchError(f"refused: {data[:300]!r}")
        self._answered += 1
        self._latencies.append(time.perf_counter() - self._sent_at[file])
        self._send(file)
