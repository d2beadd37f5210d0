"""One client's code may raise wherever it is called: it alone ends, and everybody else gets everything."""

import random

import pytest

from qmq.core import faults
from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.memory import Memory
from qmq.core.message import Origin
from qmq.core.registry import Registry
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.stats import Stats
from tests.core.siblings import KEEP, NUMBERS, WIDE, Reader, Siblings


class Boom(Exception):
    """What the code of a client raises."""


class Alone:
    """One loop's core, with the face of `Siblings`."""

    def __init__(self, count):
        assert count == 1
        self.now, self.stats = 1000.0, Stats()
        self.timers = Timers(lambda: self.now, lambda when: None)
        hub = Hub(Origin("node", "e"), lambda: None, self.stats, History(self.timers, KEEP, stats=self.stats))
        self.pool = Memory(1 << 30)
        self.registry = Registry(hub, self.timers, self.pool, self.stats)
        self.hubs, self.views = [hub], [self.registry]

    on = Siblings.on
    publish = Siblings.publish
    flush = Siblings.flush
    home = 0


CORES = {1: Alone, 4: Siblings}


class Victim:
    """A client whose code raises now and then, until it has ended for it; as a connection it ends after the pass."""

    least_turns = 1

    def __init__(self, chance, ended):
        self.outbox = Reader().outbox
        self.outbox.sink = self
        self.subscriptions, self.consumers = [], []
        self.errors = []
        self._chance = chance
        self._ended = ended

    def may_raise(self):
        if self._chance():
            raise Boom

    def deliver(self, *arguments):
        self.may_raise()
        if len(arguments) == 4:  # as a consumer
            self.outbox.waiting.append(self.may_raise)
            return self._chance()
        return None

    def flush(self):
        self.outbox.take_fresh() if self.outbox.fresh else None
        self.may_raise()
        self.outbox.resume()

    def hang_up(self, error):
        self.may_raise()
        self._ended.append(self)

    def cancelled(self, consumer, error):
        self.may_raise()

    def failed(self, error):
        assert isinstance(error, Boom)
        self.errors.append(error)
        self._ended.append(self)
        self.may_raise()

    def encode(self, message):
        self.may_raise()
        return b"x"

    def end(self, hub):
        self.outbox.ended = True
        for subscription in self.subscriptions:
            hub.unsubscribe(subscription)
        for consumer in self.consumers:
            consumer.cancel()
        self.subscriptions, self.consumers = [], []
        self.outbox.close()


class Taker:
    """An innocent consumer."""

    def __init__(self):
        self.got = []

    def deliver(self, consumer, tag, message, deliveries):
        self.got.append(message.body)
        return True

    def cancelled(self, consumer, error):
        raise AssertionError

    failed = cancelled


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("hubs", CORES)
def test_innocents_get_everything_whatever_others_raise(hubs, seed, logged):
    logged.expect("failed|cannot be ended")
    dice = random.Random(seed)
    core = CORES[hubs](hubs)
    ended = []
    victims = {}  # and the hub of each

    def join_victim():
        number = dice.randrange(hubs)
        hub = core.hubs[number]
        victim = Victim(lambda: dice.random() < 0.15, ended)
        victims[victim] = hub
        with core.on(number):
            try:
                for pattern in dice.sample(["/topic/a", "/topic/#", "/topic/b"], dice.randrange(1, 3)):
                    encoder = victim if dice.random() < 0.3 else NUMBERS
                    victim.subscriptions.append(hub.subscribe(pattern, encoder, victim.outbox, WIDE))
                queue = core.views[number].declare("/queue/q")
                victim.consumers.append(queue.consume(victim, 2, auto=dice.random() < 0.5))
                core.timers.at(core.now, victim.may_raise)
            except (Boom, QmqError):
                ended.append(victim)

    readers = [Reader() for _ in range(2 * hubs)]
    for number, reader in enumerate(readers):
        hub = core.hubs[number % hubs]
        hub.subscribe("/topic/#", NUMBERS, reader.outbox, WIDE)
        if number >= hubs:  # a mixed member
            hub.subscribe("/topic/nobody", NUMBERS, reader.outbox, WIDE)
    taker = Taker()
    with core.on(0):
        core.views[0].declare("/queue/q").consume(taker, 10_000)
    sent = []
    for round_ in range(60):
        if dice.random() < 0.5:
            join_victim()
        index = dice.randrange(hubs)
        for _ in range(dice.randrange(1, 20)):
            topic = dice.choice(["/topic/a", "/topic/b", "/topic/c"])
            core.publish(index, topic, b"%d" % len(sent))
            sent.append(b"%d" % len(sent))
        core.publish(index, "/queue/q", b"%d" % round_)
        core.now += 1
        core.timers.run()
        for number, hub in enumerate(core.hubs):
            with core.on(number):
                hub.flush()
        while ended:
            victim = ended.pop()
            with core.on(core.hubs.index(victims[victim])):
                victim.end(victims[victim])
    core.flush()
    for victim, hub in victims.items():
        with core.on(core.hubs.index(hub)):
            victim.end(hub)
    core.flush()
    assert [[body for _, body in reader.seen] for reader in readers] == [sent] * len(readers)
    assert sum(len(victim.errors) for victim in victims) > 10
    for hub in core.hubs:
        assert not hub.busy
        assert not any(audience.dirty for audience in hub._audiences.values())
        assert {audience.pattern for audience in hub._audiences.values()} == {"/topic/#", "/topic/nobody"}
    assert core.registry.queues["/queue/q"].unsettled == len(taker.got)
    assert not len(core.registry.queues["/queue/q"])


@pytest.mark.parametrize("hubs", CORES)
def test_client_that_ends_while_it_subscribes_is_not_seated(hubs):
    """What came for it on other threads may be its end: it is taken along before it is subscribed."""
    core = CORES[hubs](hubs)
    hub, reader = core.hubs[0], Reader()
    reader.outbox.ended = True
    for begin in (
        lambda: hub.subscribe("/topic/a", NUMBERS, reader.outbox, WIDE),
        lambda: hub.resume("/topic/a", NUMBERS, reader.outbox, WIDE, 0),
    ):
        with pytest.raises(QmqError, match="closed"):
            begin()
    other = Reader()
    replay = hub.resume("/topic/a", NUMBERS, other.outbox, WIDE, 0)
    other.outbox.ended = True
    core.publish(0, "/topic/a", b"x")
    core.flush()
    assert replay.subscription is None
    assert not hub._audiences


def test_history_that_raises_is_noted_and_keeps_nobody_from_reading(logged, monkeypatch):
    logged.expect("the history of topics failed")
    core, reader = Alone(1), Reader()
    core.hubs[0].subscribe("/topic/a", NUMBERS, reader.outbox, WIDE)

    def settle(stores):
        raise Boom

    monkeypatch.setattr(core.hubs[0].history, "settle", settle)
    core.publish(0, "/topic/a", b"1", b"2")
    core.hubs[0].flush()
    assert reader.numbers == [1, 2]
    assert core.stats["internal_errors"] == 1


def test_client_that_cannot_even_be_ended_is_logged(logged):
    logged.expect("cannot be ended")

    class Hopeless:
        def failed(self, error):
            raise Boom

    faults.end_client(Hopeless(), Boom())


def test_publisher_that_has_waited_and_raises_lets_the_others_go_on(logged):
    logged.expect("a publisher that has waited")
    memory, called = Memory(100), []
    memory.take(100)
    memory.wait(lambda: 1 / 0)
    memory.wait(lambda: called.append(1))
    memory.free(100)
    assert called == [1]
