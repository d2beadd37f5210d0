"""Random lives of what topics keep, through real hubs, beside a list of all that was published.

More names than are remembered, several of them in a pass, rules and ceilings that drop, time
that goes on: whoever comes back with a cursor from any moment gets everything beyond it, in
order, or is told that something may be missing; and is not told so without a reason.
"""

import random
import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.matcher import Matcher
from qmq.core.memory import OVERHEAD
from qmq.core.message import Envelope, Origin
from qmq.core.outbox import Outbox
from qmq.core.sequence import Sequence
from qmq.core.sibling import Sibling
from qmq.core.store import Keep
from qmq.core.subscription import Bounds
from qmq.core.timers import Timers
from qmq.session import topics
from qmq.session.topics import Start
from qmq.stats import Stats

ORIGIN = Origin("node", "e")
WIDE = Bounds(1 << 30, 1 << 30)
RULES = [
    ("/topic/none.#", Keep(messages=0)),
    ("/topic/few.#", Keep(messages=3, seconds=60.0)),
    ("/topic/brief.#", Keep(seconds=5.0)),
    ("/topic/small.#", Keep(bytes=4 * OVERHEAD, seconds=60.0)),
    ("/topic/#", Keep(seconds=60.0)),
]
KINDS = ("none", "few", "brief", "small", "long", "long.er")
NAMES = [f"/topic/{kind}.{number}" for kind in KINDS for number in range(4)]
PATTERNS = ["/topic/#", "/topic/*.1", "/topic/#.2", "/topic/long.#", "/topic/few.*", "/topic/*.er.*", "/topic/brief.#"]


class Numbers:
    def encode(self, message):
        return b"%d;" % message.offset


NUMBERS = Numbers()


class Reader:
    """A client that comes back: what it was told, and the numbers that it was sent."""

    least_turns = 8

    def __init__(self, pattern, start):
        self.pattern = pattern
        self.start = start
        self.octets = b""
        self.error = None
        self.slow = False
        self.outbox = Outbox(self, Stats(), 1 << 30)
        self.granted = self.since = None

    def deliver(self, data, batch):
        self.outbox.fresh.extend(batch)
        self.flush()

    def flush(self):
        if self.slow or self.outbox.backlog_bytes:
            assert self.outbox.hold() is None
        elif self.outbox.fresh:
            self.octets += self.outbox.take_fresh()

    def go_on(self):
        """Takes what waits, and asks for more."""
        self.slow = False
        self.octets += self.outbox.take(1 << 30)
        self.flush()
        self.outbox.resume()

    def hang_up(self, error):
        self.error = error

    @property
    def numbers(self):
        return [int(each) for each in self.octets.split(b";")[:-1]]


class Single:
    """One hub, as a node with one thread has it."""

    hubs = 1

    def __init__(self, **bounds):
        self.now = 100.0
        self.woken = 0
        self.timers = Timers(lambda: self.now, lambda when: None)
        self.history = History(self.timers, RULES, stats=Stats(), **bounds)
        self.hub = Hub(ORIGIN, self._wake, Stats(), self.history)

    def _wake(self):
        self.woken += 1

    def hub_of(self, index):
        return self.hub

    def flush(self, index):
        if self.woken:
            self.woken -= 1
            self.hub.flush()

    @property
    def busy(self):
        return self.woken


class Several(Single):
    """Three hubs of one sequence, as a node with three threads has them."""

    hubs = 3

    def __init__(self, **bounds):
        super().__init__(**bounds)
        self.sequence = Sequence(ORIGIN, self.history, threading.RLock())
        self.wakes = [0] * self.hubs
        self.siblings = [
            Sibling(self.sequence, lambda: None, lambda i=index: self._call(i), Stats()) for index in range(self.hubs)
        ]

    def _call(self, index):
        self.wakes[index] += 1

    def hub_of(self, index):
        return self.siblings[index % self.hubs]

    def flush(self, index):
        self.wakes[index % self.hubs] = 0
        self.siblings[index % self.hubs].flush()

    @property
    def busy(self):
        return any(self.wakes) or any(hub._awake for hub in self.siblings)


def matches(pattern, name):
    """Whether a name matches, decided by itself."""
    wanted = Matcher()
    wanted.add(pattern, True)
    return bool(wanted.match(name))


def keep_of(name):
    return next(keep for pattern, keep in RULES if matches(pattern, name))


INDEX = st.integers(0, 2)
PUBLISHED = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 5)), min_size=1, max_size=12)


