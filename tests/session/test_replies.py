"""Requests and replies over STOMP: temporary queues, their addresses, and who may do what with them."""

import re

import pytest
from worlds import World

from tests.session.talk import send, subscribe

VERSIONS = ["1.0", "1.1", "1.2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reply_comes_without_a_subscription(version):
    world = World()
    asker, answerer = world.client(version=version), world.client(version=version)
    subscribe(answerer, "/queue/questions")
    send(asker, "/queue/questions", "?", reply_to="/temp-queue/a", correlation_id="7")
    [(_, question, _)] = answerer.got()
    assert re.fullmatch(r"/temp-queue/[0-9a-f]{24}\.a", question["reply-to"])
    send(answerer, question["reply-to"], "!", correlation_id=question["correlation-id"])
    [(_, answer, body)] = asker.got()
    assert (answer["subscription"], answer["correlation-id"], body) == ("/temp-queue/a", "7", b"!")
    assert "ack" not in answer
    asker.session.close()
    assert list(world.registry.queues) == ["/queue/questions"]


def address_of(client, name="/temp-queue/a"):
    """The address that the server makes of a client's own name."""
    other = client.world.client()
    subscribe(other, "/topic/address")
    send(client, "/topic/address", reply_to=name)
    [(_, headers, _)] = other.got()
    other.session.close()
    return headers["reply-to"]


def test_the_address_stays_and_is_no_other_clients():
    world = World()
    one, two = world.client(), world.client()
    assert address_of(one) == address_of(one)
    assert len({address_of(one), address_of(two), address_of(one, "/temp-queue/b")}) == 3


def test_nobody_else_can_consume():
    world = World()
    owner, other = world.client(), world.client()
    address = address_of(owner)
    other.frame("SUBSCRIBE", {"id": "0", "destination": address})
    other.refused("in-use")
    thief = world.client()
    subscribe(thief, "/temp-queue/a")  # its own of that name
    send(world.client(), address)
    assert (owner.messages(), thief.messages()) == (["x"], [])


def test_a_reply_to_somebody_who_is_gone_harms_nobody():
    world = World()
    asker, answerer = world.client(), world.client()
    address = address_of(asker)
    send(answerer, address, "1")
    asker.session.close()
    for number in ("2", "3"):
        send(answerer, address, number, receipt=number)
    assert [headers["receipt-id"] for _, headers, _ in answerer.got()] == ["2", "3"]
    assert (world.stats["messages_unroutable"], world.memory.used, world.registry.queues) == (2, 0, {})


def test_a_slow_asker_does_not_harm_who_answers():
    world = World()
    asker, answerer = world.client(), world.client()
    subscribe(asker, "/temp-queue/a", ack="client", prefetch_count="1", max_length="2", max_length_bytes="1")
    address = address_of(asker)
    for body in ("a", "b" * 5000, "c", "d"):
        send(answerer, address, body, receipt="r")
    assert [command for command, _, _ in answerer.got()] == ["RECEIPT"] * 4
    assert world.bodies(address) == ["c", "d"]


def test_subscribing_takes_the_place_of_the_subscription_that_the_reply_to_made():
    world = World()
    client = world.client()
    address = address_of(client)
    subscribe(client, "/temp-queue/a", "/temp-queue/a", ack="client")  # its name may well be its id
    send(world.client(), address)
    [(_, headers, _)] = client.got()
    assert (headers["subscription"], headers["ack"]) == ("/temp-queue/a", "2.1")
    assert address_of(client) == address
    assert len(world.registry.queues[address].consumers) == 1


def test_a_clients_own_names_come_and_go():
    world = World()
    client = world.client()
    send(client, "/temp-queue/a", "nobody")
    subscribe(client, "/temp-queue/a", expires="1000")
    send(client, "/temp-queue/a", "1")
    assert client.messages() == ["1"]
    client.frame("UNSUBSCRIBE", {"id": "0"})
    world.pass_time(2)
    assert world.registry.queues == {}
    send(client, "/temp-queue/a", "nobody")
    subscribe(client, "/temp-queue/a")
    send(client, "/temp-queue/a", "2")
    assert client.messages() == ["2"]
    assert world.stats["messages_unroutable"] == 2


@pytest.mark.parametrize("name", ["/temp-queue/" + "x" * 240, "/temp-queue/" + ".".join("x" * 32)])
@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE"])
def test_an_address_that_nobody_could_say_is_not_made(command, name):
    client = World().client()
    more = {"id": "0"} if command == "SUBSCRIBE" else {"reply-to": name}
    client.frame(command, {"destination": name if command == "SUBSCRIBE" else "/queue/a", **more})
    client.refused("bad-pattern")


def test_temporary_queues_are_limited():
    client = World(max_subscriptions=3).client()
    for name in "abcd":
        send(client, "/topic/a", reply_to=f"/temp-queue/{name}")
    client.refused("too-many-subscriptions")
    assert client.world.registry.queues == {}
