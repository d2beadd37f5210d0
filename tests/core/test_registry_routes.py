"""What the registry makes of bindings: who may be bound, what goes with what, and topics as keys of an exchange."""

import pytest

from qmq.core.exchange import Kind
from qmq.core.message import Envelope
from qmq.core.registry import Rules
from qmq.errors import QmqError
from tests.core.workers import QUEUE, Worker
from tests.worlds import World


def refused(code, function, *args, **more):
    with pytest.raises(QmqError) as error:
        function(*args, **more)
    assert error.value.code.name == code


def subscriber(world, destination="/topic/#"):
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": destination})
    return client


class TestTargets:
    def test_a_queue_is_made_if_need_be(self):
        world = World()
        assert world.registry.bind("amq.direct", QUEUE, "k")
        assert not world.registry.bind("amq.direct", QUEUE, "k")
        world.publish("/exchange/amq.direct/k", "1")
        assert world.bodies(QUEUE) == ["1"]

    @pytest.mark.parametrize("target", ["/topic/a", "/topic/#", "a", "", "/elsewhere/a"])
    def test_nothing_else_is_made(self, target):
        """A queue of the name of a topic would get all that is published to the topic, and subscribers nothing."""
        world = World()
        reader = subscriber(world)
        for change in (world.registry.bind, world.registry.unbind):
            refused("bad-destination", change, "amq.direct", target, "k")
        world.publish("/topic/a", "1")
        assert (reader.messages(), world.registry.queues) == (["1"], {})

    @pytest.mark.parametrize("target", ["/queue/", "/queue/a b", "/queue/#"])
    def test_names_are_checked(self, target):
        refused("bad-pattern", World().registry.bind, "amq.direct", target, "k")

    @pytest.mark.parametrize("target", ["/temp-queue/nobodys", "/exchange/none"])
    def test_what_is_not_there_and_not_made(self, target):
        world = World()
        refused("not-found", world.registry.bind, "amq.direct", target, "k")
        refused("not-found", world.registry.unbind, "amq.direct", target, "k")
        refused("not-found", world.registry.bind, "none", QUEUE)
        assert world.registry.queues == {}

    def test_unbinding_makes_no_queue(self):
        world = World()
        refused("not-found", world.registry.unbind, "amq.direct", QUEUE, "k")
        assert world.registry.queues == {}
        world.registry.declare(QUEUE)
        assert not world.registry.unbind("amq.direct", QUEUE, "k")

    def test_private_queues_can_be_bound(self):
        world = World()
        queue = world.registry.declare_private("me")
        world.registry.bind("amq.fanout", queue.name)
        world.publish("/exchange/amq.fanout/k", "1")
        assert world.bodies(queue.name) == ["1"]
        world.registry.release("me")
        world.publish("/exchange/amq.fanout/k", "2")
        assert (len(world.registry.exchanges["amq.fanout"]), world.memory.used) == (0, 0)

    def test_at_the_limit_one_may_bind_again_what_is_bound(self):
        world = World(rules=Rules(max_bindings=1))
        assert world.registry.bind("amq.direct", QUEUE, "k")
        assert not world.registry.bind("amq.direct", QUEUE, "k")
        refused("too-many-bindings", world.registry.bind, "amq.direct", QUEUE, "l")
        world.registry.delete(QUEUE)
        assert world.registry.bind("amq.direct", QUEUE, "l")

    def test_headers(self):
        world = World()
        world.registry.bind("amq.headers", QUEUE, "", {"x-match": "any", "a": "1", "b": "2"})
        refused("bad-header", world.registry.bind, "amq.headers", QUEUE, "", {"x-match": "some"})
        world.publish("/exchange/amq.headers/k", "1", headers={"b": "2"})
        world.publish("/exchange/amq.headers/k", "2", headers={"b": "3"})
        assert (world.bodies(QUEUE), world.stats["messages_unroutable"]) == (["1"], 1)

    def test_from_the_configuration(self):
        rules = Rules(
            exchanges=[("orders", {"kind": Kind.TOPIC, "alternate": "amq.fanout"})],
            bindings=[("orders", "/queue/paid", "order.*.paid", {}), ("amq.fanout", "/queue/rest", "", {})],
        )
        world = World(rules=rules)
        world.publish("/exchange/orders/order.1.paid", "1")
        world.publish("/exchange/orders/order.1", "2")
        assert (world.bodies("/queue/paid"), world.bodies("/queue/rest")) == (["1"], ["2"])