class Life(RuleBasedStateMachine):
    world_of = Single

    @initialize(
        names=st.sampled_from([1, 2, 6, 100]),
        steps=st.sampled_from([1, 3, 600]),
        ceiling=st.sampled_from([0, 10 * OVERHEAD, 1 << 20, 1 << 20]),
    )
    def begin(self, names, steps, ceiling):
        self.world = self.world_of(max_names=names, ceiling=ceiling)
        for index in range(self.world.hubs):
            self.world.hub_of(index).turn_steps = steps
        self.max_names = names
        self.published = []  # name and time of each number, from 1
        self.readers = []
        self.forgotten = False  # whether any name may have been
        self.names = set()

    @rule(index=INDEX, published=PUBLISHED)
    def publish(self, index, published):
        for name, times in published:
            for _ in range(times):
                self.world.hub_of(index).publish(Envelope(name, {}), b"", True)
                self.published.append((name, self.world.now))
            self.names.add(name)
        self.forgotten = self.forgotten or len(self.names) > self.max_names

    @rule(index=INDEX)
    def end_of_pass(self, index):
        self.world.flush(index)

    @rule(seconds=st.sampled_from([0.5, 3.0, 10.0, 100.0]))
    def time(self, seconds):
        for _ in range(20):
            self.world.now += seconds / 20
            self.world.timers.run()

    @precondition(lambda self: len(self.readers) < 6)
    @rule(
        index=INDEX,
        pattern=st.sampled_from([*NAMES, *PATTERNS]),
        back=st.integers(0, 60),
        cursor=st.booleans(),
        earliest=st.booleans(),
        slow=st.booleans(),
    )
    def come_back(self, index, pattern, back, cursor, earliest, slow):
        position = max(len(self.published) - back, 0)
        reader = Reader(pattern, position if cursor else 0 if earliest else len(self.published))
        start = Start(ORIGIN.id_of(position) if cursor else None, earliest)
        reason = self._reason_to_miss(pattern, reader.start)
        reader.granted = topics.subscribe(self.world.hub_of(index), pattern, NUMBERS, reader.outbox, WIDE, start)
        reader.since = len(self.published)
        reader.slow = slow
        assert reader.granted.recovered or reason
        if reader.granted.recovered:
            told = ORIGIN.position(reader.granted.cursor)
            assert not self._expected(pattern, reader.start, told) or told >= reader.since
            assert told >= reader.start
        self.readers.append((index, reader, earliest))

    @rule(
        index=INDEX,
        pattern=st.sampled_from([*NAMES, *PATTERNS]),
        back=st.integers(0, 60),
        most=st.integers(1, 20),
    )
    def read(self, index, pattern, back, most):
        position = max(len(self.published) - back, 0)
        reason = self._reason_to_miss(pattern, position)
        lookup = topics.Lookup(self.world.hub_of(index), pattern, Start(ORIGIN.id_of(position)), most, 1 << 30)
        while not lookup.done:
            lookup.take_turn()
        found = lookup.reading
        numbers = [message.offset for message in found.messages]
        assert found.recovered or reason
        if found.recovered:
            assert numbers == self._expected(pattern, position)[:most]
            assert not self._expected(pattern, max([position, *numbers]), ORIGIN.position(found.cursor))
        else:
            assert not numbers

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 5), data=st.booleans())
    def leave(self, which, data):
        index, reader, earliest = self.readers.pop(which % len(self.readers))
        if data:
            self._settle((index, reader, earliest))
            self._check(reader, earliest)
        self._end(index, reader)

    @invariant()
    def accounts_agree(self):
        if not hasattr(self, "world"):
            return
        rings = self.world.history._rings.values()
        assert self.world.history.used == sum(ring.octets for ring in rings)
        assert self.world.history.used <= self.world.history.ceiling or self.world.busy

    def teardown(self):
        if not hasattr(self, "world"):
            return
        self._settle(*self.readers)
        for _, reader, earliest in self.readers:
            self._check(reader, earliest)
        for index, reader, _ in self.readers:
            self._end(index, reader)
        assert len(self.world.history) <= self.max_names
        self.time(100.0)
        self.time(100.0)
        assert (self.world.history.used, list(self.world.history.describe())) == (0, [])

    def _settle(self, *readers):
        for _ in range(1000):
            for index in range(self.world.hubs):
                self.world.flush(index)
            for _, reader, _ in readers:
                reader.go_on()
            if not self.world.busy and not any(reader.outbox.waiting for _, reader, _ in readers):
                break
        else:
            raise AssertionError("it never comes to rest")

    def _end(self, index, reader):
        if hasattr(reader.granted.subscription, "end"):
            reader.granted.subscription.end()
        else:
            self.world.hub_of(index).unsubscribe(reader.granted.subscription)

    def _check(self, reader, earliest):
        numbers = reader.numbers
        if reader.granted.recovered:
            expected = self._expected(reader.pattern, reader.start)
            if reader.error is None:
                assert numbers == expected
            else:
                assert numbers == expected[: len(numbers)]
            return
        assert numbers == sorted(set(numbers))
        live = self._expected(reader.pattern, reader.since)
        if not earliest:
            assert numbers == live
        elif reader.error is None:
            assert numbers[len(numbers) - len(live) :] == live
            assert set(numbers) <= set(self._expected(reader.pattern, 0))

    def _expected(self, pattern, after, until=1 << 60):
        numbers = range(after + 1, min(len(self.published), until) + 1)
        return [number for number in numbers if matches(pattern, self.published[number - 1][0])]

    def _reason_to_miss(self, pattern, position):
        """Whether anything beyond a position may be gone."""
        if self.forgotten or self.world.history.ceiling < 1 << 20:
            return True
        count = {}
        for number in self._expected(pattern, position):
            name, when = self.published[number - 1]
            keep = keep_of(name)
            count[name] = count.get(name, 0) + 1
            if count[name] > min(keep.messages, keep.bytes // OVERHEAD) or self.world.now - when >= keep.seconds:
                return True
        return False


class LifeOfSeveral(Life):
    world_of = Several


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=40)
TestLifeOfSeveral = LifeOfSeveral.TestCase
TestLifeOfSeveral.settings = settings(max_examples=80, stateful_step_count=40)


