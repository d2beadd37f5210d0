"""Coming back: everything once and in order, however publishing and resuming interleave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.core import replays
from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.matcher import Matcher
from qmq.core.message import Envelope, Origin
from qmq.core.outbox import Outbox
from qmq.core.store import Keep
from qmq.core.subscription import Bounds, Overflow
from qmq.core.timers import Timers
from qmq.stats import Stats

DEFAULT = Keep()
WIDE = Bounds(100_000, 1 << 30)


class Numbers:
    """Encodes a message as its number."""

    def __init__(self, size=0):
        self.size = size

    def encode(self, message):
        return b"%d;%b" % (message.offset, b" " * self.size)


class Reader:
    """A client that notes the numbers it was sent, while its connection is not blocked."""

    least_turns = 8

    def __init__(self):
        self.octets = b""
        self.error = None
        self.blocked = False
        self.outbox = Outbox(self, Stats(), 1 << 30)

    def deliver(self, data, batch):
        if self.blocked or self.outbox.fresh:
            self.outbox.fresh.extend(batch)
            self.flush()
        else:
            self.octets += data

    def flush(self):
        if self.blocked:
            assert self.outbox.hold() is None
        elif self.outbox.fresh:
            self.octets += self.outbox.take_fresh()

    def hang_up(self, error):
        self.error = error

    def read(self):
        """Takes what waits, as a connection whose client reads again."""
        self.blocked = False
        self.octets += self.outbox.take(1 << 30)
        self.flush()
        self.outbox.resume()

    @property
    def numbers(self):
        return [int(each) for each in self.octets.split(b";")[:-1]]


class World:
    def __init__(self, keep=DEFAULT, **bounds):
        self.woken = 0
        self.now = 0.0
        self.timers = Timers(lambda: self.now, lambda when: None)
        self.history = History(self.timers, [("/topic/#", keep)], **bounds)
        self.hub = Hub(Origin("node", "e"), self.wake, Stats(), self.history)
        self.published = []  # names, by number

    def wake(self):
        self.woken += 1

    def publish(self, name, count=1):
        for _ in range(count):
            self.hub.publish(Envelope(f"/topic/{name}", {}), b"", True)
            self.published.append(name)

    def flush(self):
        """One pass of the loop, if one was asked for."""
        if self.woken:
            self.woken -= 1
            self.hub.flush()

    def settle(self, *readers):
        while self.woken or any(reader.outbox.waiting for reader in readers):
            self.flush()
            for reader in readers:
                reader.outbox.resume()

    def expected(self, pattern, after):
        wanted = Matcher()
        wanted.add(f"/topic/{pattern}", True)
        numbers = range(after + 1, len(self.published) + 1)
        return [each for each in numbers if wanted.match(f"/topic/{self.published[each - 1]}")]


def test_the_past_and_then_what_is_published_now():
    world, reader = World(), Reader()
    world.publish("a", 3)
    replay = world.hub.resume("/topic/a", Numbers(), reader.outbox, WIDE, 1)
    assert replay.subscription is None
    world.publish("b")
    world.publish("a")
    world.flush()
    assert reader.numbers == [2, 3, 5]
    assert replay.subscription in reader.outbox.subscriptions.values()
    world.publish("a")
    world.flush()
    assert reader.numbers == [2, 3, 5, 6]


def test_what_is_published_in_the_pass_of_the_last_piece_comes_once():
    world, reader, other = World(), Reader(), Reader()
    encoder = Numbers()
    world.hub.subscribe("/topic/a", encoder, other.outbox, WIDE)  # has an audience that is already dirty
    world.publish("a", 2)
    world.hub.resume("/topic/a", encoder, reader.outbox, WIDE, 0)
    world.publish("a", 2)
    world.settle()
    world.publish("a")
    world.settle()
    assert reader.numbers == other.numbers == [1, 2, 3, 4, 5]


def test_a_long_past_comes_in_pieces_as_the_client_takes_it():
    world, reader = World(Keep(bytes=1 << 30)), Reader()
    world.publish("a", 1000)
    world.hub.resume("/topic/a", Numbers(1000), reader.outbox, WIDE, 0)
    world.settle()
    first = len(reader.numbers)
    assert 60 <= first <= 70  # 64 KB, and no more until `waiting` is called
    reader.blocked = True
    reader.outbox.resume()
    world.settle()
    assert reader.outbox.backlog_bytes < 70 * 1024
    assert len(reader.numbers) == first
    reader.read()
    world.settle(reader)
    assert reader.numbers == list(range(1, 1001))


def test_many_who_come_back_take_turns_and_share_what_is_encoded():
    world = World()
    world.publish("a", 50)
    encoded = []

    class Counting(Numbers):
        def encode(self, message):
            encoded.append(message.offset)
            return super().encode(message)

    encoder, readers = Counting(), [Reader() for _ in range(100)]
    for reader in readers:
        world.hub.resume("/topic/a", encoder, reader.outbox, WIDE, 10)
    world.flush()
    assert 0 < sum(bool(reader.octets) for reader in readers) <= replays.REPLAYS_PER_PASS
    world.settle()
    assert all(reader.numbers == list(range(11, 51)) for reader in readers)
    assert len(encoded) <= 40 * (100 / replays.REPLAYS_PER_PASS + 1)


@pytest.mark.parametrize("overflow", list(Overflow))
def test_what_the_store_drops_before_it_was_read(overflow):
    world, reader = World(Keep(messages=100)), Reader()
    world.publish("a", 100)
    replay = world.hub.resume("/topic/a", Numbers(1000), reader.outbox, Bounds(10, 100, overflow), 0)
    world.settle()
    had = len(reader.numbers)
    world.publish("a", 200)
    world.settle(reader)
    if overflow is Overflow.DISCONNECT:
        assert reader.error.code.name == "slow-consumer"
        assert reader.error.detail.endswith(f"cursor node.e.{had}")
        assert len(reader.numbers) == had
        assert replay.subscription is None
    else:
        assert reader.error is None
        assert reader.numbers == [*range(1, 101), *range(201, 301)]  # what was read for it already is not lost


def test_what_was_gone_before_it_began_is_no_reason_to_end():
    world, reader = World(Keep(messages=100)), Reader()
    world.publish("a", 150)
    world.hub.resume("/topic/a", Numbers(1000), reader.outbox, WIDE, 0)
    world.settle(reader)
    assert (reader.error, reader.numbers) == (None, list(range(51, 151)))


def test_ending_it_at_any_stage():
    world, reader = World(), Reader()
    world.publish("a", 200)
    replay = world.hub.resume("/topic/a", Numbers(1000), reader.outbox, WIDE, 0)
    replay.end()
    world.settle(reader)
    assert reader.numbers == []
    replay = world.hub.resume("/topic/a", Numbers(1000), reader.outbox, WIDE, 0)
    world.flush()
    replay.end()
    had = len(reader.numbers)
    world.settle(reader)
    assert 0 < len(reader.numbers) == had < 200
    replay = world.hub.resume("/topic/a", Numbers(1000), reader.outbox, WIDE, 199)
    world.settle(reader)
    replay.end()
    replay.end()
    world.publish("a")
    world.settle()
    assert len(reader.numbers) == had + 1
    assert not reader.outbox.subscriptions


names = st.sampled_from(["a.x", "a.y", "b.x"])
patterns = st.sampled_from(["a.x", "a.*", "#", "b.x"])
script = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), names, st.integers(1, 30)),
        st.tuples(st.just("resume"), patterns, st.integers(0, 40)),
        st.tuples(st.just("pass"), st.none(), st.none()),
        st.tuples(st.just("block"), st.integers(0, 9), st.none()),
        st.tuples(st.just("read"), st.integers(0, 9), st.none()),
        st.tuples(st.just("second"), st.integers(0, 9), patterns),
    ),
    max_size=60,
)


@given(script, st.sampled_from([0, 3000]), st.sampled_from([1, 64, 70_000]))
def test_any_interleaving_gives_every_message_once_and_in_order(script, size, piece):
    """Resuming somewhere in the past, while others publish, block, read and subscribe to more."""
    world, readers, encoder = World(Keep(messages=10_000, bytes=1 << 30)), [], Numbers(size)
    octets = replays.PIECE_OCTETS
    replays.PIECE_OCTETS = piece
    try:
        for step, what, more in script:
            if step == "publish":
                world.publish(what, more)
            elif step == "resume":
                reader = Reader()
                position = max(world.hub.offset - more, 0)
                world.hub.resume(f"/topic/{what}", encoder, reader.outbox, WIDE, position)
                readers.append((reader, what, position))
            elif step == "pass":
                world.flush()
            elif what < len(readers):
                reader, pattern, _ = readers[what]
                if step == "block":
                    reader.blocked = True
                elif step == "read":
                    reader.read()
                elif len(reader.outbox.subscriptions) == 1:  # from now on it has two, which is served otherwise
                    world.hub.subscribe("/topic/none", Numbers(), reader.outbox, WIDE)
        for reader, *_ in readers:
            reader.read()
        world.settle(*[reader for reader, *_ in readers])
        for reader, *_ in readers:
            reader.read()
    finally:
        replays.PIECE_OCTETS = octets
    for reader, pattern, position in readers:
        assert reader.numbers == world.expected(pattern, position)
