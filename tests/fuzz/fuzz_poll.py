"""Must hold: whatever requests a session on /poll gets, in whatever order, each is answered once or refused.

The packets of all answers, put together by their numbers, are the STOMP frames that the client is
owed, whatever was asked for again and whatever answers got lost. Afterwards nothing is left.
"""

import asyncio
import contextlib
import re

from qmq.config import make
from qmq.errors import QmqError
from qmq.gateway.gateway import Gateway
from qmq.gateway.poll import PollConnection
from qmq.gateway.poll_http import frame
from qmq.wire import stomp
from tests.gateway.poll_peer import read_packets
from tests.worlds import World

LOGIN = b"CONNECT\naccept-version:1.2\nhost:h\n\n\0"
TALK = b"SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:r\n\n\0SEND\ndestination:/topic/a\n\nhello\0"
# An input is a list of steps: a letter, what belongs to it, and a tilde.
SEEDS = [
    b"O" + LOGIN + b"~R~S" + TALK + b"~R~R~", b"O" + LOGIN + b"~T~S" + TALK + b"~S" + TALK + b"~A~C~", b"O~R~L~R~",
    b"O" + LOGIN + b"~R~S" + TALK + b"~L~R~R~A~R~", b"O" + LOGIN + b"~T~G~S" + TALK + b"~T~D~R~", b"O\0~R~",
    b"O" + LOGIN + b"~R~R~T~R~S" + TALK + b"~S\0~R~", b"O" + LOGIN + b"~N~B~A9~R~", b"C~", b"O" + LOGIN + b"~K~R~",
    b"O" + LOGIN + b"~R~S" + TALK * 9 + b"~A1~R~A~R~R~", b"Ox~Sy~R~N~", b"O~S" + LOGIN + b"~S" + TALK + b"~R~L~R~K~R~",
]  # fmt: skip
TOKENS = [b"R~", b"T~", b"S", b"A~", b"L~", b"G~", b"D~", b"C~", b"N~", b"B~", b"K~", LOGIN, TALK]
_STEP = re.compile(rb"([OSRTALGDCNBK])([^~]*)~?", re.DOTALL)

_LOOP = asyncio.new_event_loop()


class Answer:
    """Stands where the HTTP side keeps a request: notes what it is answered with, once."""

    def __init__(self):
        self.on_gone = None
        self.data = b""
        self.done = False
        self.taken = []

    def answer(self, body):
        assert not self.done and not self.data
        self.data, self.done = body, True

    def begin(self, piece):
        assert not self.done and not self.data
        self.data = piece

    def go_on(self, piece, then):
        assert not self.done
        self.data += piece
        self.taken.append(then)
        return len(self.data) % 3 > 0

    def finish(self, piece=b""):
        assert not self.done
        self.data, self.done = self.data + piece, True

    def drop(self):
        self.done = True


class Client:
    """A client of one session, who does what the steps say."""

    def __init__(self, gateway):
        self.sessions = {}
        self.connection = PollConnection(gateway, None, self.sessions.pop, False, "127.0.0.1")
        self.sessions[self.connection.id] = self.connection
        refusal = gateway.enter(self.connection)
        self.connection.start(gateway.stomp_session(self.connection, frame), refusal)
        self.seq = self.ack = 0
        self.answers = []
        self.waiting = None
        self.packets = {}

    def step(self, letter, more):
        connection = self.connection
        if letter == b"O":
            connection.open(more)
        elif letter in b"SNB":  # the next one, or one that is not
            seq = self.seq + {b"S": 1, b"N": 2, b"B": 0}[letter]
            connection.send(seq, more)
            self.seq = seq
        elif letter in b"RT":
            self.waiting = Answer()
            self.answers.append(self.waiting)
            connection.receive(self.waiting, letter == b"T")
        elif letter == b"A":
            connection.acknowledge(int(more) if more.isdigit() and len(more) < 4 else max(self.packets, default=0))
        elif letter == b"L":  # the client loses the answer
            self.answers = [each for each in self.answers if each is not self.waiting]
        elif letter == b"G" and self.waiting is not None and self.waiting.on_gone is not None:
            self.waiting.done = True
            self.waiting.on_gone()
        elif letter == b"D" and self.waiting is not None and self.waiting.taken and not self.waiting.done:
            self.waiting.taken.pop()()
        elif letter == b"C":
            connection.leave()
        elif letter == b"K":
            connection.fail(QmqError("shutting-down"))

    def read(self):
        for answer in self.answers:
            packets, _, rest = read_packets(answer.data)
            assert rest == b"" or not answer.done
            for seq, data in packets:
                assert self.packets.setdefault(seq, data) == data


async def new_gateway():
    """One for all inputs: to make it takes longer than to talk to it."""
    world = World()
    return Gateway(make({"limits.poll_gone_seconds": 60.0}), world.registry, world.stats)


GATEWAY = _LOOP.run_until_complete(new_gateway())


async def talk(data):
    client = Client(GATEWAY)
    for letter, more in _STEP.findall(data)[:40]:
        if client.sessions:
            with contextlib.suppress(QmqError):
                client.step(letter, more)
            await asyncio.sleep(0)
            client.read()
    decoder = stomp.Decoder(client.connection.conversation.version)
    for seq in range(1, len(client.packets) + 1):
        if seq in client.packets:
            decoder.feed(client.packets[seq])
        else:
            break  # the rest was lost, and not asked for again
    assert decoder.error is None
    client.connection.abort()
    await asyncio.sleep(0)
    assert client.sessions == {} and GATEWAY.connections == 0 and GATEWAY.door.census.total == 0
    assert all(each.done for each in client.answers)
    assert GATEWAY.stats["errors_internal-error"] == 0
    assert GATEWAY.registry.hub._audiences == {} and GATEWAY.registry.memory.used == 0


def check(data):
    _LOOP.run_until_complete(talk(data))
