"""Exchanges over STOMP, and topics as what they are: keys on one of them."""

import pytest
from worlds import World

from qmq.core.exchange import Kind
from tests.session.talk import heard, send, subscribe


def test_a_direct_exchange():
    world = World()
    one, two, sender = world.client(), world.client(), world.client()
    subscribe(one, "/exchange/amq.direct/a")
    subscribe(two, "/exchange/amq.direct/b")
    subscribe(two, "/exchange/amq.direct/*", "1")  # no pattern here
    for key in ("a", "b", "c"):
        send(sender, f"/exchange/amq.direct/{key}", key)
    assert heard(one) == [("/exchange/amq.direct/a", "a")]
    assert heard(two) == [("/exchange/amq.direct/b", "b")]
    assert world.stats["messages_unroutable"] == 1


def test_a_fanout_exchange():
    world = World()
    one, two, sender = world.client(), world.client(), world.client()
    subscribe(one, "/exchange/amq.fanout")
    subscribe(two, "/exchange/amq.fanout/whatever", ack="client")
    send(sender, "/exchange/amq.fanout", "a")
    send(sender, "/exchange/amq.fanout/key", "b")
    assert one.messages() == two.messages() == ["a", "b"]


def test_a_topic_exchange():
    world = World()
    world.registry.declare_exchange("prices", Kind.TOPIC)
    client, sender = world.client(), world.client()
    subscribe(client, "/exchange/prices/*.eur", "1")
    subscribe(client, "/exchange/prices/oil.#", "2")
    for key in ("gold.eur", "oil.eur", "oil", "oil.a.b", "gold.usd"):
        send(sender, f"/exchange/prices/{key}", key)
    found = [(headers["subscription"], body.decode()) for _, headers, body in client.got()]
    assert sorted(found) == [("1", "gold.eur"), ("1", "oil.eur"), ("2", "oil"), ("2", "oil.a.b"), ("2", "oil.eur")]


def test_a_headers_exchange_takes_what_has_no_other_meaning():
    world = World()
    client, sender = world.client(), world.client()
    # What libraries add of themselves is no wish.
    subscribe(client, "/exchange/amq.headers", "1", colour="red", size="1", prefetch_count="5", content_length="0")
    subscribe(client, "/exchange/amq.match", "2", colour="red", size="1", x_match="any", ack="client")
    send(sender, "/exchange/amq.headers", "both", colour="red", size="1")
    send(sender, "/exchange/amq.headers", "one", colour="red")
    send(sender, "/exchange/amq.match", "any", size="1")
    send(sender, "/exchange/amq.match", "none", size="2")
    assert [(headers["subscription"], body) for _, headers, body in client.got()] == [("1", b"both"), ("2", b"any")]


@pytest.mark.parametrize("written", ["/topic/a.b", "/exchange/amq.topic/a.b"])
def test_a_topic_is_a_key_on_its_exchange(written):
    world = World()
    clients = [world.client() for _ in range(4)]
    subscribe(clients[0], "/topic/a.b")
    subscribe(clients[1], "/exchange/amq.topic/a.*")
    subscribe(clients[2], "/topic/a.b", ack="client")
    subscribe(clients[3], "/exchange/amq.topic/#", x_queue_name="all")
    send(world.client(), written)
    assert [heard(client) for client in clients] == [[("/topic/a.b", "x")]] * 4


def test_a_named_queue_is_shared_and_stays():
    world = World()
    one, two, sender = world.client(), world.client(), world.client()
    for client in (one, two):
        subscribe(client, "/topic/jobs.*", ack="client", x_queue_name="work", x_max_length="9")
    for body in "ab":
        send(sender, "/topic/jobs.x", body)
    assert (one.messages(), two.messages()) == (["a"], ["b"])
    one.session.close()
    two.session.close()
    send(sender, "/topic/jobs.x", "c")
    assert world.bodies("/queue/work") == ["a", "b", "c"]


def test_a_subscription_to_an_exchange_is_gone_with_its_end():
    world = World()
    client = world.client()
    subscribe(client, "/exchange/amq.fanout", "0", auto_delete="true")
    subscribe(client, "/topic/a.*", "1", ack="client")
    assert len(world.registry.queues) == 2
    client.frame("UNSUBSCRIBE", {"id": "0"})
    client.frame("UNSUBSCRIBE", {"id": "1"})
    assert (world.registry.queues, sum(map(len, world.registry.exchanges.values()))) == ({}, 0)
    send(world.client(), "/topic/a.b")
    assert client.got() == []


def test_a_topic_with_acknowledgements():
    world = World()
    client = world.client()
    told = subscribe(client, "/topic/#", ack="client-individual", prefetch_count="1", max_messages="2", max_bytes="1")
    # The bound in octets leaves room for any body: what is refused would be the publisher's loss.
    assert told == {"prefetch-count": "1", "max-messages": "2", "max-bytes": str(1 << 20)}
    sender = world.client()
    for body in "abcde":
        send(sender, "/topic/a", body)
    send(sender, "/topic/a", "long" * 1000, receipt="r")
    assert sender.got()[0][0] == "RECEIPT"
    for number in (1, 2, 3):
        [(_, headers, body)] = client.got()
        assert headers["ack"] == f"1.{number}"
        client.frame("ACK", {"id": headers["ack"]})
    assert (body, client.got(), world.memory.used) == (b"long" * 1000, [], 0)


@pytest.mark.parametrize(
    "destination, headers",
    [
        ("/topic/a", {"overflow": "reject-publish"}),
        ("/exchange/amq.fanout", {"x-overflow": "reject-publish"}),
        ("/topic/a", {"exclusive": "false"}),
        ("/temp-queue/a", {"exclusive": "false"}),
        ("/temp-queue/a", {"overflow": "reject-publish"}),
    ],
)
def test_a_queue_of_ones_own_can_neither_refuse_nor_outlive_its_owner(destination, headers):
    world = World()
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": destination, "ack": "client", **headers})
    client.refused("conflict")
    assert world.registry.queues == {}
