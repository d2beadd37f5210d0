"""Whatever clients send, in whatever order: sessions answer, and leave nothing behind."""

from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import World

from qmq.core.exchange import Kind
from qmq.core.memory import OVERHEAD
from qmq.session.desk import OPERATIONS

GOOD = [
    "/queue/a", "/queue/b", "/queue/a.b", "/topic/a", "/temp-queue/a", "/exchange/amq.topic/a",
    "/exchange/amq.direct/k", "/exchange/amq.fanout", "/exchange/amq.headers/x", "/exchange/own/k",
]  # fmt: skip
REQUESTS = [f"/manage/{operation}" for operation in (*OPERATIONS, "explode")]
DESTINATIONS = [
    *GOOD, *REQUESTS, "/topic/*", "/topic/#", "/temp-queue/" + "x" * 240, "/exchange/none", "/exchange/", "/nowhere/a",
    "/queue/*", "/queue/", "", "/topic/a b",
]  # fmt: skip
NUMBERS = ["0", "1", "2", "3", "-1", "", "x", "²", "٣", "1" * 20, "1.5", "true", "false"]
NAMES = ["a", "b", "1", "/temp-queue/a", "/queue/a"]
VALUES = {
    "destination": DESTINATIONS,
    "id": [*NAMES, "1.1", "1.2", "2.1", "1.²", "1.99999999999999999", "node.e.1"],
    "ack": ["auto", "client", "client-individual", "perhaps"],
    "message-id": ["node.e.1", "node.e.2", "node.e.3", "x"],
    "subscription": NAMES,
    "transaction": ["t", "u", ""],
    "receipt": ["r"],
    "reply-to": ["/temp-queue/a", "/temp-queue/b", "/queue/a", "/topic/a", "/nowhere", ""],
    "correlation-id": ["c"],
    "requeue": ["true", "false", "perhaps"],
    "x-queue-name": ["a", "c", "*", ""],
    "x-match": ["all", "any", "none"],
    "overflow": ["drop-head", "reject-publish", "drop-oldest", "conflate"],
    "x-dead-letter": ["/queue/b", "/topic/a", "/nowhere", "/exchange/amq.fanout"],
    **{name: ["true", "false", "x"] for name in ("exclusive", "auto-delete", "x-durable", "x-single-active-consumer")},
    **dict.fromkeys(
        (
            "prefetch-count", "priority", "expiration", "max-messages", "max-bytes", "x-max-length", "max-length-bytes",
            "x-message-ttl", "x-expires", "delivery-limit", "x-max-priority", "ack-timeout", "x-other",
        ),
        NUMBERS,
    ),
}  # fmt: skip
BODIES = [
    b"", b"x", b"\xff", b"x" * 50, b"{", b"[]", b'{"destination": "/queue/a"}', b'{"destination": 1}',
    b'{"destination": "/queue/b", "max-length": 1, "overflow": "reject-publish"}',
    b'{"destination": "/temp-queue/a"}', b'{"name": "own", "kind": "fanout", "auto-delete": true}',
    b'{"source": "amq.topic", "destination": "/queue/a", "key": "#"}',
    b'{"source": "own", "destination": "/exchange/amq.topic", "key": "a"}',
    b'{"source": "amq.headers", "destination": "/queue/a", "arguments": {"x-match": "any", "x-other": 1}}',
    b'{"source": "amq.fanout", "destination": "/topic/a", "arguments": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"source": "amq.fanout", "destination": "/queue/a", "arguments": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}",
    b'{"source": "amq.fanout", "destination": "/queue/a"}',
]  # fmt: skip
NEEDS = {
    "SEND": ["destination"],
    "SUBSCRIBE": ["destination", "id"],
    "UNSUBSCRIBE": ["id"],
    "ACK": ["id"],
    "NACK": ["id"],
    "BEGIN": ["transaction"],
    "COMMIT": ["transaction"],
    "ABORT": ["transaction"],
    "DISCONNECT": [],
    "CONNECT": [],
}
rarely = st.integers(0, 19).map(lambda number: number == 7)


@st.composite
def wild(draw):
    """A frame of which nothing need be right."""
    command = draw(st.sampled_from(list(NEEDS)))
    names = [*NEEDS[command], *draw(st.lists(st.sampled_from(list(VALUES)), max_size=4))]
    if draw(rarely):
        names = names[1:]
    headers = {name: draw(st.sampled_from(VALUES[name])) for name in names}
    return command, headers, draw(st.sampled_from(BODIES)) if command == "SEND" else b""


