"""Transactions: all of it or nothing, bounded, and forgotten with their connection."""

import pytest
from worlds import World

from qmq.core.exchange import Kind
from qmq.core.memory import OVERHEAD
from qmq.core.options import Full

VERSIONS = ["1.0", "1.1", "1.2"]


def send(client, destination="/queue/a", body="x", transaction="t", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields |= {"transaction": transaction} if transaction else {}
    client.frame("SEND", {"destination": destination, **fields}, body.encode())


def begin(client, *names):
    for name in names or "t":
        client.frame("BEGIN", {"transaction": name})


def commit(client, name="t", command="COMMIT"):
    """Commits; returns the commands that came back."""
    client.frame(command, {"transaction": name, "receipt": "c"})
    return [command for command, _, _ in client.got()]


def consumer(world, *bodies, version="1.2", ack="client-individual", queue="/queue/in", **headers):
    """A client that has got these messages, and what settles each."""
    client = world.client(version=version)
    client.frame("SUBSCRIBE", {"id": "0", "destination": queue, "ack": ack, **headers})
    world.publish(queue, *bodies)
    had = {}
    while frames := client.got():
        had |= {body.decode(): found for _, found, body in frames}
    names = {"1.0": ["message-id"], "1.1": ["message-id", "subscription"]}.get(version)
    if names:
        return client, {body: {name: found[name] for name in names} for body, found in had.items()}
    return client, {body: {"id": found["ack"]} for body, found in had.items()}


def settle(client, settling, command="ACK", transaction="t", **more):
    client.frame(command, {**settling, **({"transaction": transaction} if transaction else {}), **more})


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_done_until_it_is_committed(version):
    world = World()
    client, had = consumer(world, "1", "2", "3", version=version)
    reader = world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    begin(client)
    send(client, "/queue/a", "one", receipt="r")
    send(client, "/topic/a", "two")
    settle(client, had["1"])
    send(client, "/queue/a", "three")
    assert [headers for _, headers, _ in client.got()] == [{"receipt-id": "r"}]
    assert (reader.messages(), list(world.registry.queues), world.registry.queues["/queue/in"].unsettled) == (
        [], ["/queue/in"], 3
    )  # fmt: skip
    assert commit(client) == ["RECEIPT"]
    assert (world.bodies("/queue/a"), reader.messages()) == (["one", "three"], ["two"])
    assert world.registry.queues["/queue/in"].unsettled == 2
    client.session.close()
    assert world.bodies("/queue/in") == ["2", "3"]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_nack_waits_for_its_commit_too(version):
    world = World()
    client, had = consumer(world, "1", "2", version=version, **{"dead-letter": "/queue/dead"})
    begin(client)
    settle(client, had["1"], "NACK", requeue="false")
    settle(client, had["2"], "NACK")
    assert client.got() == []
    client.frame("COMMIT", {"transaction": "t"})
    assert (client.messages(), world.bodies("/queue/dead")) == (["2"], ["1"])


def test_abort_forgets_and_what_was_to_be_settled_is_not():
    world = World()
    client, had = consumer(world, "1")
    begin(client)
    send(client)
    settle(client, had["1"])
    assert commit(client, command="ABORT") == ["RECEIPT"]
    assert list(world.registry.queues) == ["/queue/in"]
    settle(client, had["1"], transaction="")
    assert (client.got(), world.memory.used) == ([], 0)


def test_several_may_be_open_and_names_come_again():
    world = World()
    client = world.client()
    begin(client, "t", "u")
    send(client, body="1", transaction="u")
    send(client, body="2", transaction="t")
    assert commit(client, "t") == commit(client, "u", "ABORT") == ["RECEIPT"]
    begin(client, "u")
    send(client, body="3", transaction="u")
    commit(client, "u")
    assert world.bodies("/queue/a") == ["2", "3"]


@pytest.mark.parametrize("end", ["DISCONNECT", "ERROR", "lost", "ABORT", "COMMIT"])
def test_the_account_of_memory_is_right_again(end):
    world = World()
    client = world.client()
    begin(client, "t", "u")
    send(client, body="x" * 1000, mine="12")
    send(client, body="y" * 500, transaction="u")
    assert world.memory.used == 2 * OVERHEAD + 1000 + 500 + len("mine12")
    if end == "lost":
        client.session.close()
    elif end in ("ABORT", "COMMIT"):
        commit(client, "t", end)
        commit(client, "u", "ABORT")
    else:
        client.frame(end, {})
    waits = sum(len(body) + OVERHEAD + len("mine12") for body in world.bodies("/queue/a")) if end == "COMMIT" else 0
    assert world.memory.used == waits
    assert (world.registry.queues != {}) is (end == "COMMIT")


# All or nothing


def test_one_settled_already_is_in_the_way_of_all():
    world = World()
    client, had = consumer(world, "1", "2")
    begin(client)
    send(client)
    settle(client, had["2"])
    settle(client, had["1"])
    settle(client, had["1"], transaction="")
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert client.refused("unknown-delivery")["receipt-id"] == "c"
    assert (list(world.registry.queues), world.bodies("/queue/in")) == (["/queue/in"], ["2"])


@pytest.mark.parametrize(
    "ack, tags", [("client-individual", "11"), ("client", "11"), ("client", "21"), ("client", "31")]
)
def test_a_message_cannot_be_settled_twice_in_one(ack, tags):
    world = World()
    client, had = consumer(world, "1", "2", "3", ack=ack)
    begin(client)
    for tag in tags:
        settle(client, had[tag])
    commit(client)
    assert client.session.ending.name == "unknown-delivery"
    assert world.bodies("/queue/in") == ["1", "2", "3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_cumulative_acknowledgements(version):
    world = World()
    client, had = consumer(world, "1", "2", "3", "4", "5", version=version, ack="client")
    begin(client)
    settle(client, had["2"])
    settle(client, had["4"])
    assert commit(client) == ["RECEIPT"]
    client.session.close()
    assert world.bodies("/queue/in") == ["5"]


def test_a_full_queue_is_in_the_way_of_all():
    world = World()
    world.registry.declare("/queue/small", {"max_length": 2})
    client, had = consumer(world, "1")
    begin(client)
    send(client, "/queue/a", "x")
    settle(client, had["1"])
    for _ in range(3):
        send(client, "/queue/small")
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert client.refused("queue-full")["receipt-id"] == "c"
    assert (world.bodies("/queue/small"), world.bodies("/queue/in")) == ([], ["1"])
    assert world.bodies("/queue/a") == []


@pytest.mark.parametrize("destination", ["/queue/small", "/exchange/amq.fanout", "/exchange/outer/k"])
@pytest.mark.parametrize(
    "options", [{"max_length_bytes": 10}, {"max_length": 1}, {"max_length_bytes": 8, "overflow": Full.DROP_HEAD}]
)
def test_room_is_looked_for_wherever_it_goes(destination, options):
    world = World()
    registry = world.registry
    registry.declare("/queue/small", options)
    registry.declare_exchange("outer", Kind.FANOUT)
    registry.bind("outer", "/exchange/amq.fanout")
    registry.bind("amq.fanout", "/queue/small")
    client = world.client()
    begin(client)
    send(client, "/queue/a", "first")
    send(client, destination, "1")
    send(client, destination, "123456789!")
    client.frame("COMMIT", {"transaction": "t"})
    client.refused("queue-full")
    assert world.bodies("/queue/a") == world.bodies("/queue/small") == []


def test_a_full_queue_that_is_bound_to_a_topic_stops_no_commit():
    world = World()
    world.registry.declare("/queue/small", {"max_length": 1})
    world.registry.bind("amq.topic", "/queue/small", "#")
    client = world.client()
    begin(client)
    for body in "12":
        send(client, "/topic/a", body)
    client.frame("COMMIT", {"transaction": "t", "receipt": "r"})
    assert client.got() == [("RECEIPT", {"receipt-id": "r"}, b"")]
    assert world.bodies("/queue/small") == ["1"]


def test_a_queue_that_drops_has_room_for_any_number():
    world = World()
    world.registry.declare("/queue/a", {"max_length": 1, "overflow": Full.DROP_HEAD})
    client = world.client()
    begin(client)
    for body in "123":
        send(client, body=body)
    assert commit(client) == ["RECEIPT"]
    assert world.bodies("/queue/a") == ["3"]


@pytest.mark.parametrize("ack", ["client", "client-individual"])
def test_what_goes_back_takes_room_too(ack):
    """A message that goes back to a queue whose consumer does not read would leave no room for the next one."""
    world = World()
    client, had = consumer(world, "1", "2", ack=ack, queue="/queue/a", **{"max-length": "2"})
    client.blocked = True
    begin(client)
    send(client, "/queue/b", "first")
    settle(client, had["2"], "NACK")
    send(client, "/queue/a", "3")
    send(client, "/queue/a", "4")
    client.frame("COMMIT", {"transaction": "t"})
    assert client.session.ending.name == "queue-full"
    assert (world.bodies("/queue/a"), world.bodies("/queue/b")) == (["1", "2"], [])


@pytest.mark.parametrize(
    "destination, code", [("/exchange/none/k", "not-found"), ("/exchange/in/k", "bad-destination")]
)
def test_an_exchange_that_is_not_there_is_in_the_way_of_all(destination, code):
    world = World()
    world.registry.declare_exchange("in", Kind.FANOUT, internal=True)
    client = world.client()
    begin(client)
    send(client)
    send(client, destination)
    client.frame("COMMIT", {"transaction": "t"})
    client.refused(code)
    assert world.bodies("/queue/a") == []


def test_a_subscription_that_ended_meanwhile_is_in_the_way_of_all():
    world = World()
    client, had = consumer(world, "1", "2")
    begin(client)
    settle(client, had["1"])
    client.frame("UNSUBSCRIBE", {"id": "0"})
    client.frame("COMMIT", {"transaction": "t"})
    client.refused("unknown-delivery")
    assert world.bodies("/queue/in") == ["1", "2"]


def test_a_message_that_came_again_is_another_delivery():
    world = World()
    client, had = consumer(world, "1")
    begin(client)
    settle(client, had["1"])
    settle(client, had["1"], "NACK", transaction="")
    assert client.messages() == ["1"]
    client.frame("COMMIT", {"transaction": "t"})
    client.refused("unknown-delivery")


def test_a_reply_to_somebody_who_is_gone_is_in_nobodys_way():
    world = World()
    asker, answerer = world.client(), world.client()
    answerer.frame("SUBSCRIBE", {"id": "0", "destination": "/queue/a"})
    send(asker, transaction="", reply_to="/temp-queue/a")
    [(_, headers, _)] = answerer.got()
    begin(answerer)
    send(answerer, headers["reply-to"])
    asker.session.close()
    assert commit(answerer) == ["RECEIPT"]
    assert (world.stats["messages_unroutable"], world.memory.used) == (1, 0)


# What is refused


@pytest.mark.parametrize("command", ["COMMIT", "ABORT", "SEND", "ACK", "NACK"])
def test_a_transaction_that_was_not_begun(command):
    world = World()
    client, had = consumer(world, "1")
    begin(client, "u")
    headers = {"SEND": {"destination": "/queue/a"}, "ACK": had["1"], "NACK": had["1"]}.get(command, {})
    client.frame(command, {**headers, "transaction": "t", "receipt": "r"})
    assert client.refused("unknown-transaction")["receipt-id"] == "r"
    assert (world.memory.used, world.bodies("/queue/in")) == (1 + OVERHEAD, ["1"])


@pytest.mark.parametrize("command", ["COMMIT", "ABORT"])
def test_a_transaction_that_is_over(command):
    client = World().client()
    begin(client)
    commit(client, "t", command)
    commit(client)
    assert client.session.ending.name == "unknown-transaction"


def test_a_transaction_that_is_another_clients():
    world = World()
    one, two = world.client(), world.client()
    begin(one)
    commit(two)
    assert two.session.ending.name == "unknown-transaction"
    assert commit(one) == ["RECEIPT"]


def test_a_transaction_that_has_begun():
    client = World().client()
    begin(client, "t", "t")
    client.refused("duplicate-transaction")


@pytest.mark.parametrize("command", ["BEGIN", "COMMIT", "ABORT"])
@pytest.mark.parametrize("headers", [{}, {"transaction": ""}])
def test_a_transaction_needs_a_name(command, headers):
    client = World().client()
    client.frame(command, headers)
    client.refused("missing-header")


@pytest.mark.parametrize("settling", [{"id": "1.9"}, {"id": "made-up"}, {"message-id": "node.e.7"}])
def test_what_names_no_delivery_is_refused_at_once(settling):
    world = World()
    client, _ = consumer(world, "1")
    begin(client)
    settle(client, settling)
    client.refused("unknown-delivery")


def test_too_many():
    client = World(max_transactions=2).client()
    begin(client, "a", "b", "c")
    client.refused("transaction-too-large")


def test_too_many_frames_in_all_of_them():
    world = World(transaction_messages=3)
    client, had = consumer(world, "1")
    begin(client, "t", "u")
    send(client)
    send(client, transaction="u")
    commit(client, "u", "ABORT")
    send(client)
    settle(client, had["1"])
    assert client.got() == []
    send(client)
    client.refused("transaction-too-large")


def test_too_many_octets_in_all_of_them():
    world = World(transaction_bytes=2 * OVERHEAD + 100)
    client = world.client()
    begin(client, "t", "u")
    send(client, body="x" * 50)
    send(client, body="x" * 50, transaction="u")
    assert client.got() == []
    client.frame("SEND", {"destination": "/queue/a", "transaction": "u", "receipt": "r"}, b"")
    assert client.refused("transaction-too-large")["receipt-id"] == "r"
    assert world.memory.used == 0


def test_what_is_remembered_of_headers_does_not_leave_the_transaction():
    """Frames with the very same headers, of which the second and third take the short way."""
    world = World()
    client = world.client()
    begin(client)
    for body in "123":
        send(client, body=body)
    assert world.registry.queues == {}
    commit(client)
    assert world.bodies("/queue/a") == ["1", "2", "3"]


def test_requests_are_in_no_transaction():
    client = World(desk=True).client()
    begin(client)
    send(client, "/manage/list", "", reply_to="/queue/a")
    client.refused("bad-header")


def test_many_acknowledgements_take_no_quadratic_time():
    world = World(default_prefetch=10_000)
    client, had = consumer(world, *map(str, range(10_000)), ack="client")
    begin(client)
    for settling in had.values():
        settle(client, settling)
    assert commit(client) == ["RECEIPT"]
    assert world.memory.used == 0
