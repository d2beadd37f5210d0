"""Messages as JSON: whatever a publisher says in JSON, a reader gets the same."""

import base64
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import World

from qmq.core.claims import Claimed
from qmq.core.message import Envelope, Message, Origin
from qmq.errors import QmqError
from qmq.session.rest import EVENTS, JSON, EventEncoder, JsonEncoder, dump, is_json, parse, posting_of, show

ORIGIN = Origin("node", "e")


def message(body=b"x", destination="/topic/a", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Message(Envelope(destination, fields), body, False, ORIGIN, 7)


def shown(*args, **more):
    return orjson.loads(JSON.encode(message(*args, **more)))


def published(value):
    """What becomes of a message object: content type, and body."""
    posting = posting_of({"destination": "/topic/a", **value})
    return posting.headers.get("content-type"), posting.body


@pytest.mark.parametrize(
    ("said", "kind", "body"),
    [
        ({}, "text/plain", b""),
        ({"body": "é"}, "text/plain", "é".encode()),
        ({"body": {"a": [1, None]}}, "application/json", b'{"a":[1,null]}'),
        ({"body": None}, "application/json", b"null"),
        ({"body": 10**30}, "application/json", b"1" + b"0" * 30),
        ({"body": "x", "contentType": "application/json"}, "application/json", b'"x"'),
        ({"body": {"x": 1}, "contentType": "application/ld+json; a=b"}, "application/ld+json; a=b", b'{"x":1}'),
        ({"body": "<p>", "contentType": "text/html"}, "text/html", b"<p>"),
        ({"body": "x", "headers": {"content-type": "text/css"}}, "text/css", b"x"),
        ({"bodyBase64": "AP8="}, None, b"\0\xff"),
        ({"bodyBase64": "", "contentType": "image/png"}, "image/png", b""),
    ],
)
def test_bodies_come_in(said, kind, body):
    assert published(said) == (kind, body)


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"body": "x", "bodyBase64": "AA=="}, "cannot both"),
        ({"body": 1, "contentType": "text/plain"}, "[3].body must be text"),
        ({"bodyBase64": "A"}, "[3].bodyBase64 is no base64"),
        ({"bodyBase64": "é"}, "[3].bodyBase64 is no base64"),
        ({"bodyBase64": "AA==\n"}, "[3].bodyBase64 is no base64"),
    ],
)
def test_bodies_that_are_none(said, part):
    with pytest.raises(QmqError) as caught:
        posting_of({"destination": "/topic/a", **said}, "[3].")
    assert caught.value.code.name == "bad-field" and part in caught.value.detail


def test_headers_and_key_come_along():
    said = {"destination": "/queue/a", "headers": {"color": "red"}, "idempotencyKey": "k", "contentType": "text/css"}
    posting = posting_of(said)
    assert (posting.destination, posting.key) == ("/queue/a", "k")
    assert posting.headers == {"color": "red", "content-type": "text/css"}
    assert said["headers"] == {"color": "red"}


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (b'{"a": 1}', "application/json", {"body": {"a": 1}}),
        (b'{"a":\r\n 1}', "application/json", {"body": {"a": 1}}),
        (b"no json", "application/json", {"body": "no json"}),
        (b'{"a": 1}', "text/plain", {"body": '{"a": 1}'}),
        (b'{"a": 1}', None, {"body": '{"a": 1}'}),
        (b"", None, {"body": ""}),
        ("é\n\0".encode(), None, {"body": "é\n\0"}),
        (b"\xff\0", "application/json", {"bodyBase64": "/wA="}),
        (b"\xff\0", None, {"bodyBase64": "/wA="}),
    ],
)
def test_bodies_go_out(body, kind, told):
    told = {"id": "node.e.7", "destination": "/topic/a", **({"contentType": kind} if kind else {}), **told}
    assert shown(body, **({"content_type": kind} if kind else {})) == told


def test_large_numbers_stay_what_they_are():
    assert b'"body":123456789012345678901234567890}' in JSON.encode(
        message(b"123456789012345678901234567890", content_type="application/json")
    )


