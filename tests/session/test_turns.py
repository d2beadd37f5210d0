"""One client has the loop for a turn at a time: the rest of what it sent is worked off in later passes, in order."""

import pytest
from worlds import World

from qmq.session import stomp as module
from qmq.wire import stomp


@pytest.fixture
def clock(monkeypatch):
    """A clock that each look sets forward by so many seconds."""

    class Clock:
        now, step = 0.0, 0.001

        def __call__(self):
            self.now += self.step
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "clock", clock)
    return clock


def sends(count, destination="/queue/a", first=0):
    return b"".join(
        stomp.encode("SEND", {"destination": destination}, b"%d" % number) for number in range(first, first + count)
    )


def bodies(count):
    return [str(number) for number in range(count)]


@pytest.mark.parametrize("destination", ["/queue/a", "/exchange/amq.fanout"])
def test_turn_ends_in_time_and_the_rest_follows_in_order(clock, destination):
    world = World()
    client = world.client()
    world.registry.bind("amq.fanout", "/queue/a")
    client.session.receive(sends(30, destination))
    passes = 1
    assert len(world.bodies("/queue/a")) < 10
    while client.session.behind:
        before = len(world.bodies("/queue/a"))
        client.session.go_on()
        passes += 1
        assert 0 < len(world.bodies("/queue/a")) - before < 10
    assert world.bodies("/queue/a") == bodies(30)
    assert passes > 4


def test_what_comes_meanwhile_is_worked_off_after_it(clock):
    world = World()
    client = world.client()
    client.session.receive(sends(20))
    client.session.receive(sends(20, first=20))
    client.receive(sends(5, first=40))
    assert world.bodies("/queue/a") == bodies(45)


def test_fault_in_the_rest_is_answered_and_ends_it(clock):
    world = World()
    client = world.client()
    client.session.receive(sends(20) + stomp.encode("SEND", {"destination": "/nowhere"}) + sends(20, first=20))
    while client.session.behind:
        client.session.go_on()
    client.refused("bad-destination")
    assert world.bodies("/queue/a") == bodies(20)


def test_garbage_behind_the_rest_is_told_after_it(clock):
    world = World()
    client = world.client()
    client.session.receive(sends(20) + b"rubbish\n\n\0")
    assert client.session.ending is None
    while client.session.behind:
        client.session.go_on()
    assert world.bodies("/queue/a") == bodies(20)
    client.refused("bad-frame")


def test_client_that_ends_leaves_nothing_behind(clock):
    world = World()
    client = world.client()
    client.session.receive(sends(30))
    client.session.close()
    assert not client.session.behind


def test_cheap_messages_are_not_looked_at_one_by_one(clock):
    clock.step = 0.0
    looks = []
    clock.__class__.__call__ = lambda self: looks.append(1) or 0.0
    world = World()
    client = world.client()
    client.session.receive(sends(800, "/topic/a"))
    assert len(looks) < 110
    assert not client.session.behind


def test_many_deliveries_are_looked_at_soon(clock):
    world = World()
    for _ in range(100):
        world.client().frame("SUBSCRIBE", {"destination": "/topic/a", "id": "0"})
    client = world.client()
    client.session.receive(sends(80, "/topic/a"))
    assert client.session.behind
