"""Queues and exchanges by name: first use, rules, owners, bindings, topics."""

import gc
import weakref

import pytest
from worlds import World

from qmq.core.exchange import Kind
from qmq.core.registry import Rules
from qmq.errors import QmqError
from tests.core.workers import Worker


def refused(code, function, *args, **more):
    """Checks that a call fails with this code; returns the detail."""
    with pytest.raises(QmqError) as error:
        function(*args, **more)
    assert error.value.code.name == code
    return error.value.detail


# Queues


def test_a_queue_appears_when_it_is_first_used():
    world = World()
    world.publish("/queue/a", "1")
    assert world.bodies("/queue/a") == ["1"]
    assert world.registry.declare("/queue/a") is world.registry.queue("/queue/a")
    refused("not-found", world.registry.queue, "/queue/b")


def test_declaring_again_must_agree():
    world = World()
    queue = world.registry.declare("/queue/a", {"max_length": 5})
    assert world.registry.declare("/queue/a", {"max_length": 5}) is queue
    assert world.registry.declare("/queue/a") is queue
    detail = refused("conflict", world.registry.declare, "/queue/a", {"max_length": 6})
    assert detail == "max-length of /queue/a is 5, 6 was asked for"


def test_the_configuration_fixes_what_it_names():
    rules = Rules(
        queues=[("/queue/jobs.#", {"max_length": 5, "delivery_limit": 3}), ("/queue/*.big", {"max_length": 9})]
    )
    world = World(rules=rules)
    assert world.registry.declare("/queue/jobs.small", {"max_priority": 2}).options.max_length == 5
    big = world.registry.declare("/queue/jobs.big").options
    assert (big.max_length, big.delivery_limit) == (9, 3)
    assert world.registry.declare("/queue/other", {"max_length": 7}).options.max_length == 7
    detail = refused("conflict", world.registry.declare, "/queue/jobs.x", {"max_length": 7})
    assert detail == "max-length of /queue/jobs.x is 5, 7 was asked for"
    assert "/queue/jobs.x" not in world.registry.queues


def test_without_auto_create_only_configured_and_declared_ones_appear():
    world = World(rules=Rules(queues=[("/queue/known", {})], auto_create=False))
    world.publish("/queue/known", "1")
    world.registry.declare("/queue/asked", {"max_length": 1})
    refused("not-found", world.publish, "/queue/unknown", "1")
    assert sorted(world.registry.queues) == ["/queue/asked", "/queue/known"]


def test_there_may_be_so_many():
    world = World(rules=Rules(max_queues=1, max_exchanges=6, max_bindings=1))
    world.registry.declare("/queue/a")
    refused("too-many-queues", world.publish, "/queue/b", "1")
    world.registry.declare_exchange("x")
    refused("too-many-queues", world.registry.declare_exchange, "y")
    world.registry.bind("x", "/queue/a", "1")
    refused("too-many-bindings", world.registry.bind, "x", "/queue/a", "2")
    world.publish("/queue/a", "still")


def test_exclusive_queues_are_their_owners_and_go_with_them():
    world = World()
    queue = world.registry.declare("/queue/mine", {"exclusive": True}, "me")
    assert world.registry.declare("/queue/mine", {"exclusive": True}, "me") is queue
    for owner in ("you", None):
        refused("in-use", world.registry.queue, "/queue/mine", owner)
        refused("in-use", world.registry.declare, "/queue/mine", {}, owner)
        refused("in-use", world.registry.delete, "/queue/mine", owner)
    world.publish("/queue/mine", "1")
    world.registry.release("you")
    assert world.bodies("/queue/mine") == ["1"]
    world.registry.release("me")
    assert (world.registry.queues, world.memory.used) == ({}, 0)


def test_private_names_cannot_be_guessed():
    world = World()
    first, second = (world.registry.declare_private("me", "replies") for _ in range(2))
    assert first.name != second.name
    assert first.name.startswith("/temp-queue/")
    assert first.name.endswith(".replies")
    assert len(first.name) - len("/temp-queue/.replies") >= 24


def test_a_reply_to_somebody_who_is_gone_is_counted():
    world = World()
    queue = world.registry.declare_private("me")
    world.registry.release("me")
    world.publish(queue.name, "too late")
    assert world.stats["messages_unroutable"] == 1
    assert world.registry.queues == {}


def test_deleting_tells_consumers_and_drops_bindings_and_everything():
    world = World()
    queue = world.registry.declare("/queue/a")
    world.registry.bind("amq.direct", "/queue/a", "k")
    worker = Worker(queue, prefetch=1)
    world.publish("/queue/a", "1", "2")
    assert world.registry.delete("/queue/a") == 1
    assert worker.ended == ["queue-deleted"]
    assert (len(world.registry.exchanges["amq.direct"]), world.memory.used) == (0, 0)
    gone = weakref.ref(worker)
    del worker, queue
    gc.collect()
    assert gone() is None
    refused("not-found", world.registry.delete, "/queue/a")


# Exchanges


def test_each_queue_gets_one_copy_however_many_ways_lead_to_it():
    world = World()
    world.registry.declare_exchange("x", Kind.FANOUT)
    world.registry.bind("amq.direct", "/exchange/x", "k")
    world.registry.bind("x", "/exchange/amq.direct")
    for key in ("k", "l"):
        world.registry.bind("amq.direct", "/queue/a", key)
    world.registry.bind("x", "/queue/a")
    world.registry.bind("x", "/queue/b")
    world.publish("/exchange/amq.direct/k", "1")
    assert (world.bodies("/queue/a"), world.bodies("/queue/b")) == (["1"], ["1"])


