"""A STOMP client's consumption from queues: how deliveries look and how they are settled, in each version."""

import pytest
from worlds import World

from qmq.core.message import Envelope, Message, Origin
from qmq.session.stomp_consumer import DeliveryEncoder

VERSIONS = ["1.0", "1.1", "1.2"]


def subscribe(client, destination="/queue/a", ack="client-individual", name="0", **headers):
    fields = {header.replace("_", "-"): value for header, value in headers.items()}
    client.frame("SUBSCRIBE", {"id": name, "destination": destination, "ack": ack, **fields})


def deliveries(client):
    """The headers of the MESSAGE frames since the last time, by body."""
    return {body.decode(): headers for command, headers, body in client.got() if command == "MESSAGE"}


def settle(client, headers, command="ACK", **more):
    """Settles a message as its version has it."""
    version = client.session.version
    names = {"1.0": ("message-id",), "1.1": ("message-id", "subscription"), "1.2": ()}[version]
    fields = {name: headers[name] for name in names} if names else {"id": headers["ack"]}
    client.frame(command, {**fields, **more})


def setting(version="1.2", count=3, **headers):
    """A world in which a client of this version consumes `count` messages, whose bodies are 0, 1, 2 and so on."""
    world = World()
    client = world.client(version=version)
    subscribe(client, **headers)
    world.publish("/queue/a", *map(str, range(count)))
    return world, client


