"""The load generator: one process, one thread, raw non-blocking sockets under one epoll.

One publisher sends the same ready-made frame over and over; the subscribers' octets are read into one shared buffer and
the markers in them counted. No frame is parsed and no object is made per message, since every microsecond spent here is
one that the server under measurement seems to be slow.

The window closes the loop: at most `window` messages are on their way, where a message is done when all subscribers
together have received as many copies as it needs. Latency is from handing a message to the kernel until its copy is
counted; of each read of a connection, the first message is a sample.

It answers no ping and no heart-beat (no run lasts long enough), and it never waits without a bound.
"""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench import wire
from bench.plan import Scenario
from bench.process import BenchError
from bench.servers import Conversation, Step

OPEN_AT_ONCE = 100
OPEN_SECONDS = 60.0
STALL_SECONDS = 4.0
DRAIN_SECONDS, DRAIN_QUIET = 20.0, 2.0  # wait for the rest at most so long, and so long without any delivery
BUFFER = 1 << 18
CARRY = len(wire.MARKER) - 1  # as much of a cut marker as a read may leave behind
MARKER_OCTETS = frozenset(wire.MARKER)
ABORTIVE = struct.pack("ii", 1, 0)  # linger zero: close with a reset, so that no port stays behind in TIME_WAIT


@dataclass(frozen=True)
class Sample:
    """What one run of one scenario gave."""

    rate: float  # deliveries per second; of a queue, messages settled per second
    p50: float  # milliseconds
    p99: float
    load_busy: float  # share of its core that the generator used: near 1, the generator was the limit
    missing: int  # deliveries that had not come when the run had drained
    crowd: float = 0.0  # share of both cores that other processes took meanwhile


def converse(connections: list[socket.socket], step: Step, until: float) -> None:
    """Say one step on all of them, then wait for each answer, so that the server gets them as a batch."""
    send, expect = step
    for connection in connections:
        connection.sendall(send)
    for connection in connections:
        hear(connection, expect, until)


def hear(connection: socket.socket, expect: bytes, until: float) -> bytes:
    """Wait for an answer that holds that, and return it."""
    answer = b""
    while expect not in answer:
        connection.settimeout(max(0.01, until - time.monotonic()))
        try:
            data = connection.recv(65536)
        except OSError as error:
            raise BenchError(f"waiting for {expect!r}: {error}") from error
        if not data:
            raise BenchError(f"closed while waiting for {expect!r}; it had said {answer[-120:]!r}")
        answer += data
    return answer


def open_connections(port: int, count: int, steps: list[Step], seconds: float = OPEN_SECONDS) -> list[socket.socket]:
    """That many connections which have all gone through the steps. All or none: a failure closes what is open."""
    until = time.monotonic() + seconds
    opened: list[socket.socket] = []
    try:
        while len(opened) < count:
            batch = min(OPEN_AT_ONCE, count - len(opened))
            opened.extend(connect(port, seconds) for _ in range(batch))  # keeps those before a failure, to be closed
            for step in steps:
                converse(opened[-batch:], step, until)
    except (OSError, BenchError) as error:
        close(opened)
        raise BenchError(f"connection {len(opened)} of {count}: {error}") from error
    return opened


