"""The floor: the least that a Python server can do and still fan out.

A bare `asyncio.Protocol`. It answers the first octets of a connection with a fixed 101; after that a connection either
subscribes, by sending anything that holds `SUB`, or publishes. For each chunk of a publisher it counts the markers in
it and writes that many ready-made frames to every subscriber, in one `transport.write` each.

A third kind of connection consumes, by sending `CONSUME` and how many messages it may hold. It gets ready-made frames
too, and the ACK frames in its chunks are counted as the room for as many more. What is published beyond that is a
number.

It parses nothing, matches nothing, numbers nothing, keeps no history, and holds nobody back: an honest server cannot
be faster on the same loop with the same calls, except by making fewer of them. Run as
`python -m bench.floor READY_FILE`; it listens on loopback only and ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from bench import wire

ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

SUBSCRIBE = b"SUB"
CONSUME = b"CONSUME"
READY = b"READY"

# What QMQ sends for the same message, header by header: 128 octets of body in a frame of 234.
FRAME = wire.server_frame(
    wire.stomp(
        "MESSAGE",
        {
            "subscription": "0",
            "message-id": "node-a.k3f9xy.1000000",
            "destination": "/topic/bench",
            "content-length": str(wire.BODY_OCTETS),
        },
        wire.BODY,
    )
)

# The same from a queue.
QUEUED_FRAME = wire.server_frame(
    wire.stomp(
        "MESSAGE",
        {
            "subscription": "0",
            "ack": "1.100000",
            "message-id": "node-a.k3f9xy.1000000",
            "destination": "/queue/run00",
            "content-length": str(wire.BODY_OCTETS),
        },
        wire.BODY,
    )
)

DESTINATION = "/topic/bench"
PUBLISH_PAYLOAD = wire.publication(DESTINATION)
PUBLISHED_MARKER = wire.masked_marker(PUBLISH_PAYLOAD)

# As long as each other, so that what is left of a chunk serves both.
SETTLED_MARKER = b"ACK\nid:".translate(wire.MASKED)
RECEIPT_MARKER = b"receipt".translate(wire.MASKED)
RECEIPT = wire.server_frame(wire.stomp("RECEIPT", {"receipt-id": wire.LAST}))

subscribers: set[asyncio.Transport] = set()
consumers: set[Floor] = set()


class Floor(asyncio.Protocol):
    """One connection, of a subscriber, a consumer or the publisher."""

    __slots__ = ("cut", "open", "room", "transport", "waiting")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open = False
        self.cut = b""

    def connection_lost(self, exc: Exception | None) -> None:
        subscribers.discard(self.transport)
        consumers.discard(self)

    def data_received(self, data: bytes) -> None:
        if not self.open:
            self.open = True
            self.transport.write(ACCEPT)
        elif SUBSCRIBE in data:
            subscribers.add(self.transport)
            self.transport.write(READY)
        elif self in consumers:
            self.settle(self.cut + data)
        elif data.startswith(CONSUME):
            self.room, self.waiting = int(data[len(CONSUME) :]), 0
            consumers.add(self)
            self.transport.write(READY)
        else:
            self.publish(self.cut + data)

    def publish(self, data: bytes) -> None:
        """Give each subscriber one frame per marker; an unfinished marker waits for the next chunk."""
        count = data.count(PUBLISHED_MARKER)
        self.cut = data[1 - len(PUBLISHED_MARKER) :]
        if count:
            frames = FRAME * count
            for subscriber in subscribers:
                subscriber.write(frames)
            for consumer in consumers:
                consumer.waiting += count
                consumer.deliver()

    def settle(self, data: bytes) -> None:
        """Each ACK is room for one message more; the one that asks for a receipt gets it."""
        self.room += data.count(SETTLED_MARKER)
        self.cut = data[1 - len(SETTLED_MARKER) :]
        if RECEIPT_MARKER in data:
            self.transport.write(RECEIPT)
        self.deliver()

    def deliver(self) -> None:
        """Give the consumer what waits, as far as it has room."""
        if count := min(self.waiting, self.room):
            self.waiting -= count
            self.room -= count
            self.transport.write(QUEUED_FRAME * count)


async def serve(ready_file: Path) -> None:
    """Listen on any loopback port, say which in the ready file, and go on until SIGTERM."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Floor, "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    ready = {"pid": os.getpid(), "listen": [{"scheme": "http", "host": host, "port": port}]}
    unfinished = ready_file.with_suffix(".new")
    unfinished.write_text(json.dumps(ready))
    unfinished.rename(ready_file)
    await stop.wait()
    os._exit(0)  # thousands of transports may still be open, and none of them is owed anything


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
