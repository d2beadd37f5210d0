"""What is checked before it is published, whatever protocol it came by."""

import pytest
from worlds import World

from qmq.errors import QmqError
from qmq.session.publishing import Publishing, check_room, envelope_of, loads_of, passed_on, publish_once, way_to


@pytest.fixture
def world():
    return World()


def publishing(world, destination, body=b"x", **headers):
    return Publishing(way_to(world.registry, destination), envelope_of(destination, headers, headers), body, True)


def test_headers_that_speak_to_the_server_are_not_passed_on():
    said = {"destination": "/topic/a", "receipt": "1", "idempotency-key": "k", "ack": "1", "color": "red"}
    assert passed_on(said) == {"color": "red"}


def test_priority_and_expiration_are_numbers():
    envelope = envelope_of("/queue/a", {"priority": "7", "expiration": "0"}, {})
    assert (envelope.priority, envelope.ttl) == (7, 0)
    assert envelope_of("/queue/a", {}, {}).ttl is None
    for wrong in ({"priority": "x"}, {"expiration": "-1"}):
        with pytest.raises(QmqError, match="bad-header"):
            envelope_of("/queue/a", wrong, {})


def test_a_key_counts_once_it_has_succeeded(world):
    world.registry.declare("/queue/a", {"max_length": 1})
    one = publishing(world, "/queue/a")
    args = one.envelope, one.body, one.text
    assert publish_once(world.registry, one.publish, *args, "k").offset == 1
    assert publish_once(world.registry, one.publish, *args, "k") is None
    with pytest.raises(QmqError, match="queue-full"):
        publish_once(world.registry, one.publish, *args, "other")
    world.registry.queue("/queue/a").purge()
    assert publish_once(world.registry, one.publish, *args, "other") is not None


def test_loads_are_added_by_queue_and_topics_have_none(world):
    world.registry.bind("amq.fanout", "/queue/a")
    batch = [publishing(world, name, b"123") for name in ("/queue/a", "/exchange/amq.fanout/", "/queue/b", "/topic/a")]
    loads = {queue.name: load for queue, load in loads_of(world.registry, batch).items()}
    assert {name: (load.messages, load.octets, load.largest) for name, load in loads.items()} == {
        "/queue/a": (2, 6, 3),
        "/queue/b": (1, 3, 3),
    }


@pytest.mark.parametrize(("bounds", "fits"), [({}, True), ({"max_length": 2}, False), ({"max_length_bytes": 5}, False)])
def test_room_is_for_all_or_none(world, bounds, fits):
    world.registry.declare("/queue/a", bounds)
    loads = loads_of(world.registry, [publishing(world, "/queue/a", b"12")] * 3)
    if fits:
        check_room(world.registry, loads, "nothing happened")
        return
    with pytest.raises(QmqError, match="nothing happened") as caught:
        check_room(world.registry, loads, "nothing happened")
    assert caught.value.code.name == "queue-full"


def test_memory_is_for_all_or_none():
    world = World(memory=1000)
    loads = loads_of(world.registry, [publishing(world, "/queue/a", b"1" * 400)] * 3)
    with pytest.raises(QmqError, match="memory-full"):
        check_room(world.registry, loads, "nothing happened")
