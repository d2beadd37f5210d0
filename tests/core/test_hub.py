"""The hub with real outboxes: who gets what, in which order, encoded how often."""

from qmq.core.hub import Hub
from qmq.core.message import Envelope, Origin
from qmq.core.outbox import Outbox
from qmq.core.store import Keep
from qmq.core.subscription import Bounds
from qmq.stats import Stats
from tests.worlds import World

BOUNDS = Bounds(10, 10_000)


class Encoder:
    """Encodes as `OFFSET BODY;` and counts."""

    def __init__(self):
        self.calls = 0

    def encode(self, message):
        self.calls += 1
        return b"%d %b;" % (message.offset, message.body)


class Reader:
    """A connection that takes whatever is flushed to it."""

    least_turns = 8

    def __init__(self):
        self.got = b""
        self.flushes = 0
        self.outbox = Outbox(self, Stats(), 1 << 20)

    def flush(self):
        if self.outbox.fresh:
            self.flushes += 1
            self.got += self.outbox.take_fresh()

    def deliver(self, data, batch):
        assert data == b"".join(delivery[2] for delivery in batch)
        self.outbox.fresh.extend(batch)
        self.flush()


def make_hub():
    woken = []
    hub = Hub(Origin("node", "e"), lambda: woken.append(1))
    return hub, woken


def publish(hub, destination, body=b"x"):
    return hub.publish(Envelope(destination, {}), body, True)


def test_subscribers_of_the_name_and_of_matching_patterns_get_it():
    hub, _ = make_hub()
    readers = {pattern: Reader() for pattern in ("/topic/a.b", "/topic/a.*", "/topic/#", "/topic/a", "/topic/*.c")}
    for pattern, reader in readers.items():
        hub.subscribe(pattern, Encoder(), reader.outbox, BOUNDS)
    publish(hub, "/topic/a.b")
    hub.flush()
    assert [pattern for pattern, reader in readers.items() if reader.got] == ["/topic/a.b", "/topic/a.*", "/topic/#"]
    assert hub.deliveries == 3


def test_a_message_is_encoded_once_for_all_who_share_an_encoder():
    hub, woken = make_hub()
    encoder = Encoder()
    readers = [Reader() for _ in range(5)]
    for reader in readers:
        hub.subscribe("/topic/a", encoder, reader.outbox, BOUNDS)
    publish(hub, "/topic/a", b"one")
    publish(hub, "/topic/a", b"two")
    assert encoder.calls == 2
    assert woken == [1]
    hub.flush()
    assert {reader.got for reader in readers} == {b"1 one;2 two;"}
    assert {reader.flushes for reader in readers} == {1}


def test_one_connection_sees_all_its_subscriptions_in_the_order_of_publishing():
    hub, _ = make_hub()
    reader = Reader()
    for pattern in ("/topic/a", "/topic/b", "/topic/#"):
        hub.subscribe(pattern, Encoder(), reader.outbox, BOUNDS)
    for destination in ("/topic/b", "/topic/a", "/topic/b"):
        publish(hub, destination)
    hub.flush()
    assert reader.got == b"1 x;1 x;2 x;2 x;3 x;3 x;"


def test_a_second_subscription_in_the_middle_of_a_pass_keeps_the_order():
    hub, _ = make_hub()
    reader = Reader()
    hub.subscribe("/topic/a", Encoder(), reader.outbox, BOUNDS)
    publish(hub, "/topic/a")
    second = hub.subscribe("/topic/b", Encoder(), reader.outbox, BOUNDS)
    third = hub.subscribe("/topic/c", Encoder(), reader.outbox, BOUNDS)
    for name in "bac":
        publish(hub, f"/topic/{name}")
    hub.unsubscribe(third)
    publish(hub, "/topic/a")
    hub.unsubscribe(second)
    for name in "abc":
        publish(hub, f"/topic/{name}")
    hub.flush()
    assert reader.got == b"1 x;2 x;3 x;4 x;5 x;6 x;"
    assert hub.deliveries == 6


def test_nothing_comes_after_unsubscribe_and_nothing_is_left():
    hub, _ = make_hub()
    reader, other = Reader(), Reader()
    encoder = Encoder()
    subscription = hub.subscribe("/topic/*", encoder, reader.outbox, BOUNDS)
    hub.subscribe("/topic/*", encoder, other.outbox, BOUNDS)
    hub.unsubscribe(subscription)
    publish(hub, "/topic/a")
    hub.flush()
    assert (reader.got, other.got) == (b"", b"1 x;")
    assert reader.outbox.subscriptions == {}


def test_routes_follow_subscriptions():
    hub, _ = make_hub()
    first, second = Reader(), Reader()
    publish(hub, "/topic/a")
    held = hub.subscribe("/topic/a", Encoder(), first.outbox, BOUNDS)
    publish(hub, "/topic/a")
    hub.subscribe("/topic/#", Encoder(), second.outbox, BOUNDS)
    publish(hub, "/topic/a")
    hub.flush()
    hub.unsubscribe(held)
    publish(hub, "/topic/a")
    hub.flush()
    assert (first.got, second.got) == (b"2 x;3 x;", b"3 x;4 x;")


def test_a_long_pass_is_flushed_in_between():
    hub, _ = make_hub()
    reader = Reader()
    hub.subscribe("/topic/a", Encoder(), reader.outbox, Bounds(1, 100))
    for _ in range(40):
        publish(hub, "/topic/a", b"x" * 10_000)
    assert reader.flushes >= 2
    hub.flush()
    assert reader.got.count(b";") == 40


def test_offsets_and_cursor():
    hub, _ = make_hub()
    assert hub.cursor == "node.e.0"
    assert publish(hub, "/topic/a").id == hub.cursor == "node.e.1"


def test_many_audiences_are_served_over_several_passes_and_all_are():
    hub, woken = make_hub()
    readers = [Reader() for _ in range(300)]
    for reader in readers:
        hub.subscribe("/topic/a", Encoder(), reader.outbox, BOUNDS)
    publish(hub, "/topic/a")
    hub.flush()
    assert sum(bool(reader.got) for reader in readers) == 128
    publish(hub, "/topic/a")
    while woken:
        woken.clear()
        hub.flush()
    assert {reader.got for reader in readers} == {b"1 x;2 x;"}


def test_a_scan_goes_on_where_it_ended():
    world = World()
    world.publish("/topic/a", *"12345")
    world.publish("/topic/b", "6")
    scan = world.hub.replays.scan("/topic/a", 1)
    assert [message.body for message in world.hub.advance(scan, 2, 100)] == [b"2", b"3"]
    assert (scan.position, scan.complete) == (3, False)
    assert [message.body for message in world.hub.advance(scan, 9, 100)] == [b"4", b"5"]
    assert (scan.position, scan.complete) == (6, True)
    scan = world.hub.replays.scan("/topic/#", 0)
    assert [message.body for message in world.hub.advance(scan, 9, 3)] == [b"1", b"2", b"3"]


def test_a_position_is_good_as_long_as_nothing_beyond_it_is_gone():
    world = World(keep=(("/topic/#", Keep(messages=2)),))
    world.publish("/topic/a", *"12345")
    assert [world.hub.whole("/topic/a", position) for position in range(6)] == [False] * 3 + [True] * 3
    assert [world.hub.begins("/topic/*", position) for position in (0, 3, 4, 5)] == [3, 3, 4, None]
