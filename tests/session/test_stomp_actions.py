"""What a STOMP client does with queues, and what it is refused. Exchanges and replies have files of their own."""

import pytest
from worlds import World

from qmq.core.exchange import Kind
from qmq.core.registry import Rules
from tests.session.talk import refusal, send, subscribe

VERSIONS = ["1.0", "1.1", "1.2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_frame_may_ask_for_a_receipt(version):
    world = World()
    client = world.client(version=version)
    settling = {"message-id": "node.e.1", "subscription": "0", "id": "1.1"}
    steps = [
        ("SUBSCRIBE", {"id": "0", "destination": "/queue/a", "ack": "client"}),
        ("SEND", {"destination": "/queue/a"}),
        ("BEGIN", {"transaction": "t"}),
        ("SEND", {"destination": "/queue/b", "transaction": "t"}),
        ("ACK", {**settling, "transaction": "t"}),
        ("COMMIT", {"transaction": "t"}),
        ("BEGIN", {"transaction": "t"}),
        ("ABORT", {"transaction": "t"}),
        *([("SEND", {"destination": "/queue/a"})] if version != "1.0" else []),
        *([("NACK", {**settling, "message-id": "node.e.3", "id": "1.2"})] if version != "1.0" else []),
        ("UNSUBSCRIBE", {"id": "0"}),
        ("DISCONNECT", {}),
    ]
    for number, (command, headers) in enumerate(steps):
        client.frame(command, {**headers, "receipt": f"r-{number}"})
    found = [headers["receipt-id"] for command, headers, _ in client.got() if command == "RECEIPT"]
    assert found == [f"r-{number}" for number in range(len(steps))]
    assert len(world.bodies("/queue/b")) == 1


# Publishing to queues


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_wait_for_who_comes(version):
    world = World()
    client = world.client(version=version)
    for body in "abc":
        send(client, "/queue/a", body, receipt=body)
    assert [headers["receipt-id"] for _, headers, _ in client.got()] == ["a", "b", "c"]
    assert world.bodies("/queue/a") == ["a", "b", "c"]
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"})
    assert client.messages() == ["a", "b", "c"]
    assert world.memory.used == 0


def test_each_message_goes_to_one_of_them():
    world = World()
    one, two, sender = world.client(), world.client(), world.client()
    subscribe(one, "/queue/a")
    subscribe(two, "/queue/a")
    for body in "abcd":
        send(sender, "/queue/a", body)
    assert (one.messages(), two.messages()) == (["a", "c"], ["b", "d"])


def test_only_who_publishes_is_one_that_publishes():
    world = World(desk=True)
    client = world.client()
    subscribe(client, "/queue/a")
    client.frame("SEND", {"destination": "/manage/stats", "reply-to": "/temp-queue/a"})
    assert not client.session.publishes  # or an operator could not purge while memory is short
    send(client, "/queue/a")
    assert client.session.publishes
    client.session.close()
    assert not client.session.publishes


def test_headers_that_speak_to_the_server_are_not_passed_on():
    world = World()
    client = world.client()
    subscribe(client, "/queue/a")
    send(
        client, "/queue/a", receipt="r", ack="1.1", subscription="9", redelivered="true", x_mine="7",
        priority="5", expiration="1000", mine="yes",
    )  # fmt: skip
    (_, headers, _), _ = client.got()
    assert headers == {
        "subscription": "0", "message-id": "node.e.1", "destination": "/queue/a", "content-length": "1",
        "x-mine": "7", "priority": "5", "expiration": "1000", "mine": "yes",
    }  # fmt: skip


def test_expiration_and_priority_are_heeded():
    world = World()
    client = world.client()
    send(client, "/queue/a", "old", expiration="1000", x_max_priority="9")
    send(client, "/queue/a", "low", priority="1")
    send(client, "/queue/a", "high", priority="12345")
    send(client, "/queue/a", "none")
    world.pass_time(1.1)
    assert world.stats["messages_expired"] == 1
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"})
    assert client.messages() == ["high", "low", "none"]


def test_a_full_queue_refuses_and_names_the_culprit():
    world = World()
    client = world.client()
    send(client, "/queue/a", "1", x_max_length="1")
    send(client, "/queue/a", "2", receipt="r2")
    headers = client.refused("queue-full")
    assert (headers["receipt-id"], headers["retry"]) == ("r2", "true")
    assert world.bodies("/queue/a") == ["1"]


def test_a_full_queue_refuses_where_headers_are_remembered_too():
    world = World()
    world.registry.declare("/queue/a", {"max_length": 2})
    client = world.client()
    for body in "123":
        send(client, "/queue/a", body)
    assert "receipt-id" not in client.refused("queue-full")
    send(client, "/queue/b")
    assert (world.bodies("/queue/a"), list(world.registry.queues)) == (["1", "2"], ["/queue/a"])


def test_a_queue_may_drop_instead():
    world = World()
    client = world.client()
    for body in "123":
        send(client, "/queue/a", body, x_max_length="2", x_overflow="drop-head", receipt=body)
    assert [command for command, _, _ in client.got()] == ["RECEIPT"] * 3
    assert world.bodies("/queue/a") == ["2", "3"]


# Properties of queues


@pytest.mark.parametrize("prefix", ["", "x-"])
def test_who_subscribes_first_says_what_the_queue_is_and_is_told(prefix):
    world = World()
    client = world.client()
    headers = {f"{prefix}max-length": "5", f"{prefix}overflow": "drop-head", f"{prefix}auto-delete": "true"}
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a", "receipt": "r", **headers})
    [(_, told, _)] = client.got()
    assert told == {
        "receipt-id": "r", "prefetch-count": "1000", "max-length": "5", "overflow": "drop-head", "auto-delete": "true"
    }  # fmt: skip
    assert world.registry.queues["/queue/a"].options.max_length == 5
    client.frame("UNSUBSCRIBE", {"id": "0"})
    assert world.registry.queues == {}


def test_others_are_told_nothing():
    assert subscribe(World().client(), "/queue/a", ack="client") == {}


def test_send_can_only_use_what_begins_with_x():
    world = World()
    client = world.client()
    send(client, "/queue/a", expires="5", durable="true", overflow="what")
    assert world.registry.queues["/queue/a"].options.expires == 0
    send(client, "/queue/b", x_expires="5", x_durable="true")
    assert world.registry.queues["/queue/b"].options.expires == 5


def test_headers_of_send_that_are_for_queues_say_nothing_elsewhere():
    world = World()
    world.registry.declare_exchange("e", Kind.FANOUT)
    reader, client = world.client(), world.client()
    subscribe(reader, "/topic/a")
    for destination in ("/topic/a", "/exchange/e/k", "/temp-queue/none", "/exchange/amq.topic/a"):
        send(client, destination, x_max_length="what", x_mine="1")
    assert world.registry.queues == {}
    assert [headers["x-max-length"] for _, headers, _ in reader.got()] == ["what", "what"]
    assert client.got() == []


@pytest.mark.parametrize(
    "command, headers, values",
    [
        ("SUBSCRIBE", {"max-length": "6"}, "max-length of /queue/a is 5, 6 was asked for"),
        ("SUBSCRIBE", {"x-overflow": "drop-head"}, "overflow of /queue/a is reject-publish, drop-head was asked for"),
        ("SUBSCRIBE", {"durable": "true"}, "durable of /queue/a is false, true was asked for"),
        ("SEND", {"x-dead-letter": "/queue/b"}, "dead-letter of /queue/a is '', /queue/b was asked for"),
        ("SEND", {"x-max-length": "7"}, "max-length of /queue/a is 5, 7 was asked for"),
    ],
)
def test_who_says_something_else_later_is_refused(command, headers, values):
    world = World()
    world.registry.declare("/queue/a", {"max_length": 5})
    client = world.client()
    client.frame(command, {"id": "0", "destination": "/queue/a", "receipt": "r", **headers})
    assert refusal(client, "conflict") == values


def test_the_configuration_cannot_be_changed():
    world = World(rules=Rules(queues=[("/queue/#", {"max_length": 5})], auto_create=False))
    client = world.client()
    subscribe(client, "/queue/a", expires="1000")
    client.frame("SUBSCRIBE", {"id": "1", "destination": "/queue/b", "max-length": "6"})
    assert "max-length of /queue/b is 5" in refusal(client, "conflict")


def test_an_exclusive_queue_is_for_its_connection_and_gone_with_it():
    world = World()
    owner, other = world.client(), world.client()
    subscribe(owner, "/queue/a", exclusive="true", ack="client")
    send(other, "/queue/a")
    assert owner.messages() == ["x"]
    other.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a", "receipt": "r"})
    assert other.refused("in-use")["receipt-id"] == "r"
    owner.frame("DISCONNECT", {})
    assert (world.registry.queues, world.registry._owned, world.memory.used) == ({}, {}, 0)


# Prefetch


@pytest.mark.parametrize("asked, granted", [("1", 1), ("7", 7), ("0", 50), ("51", 50), ("999999999999999", 50)])
@pytest.mark.parametrize("destination", ["/queue/a", "/topic/a"])
def test_prefetch_is_clamped_and_told(destination, asked, granted):
    world = World(default_prefetch=5, max_prefetch=50)
    client = world.client()
    told = subscribe(client, destination, ack="client", prefetch_count=asked)
    assert told["prefetch-count"] == str(granted)
    world.publish(destination, *["x"] * 60)
    assert len(client.messages()) == granted


def test_prefetch_has_a_default():
    client = World(default_prefetch=5).client()
    assert subscribe(client, "/queue/a", ack="client") == {}
    client.world.publish("/queue/a", *["x"] * 60)
    assert len(client.messages()) == 5


# What is refused

Q, E = "/queue/a", "/exchange/amq.direct/a"
REFUSED = [
    ("SEND", {"destination": "/queue/*"}, "bad-pattern"),
    ("SEND", {"destination": "/queue/a.#"}, "bad-pattern"),
    ("SEND", {"destination": "/queue/" + "x" * 249}, "bad-pattern"),
    ("SEND", {"destination": "/queue/a..b"}, "bad-pattern"),
    ("SEND", {"destination": "/queue/"}, "bad-pattern"),
    ("SEND", {"destination": "/exchange/"}, "bad-pattern"),
    ("SEND", {"destination": "/exchange//k"}, "bad-pattern"),
    ("SEND", {"destination": "/exchange/amq.topic/*"}, "bad-pattern"),
    ("SEND", {"destination": "/exchange/amq.topic"}, "bad-pattern"),
    ("SEND", {"destination": "/exchange/none/k"}, "not-found"),
    ("SEND", {"destination": "/queues/a"}, "bad-destination"),
    ("SEND", {"destination": "/manage/list", "reply-to": Q}, "bad-destination"),  # without a desk
    ("SEND", {"destination": Q, "reply-to": "/temp-queue/*"}, "bad-pattern"),
    *[("SEND", {"destination": Q, "priority": value}, "bad-header") for value in ("", "high", "-1", "1.5", "²", "٣")],
    *[("SEND", {"destination": Q, "expiration": value}, "bad-header") for value in ("", "soon", "-1", "9" * 16, "²")],
    *[("SEND", {"destination": Q, "x-max-length": value}, "bad-header") for value in ("0", "", "-1", "1.5", "²", "x")],
    ("SEND", {"destination": Q, "x-max-priority": "256"}, "bad-header"),
    ("SEND", {"destination": Q, "x-overflow": "drop-oldest"}, "bad-header"),
    ("SEND", {"destination": Q, "x-dead-letter": "nowhere"}, "bad-destination"),
    ("SEND", {"destination": Q, "x-dead-letter": "/queue/*"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/queue/*"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/topic/a.>"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/queue/a.>"}, "bad-pattern"),
    ("SEND", {"destination": "/topic/a.>"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/queue/#"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/temp-queue/a.*"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/exchange/amq.topic/a*"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/exchange/none/k"}, "not-found"),
    ("SUBSCRIBE", {"destination": "/manage/list"}, "bad-destination"),
    ("SUBSCRIBE", {"destination": E, "x-queue-name": "*"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": E, "x-queue-name": "a b"}, "bad-pattern"),
    ("SUBSCRIBE", {"destination": "/exchange/amq.headers", "x-match": "some"}, "bad-header"),
    ("SUBSCRIBE", {"destination": Q, "ack": "CLIENT"}, "bad-header"),
    *[
        ("SUBSCRIBE", {"destination": destination, "prefetch-count": value}, "bad-header")
        for destination in (Q, "/topic/a") for value in ("-1", "", "x", "²", "1" * 16)
    ],
    ("SUBSCRIBE", {"destination": Q, "exclusive": "perhaps"}, "bad-header"),
    ("SUBSCRIBE", {"destination": "/topic/a", "ack": "client", "max-messages": "0"}, "bad-header"),
    ("SUBSCRIBE", {"destination": "/topic/a", "ack": "client", "overflow": "disconnect"}, "bad-header"),
    ("ACK", {"id": "1.1"}, "unknown-delivery"),
    ("NACK", {"id": "1.1", "requeue": "true"}, "unknown-delivery"),
]  # fmt: skip


@pytest.mark.parametrize("command, headers, code", REFUSED)
def test_what_is_refused_leaves_nothing(command, headers, code):
    world = World()
    client = world.client()
    client.frame(command, {"id": "0", "receipt": "r", **headers})
    assert client.refused(code)["receipt-id"] == "r"
    registry = world.registry
    assert (set(registry.queues) - {"/queue/a"}, registry._owned, world.memory.used) == (set(), {}, 0)


def test_second_unsubscribe_is_no_fault():
    world = World()
    client = world.client()
    for destination in ("/topic/a", "/queue/a"):
        subscribe(client, destination)
        for _ in "12":
            client.frame("UNSUBSCRIBE", {"id": "0", "receipt": "r"})
            assert [command for command, _, _ in client.got()] == ["RECEIPT"]
        send(client, destination)
        assert client.got() == []
    subscribe(client, "/topic/a")  # the id may be used again


def test_receipt_in_a_transaction_says_that_it_is_kept():
    """Kept until its COMMIT, whose receipt says that it is done: as docs/queues.md has it."""
    world = World()
    client = world.client()
    client.frame("BEGIN", {"transaction": "t"})
    send(client, "/queue/a", transaction="t", receipt="kept")
    assert [headers["receipt-id"] for _, headers, _ in client.got()] == ["kept"]
    assert "/queue/a" not in world.registry.queues or world.bodies("/queue/a") == []
    client.frame("COMMIT", {"transaction": "t", "receipt": "done"})
    assert [headers["receipt-id"] for _, headers, _ in client.got()] == ["done"]
    assert world.bodies("/queue/a") == ["x"]


def test_nack_needs_a_truth():
    client = World().client()
    subscribe(client, Q, ack="client")
    send(client, Q)
    client.got()
    client.frame("NACK", {"id": "1.1", "requeue": "perhaps"})
    client.refused("bad-header")


@pytest.mark.parametrize("destination", [Q, E, "/topic/a", "/temp-queue/a"])
def test_an_id_stands_for_one_subscription_only(destination):
    client = World().client()
    subscribe(client, "/queue/b")
    client.frame("SUBSCRIBE", {"id": "0", "destination": destination})
    client.refused("duplicate-id")


def test_an_operator_sees_what_a_client_has():
    client = World().client()
    assert client.session.describe()["state"] == "open"
    subscribe(client, Q, ack="client")
    subscribe(client, "/topic/a", "1")
    send(client, Q)
    client.frame("BEGIN", {"transaction": "t"})
    told = client.session.describe()
    assert [told[name] for name in ("subscriptions", "unsettled", "transactions")] == [2, 1, 1]
    client.session.close()
    assert "subscriptions" not in client.session.describe()
