"""A thread that is busy for 200 ms: how long the clients of the other threads wait for an answer meanwhile.

Every client publishes to a topic of its own and waits until the message comes back, again and again. Now and then one
thread of the server computes something for 200 ms without a pause, which is the worst that it can do to the others: it
gives up the interpreter's lock only when it has to. Its own clients have to wait; those are found by that.

The server is a node with four threads, started here (`python -m bench.stuck FILE`), so that the product need not have
a way to make a thread busy. A signal does it.

Only QMQ is asked; the figure is an absolute one.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
from pathlib import Path

from bench import load, servers, wire
from bench.process import BenchError, Process
from bench.results import Figure
from bench.servers import ROOT, Conversation

THREADS = 4
BUSY = 0.2  # seconds
CLIENTS = 24
WARM_UP = 1.0
TIMES = 15  # that the thread is made busy
EVERY = 0.5  # seconds between the beginnings
PAUSE = 0.01  # seconds between an answer and the next message


def start(work: Path) -> Process:
    """The server, which makes one of its threads busy when it gets SIGUSR1."""
    path = os.pathsep.join([str(ROOT / "server"), str(ROOT)])
    command = [sys.executable, "-m", "bench.stuck"]
    return servers.start_with_ready_file(command, work, {"PYTHONPATH": path})


def measure(server: Process, talk: Conversation) -> Figure:
    """The 99th percentile of what clients of the other threads wait while one is busy, in milliseconds."""
    run = Run(server.port, talk)
    try:
        with load.no_garbage_collection():
            run.go_on(WARM_UP)
            run.found.clear()
            run.go_on(2 * EVERY)
            before = load.percentile(sorted(took for found in run.found.values() for _, took in found), 99)
            run.found.clear()
            spans = []
            for _ in range(TIMES):
                server.popen.send_signal(signal.SIGUSR1)
                spans.append(time.perf_counter())
                run.go_on(EVERY)
        stuck = {file for file, found in run.found.items() if _held_up(found) > TIMES / 2}
        if not 0 < len(stuck) < CLIENTS / 2:
            raise BenchError(f"{len(stuck)} of {CLIENTS} clients were held up")
        during = sorted(
            took
            for file, found in run.found.items()
            if file not in stuck
            for sent, took in found
            if any(0 <= sent - span < BUSY for span in spans)
        )
        p50, p99 = load.percentile(during, 50), load.percentile(during, 99)
        return Figure(p99, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; p99 while none is busy {before:.1f} ms")
    finally:
        run.close()


def _held_up(found: list[tuple[float, float]]) -> int:
    """How often a client had to wait for most of the time for which its thread may have been busy."""
    return sum(took > BUSY / 2 for _, took in found)


class Run:
    """The clients.

    Attributes:
        found: By connection: when it published, and how many seconds it waited for the answer.

    """

    def __init__(self, port: int, talk: Conversation) -> None:
        self.found: dict[int, list[tuple[float, float]]] = {}
        self._frames: dict[int, bytes] = {}
        self._sent_at: dict[int, float] = {}
        self._due: list[tuple[float, int]] = []  # who publishes next, and when
        self._epoll = select.epoll()
        self._connections = {}
        try:
            for number in range(CLIENTS):
                topic = f"/topic/own.{number}"
                connection = load.open_connections(port, 1, [*talk.publisher, servers.stomp_subscribed(topic)])[0]
                file = connection.fileno()
                self._connections[file] = connection
                self._frames[file] = wire.client_frame(wire.publication(topic))
                self._due.append((time.perf_counter() + number * PAUSE / CLIENTS, file))
                self._epoll.register(file, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        load.close(list(self._connections.values()))

    def go_on(self, seconds: float) -> None:
        """Publish and read for that long."""
        until = time.perf_counter() + seconds
        while (now := time.perf_counter()) < until:
            while self._due and self._due[0][0] <= now:
                _, file = self._due.pop(0)
                self._sent_at[file] = time.perf_counter()
                self._connections[file].sendall(self._frames[file])
            wait = min(until, self._due[0][0] if self._due else until) - now
            for file, _ in self._epoll.poll(max(wait, 0), CLIENTS):
                self._read(file)

    def _read(self, file: int) -> None:
        data = self._connections[file].recv(65536)
        if not data:
            raise BenchError("the server closed a connection")
        if wire.MARKER in data:
            now, sent = time.perf_counter(), self._sent_at[file]
            self.found.setdefault(file, []).append((sent, now - sent))
            self._due.append((now + PAUSE, file))


async def serve(ready: str) -> None:
    """Serves until it is told to end."""
    from qmq.config import make
    from qmq.node import Node

    node = Node(make({"listen": ("http://127.0.0.1:0",), "name": "node-a", "threads": THREADS, "ready_file": ready}))
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    await node.start()
    loop.add_signal_handler(signal.SIGUSR1, lambda: node._loops[1].post(compute))
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await node.stop()


def compute() -> None:
    """Computes, and does not pause."""
    until = time.perf_counter() + BUSY
    while time.perf_counter() < until:
        sum(range(100))


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