def test_other_headers_are_shown_apart():
    assert shown(b"x", color="red", content_type="text/css")["headers"] == {"color": "red"}


def test_an_event_is_one_line_of_data_with_the_cursor_as_its_id():
    event = EVENTS.encode(message(b'{"a":\n1}', content_type="application/json", note="x\n\ndata: y"))
    identity, data, *rest = event.split(b"\n")
    assert identity == b"id: node.e.7" and rest == [b"", b""]
    assert orjson.loads(data.removeprefix(b"data: "))["body"] == {"a": 1}


def test_a_delivery_has_its_token():
    told = orjson.loads(show(Claimed("key.1", message(), 3)))
    assert told == {"token": "key.1", "deliveries": 3, "id": "node.e.7", "destination": "/topic/a", "body": "x"}


def test_equal_encoders_share():
    assert JsonEncoder() == JSON and EventEncoder() == EVENTS and JSON != EVENTS
    assert hash(JsonEncoder()) == hash(JSON)


def test_what_likes_have_in_common_is_encoded_once():
    first = message(b"1", color="red")
    JSON.encode(first)
    kept = first.envelope.encoded["json"]
    EVENTS.encode(Message(first.envelope, b"2", True, ORIGIN, 8))
    assert first.envelope.encoded["json"] is kept


@pytest.mark.parametrize(("kind", "found"), [
    ("application/json", True), ("Application/JSON; charset=utf-8", True), ("application/problem+json", True),
    ("text/json5", False), ("", False), (None, False), ("application/jsonx", False),
])  # fmt: skip
def test_content_types_that_are_json(kind, found):
    assert is_json(kind) is found


BAD = {
    "nothing": b"",
    "cut off": b'{"a": 1',
    "two values": b"1 2",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep, with a large number": b"[" * 100_000 + b"1" * 20 + b"]" * 100_000,
    "more digits than anybody needs": b"1" * 5000,
    "infinite": b"1e999",
    "infinite, slowly": b"[1e999, 12345678901234567890]",
    "NaN": b"NaN",
    "NaN, slowly": b"[NaN, 12345678901234567890]",
    "no UTF-8": b'"\xff"',
    "no UTF-8, slowly": b'["\xff", 12345678901234567890]',
    "half a surrogate pair": b'"\\ud800"',
    "half a surrogate pair, slowly": b'["\\ud800", 12345678901234567890]',
    "a comment": b"{} // no",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_json_is_refused(name):
    with pytest.raises(QmqError) as caught:
        dump(parse(BAD[name]))
    assert caught.value.code.name == "bad-json" and caught.value.detail


@given(st.binary())
def test_any_octets_are_json_or_are_refused(octets):
    try:
        value = parse(octets)
    except QmqError as error:
        assert error.code.name == "bad-json"
    else:
        assert json.loads(dump(value)) == json.loads(octets)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
KINDS = st.sampled_from(["application/json", "text/plain", "image/png", None])


@given(VALUES, KINDS)
def test_what_goes_in_comes_out(value, kind):
    said = {"destination": "/topic/a", "body": value, **({"contentType": kind} if kind else {})}
    try:
        posting = posting_of(said)
    except QmqError:
        assert not isinstance(value, str) and not is_json(kind) and kind
        return
    world = World()
    sent = world.hub.publish(Envelope(posting.destination, posting.headers), posting.body, False)
    told = json.loads(JSON.encode(sent))
    assert told["body"] == value and told["contentType"] == posting.headers["content-type"]


@given(st.binary(), KINDS)
def test_octets_that_go_in_come_out(octets, kind):
    text = base64.b64encode(octets).decode()
    posting = posting_of({"destination": "/topic/a", "bodyBase64": text, **({"contentType": kind} if kind else {})})
    told = json.loads(JSON.encode(Message(Envelope("/topic/a", posting.headers), posting.body, False, ORIGIN, 1)))
    if "bodyBase64" in told:
        assert base64.b64decode(told["bodyBase64"]) == octets
    elif isinstance(told["body"], str) and not is_json(kind):
        assert told["body"].encode() == octets
    else:
        assert is_json(kind)
