"""A publish that comes again with its idempotency key is answered, and dropped."""

import pytest
from worlds import World

from qmq.core.registry import Rules
from qmq.session.access import Rights
from qmq.session.auth import Kind, Principal
from qmq.session.operations import Operations, Posting


def send(client, body, key=None, destination="/queue/a", **headers):
    """Sends with a receipt; returns what came back."""
    headers |= {"idempotency-key": key} if key is not None else {}
    client.frame("SEND", {"destination": destination, "receipt": "r", **headers}, body.encode())
    return [(command, found.get("code") or found.get("receipt-id")) for command, found, _ in client.got()]


def reader_of(world, destination="/topic/a"):
    reader = world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": destination})
    return reader


def test_it_is_published_once_by_whoever_repeats_it():
    world = World()
    reader = reader_of(world)
    assert send(world.client(), "one", "k", "/topic/a") == [("RECEIPT", "r")]
    assert send(world.client(), "one", "k", "/topic/a") == [("RECEIPT", "r")]
    assert reader.messages() == ["one"]
    assert world.stats["publishes_repeated"] == 1


def test_other_keys_and_no_key_are_other_publishes():
    world = World()
    client = world.client()
    for key in ("k", "l", None, None):
        send(client, str(key), key)
    assert world.bodies("/queue/a") == ["k", "l", "None", "None"]


def test_a_key_is_forgotten_in_time():
    world = World(rules=Rules(key_seconds=5.0))
    client = world.client()
    send(client, "one", "k")
    world.pass_time(5.0)
    send(client, "two", "k")
    assert world.bodies("/queue/a") == ["one", "two"]


def test_subscribers_do_not_see_the_key():
    world = World()
    reader = reader_of(world)
    send(world.client(), "one", "k", "/topic/a", color="red")
    _, headers, _ = reader.got()[0]
    assert headers["color"] == "red" and "idempotency-key" not in headers


def test_what_was_refused_can_be_tried_again():
    world = World(rules=Rules(queues=[("/queue/a", {"max_length": 1})]))
    client = world.client()
    send(client, "one")
    assert send(client, "two", "k")[0] == ("ERROR", "queue-full")
    world.registry.queues["/queue/a"].purge()
    client = world.client()
    assert send(client, "two", "k") == [("RECEIPT", "r")]
    assert world.bodies("/queue/a") == ["two"]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "ä", "a\nb"])
def test_a_bad_key_is_told(key):
    world = World()
    assert send(world.client(), "one", key)[0] == ("ERROR", "bad-header")
    assert not world.registry.queues


def test_frames_with_keys_leave_no_envelope_behind():
    world = World()
    client = world.client()
    for number in range(3):
        client.frame("SEND", {"destination": "/topic/a", "idempotency-key": str(number)}, b"x")
        client.frame("SEND", {"destination": "/topic/a", "idempotency-key": str(number)}, b"x")
    assert world.stats["publishes_repeated"] == 3


def test_a_transaction_that_comes_again_is_committed_once():
    world = World()
    for _ in range(2):
        client = world.client()
        client.frame("BEGIN", {"transaction": "t"})
        for body in "ab":
            assert send(client, body, f"k{body}", transaction="t") == [("RECEIPT", "r")]
        client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
        assert [command for command, _, _ in client.got()] == ["RECEIPT"]
    assert world.bodies("/queue/a") == ["a", "b"]
    assert world.stats["publishes_repeated"] == 2


def test_a_key_counts_once_within_a_transaction():
    world = World(rules=Rules(queues=[("/queue/a", {"max_length": 1})]))
    client = world.client()
    client.frame("BEGIN", {"transaction": "t"})
    send(client, "a", "k", transaction="t")
    send(client, "a", "k", transaction="t")
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert [command for command, _, _ in client.got()] == ["RECEIPT"]
    assert world.bodies("/queue/a") == ["a"]


def test_a_transaction_that_is_aborted_or_refused_leaves_its_keys_free():
    world = World(rules=Rules(queues=[("/queue/a", {"max_length": 1})]))
    client = world.client()
    client.frame("BEGIN", {"transaction": "t"})
    send(client, "a", "k", transaction="t")
    client.frame("ABORT", {"transaction": "t"})
    client.frame("BEGIN", {"transaction": "u"})
    send(client, "a", "k", transaction="u")
    send(client, "b", "l", transaction="u")
    client.frame("COMMIT", {"transaction": "u", "receipt": "c"})
    assert [found["code"] for _, found, _ in client.got()] == ["queue-full"]
    assert send(world.client(), "a", "k") == [("RECEIPT", "r")]
    assert world.bodies("/queue/a") == ["a"]


def test_key_of_one_destination_is_none_of_another():
    world = World()
    client = world.client()
    send(client, "one", "k", "/queue/a")
    send(client, "two", "k", "/queue/b")
    assert (world.bodies("/queue/a"), world.bodies("/queue/b")) == (["one"], ["two"])


def test_nobody_makes_a_publish_of_somebody_else_vanish():
    """On every way to publish: frames, transactions, requests."""
    world = World()
    clients = {}
    for name in ("ann", "bob"):
        clients[name] = world.client()
        clients[name].session.rights = Rights(Principal(name, Kind.USER), None)
    send(clients["bob"], "of bob", "k")
    assert send(clients["ann"], "of ann", "k") == [("RECEIPT", "r")]
    clients["ann"].frame("BEGIN", {"transaction": "t"})
    send(clients["ann"], "of ann too", "l", transaction="t")
    send(clients["bob"], "of bob too", "l")
    clients["ann"].frame("COMMIT", {"transaction": "t"})
    clients["ann"].got()
    assert world.bodies("/queue/a") == ["of bob", "of ann", "of bob too", "of ann too"]
    operations = Operations(world.registry, world.limits, world.stats)
    for name in ("bob", "ann", "ann"):
        operations.publish(clients[name].session.rights, [Posting("/queue/json", name.encode(), {}, "k")])
    assert world.bodies("/queue/json") == ["bob", "ann"]


def test_nobody_who_is_unknown_makes_a_publish_of_another_vanish():
    """Who has not logged in may come back from elsewhere, and is known by what it publishes."""
    world = World()
    first, second = world.client(), world.client()
    send(first, "mine", "k")
    assert send(second, "yours", "k") == [("RECEIPT", "r")]
    assert send(world.client(), "mine", "k") == [("RECEIPT", "r")]  # the first, come back
    assert world.bodies("/queue/a") == ["mine", "yours"]
    operations, rights = Operations(world.registry, world.limits, world.stats), first.session.rights
    for body in (b"one", b"two", b"one"):
        operations.publish(rights, [Posting("/queue/json", body, {}, "k")])
    assert world.bodies("/queue/json") == ["one", "two"]
