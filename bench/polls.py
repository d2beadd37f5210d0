"""Long-polls that wait: what each of them takes of the server's memory, and how soon a message reaches all of them.

A session here is one connection: it opens with CONNECT and SUBSCRIBE in the first request, takes what is answered to
those, and then waits in a request of its own, as a page does. Whoever got a message asks again at once, while others
still wait for theirs. The same message to as many WebSocket subscribers of the same server is the measure of time.

Only QMQ is asked; its peers have no long-polling.
"""

from __future__ import annotations

import re
import select
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import floor, load, wire
from bench.process import BenchError, Process
from bench.results import Figure
from bench.servers import Conversation, stomp_frames

FIRST = 100
WEIGHED = 5000
REACHED = 1000
SECONDS = 10.0  # for one message to reach all
TAKES = 20  # messages of which the median counts

_SESSION = re.compile(rb'"session":"([^"]+)"')
_PACKET = re.compile(rb"(\d+) (\d+)\n")


def _post(path: str, body: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(body), body)


@dataclass
class Poll:
    """A session: its connection, and the last packet that it has."""

    connection: socket.socket
    path: str
    ack: int = 0

    def ask(self) -> None:
        """Wait for what comes next."""
        self.connection.send(_post(f"{self.path}/receive?ack={self.ack}"))

    def take(self, answer: bytes) -> None:
        """Note what came."""
        _, _, body = answer.partition(b"\r\n\r\n")
        while found := _PACKET.match(body):
            self.ack = int(found[1])
            body = body[found.end() + int(found[2]) :]


def open_polls(port: int, count: int) -> list[Poll]:
    """That many sessions, which have subscribed and wait. All or none."""
    polls: list[Poll] = []
    try:
        while len(polls) < count:
            polls += _open_batch(port, min(load.OPEN_AT_ONCE, count - len(polls)))
    except (OSError, BenchError) as error:
        close(polls)
        raise BenchError(f"session {len(polls)} of {count}: {error}") from error
    return polls


def _open_batch(port: int, count: int) -> list[Poll]:
    connections = [load.connect(port) for _ in range(count)]
    until = time.monotonic() + load.OPEN_SECONDS
    try:
        hello = _post("/poll", stomp_frames(floor.DESTINATION))
        polls = []
        for connection in connections:
            connection.sendall(hello)
        for connection in connections:
            found = _SESSION.search(load.hear(connection, b"}", until))
            if found is None:
                raise BenchError("no session in the answer")
            polls.append(Poll(connection, f"/poll/{found[1].decode()}"))
            polls[-1].ask()
        for poll in polls:
            poll.take(load.hear(poll.connection, b"receipt-id:subscribed", until))
            poll.ask()
    except BaseException:
        load.close(connections)
        raise
    return polls


def close(polls: list[Poll]) -> None:
    """Close their connections."""
    load.close([poll.connection for poll in polls])


def weigh(server: Process) -> Figure:
    """Resident memory of the server per session that waits, in KB."""
    polls = open_polls(server.port, FIRST)
    try:
        server.settle()
        before = server.resident_kb()
        polls += open_polls(server.port, WEIGHED)
        server.settle()
        each = (server.resident_kb() - before) / WEIGHED
    finally:
        close(polls)
    return Figure(each, f"{each:.1f} KB over {WEIGHED:,} sessions")


def reach(server: Process, talk: Conversation) -> Figure:
    """How many times as long a message takes to a thousand long-polls as to as many WebSockets."""
    publisher = load.open_connections(server.port, 1, talk.publisher)
    try:
        sockets = load.open_connections(server.port, REACHED, talk.subscriber)
        try:
            direct = _median(server, publisher[0], talk.publish, sockets, lambda at, data: None)
        finally:
            load.close(sockets)
        server.settle()
        polls = open_polls(server.port, REACHED)
        try:
            sockets = [poll.connection for poll in polls]

            def again(at: int, data: bytes) -> None:
                polls[at].take(data)
                polls[at].ask()

            polled = _median(server, publisher[0], talk.publish, sockets, again)
        finally:
            close(polls)
    finally:
        load.close(publisher)
    return Figure(polled / direct, f"{polled / direct:.2f} times: {polled * 1000:.1f} ms to {direct * 1000:.1f} ms")


def _median(
    server: Process,
    publisher: socket.socket,
    frame: bytes,
    sockets: list[socket.socket],
    then: Callable[[int, bytes], None],
) -> float:
    """Seconds until a message has reached the last of them; `then` is called with each one's number and octets."""
    numbers = {each.fileno(): number for number, each in enumerate(sockets)}
    epoll = select.epoll()
    try:
        for each in sockets:
            each.setblocking(False)
            epoll.register(each.fileno(), select.EPOLLIN)
        takes = []
        with load.no_garbage_collection():
            for _ in range(TAKES):
                server.settle(1.0)
                began = time.perf_counter()
                publisher.sendall(frame)
                _reach_all(epoll, numbers, sockets, then, began + SECONDS)
                takes.append(time.perf_counter() - began)
        return statistics.median(takes)
    finally:
        epoll.close()


def _reach_all(
    epoll: select.epoll,
    numbers: dict[int, int],
    sockets: list[socket.socket],
    then: Callable[[int, bytes], None],
    until: float,
) -> None:
    cut: dict[int, bytes] = {}  # what came of an answer that is not whole
    missing = len(sockets)
    while missing:
        if time.perf_counter() > until:
            raise BenchError(f"{missing} of {len(sockets)} did not get a message within {SECONDS:g} s")
        for file, _ in epoll.poll(0.1, len(sockets)):
            number = numbers[file]
            data = cut.pop(file, b"") + sockets[number].recv(65536)
            if wire.BODY in data:
                missing -= 1
                then(number, data)
            elif data:
                cut[file] = data
            else:
                raise BenchError("the server closed a connection")