class TestEnds:
    def test_an_auto_delete_exchange_goes_with_its_last_queue(self):
        world = World()
        world.registry.declare_exchange("x", Kind.FANOUT, auto_delete=True)
        world.registry.bind("amq.direct", "/exchange/x", "k")
        for name in ("/queue/a", "/queue/b"):
            world.registry.bind("x", name)
        world.registry.delete("/queue/a")
        world.publish("/exchange/x/k", "1")
        world.registry.unbind("x", "/queue/b")
        refused("not-found", world.publish, "/exchange/x/k", "2")
        assert len(world.registry.exchanges["amq.direct"]) == 0

    def test_one_of_the_same_name_is_not_touched_by_the_end_of_the_old_one(self):
        world = World()
        for _ in range(2):
            world.registry.declare_exchange("x", Kind.FANOUT, auto_delete=True)
            for name in ("/queue/a", "/queue/b"):
                world.registry.bind("x", name)
            world.registry.unbind("x", "/queue/a")
            world.registry.unbind("x", "/queue/b")
        world.registry.declare_exchange("x", Kind.FANOUT, auto_delete=True)
        world.registry.bind("x", "/queue/b")
        world.registry.delete("/queue/a")
        world.publish("/exchange/x/", "1")
        assert world.bodies("/queue/b") == ["1"]

    def test_deleting_an_exchange_on_the_way(self):
        world = World()
        world.registry.declare_exchange("x", Kind.FANOUT)
        world.registry.bind("amq.topic", "/exchange/x", "a.#")
        world.registry.bind("x", QUEUE)
        world.publish("/topic/a.b", "1")
        world.registry.delete_exchange("x")
        world.publish("/topic/a.b", "2")
        assert world.bodies(QUEUE) == ["1"]

    def test_a_queue_of_the_same_name_has_none_of_the_old_bindings(self):
        world = World()
        world.registry.bind("amq.topic", QUEUE, "a")
        world.registry.delete(QUEUE)
        world.registry.declare(QUEUE)
        world.publish("/topic/a", "1")
        assert world.bodies(QUEUE) == []

    def test_counters_of_what_is_gone_are_let_go(self):
        world = World()
        queue = world.registry.declare(QUEUE)
        world.publish(QUEUE, "1")
        queue.purge()
        assert world.stats.by_destination() == {QUEUE: {"messages_purged": 1}}
        world.registry.delete(QUEUE)
        assert world.stats.by_destination() == {}
        assert world.stats["messages_purged"] == 1

    def test_whoever_is_gone_leaves_nothing(self):
        world = World()
        queues = [world.registry.declare_private("me") for _ in range(3)]
        kept = world.registry.declare("/queue/kept", {"exclusive": True}, "you")
        for queue in queues:
            world.registry.bind("amq.fanout", queue.name)
        worker = Worker(queues[0])
        world.registry.delete(queues[1].name, "me")
        world.registry.release("me")
        world.registry.release("me")
        assert (list(world.registry.queues), worker.ended) == ([kept.name], ["queue-deleted"])
        assert list(world.registry._owned) == ["you"]

    def test_without_an_owner_exclusive_is_nobodys(self):
        world = World()
        queue = world.registry.declare(QUEUE, {"exclusive": True})
        assert world.registry.queue(QUEUE) is queue
        refused("in-use", world.registry.queue, QUEUE, "me")


