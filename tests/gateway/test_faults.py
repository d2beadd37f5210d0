"""A hundred thousand messages through one queue, whose consumers are killed again and again.

Everybody speaks over real sockets. The ledger is kept on the clients' side, and knows of
every message who has it: it is the clients who say that nothing was lost, nothing was
settled twice, and nothing was with two of them at the same time.
"""

import asyncio
import random
import socket
import struct

import pytest

from qmq.wire import stomp, websocket
from tests.gateway.queue_peers import BOTH
from tests.helpers import request, until, ws

PUBLISHERS, WORKERS = 2, 8
BATCH = 500  # messages of a publisher per receipt
QUEUE = "/queue/faults"
HELLO = stomp.encode("CONNECT", {"accept-version": "1.2", "host": "h"})
RESET = struct.pack("ii", 1, 0)


class Ledger:
    """Who has which message.

    Attributes:
        acked: Those whose ACK the server has confirmed with a receipt.
        doubtful: Those whose ACK was on its way when its sender died. If the server
            has heard it, they do not come again; if not, they do.
        deaths: How consumers died, and how often.

    """

    def __init__(self, count):
        self.acked = set()
        self.doubtful = set()
        self.deaths = {}
        self.redelivered = self.refused = 0
        self._holders = {}  # consumers that are alive, by message
        self._seen = [0] * count

    @property
    def settled(self):
        return len(self.acked) + len(self.doubtful)

    def given(self, number, headers, worker):
        """A message has come to a consumer."""
        assert number not in self.acked, f"{number} was acknowledged already"
        assert number not in self._holders, f"{number} came to {worker}, and {self._holders[number]} has it"
        count = int(headers.get("delivery-count", 1))
        assert headers.get("redelivered") == ("true" if count > 1 else None)
        assert count > self._seen[number], f"{number} came {count} times, it is said; before that {self._seen[number]}"
        assert count == 1 or self.deaths or self.refused
        self._seen[number] = count  # some may have been lost on the way to one who died
        self.redelivered += count > 1
        self.doubtful.discard(number)
        self._holders[number] = worker

    def confirmed(self, numbers):
        """The server has heard these acknowledgements."""
        for number in numbers:
            del self._holders[number]
        self.acked.update(numbers)

    def given_back(self, numbers):
        """They are on their way back."""
        self.refused += len(numbers)
        for number in numbers:
            del self._holders[number]

    def died(self, how, kept, acked):
        """A consumer is no more: what it had, and what it had acknowledged without having heard a receipt."""
        self.deaths[how] = self.deaths.get(how, 0) + 1
        for number in (*kept, *acked):
            del self._holders[number]
        self.doubtful.update(acked)


class Client(asyncio.Protocol):
    """A client that reads as fast as it can.

    Args:
        scheme: `stomp`, or `http` for WebSocket.

    """

    def __init__(self, scheme):
        self.websocket = websocket.Decoder(masked=False) if scheme == "http" else None
        self.decoder = stomp.Decoder()
        self.over = asyncio.get_running_loop().create_future()
        self.transport = None
        self.answer = b"" if self.websocket else None  # as far as it has come, until the connection is upgraded

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.websocket:
            transport.write(request())
        self.say(HELLO)

    def say(self, octets):
        self.transport.write(self.wrapped(octets))

    def wrapped(self, octets):
        return ws(octets, websocket.BINARY, mask=bytes(4)) if self.websocket else octets

    def unwrapped(self, data):
        if self.answer is not None:
            self.answer, end, data = (self.answer + data).partition(b"\r\n\r\n")
            if not end:
                return b""
            assert self.answer.startswith(b"HTTP/1.1 101 "), self.answer
            self.answer = None
        if self.websocket:
            data = b"".join([payload for opcode, payload in self.websocket.feed(data) if opcode != websocket.CLOSE])
        return data

    def data_received(self, data):
        if self.over.done():
            return
        try:
            for head, body in self.decoder.feed(self.unwrapped(data)):
                self.heard(head.command, head.headers, body)
            assert self.decoder.error is None, self.decoder.error
            self.think()
        except Exception as error:
            self.over.set_exception(error)
            self.transport.abort()

    def connection_lost(self, error):
        if not self.over.done():
            self.over.set_exception(error or AssertionError(f"the server has ended {self!r}"))

    def end(self, *, reset):
        """Goes without a word, and hears nothing any more."""
        if not self.over.done():
            self.over.set_result(None)
        if self.transport is None:
            return  # not even connected
        if reset:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        else:
            self.transport.close()

    def heard(self, command, headers, body):
        raise NotImplementedError

    def think(self):
        """What it does after a chunk."""