class Client(threading.Thread):
    """One of several threads: publishes, comes back, looks at what it gets; seeded."""

    def __init__(self, hub, seed, rounds):
        super().__init__(daemon=True)
        self.hub = hub
        self.random = random.Random(seed)
        self.rounds = rounds
        self.published = {}
        self.readers = []
        self.error = None

    def run(self):
        try:
            for _ in range(self.rounds):
                self._turn()
                self.hub.flush()
        except BaseException as error:
            self.error = error

    def settle(self):
        """Takes the rest. From any thread, once all have stopped."""
        for _ in range(50):
            self.hub.flush()
            for reader in self.readers:
                reader.go_on()

    def _turn(self):
        pick = self.random
        for _ in range(pick.randrange(6)):
            name = pick.choice(NAMES) if pick.random() < 0.5 else f"/topic/long.{pick.randrange(400)}.1"
            message = self.hub.publish(Envelope(name, {}), b"", True)
            self.published[message.offset] = name
        if pick.random() < 0.2:
            start = max(self.hub.offset - pick.randrange(40), 0)
            reader = Reader(pick.choice([*NAMES, *PATTERNS]), start)
            cursor = Start(ORIGIN.id_of(start))
            reader.granted = topics.subscribe(self.hub, reader.pattern, NUMBERS, reader.outbox, WIDE, cursor)
            self.readers.append(reader)
        for reader in self.readers:
            if pick.random() < 0.3:
                reader.go_on()
            reader.slow = pick.random() < 0.2


def test_threads_that_come_back_while_names_are_forgotten():
    history = History(Timers(lambda: 0.0, lambda when: None), RULES, max_names=40, stats=Stats())
    sequence = Sequence(ORIGIN, history, threading.RLock())
    clients = []
    for seed in range(3):
        hub = Sibling(sequence, lambda: None, lambda: None, Stats())
        hub.turn_steps = 10
        clients.append(Client(hub, seed, 150))
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.error is None
    for client in clients:
        client.settle()
    published = {offset: name for client in clients for offset, name in client.published.items()}
    assert len(published) == sequence.offset
    recovered = 0
    for reader in [reader for client in clients for reader in client.readers]:
        numbers = reader.numbers
        if not reader.granted.recovered:
            continue
        expected = [n for n in range(reader.start + 1, len(published) + 1) if matches(reader.pattern, published[n])]
        if reader.error is None:
            assert numbers == expected
            recovered += bool(expected)
        else:
            assert numbers == expected[: len(numbers)]
    assert recovered > 5
    assert len(history) <= 40
