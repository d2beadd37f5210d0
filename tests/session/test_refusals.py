"""One wrong frame is one wrong frame, for clients that ask for it; for stock clients it is the end, as before."""

import pytest
from worlds import World

from qmq.core.options import Full
from qmq.session import stomp_rules
from qmq.wire import stomp, websocket
from tests.gateway.test_bad_input import STOMP
from tests.session.talk import CONNECT, refused, refusing, subscribe

LIMITS = {
    "max_body": 1000,
    "max_headers": 10,
    "max_header_bytes": 500,
    "max_subscriptions": 3,
    "max_transactions": 1,
    "transaction_messages": 2,
}

# Faults after which nobody knows where the next frame begins, or who speaks: the end for everybody.
FATAL = {"bad-frame", "bad-escape", "bad-utf8", "not-now"}

# Too large already, and not at their end yet: it is told there.
UNFINISHED = {"content-length too large", "body too large, in several", "headers without end", "command without end"}

# name: (what is said before, the frame, its code)
FRAMES = {
    "bad destination": ([], ("SEND", {"destination": "/nowhere/a"}, b"x"), "bad-destination"),
    "bad name": ([], ("SEND", {"destination": "/topic/a b"}, b"x"), "bad-pattern"),
    "missing destination": ([], ("SEND", {}, b"x"), "missing-header"),
    "bad header value": ([], ("SEND", {"destination": "/queue/a", "expiration": "soon"}, b"x"), "bad-header"),
    "large body": ([], ("SEND", {"destination": "/topic/a"}, b"x" * 1001), "frame-too-large"),
    "very large body": ([], ("SEND", {"destination": "/topic/a"}, b"x" * 500_000), "frame-too-large"),
    "large header": ([], ("SEND", {"destination": "/topic/a", "x": "y" * 600}, b"x"), "headers-too-large"),
    "very large header": ([], ("SEND", {"destination": "/topic/a", "x": "y" * 500_000}, b"x"), "headers-too-large"),
    "many headers": (
        [],
        ("SEND", {"destination": "/topic/a", **dict.fromkeys("abcdefghij", "x")}),
        "headers-too-large",
    ),
    "unknown command": ([], ("NONSENSE", {}), "unknown-command"),
    "no such exchange": ([], ("SEND", {"destination": "/exchange/none/a"}, b"x"), "not-found"),
    "reserved topic": ([], ("SEND", {"destination": "/topic/system.a"}, b"x"), "forbidden"),
    "no such delivery": ([], ("ACK", {"id": "9.9"}), "unknown-delivery"),
    "no such transaction": ([], ("COMMIT", {"transaction": "t"}), "unknown-transaction"),
    "same transaction": ([("BEGIN", {"transaction": "t"})], ("BEGIN", {"transaction": "t"}), "duplicate-transaction"),
    "too many transactions": (
        [("BEGIN", {"transaction": "t"})],
        ("BEGIN", {"transaction": "u"}),
        "transaction-too-large",
    ),
    "body of ABORT": ([("BEGIN", {"transaction": "t"})], ("ABORT", {"transaction": "t"}, b"x"), "unexpected-body"),
    "same id": ([], ("SUBSCRIBE", {"id": "0", "destination": "/topic/b"}), "duplicate-id"),
    "bad bound": ([], ("SUBSCRIBE", {"id": "5", "destination": "/topic/b", "max-messages": "0"}), "bad-header"),
    "large subscription": (
        [],
        ("SUBSCRIBE", {"id": "5", "destination": "/topic/b", "x": "y" * 600}),
        "headers-too-large",
    ),
    "too many": (
        [("SUBSCRIBE", {"id": name, "destination": "/topic/b"}) for name in "12"],
        ("SUBSCRIBE", {"id": "5", "destination": "/topic/c"}),
        "too-many-subscriptions",
    ),
}


def of(frame):
    command, headers, *body = frame
    return stomp.encode(command, headers, *body)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("receipt", [None, "r"])
def test_wrong_frame_is_refused_and_nothing_else_happens(name, receipt):
    before, (command, headers, *body), code = FRAMES[name]
    world = World(**LIMITS)
    client = refusing(world)
    subscribe(client, "/topic/#")
    for frame in before:
        client.receive(of(frame))
    client.got()
    asked = headers if receipt is None else {"receipt": receipt, **headers}
    # What is in the same piece is worked off, too.
    client.receive(of((command, asked, *body)) + of(("SEND", {"destination": "/topic/next"}, b"on")))
    (answer, told, _), message = sorted(client.got(), key=lambda frame: frame[0])
    assert (answer, told["code"], told["fatal"]) == ("ERROR", code, "false")
    assert told["message"] and told["retry"] in ("true", "false")
    assert told.get("receipt-id") == receipt
    assert told.get("subscription") == (headers["id"] if command == "SUBSCRIBE" else None)
    assert (message[0], message[2]) == ("MESSAGE", b"on")
    assert client.session.ending is None
    assert world.stats[f"errors_{code}"] == world.stats["frames_refused"] == 1


