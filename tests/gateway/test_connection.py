"""What every connection does, whatever carries it: writing in turn, holding, ending once."""

import asyncio
import logging

import pytest

from qmq.errors import CODES, QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Timing
from qmq.stats import Stats


class Talk:
    """A conversation that notes what it is told."""

    stream = True
    behind = False
    name = "talk"
    open = True
    publishes = busy = False
    counts = (0, 0)
    heartbeat = (0, 0)

    def __init__(self, connection):
        self.connection = connection
        self.ending = self.failure = None
        self.heard = []

    def receive(self, data, text=False):
        if data == b"fail":
            raise RuntimeError("as asked")
        if data == b"bye":
            self.ending = CODES["closed"]
        self.heard.append(data)

    def fail(self, error):
        self.failure = self.failure or error
        self.ending = self.ending or error.code
        self.connection.outbox.reply(b"<%b>" % error.code.name.encode())

    def close(self, code=CODES["closed"]):
        self.ending = self.ending or code

    def beat(self):
        self.connection.outbox.reply(b".")

    def describe(self):
        return {}


class Wire(Connection):
    """A connection that writes to a list, and takes no more when it is told so."""

    __slots__ = ("__dict__",)

    def __init__(self, max_outbox=1 << 20):
        super().__init__(Stats(), Timing(), max_outbox)
        self.written, self.room, self.reads, self.closed = [], 1 << 30, 0, 0
        self.start(Talk(self))

    def received(self, data):
        self.conversation.receive(data)

    def farewell(self, code):
        return b"[%b]" % code.name.encode()

    def ping(self):
        return b"?"

    def _read(self):
        self.reads += 1

    def _write(self, data):
        self.written.append(data)
        self.room -= 1
        self._blocked = self.room <= 0
        return not self._blocked

    def _close_if_done(self):
        if self._closing and not self._blocked and not self.outbox.backlog_bytes:
            self.abort()

    def abort(self):
        if not self.closed:
            self.closed += 1
            self._ended()

    def say(self, *replies):
        for reply in replies:
            self.outbox.reply(reply)
        self.flush()


@pytest.fixture
def wire(io_loop):
    """A connection: `wire = await wire()`; the loop is there when it is made."""

    async def wire(**more):
        return Wire(**more)

    return wire


@pytest.mark.gen_test
async def test_what_a_pass_leaves_is_one_write(wire):
    wire = await wire()
    wire.say(b"a", b"b")
    wire.say(b"c")
    assert wire.written == [b"ab", b"c"]
    wire.abort()


@pytest.mark.gen_test
async def test_while_it_is_blocked_all_waits_in_order(wire):
    wire = await wire()
    wire.room = 1
    for reply in (b"a", b"b", b"c"):
        wire.say(reply)
    assert (wire.written, wire.outbox.backlog_bytes) == ([b"a"], 2)
    wire.room = 1 << 30
    wire._drained()
    wire.say(b"d")
    assert wire.written == [b"a", b"bc", b"d"]
    wire.abort()


@pytest.mark.gen_test
async def test_what_waits_is_written_in_pieces_and_others_get_their_turn(wire):
    wire = await wire()
    wire.room = 1
    wire.say(b"a")
    for _ in range(40):
        wire.say(bytes(wire.chunk))
    wire.room = 1 << 30
    wire._drained()
    assert 2 < len(wire.written) < 40
    while wire.outbox.backlog_bytes:
        await asyncio.sleep(0)
    assert [len(each) for each in wire.written[1:]] == [wire.chunk] * 40
    wire.abort()


@pytest.mark.gen_test
async def test_who_does_not_take_its_replies_is_not_read(wire):
    wire = await wire()
    wire.room = 1
    wire.say(b"a")
    wire.say(bytes(100_000))
    wire._take(b"x")
    await asyncio.sleep(0)
    assert wire.reads == 0
    wire.room = 1 << 30
    wire._drained()
    assert wire.reads == 1
    wire.abort()


@pytest.mark.gen_test
async def test_an_outbox_that_is_full_ends_it_with_that_as_the_last_words(wire):
    wire = await wire(max_outbox=10)
    wire.room = 1
    wire.say(b"a")
    wire.say(bytes(11))
    await asyncio.sleep(0)
    wire.room = 1 << 30
    wire._drained()
    assert wire.written == [b"a", b"<outbox-full>[outbox-full]"]
    assert (wire.closed, wire._stats["connections_closed_outbox-full"]) == (1, 1)


@pytest.mark.gen_test
async def test_last_words_then_goodbye_and_only_once(wire):
    wire = await wire()
    wire.hang_up(QmqError("slow-consumer"))
    wire.hang_up(QmqError("queue-full"))
    wire.fail(QmqError("queue-full"))
    wire.end()
    assert wire.written == [b"<slow-consumer>[slow-consumer]"]
    assert (wire.closed, wire._stats["connections_lost"]) == (1, 0)


@pytest.mark.gen_test
async def test_a_conversation_that_is_over_is_closed(wire):
    wire = await wire()
    wire._take(b"bye")
    assert wire.written == [b"[closed]"]


@pytest.mark.gen_test
async def test_a_failure_of_ours_is_told_without_its_cause_which_is_logged(wire, caplog):
    wire = await wire()
    with caplog.at_level(logging.CRITICAL, "qmq.gateway"):  # a logged error would fail this run
        wire._take(b"fail")
        await asyncio.sleep(0)
    assert wire.written == [b"<internal-error>[internal-error]"]
    assert wire._stats["clients_failed"] == 1


@pytest.mark.gen_test
async def test_one_that_is_lost_takes_all_with_it(wire):
    wire = await wire()
    left = []
    wire.on_end = left.append
    wire.room = 1
    wire.say(b"a")
    wire.say(b"b")
    wire.abort()
    assert (left, wire.outbox.backlog_bytes, wire._stats["connections_lost"]) == ([wire], 0, 1)
    assert wire.conversation.ending is CODES["connection-lost"]


@pytest.mark.gen_test
async def test_client_that_is_sent_away_is_logged_once(caplog):
    """Whoever found the fault: the connection, somebody else, or the conversation itself."""
    caplog.set_level(logging.INFO, "qmq.gateway")
    ways = {
        "connect-timeout": lambda wire, error: wire.fail(error),
        "kicked": lambda wire, error: wire.hang_up(error),
        "bad-frame": lambda wire, error: (wire.conversation.fail(error), wire._take(b"")),
    }
    for code, send_away in ways.items():
        wire = Wire()
        for _ in range(2):
            send_away(wire, QmqError(code, "as asked"))
        wire.end()
        lines = [record.getMessage() for record in caplog.records if " ended: " in record.getMessage()]
        assert lines == [f"session talk from  ended: {QmqError(code, 'as asked')}"], code
        caplog.clear()
    wire = Wire()
    wire._take(b"bye")
    assert not caplog.records
