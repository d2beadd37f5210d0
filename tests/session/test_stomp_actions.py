"""What a STOMP client does with queues, exchanges and temporary queues, and what it is refused."""

import re

import pytest
from worlds import World

from qmq.core.exchange import Kind
from qmq.core.registry import Rules

VERSIONS = ["1.0", "1.1", "1.2"]


def send(client, destination, body="x", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    client.frame("SEND", {"destination": destination, **fields}, body.encode())


def subscribe(client, destination, name="0", **headers):
    """Subscribes with a receipt; returns its headers, and what came besides."""
    fields = {header.replace("_", "-"): value for header, value in headers.items()}
    client.frame("SUBSCRIBE", {"id": name, "destination": destination, "receipt": "s", **fields})
    *_, (command, told, _) = client.got()
    assert (command, told.pop("receipt-id")) == ("RECEIPT", "s"), told
    return told


def heard(client):
    """Destination and body of the messages since the last time."""
    return [(headers["destination"], body.decode()) for command, headers, body in client.got() if command == "MESSAGE"]


def refusal(client, code):
    """What the ERROR says, once it is certain that it has the code."""
    *_, (_, headers, body) = client.got()
    assert headers["code"] == code, body
    return body.decode()


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


# Exchanges


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
    subscribe(client, "/exchange/amq.fanout", "0", auto_delete="false")
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


# Temporary queues


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
    ("UNSUBSCRIBE", {"id": "/temp-queue/a"}, "unknown-id"),
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
