"""What a frame makes on its way is gone again if the frame is refused, and nothing else is."""

from worlds import World

from qmq.core.registry import Rules
from tests.session.talk import refused, refusing, subscribe


def queues(world):
    return sorted(world.registry.queues)


def test_private_queue_goes_with_the_binding_that_is_refused():
    world = World(rules=Rules(max_bindings=1))
    client = refusing(world)
    subscribe(client, "/exchange/amq.direct/a", "1")
    [there] = queues(world)
    client.frame("SUBSCRIBE", {"id": "2", "destination": "/exchange/amq.direct/b"})
    assert refused(client) == "too-many-bindings"
    assert queues(world) == [there]
    assert world.client().session.registry is world.registry


def test_named_queue_goes_with_the_binding_that_is_refused():
    world = World(rules=Rules(max_bindings=1))
    client = refusing(world)
    subscribe(client, "/exchange/amq.direct/a", "1", x_queue_name="mine")
    for name, left in (("other", ["/queue/mine"]), ("mine", ["/queue/mine"])):
        client.frame("SUBSCRIBE", {"id": "2", "destination": "/exchange/amq.direct/b", "x-queue-name": name})
        assert refused(client) == "too-many-bindings"
        assert queues(world) == left


def test_binding_goes_with_the_consumer_that_is_refused():
    world = World()
    client = refusing(world)
    world.registry.declare("/queue/taken")
    world.registry.queues["/queue/taken"].consume(Nobody(), 1, exclusive=True)
    client.frame("SUBSCRIBE", {"id": "1", "destination": "/exchange/amq.direct/a", "x-queue-name": "taken"})
    assert refused(client) == "in-use"
    assert not world.registry.unbind("amq.direct", "/queue/taken", "a")
    assert queues(world) == ["/queue/taken"]


def test_reply_queue_goes_with_the_request_that_is_refused():
    world = World()
    client = refusing(world)
    request = {"destination": "/nowhere", "reply-to": "/temp-queue/r"}
    for destination in ("/nowhere", "/exchange/none/a"):
        client.frame("SEND", {**request, "destination": destination, "receipt": "r"}, b"x")
        assert refused(client) in ("bad-destination", "not-found")
    assert queues(world) == []
    assert not client.session.busy
    client.frame("SEND", {"destination": "/queue/a", "reply-to": "/temp-queue/r"}, b"x")
    assert len(queues(world)) == 2
    client.frame("SEND", {"destination": "/exchange/none/a", "reply-to": "/temp-queue/r"}, b"x")
    assert refused(client) == "not-found"
    assert len(queues(world)) == 2


def test_queue_with_properties_goes_with_the_message_that_is_refused():
    world = World()
    client = refusing(world)
    own = {"destination": "/queue/a", "x-max-length-bytes": "3", "x-overflow": "reject-publish"}
    client.frame("SEND", own, b"too large")
    assert refused(client) == "queue-full"
    assert queues(world) == []
    client.frame("SEND", own, b"ok")
    client.frame("SEND", own, b"too large")
    assert refused(client) == "queue-full"
    assert queues(world) == ["/queue/a"]


class Nobody:
    """A consumer that takes nothing."""

    def deliver(self, consumer, tag, message, deliveries):
        return False

    def cancelled(self, consumer, error):
        raise AssertionError
