"""SUBSCRIBE with `cursor` or `from`: what is replayed, and what the RECEIPT says."""

import pytest

from qmq.core.store import Keep
from tests.worlds import World


def subscribe(client, destination="/topic/a", id="0", **more):
    client.frame("SUBSCRIBE", {"id": id, "destination": destination, "receipt": "r", **more})


def resumed(client, *args, **more):
    """Subscribes; returns what the RECEIPT said, and the bodies that came after it."""
    subscribe(client, *args, **more)
    (command, granted, _), *rest = client.got()
    assert command == "RECEIPT"
    return granted, [body.decode() for _, _, body in rest]


def test_after_a_cursor():
    world = World()
    client = world.client()
    world.publish("/topic/a", "1", "2", "3")
    granted, bodies = resumed(client, cursor="node.e.1")
    assert (granted["recovered"], granted["cursor"], bodies) == ("true", "node.e.1", ["2", "3"])
    world.publish("/topic/a", "4")
    assert client.messages() == ["4"]


def test_the_cursor_in_the_receipt_is_one_to_come_back_with():
    world = World()
    client = world.client()
    world.publish("/topic/b", "x")
    world.publish("/topic/a", "1")
    world.publish("/topic/b", "x")
    granted, bodies = resumed(client, cursor="node.e.0")
    assert (granted["cursor"], bodies) == ("node.e.1", ["1"])  # just before the first that comes
    granted, bodies = resumed(client, id="1", cursor="node.e.2")
    assert (granted["cursor"], bodies) == ("node.e.3", [])  # nothing was missed: everything is known up to now


def test_replayed_messages_look_like_any_others():
    world = World()
    early, late = world.client(), world.client()
    subscribe(early)
    early.got()
    world.client().frame("SEND", {"destination": "/topic/a", "x": "y"}, b"\0\xff")
    subscribe(late, **{"from": "earliest"})
    assert early.got() == late.got()[1:]


def test_a_pattern_comes_back_in_the_order_of_publishing():
    world = World()
    for number, name in enumerate(("a", "b", "c.d", "a")):
        world.publish(f"/topic/{name}", str(number))
    _, bodies = resumed(world.client(), "/topic/*", cursor="node.e.0")
    assert bodies == ["0", "1", "3"]


@pytest.mark.parametrize(
    ("cursor", "published"),
    [
        ("node.other.1", 2), ("other.e.1", 2), ("nonsense", 2), ("", 2), ("node.e.x", 2), ("node.e.-1", 2),
        ("node.e.3", 2), ("node.e.1,other.e.1", 2), ("node.e." + "9" * 30, 2), ("node.e.²", 2), ("node.e.", 2),
        ("node.e.0", 12),
    ],
)  # fmt: skip
def test_what_cannot_be_recovered_begins_now_or_with_what_is_left(cursor, published):
    world = World(keep=[("/topic/#", Keep(messages=10))])
    world.publish("/topic/a", *map(str, range(published)))
    granted, bodies = resumed(world.client(), cursor=cursor)
    assert (granted["recovered"], granted["cursor"], bodies) == ("false", f"node.e.{published}", [])
    granted, bodies = resumed(world.client(), cursor=cursor, **{"from": "earliest"})
    assert (granted["recovered"], bodies) == ("false", [str(each) for each in range(published)][-10:])


def test_from_the_earliest():
    world = World(keep=[("/topic/#", Keep(messages=3))])
    assert resumed(world.client(), **{"from": "earliest"})[0]["recovered"] == "true"
    world.publish("/topic/a", "1", "2", "3")
    granted, bodies = resumed(world.client(), **{"from": "earliest"})
    assert (granted["recovered"], granted["cursor"], bodies) == ("true", "node.e.0", ["1", "2", "3"])
    world.publish("/topic/a", "4")
    granted, bodies = resumed(world.client(), **{"from": "earliest"})
    assert (granted["recovered"], granted["cursor"], bodies) == ("false", "node.e.1", ["2", "3", "4"])


def test_topics_that_keep_nothing_say_whether_there_was_anything():
    world = World(keep=())
    world.publish("/topic/a", "1")
    world.publish("/topic/b", "2")
    assert resumed(world.client(), cursor="node.e.0")[0]["recovered"] == "false"
    assert resumed(world.client(), cursor="node.e.1")[0]["recovered"] == "true"


def test_what_comes_by_an_exchange_is_kept_with_the_topic():
    world = World()
    world.registry.bind("amq.fanout", "/exchange/amq.topic")
    world.publish("/exchange/amq.topic/a", "1")
    world.publish("/exchange/amq.fanout/a", "2")
    assert resumed(world.client(), **{"from": "earliest"})[1] == ["1", "2"]


def test_without_a_receipt_it_is_replayed_all_the_same():
    world = World()
    world.publish("/topic/a", "1")
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "from": "earliest"})
    assert client.messages() == ["1"]


def test_unsubscribing_while_it_is_replayed():
    world = World()
    world.publish("/topic/a", "1")
    client = world.client()
    subscribe(client, **{"from": "earliest"})
    client.frame("UNSUBSCRIBE", {"id": "0", "receipt": "u"})
    assert [(command, headers["receipt-id"]) for command, headers, _ in client.got()] == [
        ("RECEIPT", "r"), ("RECEIPT", "u")
    ]  # fmt: skip
    world.publish("/topic/a", "2")
    assert client.got() == []


def test_ending_while_it_is_replayed():
    world = World()
    world.publish("/topic/a", "1")
    client = world.client()
    subscribe(client, **{"from": "earliest"})
    client.session.close()
    assert [command for command, *_ in client.got()] == ["RECEIPT"]
    assert not client.outbox.subscriptions


def test_a_duplicate_id_is_one_while_it_is_replayed_too():
    world = World()
    world.publish("/topic/a", "1")
    client = world.client()
    subscribe(client, **{"from": "earliest"})
    subscribe(client, "/topic/b")
    client.refused("duplicate-id")
