"""Where a subscription begins, and what a reader of the past is given."""

import pytest
from worlds import World

from qmq.core.store import Keep
from qmq.core.subscription import Bounds
from qmq.session.topics import Lookup, Start, position_of, subscribe
from qmq.session.waiter import Frameless

BOUNDS = Bounds(10, 100)


@pytest.fixture
def world():
    world = World(keep=(("/topic/#", Keep(messages=3)),))
    world.publish("/topic/a", *"12345")
    return world


@pytest.mark.parametrize(
    ("start", "position"),
    [
        (Start(), (None, True)),
        (Start(earliest=True), (0, False)),
        (Start("node.e.5"), (5, True)),
        (Start("node.e.2"), (2, True)),
        (Start("node.e.1"), (None, False)),
        (Start("node.e.1", earliest=True), (0, False)),
        (Start("node.e.6"), (None, False)),
        (Start("node.f.5"), (None, False)),
        (Start(""), (None, False)),
        (Start("other"), (None, False)),
    ],
    ids=repr,
)
def test_positions(world, start, position):
    assert position_of(world.hub, "/topic/a", start) == position


def test_reading_stops_at_its_bounds_and_says_where(world):
    def got(position, *bounds):
        lookup = Lookup(world.hub, "/topic/a", Start(f"node.e.{position}", earliest=True), *bounds)
        assert lookup.done
        found = lookup.reading
        return b"".join(message.body for message in found.messages), int(found.cursor.rpartition(".")[2])

    assert got(0, 10, 100) == (b"345", 5)
    assert got(0, 2, 100) == (b"34", 4)
    assert got(4, 1, 100) == (b"5", 5)
    assert got(0, 10, 2) == (b"34", 4)
    assert got(5, 10, 100) == (b"", 5)
    world.publish("/topic/b", "6")
    assert got(5, 10, 100) == (b"", 6)


@pytest.mark.parametrize(
    ("start", "cursor", "recovered", "bodies"),
    [
        (Start(), "node.e.5", True, ["6"]),
        (Start("node.e.5"), "node.e.5", True, ["6"]),
        (Start("node.e.3"), "node.e.3", True, ["4", "5", "6"]),
        (Start(earliest=True), "node.e.2", False, ["3", "4", "5", "6"]),
        (Start("node.e.0"), "node.e.5", False, ["6"]),
    ],
    ids=repr,
)
def test_a_subscriber_is_told_where_it_begins(world, start, cursor, recovered, bodies):
    client = world.client()
    got = []

    class Noting(Frameless):
        def encode(self, message):
            got.append(message.body.decode())
            return b"x"

    begun = subscribe(world.hub, "/topic/a", Noting(), client.outbox, Bounds(10, 100), start)
    assert (begun.cursor, begun.recovered) == (cursor, recovered)
    world.pass_time()
    world.publish("/topic/a", "6")
    world.pass_time()
    assert got == bodies


def test_coming_back_to_one_of_many_patterns_costs_what_was_missed():
    """A thousand who come back among ten thousand topics look at their own, and at none if nothing was missed."""
    world = World()
    for number in range(10_000):
        world.publish(f"/topic/user.{number // 10}.s{number % 10}", "x")
    world.hub.flush()
    steps = []
    walk = world.history.walk

    def counted(*args, **more):
        for store in walk(*args, **more):
            steps.append(store)
            yield store

    world.history.walk = counted
    client = world.client()
    for number in range(1000):
        subscribe(world.hub, f"/topic/user.{number}.#", Frameless(), client.outbox, BOUNDS, Start("node.e.10000"))
    assert len(steps) <= 2 * 1000
    steps.clear()
    for number in range(1000):
        back = subscribe(world.hub, f"/topic/user.{number}.*", Frameless(), client.outbox, BOUNDS, Start("node.e.0"))
        assert (back.cursor, back.recovered) == (f"node.e.{number * 10}", True)
    assert len(steps) <= 20 * 1000


def test_whether_anything_is_missing_is_not_looked_for_without_end():
    """With a pattern whose words do not narrow it, where everything has lost something: it may be missing."""
    world = World(keep=[("/topic/#", Keep(messages=0))])
    for number in range(9000):
        world.publish(f"/topic/t.{number}", "x")
        if number % 100 == 0:
            world.hub.flush()
    assert position_of(world.hub, "/topic/#.none", Start("node.e.0")) == (None, False)
    assert position_of(world.hub, "/topic/#.none", Start("node.e.8000")) == (8000, True)
    assert position_of(world.hub, "/topic/u.#", Start("node.e.0")) == (0, True)