def connect(port: int, seconds: float = OPEN_SECONDS) -> socket.socket:
    """One connection; `seconds` are its time-out."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    # Without it, a partly refilled window waits for the 40 ms of a delayed acknowledgement.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def close(connections: list[socket.socket]) -> None:
    """Close them all at once, with a reset each."""
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORTIVE)
        connection.close()


class Publisher:
    """Sends the same frame over and over, however much of it the kernel takes at a time."""

    def __init__(self, connection: socket.socket, frame: bytes, window: int) -> None:
        self.owed = 0  # octets
        self._send = connection.send
        self._size = len(frame)
        self._frames = memoryview(frame * (window + 1))
        self._phase = 0  # where in the frame the next octet is

    def publish(self, count: int) -> None:
        """Send that many messages now, or as soon as `flush` finds room."""
        self.owed += count * self._size
        self.flush()

    def flush(self) -> None:
        """Send what is owed, without waiting."""
        with contextlib.suppress(BlockingIOError):
            sent = self._send(self._frames[self._phase : self._phase + self.owed])
            self.owed -= sent
            self._phase = (self._phase + sent) % self._size


class Run:
    """One scenario on open connections: warm up, measure, drain."""

    def __init__(self, publisher: socket.socket, frame: bytes, subscribers: list[socket.socket], window: int) -> None:
        everyone = [publisher, *subscribers]
        self.window = window
        self.subscribers = len(subscribers)
        self.delivered = 0
        self.latencies: list[float] = []
        self.publisher = Publisher(publisher, frame, window)
        self._sent_at: list[float] = []  # of each message, by its number
        self._epoll = select.epoll()
        highest = max(each.fileno() for each in everyone)
        self._receive = {each.fileno(): each.recv_into for each in everyone}
        self._seen = [0] * (highest + 1)  # messages counted on each connection
        self._cut: dict[int, bytes] = {}  # by connection: the marker's beginning, where a read ended within it
        self._buffer = bytearray(CARRY + BUFFER)
        self._view = memoryview(self._buffer)
        self._room = self._view[CARRY:]  # before it, there is room for what was cut
        for each in everyone:
            each.setblocking(False)
            self._epoll.register(each.fileno(), select.EPOLLIN)

    def finish(self) -> None:
        self._epoll.close()

    def measure(self, warm_up: float, seconds: float) -> Sample:
        """Run for that long, and tell what happened after the warm-up."""
        self._go_on(warm_up)
        self.latencies.clear()
        before, began, busy = self.delivered, time.perf_counter(), time.process_time()
        self._go_on(seconds)
        took = time.perf_counter() - began
        rate = (self.delivered - before) / took
        busy = (time.process_time() - busy) / took
        latencies = sorted(self.latencies)  # before the drain adds to them
        missing = self._drain()
        return Sample(rate, percentile(latencies, 50), percentile(latencies, 99), busy, missing)

    def _go_on(self, seconds: float) -> None:
        """Keep the window full for that long."""
        clock, poll = time.perf_counter, self._epoll.poll
        now = clock()
        until, stalled = now + seconds, now + STALL_SECONDS
        while now < until:
            room = self.window - len(self._sent_at) + self.delivered // self.subscribers
            if room > 0:
                self._sent_at += [clock()] * room
                self.publisher.publish(room)
            elif self.publisher.owed:
                self.publisher.flush()
            before = self.delivered
            self._take(poll(0.001 if self.publisher.owed else 0.1, len(self._receive)))
            now = clock()
            if self.delivered != before:
                stalled = now + STALL_SECONDS
            elif now > stalled:
                raise BenchError(f"stalled: {self._so_far()}, then nothing for {STALL_SECONDS:g} s")

    def _drain(self) -> int:
        """Publish no more, and wait a little for what is on its way; returns how many deliveries never came."""
        owed = len(self._sent_at) * self.subscribers
        now = time.perf_counter()
        until, quiet = now + DRAIN_SECONDS, now + DRAIN_QUIET
        while self.delivered < owed and now < min(until, quiet):
            self.publisher.flush()
            before = self.delivered
            self._take(self._epoll.poll(0.02))
            now = time.perf_counter()
            if self.delivered != before:
                quiet = now + DRAIN_QUIET
        return owed - self.delivered

    def _so_far(self) -> str:
        return f"{self.delivered} deliveries of {len(self._sent_at)} messages to {self.subscribers} subscribers"

    def _take(self, ready: list[tuple[int, int]]) -> None:
        """Read each ready connection once, and count. This is the hot loop: everything in it is a local name."""
        receive, seen, cut, sent_at = self._receive, self._seen, self._cut, self._sent_at
        buffer, view, room, count = self._buffer, self._view, self._room, self._buffer.count
        marker, octets, sample, clock = wire.MARKER, MARKER_OCTETS, self.latencies.append, time.perf_counter
        total = 0
        for connection, _ in ready:
            try:
                size = receive[connection](room)
            except OSError as error:  # epoll said that there is something, so this is not EAGAIN
                raise BenchError(f"the server broke a connection: {error}") from error
            if not size:
                raise BenchError("the server closed a connection")
            start, end = CARRY, CARRY + size
            if cut and connection in cut:
                head = cut.pop(connection)
                start -= len(head)
                view[start:CARRY] = head
            if buffer[end - 1] in octets:
                cut[connection] = bytes(view[max(start, end - CARRY) : end])
            if got := count(marker, start, end):
                first = seen[connection]
                seen[connection] = first + got
                total += got
                if first >= len(sent_at):
                    raise BenchError(f"more came than was sent: {self._so_far()}")
                sample(clock() - sent_at[first])
        self.delivered += total


def percentile(ordered: list[float], percent: int) -> float:
    """Nearest rank, in milliseconds; 0 if there is nothing."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def run(port: int, talk: Conversation, scenario: Scenario, warm_up: float, seconds: float) -> Sample:
    """One scenario on fresh connections, which are closed again whatever happens."""
    connections = open_connections(port, scenario.subscribers, talk.subscriber)
    try:
        connections += open_connections(port, 1, talk.publisher)
        with no_garbage_collection():
            measured = Run(connections[-1], talk.publish, connections[:-1], scenario.window)
            try:
                return measured.measure(warm_up, seconds)
            finally:
                measured.finish()
    finally:
        close(connections)