@pytest.mark.parametrize("name", STOMP)
def test_faults_of_framing_are_the_end_and_others_are_not(name):
    data, code, _ = STOMP[name]
    world = World(**LIMITS)
    client = refusing(world)
    for payload in payloads(data):
        client.receive(payload)
    errors = [headers for command, headers, _ in client.got() if command == "ERROR"]
    if name in UNFINISHED:
        assert errors == [] and client.session.ending is None
        return
    assert errors[0]["code"] == code
    assert ("fatal" not in errors[0]) is (code in FATAL) is (client.session.ending is not None)


def payloads(data):
    """The payloads of masked WebSocket messages."""
    return [payload for _, payload in websocket.Decoder().feed(data)]


@pytest.mark.parametrize("name", FRAMES)
def test_stock_client_is_sent_away_as_before(name):
    before, frame, code = FRAMES[name]
    client = World(**LIMITS).client()
    subscribe(client, "/topic/#")
    for each in [*before, frame]:
        client.receive(of(each))
    assert "fatal" not in client.refused(code)


def test_refusals_are_agreed_on():
    for asked, told in ((None, None), ("false", None), ("1", None), ("true", "true"), ("True", "true")):
        client = World().client(connect=False)
        client.frame("CONNECT", {"accept-version": "1.2", "host": "x", **({"refusals": asked} if asked else {})})
        [(_, headers, _)] = client.got()
        assert headers.get("refusals") == told


@pytest.mark.parametrize("code", sorted(stomp_rules.ENDING))
def test_code_of_identity_is_the_end(code):
    assert stomp_rules.ends(code, "/topic/a")


def test_second_login_is_the_end():
    client = refusing(World())
    client.frame("CONNECT", CONNECT)
    assert "fatal" not in client.refused("not-now")


def test_token_that_is_none_is_the_end():
    client = refusing(World())
    client.frame("SEND", {"destination": "/manage/refresh"}, b"x")
    client.refused("bad-token")


def test_message_like_one_that_was_taken_is_refused_alone():
    world = World()
    client = refusing(world)
    world.registry.declare("/queue/small", {"max_length": 2, "overflow": Full.REJECT_PUBLISH})
    frame = of(("SEND", {"destination": "/queue/small"}, b"x"))
    other = of(("SEND", {"destination": "/queue/other"}, b"y"))
    client.receive(frame * 2 + frame + other + frame + other)
    assert [headers["code"] for _, headers, _ in client.got()] == ["queue-full"] * 2
    assert world.bodies("/queue/small") == ["x", "x"]
    assert world.bodies("/queue/other") == ["y", "y"]


SPOILED = {
    "refused": ("SEND", {"destination": "/nowhere", "transaction": "t"}, b"x"),
    "too large": ("SEND", {"destination": "/topic/a", "transaction": "t"}, b"x" * 2000),
    "header too large": ("SEND", {"destination": "/topic/a", "transaction": "t", "x": "y" * 2000}, b"x"),
    "unknown delivery": ("ACK", {"id": "9.9", "transaction": "t"}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_transaction_of_which_a_frame_was_refused_is_done_by_no_part(name):
    world = World(**LIMITS)
    client = refusing(world)
    used = world.memory.used
    client.frame("BEGIN", {"transaction": "t"})
    client.frame("SEND", {"destination": "/queue/a", "transaction": "t"}, b"good")
    client.receive(of(SPOILED[name]))
    code = refused(client)
    assert world.memory.used == used
    client.frame("SEND", {"destination": "/queue/a", "transaction": "t"}, b"good")
    assert refused(client) == code
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert refused(client) == code
    assert "/queue/a" not in world.registry.queues
    # It is over, and the next of the same name is another.
    client.frame("BEGIN", {"transaction": "t"})
    client.frame("SEND", {"destination": "/queue/a", "transaction": "t"}, b"good")
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert client.got() == [("RECEIPT", {"receipt-id": "c"}, b"")]
    assert world.bodies("/queue/a") == ["good"]


def test_aborting_such_a_transaction():
    client = refusing(World())
    client.frame("BEGIN", {"transaction": "t"})
    client.receive(of(SPOILED["refused"]))
    refused(client)
    client.frame("ABORT", {"transaction": "t", "receipt": "a"})
    assert client.got() == [("RECEIPT", {"receipt-id": "a"}, b"")]


def test_commit_that_is_refused_leaves_what_it_would_settle():
    world = World()
    client = refusing(world)
    world.publish("/queue/jobs", "job")
    subscribe(client, "/queue/jobs", "j", ack="client-individual")
    client.frame("BEGIN", {"transaction": "t"})
    client.frame("ACK", {"id": "1.1", "transaction": "t"})
    client.frame("ACK", {"id": "1.1", "transaction": "t"})
    client.got()
    client.frame("COMMIT", {"transaction": "t", "receipt": "c"})
    assert refused(client) == "unknown-delivery"
    client.frame("ACK", {"id": "1.1", "receipt": "a"})
    assert client.got() == [("RECEIPT", {"receipt-id": "a"}, b"")]