def test_the_octets_of_a_delivery():
    message = Message(Envelope("/queue/a", {"x": "y"}), b"hi", True, Origin("node", "e"), 7)

    def plain(data, text):
        assert text
        return data

    tail = b"destination:/queue/a\nx:y\ncontent-length:2\n\nhi\0"
    with_ack, without = DeliveryEncoder(plain, "1.2", "s:1", "3"), DeliveryEncoder(plain, "1.0", "", "")
    assert with_ack.encode_delivery(message, 17, 1) == (
        b"MESSAGE\nsubscription:s\\c1\nack:3.17\nmessage-id:node.e.7\n" + tail
    )
    again = b"redelivered:true\ndelivery-count:2\n"
    assert with_ack.encode_delivery(message, 18, 2) == (
        b"MESSAGE\nsubscription:s\\c1\nack:3.18\nmessage-id:node.e.7\n" + again + tail
    )
    assert without.encode_delivery(message, 1, 1) == b"MESSAGE\nmessage-id:node.e.7\n" + tail
    assert without.encode_delivery(message, 1, 3) == (
        b"MESSAGE\nmessage-id:node.e.7\nredelivered:true\ndelivery-count:3\n" + tail
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
def test_only_1_2_has_ack_and_only_if_there_is_something_to_acknowledge(version, ack):
    _, client = setting(version, 1, ack=ack)
    headers = deliveries(client)["0"]
    assert headers == {
        "subscription": "0",
        **({"ack": "1.1"} if version == "1.2" and ack != "auto" else {}),
        "message-id": "node.e.1",
        "destination": "/queue/a",
        "content-length": "1",
    }


@pytest.mark.parametrize("ack", ["auto", "client"])
def test_1_0_without_an_id_gets_no_subscription_header(ack):
    world = World()
    client = world.client(version="1.0")
    client.frame("SUBSCRIBE", {"destination": "/queue/a", "ack": ack})
    world.publish("/queue/a", "x", "")
    had = deliveries(client)
    assert [sorted(headers) for headers in had.values()] == [["content-length", "destination", "message-id"]] * 2
    assert had[""]["content-length"] == "0"
    if ack == "client":
        settle(client, had["x"])
    client.frame("UNSUBSCRIBE", {"destination": "/queue/a", "receipt": "r"})
    assert [command for command, _, _ in client.got()] == ["RECEIPT"]
    assert world.bodies("/queue/a") == ([] if ack == "auto" else [""])


@pytest.mark.parametrize("version", VERSIONS)
def test_auto_is_settled_by_being_sent(version):
    world, client = setting(version, ack="auto", prefetch_count="1")
    assert list(deliveries(client)) == ["0", "1", "2"]
    assert (world.registry.queues["/queue/a"].acked, world.memory.used) == (3, 0)
    client.session.close()
    assert world.bodies("/queue/a") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_client_individual_settles_one(version):
    world, client = setting(version)
    settle(client, deliveries(client)["1"])
    client.session.close()
    assert world.bodies("/queue/a") == ["0", "2"]


@pytest.mark.parametrize("version", VERSIONS)
def test_client_settles_all_before_it_too(version):
    world, client = setting(version, 4, ack="client")
    had = deliveries(client)
    settle(client, had["1"])
    assert world.registry.queues["/queue/a"].acked == 2
    settle(client, had["2"])
    client.session.close()
    assert world.bodies("/queue/a") == ["3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_cumulative_concerns_one_subscription_only(version):
    world, client = setting(version, 2, ack="client")
    subscribe(client, "/queue/b", "client", "1")
    world.publish("/queue/b", "x")
    had = deliveries(client)
    settle(client, had["x"])
    assert [world.registry.queues[f"/queue/{name}"].unsettled for name in "ab"] == [2, 0]
    settle(client, had["1"])
    assert world.memory.used == 0


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_nack_gives_back_and_it_comes_again_marked(version):
    _, client = setting(version)
    first = deliveries(client)["1"]
    assert "redelivered" not in first
    for count in ("2", "3"):
        settle(client, first, "NACK")
        ((body, again),) = deliveries(client).items()
        assert (body, again["redelivered"], again["delivery-count"]) == ("1", "true", count)
        assert again["message-id"] == first["message-id"]
        first = again
    settle(client, first)
    client.session.close()


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("ack, back", [("client", ["0", "1"]), ("client-individual", ["1"])])
def test_nack_is_cumulative_where_ack_is(version, ack, back):
    _, client = setting(version, ack=ack)
    settle(client, deliveries(client)["1"], "NACK")
    assert list(deliveries(client)) == back


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_nack_for_good_makes_a_dead_letter(version):
    world, client = setting(version, 2, x_dead_letter="/queue/dead")
    had = deliveries(client)
    settle(client, had["0"], "NACK", requeue="false")
    settle(client, had["1"], "NACK", requeue="true")
    assert list(deliveries(client)) == ["1"]
    assert world.bodies("/queue/dead") == ["0"]


def test_1_0_has_no_nack():
    _, client = setting("1.0", 1)
    client.frame("NACK", {"message-id": deliveries(client)["0"]["message-id"], "receipt": "r"})
    assert client.refused("unknown-command")["receipt-id"] == "r"


def test_1_2_may_name_a_message_by_its_message_id_too():
    world, client = setting("1.2")
    had = deliveries(client)
    client.frame("ACK", {"id": had["1"]["message-id"]})
    client.frame("ACK", {"message-id": had["2"]["message-id"], "subscription": "0"})
    client.frame("NACK", {"id": had["0"]["message-id"], "requeue": "false"})
    assert client.got() == []
    assert world.memory.used == 0


def test_1_1_may_leave_the_subscription_out_and_say_which_of_two():
    world = World()
    client = world.client(version="1.1")
    subscribe(client, "/topic/a", "client", "one")
    subscribe(client, "/topic/*", "client", "two")
    client.frame("SEND", {"destination": "/topic/a"}, b"x")  # the same message to both
    client.frame("ACK", {"message-id": "node.e.1", "subscription": "two"})
    _, two = (each for each in client.session._actions._subscriptions.values())
    assert len(two.consumer.unsettled) == 0
    client.frame("ACK", {"message-id": "node.e.1"})
    assert (client.messages(), world.memory.used) == (["x", "x"], 0)


WRONG = {
    "never given": {"id": "1.4"},
    "number 0": {"id": "1.0"},
    "huge number": {"id": "1.99999999999999999999999"},
    "no number": {"id": "1."},
    "superscript": {"id": "1.²"},
    "arabic digit": {"id": "1.١"},
    "sign": {"id": "1.+1"},
    "blank": {"id": "1. 1"},
    "other subscription": {"id": "2.1"},
    "made-up": {"id": "what"},
    "dot": {"id": "."},
    "another message": {"message-id": "node.e.9"},
    "another epoch": {"message-id": "node.f.1"},
    "another subscription": {"message-id": "node.e.1", "subscription": "9"},
}


@pytest.mark.parametrize(
    "version, command", [(version, "ACK") for version in VERSIONS] + [("1.1", "NACK"), ("1.2", "NACK")]
)
@pytest.mark.parametrize("name", WRONG)
def test_what_names_no_delivery_is_refused(version, command, name):
    world, client = setting(version)
    client.frame("SUBSCRIBE", {"id": "t", "destination": "/topic/t"})
    client.got()
    client.frame(command, {**WRONG[name], "receipt": "r"})
    assert client.refused("unknown-delivery")["receipt-id"] == "r"
    assert world.bodies("/queue/a") == ["0", "1", "2"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_what_is_settled_cannot_be_settled_again(version, ack):
    _, client = setting(version, ack=ack)
    had = deliveries(client)
    settle(client, had["1"])
    settle(client, had["1"])
    client.refused("unknown-delivery")


@pytest.mark.parametrize("version", VERSIONS)
def test_message_of_auto_may_be_acknowledged(version):
    world, client = setting(version, 1, ack="auto")
    name = deliveries(client)["0"]["message-id"]
    client.frame("SUBSCRIBE", {"id": "t", "destination": "/topic/t"})
    ways = [
        {"message-id": name},
        {"id": name},
        {"id": "undefined", "subscription": "0"},
        {"id": "x", "subscription": "t"},
    ]
    for headers in ways:
        for command in ("ACK", *(["NACK"] if version != "1.0" else [])):
            client.frame(command, {**headers, "receipt": "r"})
            assert [told for told, _, _ in client.got()] == ["RECEIPT"]
    assert world.bodies("/queue/a") == []


@pytest.mark.parametrize("headers", [{"id": "1.1"}, {"id": "what"}, {"message-id": "other.e.1"}])
def test_auto_excuses_no_made_up_acknowledgement(headers):
    _, client = setting("1.2", 1, ack="auto")
    client.frame("ACK", headers)
    client.refused("unknown-delivery")


def test_second_acknowledgement_is_wrong_beside_auto():
    _, client = setting("1.2", 1)
    name = deliveries(client)["0"]["message-id"]
    client.frame("SUBSCRIBE", {"id": "t", "destination": "/topic/t"})
    client.frame("ACK", {"message-id": name})
    client.frame("ACK", {"message-id": name})
    client.refused("unknown-delivery")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_message_of_another_client_is_not_ones_own(version):
    world, owner = setting(version)
    other = world.client(version=version)
    subscribe(other, "/queue/b")
    settle(other, deliveries(owner)["0"])
    other.refused("unknown-delivery")
    assert world.registry.queues["/queue/a"].unsettled == 3


def test_credit_is_given_back_by_settling():
    world, client = setting(count=5, prefetch_count="2")
    had = deliveries(client)
    assert list(had) == ["0", "1"]
    settle(client, had["1"])
    assert list(deliveries(client)) == ["2"]
    settle(client, had["0"], "NACK")
    assert list(deliveries(client)) == ["0"]
    assert world.bodies("/queue/a") == ["3", "4"]


@pytest.mark.parametrize("how", ["close", "UNSUBSCRIBE", "DISCONNECT", "ERROR"])
def test_what_is_not_settled_goes_to_others_in_order(how):
    world, client = setting(count=6, prefetch_count="4")
    settle(client, deliveries(client)["1"])
    client.got()
    other = world.client()
    subscribe(other, prefetch_count="10")
    assert list(deliveries(other)) == ["5"]
    if how == "close":
        client.session.close()
    else:
        client.frame(how, {"id": "0"} if how == "UNSUBSCRIBE" else {})
    had = deliveries(other)
    assert list(had) == ["0", "2", "3", "4"]
    assert {name for name in had if "redelivered" in had[name]} == {"0", "2", "3", "4"}


def test_unsubscribing_ends_what_comes_and_what_may_be_settled():
    world, client = setting()
    had = deliveries(client)
    client.frame("UNSUBSCRIBE", {"id": "0", "receipt": "r"})
    world.publish("/queue/a", "late")
    assert client.got() == [("RECEIPT", {"receipt-id": "r"}, b"")]
    assert world.bodies("/queue/a") == ["0", "1", "2", "late"]
    settle(client, had["0"])
    client.refused("unknown-delivery")


def test_ack_ids_of_a_subscription_that_has_gone_name_nothing_of_the_next_one():
    world, client = setting(count=1)
    had = deliveries(client)
    client.frame("UNSUBSCRIBE", {"id": "0"})
    subscribe(client)
    assert deliveries(client)["0"]["ack"] == "2.1"
    settle(client, had["0"])
    client.refused("unknown-delivery")
    assert world.bodies("/queue/a") == ["0"]


def test_a_client_that_does_not_take_gets_no_more_until_it_does():
    world = World(max_body=1 << 20)
    slow, other = world.client(), world.client()
    subscribe(slow, ack="auto")
    slow.blocked = True
    world.publish("/queue/a", *(b"x" * 30_000 for _ in range(5)))
    world.pass_time()
    waiting = len(world.bodies("/queue/a"))
    assert waiting == 2  # three have more octets than are given at once
    subscribe(other, ack="auto")
    assert len(deliveries(other)) == 1  # their bodies are equal
    assert world.bodies("/queue/a") == []
    world.publish("/queue/a", "for the other")
    assert other.messages() == ["for the other"]
    slow.blocked = False
    slow.octets += slow.outbox.take(1 << 30)
    assert len(slow.messages()) == 3
    world.publish("/queue/a", "1", "2")  # in turns again
    assert (slow.messages(), other.messages()) in [(["1"], ["2"]), (["2"], ["1"])]


def test_a_stalled_client_that_goes_leaves_nothing():
    world = World(max_body=1 << 20)
    slow = world.client()
    subscribe(slow)
    slow.blocked = True
    world.publish("/queue/a", *(b"x" * 30_000 for _ in range(5)))
    world.pass_time()
    slow.frame("UNSUBSCRIBE", {"id": "0"})
    slow.blocked = False
    slow.octets += slow.outbox.take(1 << 30)
    slow.flush()
    assert len(world.bodies("/queue/a")) == 5
    assert world.registry.queues["/queue/a"].unsettled == 0


def test_who_keeps_a_message_for_too_long_is_sent_away():
    world, client = setting(count=2, ack_timeout="5000")
    had = deliveries(client)
    world.pass_time(4.9)
    settle(client, had["0"])
    other = world.client()
    subscribe(other)
    world.pass_time(0.2)
    assert client.refused("ack-timeout")["retry"] == "true"
    assert list(deliveries(other)) == ["1"]
    assert world.stats["acks_timed_out"] == 1


def test_the_consumers_of_a_deleted_queue_are_told():
    world, client = setting(count=2)
    client.got()
    world.registry.delete("/queue/a")
    client.refused("queue-deleted")
    assert world.memory.used == 0