class TestTopics:
    def test_through_an_exchange_that_is_bound_to_topics(self):
        world = World()
        reader = subscriber(world, "/topic/a.*")
        world.registry.declare_exchange("x", Kind.DIRECT)
        world.registry.bind("amq.topic", "/exchange/x", "a.#")
        for key in ("a.b", "c"):
            world.registry.bind("x", QUEUE, key)
        world.registry.bind("amq.topic", QUEUE, "*.b")
        for key in ("a.b", "a.c", "c"):
            world.publish(f"/topic/{key}", key)
        assert (world.bodies(QUEUE), reader.messages()) == (["a.b"], ["a.b", "a.c"])

    def test_topics_as_an_alternate(self):
        world = World()
        reader = subscriber(world)
        world.registry.declare_exchange("x", Kind.DIRECT, alternate="amq.topic")
        world.registry.bind("x", QUEUE, "k")
        world.publish("/exchange/x/k", "1")
        world.publish("/exchange/x/l", "2")
        assert (world.bodies(QUEUE), reader.messages()) == (["1"], ["2"])

    @pytest.mark.parametrize("key", ["", "a..b", "*", "#", "a/b", "a b", ".", "x" * 300])
    def test_any_key_may_come_from_an_exchange(self, key):
        world = World()
        reader = subscriber(world)
        world.registry.bind("amq.fanout", "/exchange/amq.topic")
        world.registry.bind("amq.topic", QUEUE, key)
        world.publish(f"/exchange/amq.fanout/{key}", "1")
        assert (world.bodies(QUEUE), reader.messages()) == (["1"], ["1"])

    def test_a_circle_of_exchanges(self):
        world = World()
        reader = subscriber(world)
        world.registry.bind("amq.fanout", "/exchange/amq.topic")
        world.registry.bind("amq.topic", "/exchange/amq.fanout", "#")
        world.registry.bind("amq.fanout", QUEUE)
        world.publish("/topic/a", "1")
        world.publish("/exchange/amq.fanout/b", "2")
        assert (world.bodies(QUEUE), reader.messages()) == (["1", "2"], ["1", "2"])

    def test_bindings_count_at_once_also_for_topics_already_in_use(self):
        world = World()
        reader = subscriber(world)
        world.publish("/topic/a", "1")
        world.registry.bind("amq.topic", QUEUE, "#")
        world.publish("/topic/a", "2")
        world.registry.delete(QUEUE)
        world.publish("/topic/a", "3")
        assert reader.messages() == ["1", "2", "3"]
        assert QUEUE not in world.registry.queues

    def test_the_same_message_has_the_same_number_everywhere(self):
        world = World()
        reader = subscriber(world)
        world.registry.bind("amq.fanout", "/exchange/amq.topic")
        world.registry.bind("amq.fanout", QUEUE)
        world.publish("/exchange/amq.fanout/k", "1")
        [entry] = world.registry.queues[QUEUE]._ready
        [(_, headers, _)] = reader.got()
        assert (entry.message.id, entry.message.envelope.destination) == (
            headers["message-id"],
            "/exchange/amq.fanout/k",
        )

    def test_priority_and_time_to_live_reach_bound_queues(self):
        world = World()
        world.registry.declare(QUEUE, {"max_priority": 3})
        world.registry.bind("amq.topic", QUEUE, "a")
        world.publish("/topic/a", "1")
        world.publish("/topic/a", "2", priority=2, ttl=1000)
        assert world.bodies(QUEUE) == ["2", "1"]
        world.pass_time(1)
        assert world.bodies(QUEUE) == ["1"]


class TestWhereAMessageWouldGo:
    def ask(self, world, destination):
        return [queue.name for queue in world.registry.targets(Envelope(destination, {}))]

    def test_queues(self):
        world = World(rules=Rules(max_queues=1))
        assert self.ask(world, QUEUE) == [QUEUE]
        assert world.bodies(QUEUE) == []
        refused("too-many-queues", self.ask, world, "/queue/b")
        assert self.ask(world, "/temp-queue/gone") == []

    def test_exchanges_and_topics(self):
        world = World()
        world.registry.declare_exchange("x", Kind.FANOUT, internal=True)
        world.registry.bind("x", "/queue/b")
        world.registry.bind("amq.topic", "/exchange/x", "a")
        world.registry.bind("amq.topic", QUEUE, "#")
        assert self.ask(world, "/exchange/amq.topic/a") == [QUEUE, "/queue/b"]
        assert self.ask(world, "/topic/a") == []  # bound queues that are full miss it
        assert self.ask(world, "/exchange/amq.topic/b") == [QUEUE]
        refused("bad-destination", self.ask, world, "/exchange/x/a")
        refused("not-found", self.ask, world, "/exchange/y/a")
