"""The load on a work queue: one producer, and one consumer who settles every message with an ACK of its own.

It is the fan-out's generator with another way to read. Of what the consumer reads, only the `ack` headers are looked
for, and their values, which differ from message to message, are put between ready-made octets: all ACK frames of one
read are masked in one call and sent in one, each as a WebSocket frame of its own. The window closes the loop here too:
it counts what is published and not yet settled, so that the producer never runs away.

A message counts as settled when its ACK is handed to the kernel. That the server has done them all is checked once, by
a receipt for the last.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from itertools import count, groupby

from bench import load, wire
from bench.plan import QueueScenario
from bench.process import BenchError
from bench.servers import QueueTalk

# The value stays as it is: what the server has escaped in it is escaped in the ACK in the same way.
ACK = re.compile(rb"\nack:([^\n]+)\n")
RECEIPT = b"receipt-id:" + wire.LAST.encode()
CARRY = 1024  # as much as a read may leave behind: no header of these frames is longer, nor body and header together
RECEIPT_SECONDS = 5.0
NEWLINE = b"\n".translate(wire.MASKED)

_runs = count()


class Settler:
    """Sends an ACK frame for each message, however much of them the kernel takes at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._send = connection.send
        self._owed = b""
        self._parts: dict[int, tuple[bytes, bytes]] = {}  # by the length of the id: what is before and behind it

    def settle(self, acks: list[bytes]) -> None:
        """An ACK for each of them, sent now or as soon as `flush` finds room."""
        # Ids get longer as their number grows, so there is nearly always one group, and it is masked as a whole.
        frames = [self._frames(length, list(group)) for length, group in groupby(acks, len)]
        self._owed += b"".join(frames)
        self.flush()

    def settle_last(self, ack: bytes) -> None:
        """The ACK after which there is no other, so that it asks for a receipt."""
        self._owed += wire.acknowledgement(ack, receipt=wire.LAST)
        self.flush()

    def flush(self) -> None:
        """Send what is owed, without waiting."""
        if self._owed:
            with contextlib.suppress(BlockingIOError):
                self._owed = self._owed[self._send(self._owed) :]

    def _frames(self, length: int, acks: list[bytes]) -> bytes:
        if length not in self._parts:
            blank = b"?" * length
            head, _, tail = wire.acknowledgement(blank).partition(blank.translate(wire.MASKED))
            self._parts[length] = head, tail
        head, tail = self._parts[length]
        return head + b"\n".join(acks).translate(wire.MASKED).replace(NEWLINE, tail + head) + tail


class QueueRun(load.Run):
    """One scenario on open connections: warm up, measure, settle the rest."""

    def __init__(self, producer: socket.socket, frame: bytes, consumer: socket.socket, window: int) -> None:
        super().__init__(producer, frame, [consumer], window)
        self.settler = Settler(consumer)
        self._consumer = consumer.fileno()
        self._left = b""  # what was read last, from its last line break: an `ack` header may begin there
        self._last = 0  # the number of the message whose ACK asks for a receipt; 0 while that is not known
        self._done = False  # the receipt has come
        self._buffer = bytearray(CARRY + load.BUFFER)
        self._view = memoryview(self._buffer)
        self._room = self._view[CARRY:]  # before it, there is room for what was left

    def _drain(self) -> int:
        """Publish one message more, and settle what still comes; returns how many messages never came.

        Raises:
            BenchError: If the server does not confirm the last ACK.

        """
        self._sent_at.append(time.perf_counter())
        self._last = len(self._sent_at)
        self.publisher.publish(1)
        missing = super()._drain()
        until = time.perf_counter() + RECEIPT_SECONDS
        while not missing and not self._done:
            if time.perf_counter() > until:
                raise BenchError(f"no receipt for the last ACK within {RECEIPT_SECONDS:g} s")
            self._take(self._epoll.poll(0.02))
        return missing

    def _so_far(self) -> str:
        return f"{self.delivered} messages settled of {len(self._sent_at)}"

    def _take(self, ready: list[tuple[int, int]]) -> None:
        """Read each ready connection once; what the producer is told is of interest only if it is an error."""
        self.settler.flush()
        for connection, _ in ready:
            try:
                size = self._receive[connection](self._room)
            except OSError as error:  # epoll said that there is something, so this is not EAGAIN
                raise BenchError(f"the server broke a connection: {error}") from error
            if not size:
                raise BenchError("the server closed a connection")
            if connection != self._consumer or not self._consume(size):
                at = self._buffer.find(b"ERROR\n", CARRY, CARRY + size)
                if at >= 0:
                    raise BenchError(f"the server said {bytes(self._view[at : min(at + 160, CARRY + size)])!r}")

    def _consume(self, size: int) -> int:
        """Settle what is in the buffer; returns how many messages that were. This is the hot loop."""
        buffer, start, end = self._buffer, CARRY - len(self._left), CARRY + size
        self._view[start:CARRY] = self._left
        acks = ACK.findall(buffer, start, end)
        self._left = bytes(self._view[max(start, buffer.rfind(b"\n", start, end)) : end])
        if len(self._left) > CARRY:
            raise BenchError(f"{len(self._left)} octets without a line break")
        if self._last and buffer.find(RECEIPT, start, end) >= 0:
            self._done = True
        if got := len(acks):
            if self.delivered + got > len(self._sent_at):
                raise BenchError(f"more came than was sent: {self._so_far()}, then {got} more")
            self.latencies.append(time.perf_counter() - self._sent_at[self.delivered])
            self.delivered += got
            last = acks.pop() if self.delivered == self._last else b""
            self.settler.settle(acks)
            if last:
                self.settler.settle_last(last)
        return got


def run(port: int, queue: QueueTalk, scenario: QueueScenario, warm_up: float, seconds: float) -> load.Sample:
    """One scenario on fresh connections, which are closed again whatever happens."""
    talk = queue(port, scenario.prefetch, next(_runs))
    frame = wire.client_frame(wire.publication(talk.destination))
    connections = load.open_connections(port, 1, talk.consumer)
    try:
        connections += load.open_connections(port, 1, talk.producer)
        with load.no_garbage_collection():
            measured = QueueRun(connections[-1], frame, connections[0], scenario.window)
            try:
                return measured.measure(warm_up, seconds)
            finally:
                measured.finish()
    finally:
        load.close(connections)