def test_what_leads_nowhere_goes_to_the_alternate_or_is_counted():
    world = World()
    world.registry.declare_exchange("x", alternate="amq.fanout")
    world.registry.bind("amq.fanout", "/queue/rest")
    world.publish("/exchange/x/none", "1")
    assert world.bodies("/queue/rest") == ["1"]
    world.publish("/exchange/amq.direct/none", "2")
    assert world.stats["messages_unroutable"] == 1
    refused("not-found", world.publish, "/exchange/nowhere/k", "3")


def test_internal_exchanges_are_not_for_clients():
    world = World()
    world.registry.declare_exchange("x", Kind.FANOUT, internal=True)
    world.registry.bind("amq.fanout", "/exchange/x")
    world.registry.bind("x", "/queue/a")
    refused("bad-destination", world.publish, "/exchange/x/k", "1")
    world.publish("/exchange/amq.fanout/k", "2")
    assert world.bodies("/queue/a") == ["2"]


def test_a_full_queue_refuses_and_the_others_get_it_all_the_same():
    world = World()
    world.registry.declare("/queue/full", {"max_length": 1})
    for name in ("/queue/full", "/queue/other"):
        world.registry.bind("amq.fanout", name)
    world.publish("/exchange/amq.fanout/k", "1")
    refused("queue-full", world.publish, "/exchange/amq.fanout/k", "2")
    assert (world.bodies("/queue/full"), world.bodies("/queue/other")) == (["1"], ["1", "2"])


def test_exchanges_declared_again_and_deleted():
    world = World()
    exchange = world.registry.declare_exchange("x", Kind.TOPIC)
    assert world.registry.declare_exchange("x", Kind.TOPIC) is exchange
    assert refused("conflict", world.registry.declare_exchange, "x", Kind.FANOUT) == (
        "kind of exchange x is topic, fanout was asked for"
    )
    world.registry.bind("x", "/queue/a", "#")
    assert world.registry.unbind("x", "/queue/a", "#")
    world.registry.delete_exchange("x")
    refused("not-found", world.registry.delete_exchange, "x")
    refused("bad-destination", world.registry.delete_exchange, "amq.topic")
    refused("bad-destination", world.registry.declare_exchange, "amq.mine")


# Topics


def test_a_queue_that_is_bound_to_topics():
    world = World()
    world.publish("/topic/a.b", "before")
    world.registry.bind("amq.topic", "/queue/a", "a.*")
    world.publish("/topic/a.b", "1")
    world.publish("/topic/b", "2")
    world.publish("/exchange/amq.topic/a.c", "3")
    assert world.bodies("/queue/a") == ["1", "3"]
    world.registry.unbind("amq.topic", "/queue/a", "a.*")
    world.publish("/topic/a.b", "after")
    assert world.bodies("/queue/a") == ["1", "3"]


def test_subscribers_of_a_topic_get_what_an_exchange_passes_to_it():
    world = World()
    reader = world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/k"})
    world.registry.bind("amq.direct", "/exchange/amq.topic", "k")
    world.registry.bind("amq.topic", "/queue/a", "k")
    world.registry.bind("amq.direct", "/queue/a", "k")
    world.publish("/exchange/amq.direct/k", "1")
    [(command, headers, body)] = reader.got()
    assert (command, headers["destination"], body) == ("MESSAGE", "/topic/k", b"1")
    assert world.bodies("/queue/a") == ["1"]


def test_a_full_queue_is_no_trouble_for_who_publishes_to_a_topic():
    world = World()
    world.registry.declare("/queue/full", {"max_length": 1})
    for name in ("/queue/full", "/queue/other"):
        world.registry.bind("amq.topic", name, "a")
    world.publish("/topic/a", "1")
    world.publish("/topic/a", "2")
    assert (world.bodies("/queue/full"), world.bodies("/queue/other")) == (["1"], ["1", "2"])
    assert world.registry.queues["/queue/full"].stats["publishes_refused"] == 1


def test_above_the_brim_nobody_publishes_to_queues_but_topics_go_on():
    world = World(memory=1000)
    reader = world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    world.registry.bind("amq.topic", "/queue/b", "a")
    world.publish("/queue/a", "x" * 1000)
    for destination in ("/queue/a", "/queue/new", "/exchange/amq.fanout/k"):
        refused("memory-full", world.publish, destination, "1")
    world.publish("/topic/a", "2")
    assert reader.messages() == ["2"]
    assert len(world.registry.queues["/queue/b"]) == 0


# Dead letters


def test_dead_letters_are_published_in_the_next_pass():
    world = World(memory=1000)
    queue = world.registry.declare("/queue/a", {"dead_letter": "/queue/dead"})
    worker = Worker(queue)
    world.publish("/queue/a", "x" * 800)
    worker.nack("x" * 800, requeue=False)
    assert "/queue/dead" not in world.registry.queues
    world.pass_time()
    assert (world.bodies("/queue/dead"), world.stats["dead_letters"]) == (["x" * 800], 1)


def test_a_dead_letter_destination_is_checked():
    refused("bad-destination", World().registry.declare, "/queue/a", {"dead_letter": "nowhere"})