@st.composite
def sends(draw):
    headers = {"destination": draw(st.sampled_from(GOOD))}
    more = {
        "reply-to": ["/temp-queue/a"], "x-max-length": ["1", "2"], "expiration": ["1000"], "receipt": ["r"],
        "x-dead-letter": ["/queue/b"], "x-overflow": ["drop-head", "reject-publish"], "transaction": ["t"],
        "x-other": ["1"],
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(list(more)), max_size=2)):
        headers[name] = draw(st.sampled_from(more[name]))
    return "SEND", headers, draw(st.sampled_from([b"x", b"y" * 50]))


@st.composite
def requests(draw):
    operation = draw(st.sampled_from(REQUESTS))
    return "SEND", {"destination": operation, "reply-to": "/temp-queue/a"}, draw(st.sampled_from(BODIES))


@st.composite
def subscribes(draw):
    headers = {
        "destination": draw(st.sampled_from([*GOOD, "/topic/*", "/topic/#"])),
        "id": draw(st.sampled_from("abcde")),
    }
    headers["ack"] = draw(st.sampled_from(["auto", "client", "client-individual"]))
    more = {"prefetch-count": ["1", "2"], "max-length": ["1"], "x-queue-name": ["a", "c"], "auto-delete": ["true"]}
    more |= {"exclusive": ["true"], "ack-timeout": ["2000"], "expires": ["1000"], "delivery-limit": ["2"]}
    for name in draw(st.lists(st.sampled_from(list(more)), max_size=2)):
        headers[name] = draw(st.sampled_from(more[name]))
    return "SUBSCRIBE", headers, b""


@st.composite
def settlings(draw):
    """An ACK or NACK of one of the messages that the client has got: which, is seen when it is sent."""
    headers = {"which": draw(st.integers(0, 3)), **draw(st.sampled_from([{}, {}, {"transaction": "t"}]))}
    return (
        draw(st.sampled_from(["ACK", "ACK", "NACK"])),
        headers | draw(st.sampled_from([{}, {"requeue": "false"}])),
        b"",
    )


others = st.sampled_from(
    [("BEGIN", {"transaction": "t"}, b""), ("COMMIT", {"transaction": "t"}, b"")]
    + [("UNSUBSCRIBE", {"id": name}, b"") for name in "abc"]
    + ["block", "read", "lost", "later"]
)
# What to do, by which client: a frame, or that its socket is full or empty again, or is gone.
steps = st.tuples(
    st.integers(0, 2), st.one_of(wild(), sends(), sends(), subscribes(), subscribes(), settlings(), requests(), others)
)


def held(world):
    """What the account of memory is to be once all clients are gone: the messages that wait in queues."""
    messages = [entry.message for queue in world.registry.queues.values() for entry in queue._ready]
    return sum(len(message.body) + message.envelope.octets + OVERHEAD for message in messages)


def settled_by(client, headers):
    """The headers that settle one of the last messages that the client got."""
    had = client.had = [*getattr(client, "had", []), *(head for _, head, _ in client.got() if "message-id" in head)][
        -8:
    ]
    head = had[-1 - headers["which"] % len(had)] if had else {"message-id": "none"}
    if "transaction" not in headers and had:
        had.remove(head)
    names = {"ack": "id"} if "ack" in head else {"subscription": "subscription", "message-id": "message-id"}
    found = {name: head[header] for header, name in names.items() if header in head}
    return {**{name: value for name, value in headers.items() if name != "which"}, **found}


def run(world, versions, sequence):
    clients = [world.client(version=version) for version in versions]
    for number, step in sequence:
        client = clients[number]
        if client.session.ending is not None:
            client.outbox.clear()
            client = clients[number] = world.client(version=versions[number])
        if step == "lost":
            client.session.close()
        elif step in ("block", "read"):
            client.blocked = step == "block"
            if not client.blocked:
                client.octets += client.outbox.take(1 << 30)
            client.flush()
        elif step == "later":
            world.pass_time(3)
        else:
            command, headers, body = step
            if "which" in headers:
                headers = settled_by(client, headers)
            client.frame(command, {"accept-version": "1.2", **headers} if command == "CONNECT" else headers, body)
        world.pass_time()


@given(st.lists(st.sampled_from(["1.0", "1.1", "1.2"]), min_size=3, max_size=3), st.lists(steps, max_size=25))
@settings(max_examples=300)
def test_nothing_breaks_and_nothing_stays(versions, sequence):
    world = World(desk=True, max_subscriptions=4, max_transactions=2, transaction_messages=5, transaction_bytes=5000)
    world.registry.declare_exchange("own", Kind.TOPIC)
    run(world, versions, sequence)
    for client in world.clients:
        client.session.close()
        client.outbox.clear()
        assert client.session.stats["errors_internal-error"] == 0
    registry = world.registry
    for queue in registry.queues.values():
        assert (queue.consumers, queue.unsettled, queue.owner) == ({}, 0, None), queue
        assert queue.name.startswith("/queue/"), queue
    assert registry._owned == {}
    assert world.hub._audiences == {}
    assert world.memory.used == held(world)
