"""A mass return: thousands of clients come back at once, each some messages behind, while others are being served.

Those who stayed subscribe to one topic, on which a message is published at a steady pace; those who come back want the
past of another. Each of them begins at a moment of its own within half a second, as `qmq.js` does after a cut, and
goes through it all: connection, upgrade, CONNECT, SUBSCRIBE with its cursor, and what it has missed. The figure is how
many times the 99th percentile of the latency grows meanwhile, of the one subscriber for whom that is most.

Those who stayed are looked at first and often, so that what the generator does for the others is not counted as the
server's.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import select
import socket
import time
from dataclasses import dataclass, field

from bench import load, wire
from bench.process import BenchError, Process
from bench.results import Figure
from bench.servers import Conversation, Step, stomp_subscribed

PAST = "/topic/past"
BEHIND = 50
STAYING = 500
RETURNING = 5000
PACE = 0.02  # seconds between two messages to those who stayed
QUIET_SECONDS = 5.0
JITTER = 0.5  # seconds within which all begin to come back
SECONDS = 60.0  # for all to have what they missed
AT_ONCE = 8  # events of those who come back that are served before those who stayed are looked at again

_CURSOR = re.compile(rb"cursor:([^\n]+)\n")


@dataclass
class Stayed:
    """Those who stayed, and what is published to them."""

    publisher: socket.socket
    frame: bytes
    sockets: list[socket.socket]
    latencies: list[list[float]] = field(default_factory=list)  # of each
    sent: list[float] = field(default_factory=list)
    cut: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {each.fileno(): number for number, each in enumerate(self.sockets)}
        self.seen = [0] * len(self.sockets)
        self.epoll = select.epoll()
        for each in self.sockets:
            each.setblocking(False)
            self.epoll.register(each.fileno(), select.EPOLLIN)
        self.next = time.perf_counter()
        self.forget()

    def forget(self) -> None:
        """Begin to measure."""
        self.latencies = [[] for _ in self.sockets]

    def look(self, wait: float = 0.0) -> None:
        """Publish if it is time, and take what came."""
        now = time.perf_counter()
        if now >= self.next:
            self.next = max(self.next + PACE, now)
            self.sent.append(now)
            self.publisher.sendall(self.frame)
        for file, _ in self.epoll.poll(wait, len(self.sockets)):
            self._take(file, self.numbers[file])

    def _take(self, file: int, number: int) -> None:
        data = self.cut.pop(file, b"") + self.sockets[number].recv(65536)
        if not data:
            raise BenchError("the server closed the connection of one who stayed")
        *whole, rest = data.split(wire.MARKER)
        now = time.perf_counter()
        for _ in whole:
            self.latencies[number].append(now - self.sent[self.seen[number]])
            self.seen[number] += 1
        self.cut[file] = rest[-len(wire.MARKER) :]

    def worst(self) -> float:
        """The highest of their 99th percentiles, in milliseconds."""
        return max(load.percentile(sorted(each), 99) for each in self.latencies)


class Returning:
    """Those who come back: each with its place in the conversation, and what it has had."""

    def __init__(self, port: int, count: int, steps: list[Step]) -> None:
        now = time.perf_counter()
        self.begins = sorted((now + random.uniform(0, JITTER) for _ in range(count)), reverse=True)
        self.missing = count
        self.sockets: dict[int, socket.socket] = {}
        self.epoll = select.epoll()
        self._port = port
        self._steps = steps
        self._place: dict[int, int] = {}
        self._had: dict[int, bytes] = {}

    def go_on(self) -> None:
        """Let some begin whose time has come, and serve some who wait for nothing but us."""
        now = time.perf_counter()
        for _ in range(AT_ONCE):
            if self.begins and self.begins[-1] <= now:
                self.begins.pop()
                self._begin()
        for file, events in self.epoll.poll(0, AT_ONCE):
            if events & select.EPOLLOUT:
                self.epoll.modify(file, select.EPOLLIN)
                self._say(file)
            else:
                self._hear(file)

    def _begin(self) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        if connection.connect_ex(("127.0.0.1", self._port)) not in (0, errno.EINPROGRESS):
            raise BenchError("no connection")
        file = connection.fileno()
        self.sockets[file] = connection
        self._place[file], self._had[file] = 0, b""
        self.epoll.register(file, select.EPOLLOUT)

    def _say(self, file: int) -> None:
        try:
            self.sockets[file].sendall(self._steps[self._place[file]][0])
        except OSError as error:
            raise BenchError(f"one who came back: {error}") from error

    def _hear(self, file: int) -> None:
        data = self.sockets[file].recv(65536)
        if not data:
            raise BenchError(f"one who came back was sent away: {self._had[file][-200:]!r}")
        had = self._had[file] = self._had[file] + data
        place = self._place[file]
        if place < len(self._steps) and self._steps[place][1] in had:
            self._place[file] = place = place + 1
            if place < len(self._steps):
                self._had[file] = b""
                self._say(file)
        if place == len(self._steps) and had.count(wire.MARKER) == BEHIND:
            if b"recovered:true" not in had:
                raise BenchError("one who came back was told that something is missing")
            self._had[file] = b""
            self._place[file] = place + 1
            self.missing -= 1

    def close(self) -> None:
        """All of them go."""
        self.epoll.close()
        load.close(list(self.sockets.values()))


def measure(server: Process, talk: Conversation) -> Figure:
    """The growth of the worst p99 while all the others come back."""
    with contextlib.ExitStack() as stack:
        opened = load.open_connections(server.port, STAYING, talk.subscriber)
        stack.callback(load.close, opened)
        others = load.open_connections(server.port, 2, talk.publisher)
        stack.callback(load.close, others)
        cursor = _make_past(others[1])
        stayed = Stayed(others[0], talk.publish, opened)
        stack.callback(stayed.epoll.close)
        server.settle()
        with load.no_garbage_collection():
            _watch(stayed, 1.0)
            stayed.forget()
            _watch(stayed, QUIET_SECONDS)
            quiet = stayed.worst()
            stayed.forget()
            subscribe = stomp_subscribed(PAST, cursor=cursor)
            returning = Returning(server.port, RETURNING, [*talk.publisher, subscribe])
            stack.callback(returning.close)
            took = _let_return(stayed, returning)
            busy = stayed.worst()
    words = f"{busy / quiet:.2f} times: {busy:.1f} ms to {quiet:.1f} ms, while {RETURNING:,} came back in {took:.1f} s"
    return Figure(busy / quiet, words)


def _make_past(publisher: socket.socket) -> str:
    """Publish what is to be missed; returns the cursor from before it."""
    until = time.monotonic() + load.OPEN_SECONDS
    send, expect = stomp_subscribed(PAST, **{"from": "latest"})
    publisher.sendall(send)
    found = _CURSOR.search(load.hear(publisher, expect, until))
    if found is None:
        raise BenchError("no cursor on the receipt")
    leave = wire.client_frame(wire.stomp("UNSUBSCRIBE", {"id": "0", "receipt": "left"}))
    load.converse([publisher], (leave, b"receipt-id:left"), until)
    for _ in range(BEHIND - 1):
        publisher.sendall(wire.client_frame(wire.publication(PAST)))
    last = wire.client_frame(wire.publication(PAST, receipt=wire.LAST))
    load.converse([publisher], (last, b"receipt-id:" + wire.LAST.encode()), until)
    return found[1].decode()


def _watch(stayed: Stayed, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        stayed.look(0.001)


def _let_return(stayed: Stayed, returning: Returning) -> float:
    """How many seconds it took until all had what they missed."""
    began = time.perf_counter()
    while returning.missing:
        if time.perf_counter() > began + SECONDS:
            raise BenchError(f"{returning.missing} were not back within {SECONDS:g} s")
        stayed.look()
        returning.go_on()
    return time.perf_counter() - began