class Publisher(Client):
    """Publishes its share in batches, each with a receipt; no more than two are on their way."""

    def __init__(self, scheme, numbers, padding):
        super().__init__(scheme)
        self.padding = padding
        batches = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
        self.batches = iter(batches)
        self.open = len(batches)

    def heard(self, command, headers, body):
        assert command in ("CONNECTED", "RECEIPT"), (command, headers, body)
        if command == "RECEIPT":
            self.open -= 1
            if not self.open:
                self.end(reset=False)
                return
        for _ in range(2 if command == "CONNECTED" else 1):
            self.publish(next(self.batches, ()))

    def publish(self, numbers):
        if not numbers:
            return
        plain = b"SEND\ndestination:%b\n\n" % QUEUE.encode()
        frames = [b"%b%d%b\0" % (plain, number, self.padding) for number in numbers]
        headers = {"destination": QUEUE, "receipt": "r"}
        frames[-1] = stomp.encode("SEND", headers, b"%d%b" % (numbers[-1], self.padding))
        self.say(b"".join(frames))


class Worker(Client):
    """Consumes until it dies, in one of many ways.

    Args:
        ledger: What all of them are told apart by.
        dice: The randomness of the whole test.
        fate: How likely it dies of a chunk.

    """

    def __init__(self, scheme, ledger, dice, fate):
        super().__init__(scheme)
        self.ledger = ledger
        self.dice = dice
        self.fate = fate
        self.cumulative = dice.random() < 0.5
        self.kept = {}  # ack ids by message, in the order in which they came
        self.unheard = {}  # messages acknowledged, by the receipt that is to come
        self.receipts = 0

    def connection_made(self, transport):
        super().connection_made(transport)
        headers = {
            "id": "1", "destination": QUEUE, "ack": "client" if self.cumulative else "client-individual",
            "prefetch-count": str(self.dice.choice((1, 5, 25, 125))),
        }  # fmt: skip
        self.say(stomp.encode("SUBSCRIBE", headers))

    def data_received(self, data):
        if self.dice.random() < self.fate / 4:  # it dies with a frame half read
            super().data_received(data[: self.dice.randrange(len(data))])
            self.die("half read")
        else:
            super().data_received(data)

    def heard(self, command, headers, body):
        if command == "MESSAGE":
            number = int(body)
            self.ledger.given(number, headers, self)
            self.kept[number] = headers["ack"]
        elif command == "RECEIPT":
            self.ledger.confirmed(self.unheard.pop(headers["receipt-id"]))
        else:
            assert command == "CONNECTED", (command, headers, body)

    def think(self):
        if not self.kept:
            return
        if self.dice.random() < self.fate:
            self.die_somehow()
        elif self.dice.random() < 0.03:
            self.refuse()
        else:
            self.say(self.acknowledge())

    def acknowledge(self):
        """The octets that settle everything."""
        self.receipts += 1
        receipt = str(self.receipts)
        ids = list(self.kept.values())
        frames = [] if self.cumulative else [b"ACK\nid:%b\n\n\0" % each.encode() for each in ids[:-1]]
        frames.append(stomp.encode("ACK", {"id": ids[-1], "receipt": receipt}))
        self.unheard[receipt] = list(self.kept)
        self.kept = {}
        return b"".join(frames)

    def refuse(self):
        """Gives one back, and what is settled together with it."""
        numbers = list(self.kept)
        place = self.dice.randrange(len(numbers))
        numbers = numbers[: place + 1] if self.cumulative else numbers[place : place + 1]
        self.ledger.given_back(numbers)
        self.say(stomp.encode("NACK", {"id": self.kept[numbers[-1]]}))
        for number in numbers:
            del self.kept[number]
        if self.kept:
            self.say(self.acknowledge())

    def die_somehow(self):
        how = self.dice.choice(("not acked", "just acked", "half an ack", "disconnected", "unsubscribed"))
        if how == "just acked":
            self.say(self.acknowledge())
        elif how == "half an ack":
            frames = self.wrapped(self.acknowledge())
            self.transport.write(frames[: self.dice.randrange(len(frames))])
        elif how in ("disconnected", "unsubscribed"):
            self.say(stomp.encode(*{"d": ("DISCONNECT", {}), "u": ("UNSUBSCRIBE", {"id": "1"})}[how[0]]))
        self.die(how)

    def die(self, how):
        if self.over.done():
            return
        self.ledger.died(how, self.kept, [number for numbers in self.unheard.values() for number in numbers])
        self.end(reset=how != "disconnected" and self.dice.random() < 0.7)

    def __repr__(self):
        return f"<worker {id(self):x}, {len(self.kept)} kept, {len(self.unheard)} receipts to come>"


