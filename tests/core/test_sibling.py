"""A hub among others: what it does when it was stuck, and how publishers notice that others are behind."""

import pytest

from qmq.core.hub import Hub
from qmq.core.subscription import Bounds
from tests.core.siblings import NUMBERS, WIDE, Reader, Siblings
from tests.worlds import World


def test_with_one_thread_nothing_is_locked_and_nobody_else_is_asked():
    """The way of a message is that of the plain hub, to the last method."""
    world = World()
    assert type(world.hub) is Hub
    assert type(world.registry.hub).publish is Hub.publish
    names = Hub.publish.__code__.co_names + Hub.offer.__code__.co_names
    assert not {"lock", "_sequence", "bell", "drain"} & set(names)
    with world.hub.lock, world.registry.lock, world.hub.lock:
        pass  # it is none: otherwise this would not go


def test_a_hub_that_was_stuck_sends_those_away_who_have_missed_something():
    world = Siblings(2, max_messages=10)
    patient, slow, other = Reader(), Reader(), Reader()
    hub = world.hubs[1]
    hub.subscribe("/topic/a", NUMBERS, slow.outbox, WIDE)
    hub.subscribe("/topic/a", NUMBERS, patient.outbox, Bounds(10, 10, "drop-oldest"))
    hub.subscribe("/topic/b", NUMBERS, other.outbox, WIDE)
    world.publish(0, "/topic/b", b"x")
    world.publish(0, "/topic/a", *[b"%d" % number for number in range(15)])
    world.flush()
    assert slow.numbers == list(range(2, 11))  # what found room, in order
    (error,) = slow.errors
    assert (error.code.name, error.code.retry) == ("slow-consumer", True)
    assert error.detail.endswith("cursor node.e.10")
    assert not patient.errors and not other.errors
    assert world.stats["messages_missed"] == 6
    with world.on(1):
        back = Reader()
        hub.resume("/topic/a", NUMBERS, back.outbox, WIDE, 10)
    world.publish(0, "/topic/a", b"y")
    world.flush()
    assert back.numbers == list(range(11, 18))


def test_of_very_many_destinations_missed_all_subscribers_are_concerned():
    world = Siblings(2, max_messages=1)
    readers = {topic: Reader() for topic in ("/topic/1", "/topic/z")}
    for topic, reader in readers.items():
        world.hubs[1].subscribe(topic, NUMBERS, reader.outbox, WIDE)
    world.hubs[1].subscribe("/topic/#", NUMBERS, Reader().outbox, WIDE)
    for number in range(1100):
        world.publish(0, f"/topic/{number}", b"x")
    world.flush()
    assert all(len(reader.errors) == 1 for reader in readers.values())


def test_a_flood_of_its_own_does_not_fill_its_mailbox():
    world = Siblings(2, max_messages=1000)
    reader = Reader()
    world.hubs[0].subscribe("/topic/a", NUMBERS, reader.outbox, WIDE)
    for _ in range(5000):
        world.publish(0, "/topic/a", b"x")
    world.flush()
    assert reader.numbers == list(range(1, 5001))
    assert world.stats["messages_missed"] == 0


def test_who_publishes_is_told_that_others_are_behind():
    world = Siblings(2, max_messages=800)
    world.hubs[1].subscribe("/topic/a", NUMBERS, Reader().outbox, WIDE)
    world.publish(0, "/topic/a", *[b"x"] * 101)
    assert world.hubs[0].crowded
    world.flush()
    assert not world.hubs[0].crowded


def test_each_counts_its_own_deliveries_and_knows_all():
    world = Siblings(3)
    for hub in world.hubs[1:]:
        hub.subscribe("/topic/a", NUMBERS, Reader().outbox, WIDE)
    world.publish(0, "/topic/a", b"1", b"2")
    world.flush()
    assert [hub.deliveries for hub in world.hubs] == [0, 2, 2]
    assert {hub.fanned_out for hub in world.hubs} == {4}
    assert {hub.cursor for hub in world.hubs} == {"node.e.2"}


@pytest.mark.parametrize("behind", [1, 200, 1000])
def test_who_comes_back_catches_up_while_others_go_on_publishing(behind):
    """However much is published between two of its turns, in the end it is a subscriber like others."""
    world = Siblings(2)
    world.publish(0, "/topic/a", b"0")
    reader = Reader()
    with world.on(1) as hub:
        replay = hub.resume("/topic/a", NUMBERS, reader.outbox, WIDE, 0)
    published = 1
    for _ in range(5):
        world.publish(0, "/topic/a", *[b"x"] * (behind // 5))
        published += behind // 5
        world.flush(1)
    world.flush()
    assert replay.subscription is not None
    assert reader.numbers == list(range(1, published + 1))


class Meddler:
    """An encoder in whose midst another thread publishes, so many times."""

    def __init__(self, world, times, destination="/topic/a"):
        self.world, self.times, self.destination = world, times, destination

    def encode(self, message):
        if self.times:
            self.times -= 1
            self.world.publish(0, self.destination, b"meddling")
        return NUMBERS.encode(message)


def test_what_is_published_while_somebody_catches_up_is_neither_lost_nor_told_twice():
    world = Siblings(2)
    world.publish(0, "/topic/a", *b"1 2 3".split())
    reader = Reader()
    with world.on(1) as hub:
        replay = hub.resume("/topic/a", Meddler(world, 2), reader.outbox, WIDE, 0)
        hub.flush()
        assert replay.subscription is not None  # there was little enough to be given at once
    world.flush()
    assert reader.numbers == [1, 2, 3, 4, 5]


def test_a_subscription_begins_at_the_cursor_that_is_told():
    world = Siblings(2)
    with world.on(1) as hub:
        hub.subscribe("/topic/a", Meddler(world, 1), Reader().outbox, WIDE)
        world.publish(0, "/topic/a", b"1")
        reader = Reader()
        hub.subscribe("/topic/a", NUMBERS, reader.outbox, WIDE)
    world.publish(0, "/topic/a", b"3")
    world.flush()
    assert reader.numbers == [3]
