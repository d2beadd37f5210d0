"""Headers of other brokers' clients: what QMQ does not do is refused by name, the rest passes."""

import pytest
from worlds import World

from tests.session.talk import refusal, send, subscribe

REFUSED = [
    ("/topic/a", {"selector": "kind = 'a'"}),
    ("/queue/a", {"selector": "kind = 'a'"}),
    ("/topic/a", {"durable": "true"}),
    ("/topic/a", {"durable": "True", "auto-delete": "false", "ack": "client"}),
    ("/topic/a", {"auto-delete": "FALSE"}),
    ("/exchange/amq.fanout", {"x-durable": "true"}),
    ("/topic/a", {"persistent": "true"}),
    ("/topic/a", {"activemq.subscriptionName": "me"}),
    ("/topic/a", {"activemq.subcriptionName": "me"}),
    ("/topic/a", {"activemq.noLocal": "true"}),
    ("/queue/a", {"activemq.exclusive": "true"}),
    ("/queue/a", {"activemq.prefetchSize": "1"}),
    ("/topic/a", {"activemq.retroactive": "true"}),
    ("/topic/a", {"activemq.newThing": "1"}),
    ("/topic/a", {"no-local": "true"}),
    ("/topic/a", {"durable-subscription-name": "me"}),
    ("/topic/a", {"durable-subscriber-name": "me"}),
    ("/queue/a", {"subscription-type": "MULTICAST"}),
    ("/queue/a", {"x-queue-type": "quorum"}),
    ("/queue/a", {"x-queue-type": "stream", "x-stream-offset": "first"}),
    ("/queue/a", {"x-stream-offset": "first"}),
    ("/queue/a", {"x-priority": "10"}),
    ("/queue/a", {"transformation": "jms-map-json"}),
    ("/topic/a", {"x-message-ttl": "1000"}),
]
TAKEN = [
    ("/topic/a", {"durable": "false", "auto-delete": "true", "selector": "", "persistent": "false"}),
    ("/topic/a", {"durable": "true", "auto-delete": "false", "x-queue-name": "mine", "ack": "client"}),
    ("/queue/a", {"durable": "true", "auto-delete": "false", "exclusive": "False"}),
    ("/topic/a", {"activemq.noLocal": "false", "activemq.priority": "0", "activemq.dispatchAsync": "true"}),
    ("/queue/a", {"x-queue-type": "classic", "x-queue-mode": "lazy"}),
    ("/topic/a", {"ack": "client", "x-message-ttl": "1000"}),
    ("/topic/a", {"x-anything": "else", "login": "x"}),
    ("/exchange/amq.headers", {"selector": "speaks of messages", "no-local": "true"}),
]


@pytest.mark.parametrize(("destination", "headers"), REFUSED)
def test_header_without_effect_is_refused_by_name(destination, headers):
    world = World()
    client = world.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": destination, **headers})
    told = refusal(client, "not-supported")
    assert any(told.startswith(f"{name}:") for name in headers), told
    assert (world.registry.queues, world.memory.used) == ({}, 0)


@pytest.mark.parametrize(("destination", "headers"), TAKEN)
def test_header_that_asks_for_nothing_else_passes(destination, headers):
    client = World().client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": destination, "receipt": "r", **headers})
    assert [command for command, _, _ in client.got()] == ["RECEIPT"]


def test_subscription_that_is_refused_gets_nothing():
    world = World()
    client, other = world.client(), world.client()
    subscribe(other, "/topic/a")
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "selector": "a = 1"})
    client.refused("not-supported")
    send(other, "/topic/a")
    assert (other.messages(), client.got()) == (["x"], [])
