"""The STOMP session without any socket: frames in, frames out, and how it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import World

from qmq.errors import CODES
from qmq.session.stomp_rules import State
from qmq.wire import stomp


def commands(frames):
    return [command for command, _, _ in frames]


@pytest.mark.parametrize(
    "offer, chosen", [("1.2", "1.2"), ("1.0,1.1", "1.1"), ("1.0,1.1,1.2", "1.2"), (None, "1.0"), ("1.0, 1.3", "1.0")]
)
@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_connecting(command, offer, chosen):
    client = World().client(connect=False)
    assert not client.session.open
    client.frame(command, {"host": "x", **({"accept-version": offer} if offer else {})})
    [(answer, headers, _)] = client.got()
    assert answer == "CONNECTED"
    assert (headers["version"], headers["server"]) == (chosen, "qmq/test")
    assert headers["session"] == client.session.name
    assert ("heart-beat" in headers) is (chosen != "1.0")
    assert client.session.open


def test_no_common_version():
    client = World().client(connect=False)
    client.frame("CONNECT", {"accept-version": "2.0"})
    assert client.refused("bad-version")["version"] == "1.0,1.1,1.2"


@pytest.mark.parametrize(
    "wish, agreed", [("0,0", (0, 0)), ("5000,0", (0, 5000)), ("0,5000", (5000, 0)), ("10,20", (100, 100))]
)
def test_heart_beats(wish, agreed):
    client = World(heartbeat_min=100).client(connect=False)
    client.frame("CONNECT", {"accept-version": "1.2", "heart-beat": wish})
    assert client.session.heartbeat == agreed
    client.got()
    client.session.beat()
    client.flush()
    assert client.octets == b"\n"


@pytest.mark.parametrize("wish", ["", "1", "1,2,3", "a,b", "-1,0", "1.5,0"])
def test_a_heart_beat_that_is_none(wish):
    client = World().client(connect=False)
    client.frame("CONNECT", {"accept-version": "1.2", "heart-beat": wish})
    client.refused("bad-header")


def test_publish_and_subscribe():
    world = World()
    reader, writer = world.client(), world.client()
    reader.frame("SUBSCRIBE", {"id": "7", "destination": "/topic/*"})
    writer.frame("SEND", {"destination": "/topic/a", "content-type": "text/plain", "my": "own", "receipt": "r"}, b"hi")
    [(command, headers, body)] = reader.got()
    assert (command, body) == ("MESSAGE", b"hi")
    assert headers == {
        "subscription": "7",
        "message-id": "node.e.1",
        "destination": "/topic/a",
        "content-type": "text/plain",
        "my": "own",
        "content-length": "2",
    }
    assert writer.got() == [("RECEIPT", {"receipt-id": "r"}, b"")]


def test_frames_cut_anywhere_and_many_at_once():
    world = World()
    reader, writer = world.client(), world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    data = b"".join(stomp.encode("SEND", {"destination": "/topic/a"}, b"%d" % number) for number in range(20))
    for start in range(0, len(data), 7):
        writer.receive(data[start : start + 7])
    assert [body for _, _, body in reader.got()] == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("headers", [{"max-messages": "5"}, {"from": "latest"}, {"overflow": "drop-oldest"}])
def test_a_receipt_tells_what_was_granted_if_asked(headers):
    client = World(default_messages=9, default_bytes=99, max_messages=50).client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "receipt": "r", **headers})
    [(_, granted, _)] = client.got()
    assert granted == {
        "receipt-id": "r",
        "cursor": "node.e.0",
        "recovered": "true",
        "max-messages": headers.get("max-messages", "9"),
        "max-bytes": "99",
    }


def test_others_get_a_plain_receipt():
    client = World().client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "receipt": "r"})
    assert client.got() == [("RECEIPT", {"receipt-id": "r"}, b"")]


def test_bounds_are_clamped():
    client = World(max_messages=10, max_bytes=1000).client()
    more = {"max-messages": "11", "max-bytes": "999999", "receipt": "r"}
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", **more})
    [(_, granted, _)] = client.got()
    assert (granted["max-messages"], granted["max-bytes"]) == ("10", "1000")


@pytest.mark.parametrize(
    "position, published, recovered",
    [
        ({"cursor": "node.e.0"}, 0, "true"),
        ({"cursor": "node.e.1"}, 1, "true"),
        ({"cursor": "other.e.1"}, 1, "false"),
        ({"cursor": "nonsense"}, 0, "false"),
        ({"from": "earliest"}, 0, "true"),
        ({"from": "latest"}, 1, "true"),
    ],
)
def test_recovered_is_said_only_if_nothing_can_have_been_missed(position, published, recovered):
    client = World().client()
    for _ in range(published):
        client.frame("SEND", {"destination": "/topic/a"})
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "receipt": "r", **position})
    [(_, granted, _)] = client.got()
    assert (granted["recovered"], granted["cursor"]) == (recovered, f"node.e.{published}")


def test_unsubscribe():
    client = World().client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    client.frame("UNSUBSCRIBE", {"id": "0", "receipt": "r"})
    client.frame("SEND", {"destination": "/topic/a"})
    assert commands(client.got()) == ["RECEIPT"]


def test_1_0_subscribes_by_destination():
    client = World().client(version="1.0")
    client.frame("SUBSCRIBE", {"destination": "/topic/a"})
    client.frame("SEND", {"destination": "/topic/a"}, b"x")
    client.frame("UNSUBSCRIBE", {"destination": "/topic/a"})
    client.frame("SEND", {"destination": "/topic/a"}, b"y")
    [(_, headers, body)] = client.got()
    assert "subscription" not in headers
    assert body == b"x"


def test_disconnect_answers_and_gives_everything_back():
    client = World().client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    client.frame("DISCONNECT", {"receipt": "bye"})
    client.frame("SEND", {"destination": "/topic/a"})
    assert client.got() == [("RECEIPT", {"receipt-id": "bye"}, b"")]
    assert (client.session.state, client.session.ending) == (State.CLOSING, CODES["closed"])
    assert client.world.hub._audiences == {}


SUBSCRIBE = {"id": "0", "destination": "/topic/a"}
REFUSALS = [
    ("SEND", {}, b"", "missing-header"),
    ("SEND", {"destination": "/nope/a"}, b"", "bad-destination"),
    ("SEND", {"destination": "/topic/*"}, b"", "bad-pattern"),
    ("SEND", {"destination": "/topic/a", "message-id": "1"}, b"", "bad-header"),
    ("SEND", {"destination": "/topic/a", "transaction": "t"}, b"", "unknown-transaction"),
    ("SUBSCRIBE", {"id": "0"}, b"", "missing-header"),
    ("SUBSCRIBE", {"destination": "/topic/a"}, b"", "missing-header"),
    ("SUBSCRIBE", {"id": "0", "destination": "/topic/a.#b"}, b"", "bad-pattern"),
    ("SUBSCRIBE", {**SUBSCRIBE, "ack": "perhaps"}, b"", "bad-header"),
    ("SUBSCRIBE", {**SUBSCRIBE, "max-messages": "0"}, b"", "bad-header"),
    ("SUBSCRIBE", {**SUBSCRIBE, "max-bytes": "many"}, b"", "bad-header"),
    ("SUBSCRIBE", {**SUBSCRIBE, "overflow": "explode"}, b"", "bad-header"),
    ("SUBSCRIBE", {**SUBSCRIBE, "from": "tomorrow"}, b"", "bad-header"),
    ("SUBSCRIBE", SUBSCRIBE, b"body", "unexpected-body"),
    ("CONNECT", {"accept-version": "1.2"}, b"", "not-now"),
    ("MESSAGE", {}, b"", "unknown-command"),
    ("HELLO", {}, b"", "unknown-command"),
]


@pytest.mark.parametrize("command, headers, body, code", REFUSALS)
def test_what_is_refused_and_disturbs_nobody_else(command, headers, body, code):
    world = World()
    other, client = world.client(), world.client()
    other.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    client.frame(command, {**headers, "receipt": "r1"}, body)
    assert client.refused(code)["receipt-id"] == "r1"
    client.frame("SEND", {"destination": "/topic/a"}, b"too late")
    assert client.got() == []
    other.frame("SEND", {"destination": "/topic/a"}, b"still here")
    assert [body for _, _, body in other.got()] == [b"still here"]


@pytest.mark.parametrize("command", ["SEND", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT"])
def test_nothing_is_legal_before_connect(command):
    client = World().client(connect=False)
    client.frame(command, {"destination": "/topic/a", "id": "0"})
    client.refused("not-now")


def test_frames_after_a_refused_one_in_the_same_piece_are_not_heard():
    world = World()
    reader, client = world.client(), world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    send = stomp.encode("SEND", {"destination": "/topic/a"}, b"x")
    client.receive(send + send + stomp.encode("HELLO", {}) + send)
    assert len(reader.got()) == 2


def test_the_same_subscription_id_twice():
    client = World().client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/b"})
    client.refused("duplicate-id")


def test_too_many_subscriptions():
    client = World(max_subscriptions=2).client()
    for number in range(3):
        client.frame("SUBSCRIBE", {"id": str(number), "destination": "/topic/a"})
    client.refused("too-many-subscriptions")
    assert client.world.hub._audiences == {}


def test_octets_that_are_no_frame_end_it_after_what_came_before():
    world = World()
    reader, client = world.client(), world.client()
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    client.receive(stomp.encode("SEND", {"destination": "/topic/a"}, b"good") + b"rubbish\n\n\0")
    assert [body for _, _, body in reader.got()] == [b"good"]
    client.refused("bad-frame")


def test_a_body_is_text_only_if_all_of_its_octets_are():
    seen = []

    def framing(data, text):
        seen.append(text)
        return data

    world = World()
    reader, writer = world.client(connect=False), world.client()
    reader.session.framing = framing
    reader.frame("CONNECT", {"accept-version": "1.2"})
    reader.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    seen.clear()
    frame = stomp.encode("SEND", {"destination": "/topic/a"}, b"ab\xffcd")
    writer.receive(frame[:-3], False)  # begins in a binary message
    writer.receive(frame[-3:], True)  # and ends in a text one
    writer.receive(stomp.encode("SEND", {"destination": "/topic/a"}, "é".encode()), False)
    writer.receive(stomp.encode("SEND", {"destination": "/topic/a"}, b"plain"), True)
    assert seen == [False, True, True]


@given(
    st.lists(st.sampled_from([(command, headers) for command, headers, _, _ in REFUSALS] + [("SEND", SUBSCRIBE)] * 5))
)
def test_any_order_of_frames_ends_in_at_most_one_error(steps):
    """Whatever a client sends, it gets replies, then at most one ERROR, then nothing."""
    client = World().client(connect=False)
    frames = []
    for command, headers in steps:
        client.frame(command, headers)
        frames += client.got()
    errors = [place for place, (command, _, _) in enumerate(frames) if command == "ERROR"]
    assert errors in ([], [len(frames) - 1])