async def connect(node, scheme, client):
    port = next(at["port"] for at in node.listen if at["scheme"] == scheme)
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    return client


async def employ(node, scheme, *about):
    """One place for a worker: whoever dies is followed by another one."""
    while True:
        worker = Worker(scheme, *about)
        try:
            await connect(node, scheme, worker)
            await worker.over
        except asyncio.CancelledError:
            worker.end(reset=False)
            raise


async def finish(tasks, condition, seconds):
    """Waits for a condition; tasks that fail meanwhile fail the test."""

    def true():
        for task in tasks:
            if task.done():
                task.result()
        return condition()

    await until(true, seconds)


async def play(node, scheme, count, padding, short):
    """Publishes and consumes until all is settled; returns the ledger. If memory is `short`, it is full before anybody
    consumes."""
    dice = random.Random(20_260_913)
    ledger = Ledger(count)
    shares = [range(count)[number::PUBLISHERS] for number in range(PUBLISHERS)]
    publishers = [await connect(node, scheme, Publisher(scheme, share, padding)) for share in shares]
    queue = node.registry.declare(QUEUE)
    if short:
        await until(lambda: node.stats["publishers_slowed"])
    tasks = [asyncio.create_task(employ(node, scheme, ledger, dice, 0.1)) for _ in range(WORKERS)]
    try:
        await finish([*tasks, *(one.over for one in publishers)], lambda: queue.acked >= count, 60)
        await finish(tasks, lambda: ledger.settled >= count, 10)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ledger


# How many messages, what their bodies have besides a number, and the node's options
WORLDS = {
    "many": ("stomp", 100_000, b"", {}),
    "over WebSocket": ("http", 30_000, b"", {}),
    "with too little memory": ("stomp", 30_000, b" " * 300, {"limits.memory": 1 << 20}),
    "with large messages": ("stomp", 5_000, b" " * 10_000, {}),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.gen_test(timeout=90)
async def test_consumers_die_and_no_message_is_lost_or_settled_twice(start_node, name):
    scheme, count, padding, options = WORLDS[name]
    node = await start_node({**BOTH, **options})
    ledger = await play(node, scheme, count, padding, "limits.memory" in options)
    queue = node.registry.queues[QUEUE]
    assert (queue.published, queue.acked, len(queue), queue.unsettled) == (count, count, 0, 0)
    assert ledger.acked | ledger.doubtful == set(range(count))
    assert not ledger.acked & ledger.doubtful
    # The test has tested something.
    assert len(ledger.deaths) == 6 and min(ledger.deaths.values()) >= 3, ledger.deaths
    assert ledger.redelivered > 100 and ledger.refused > 10, (ledger.redelivered, ledger.refused)
    assert queue.redelivered >= ledger.redelivered
    assert bool(node.stats["publishers_slowed"]) == ("limits.memory" in options)
    await until(lambda: node.gateway.connections == 0)
    assert not queue.consumers
    assert node.registry.memory.used == 0
    assert not [name for name in node.stats.snapshot() if name.startswith("errors_")]
