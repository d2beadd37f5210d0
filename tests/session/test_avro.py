"""The messages of QMQ's protocol, called by Apache's own client, on a node's core without sockets."""

import json

import pytest
from worlds import World

from qmq.session import avro
from qmq.session.access import EVERYTHING, Access
from qmq.session.auth import Kind, Principal
from qmq.session.avro import MAX_MESSAGES, MAX_TOKENS, Avro, Pending
from qmq.session.operations import Operations
from qmq.wire.avro_calls import Responder
from qmq.wire.avro_protocol import read
from tests.avro_client import Client, Direct, Refused


class Bureau(World):
    """A world that is called. What has to wait is kept, and answered when time has passed."""

    def __init__(self, **more):
        super().__init__(desk=True, **more)
        self.responder = Responder(avro.protocol())
        operations = Operations(self.registry, self.limits, self.stats, self.desk, 10)
        self.avro = Avro(operations, self.stats)
        self.rights = EVERYTHING
        self.while_waiting = lambda: None
        self.waited = []
        self.call = self.caller()

    def caller(self, text=None):
        """A client with this protocol."""
        return Client(Direct(self.respond), text)

    def respond(self, request):
        call = self.responder.read(request)
        found = self.avro.answer(self.rights, call)
        if not isinstance(found, Pending):
            return found
        self.waited.append(found.seconds)
        self.while_waiting()
        self.pass_time(found.seconds)
        return self.avro.finish(call, found)

    def only(self, name, **rights):
        """From now on it is this client that calls."""
        self.rights = Access(guarded=True).rights(Principal(name, Kind.TOKEN, rights=rights))


@pytest.fixture
def bureau():
    return Bureau()


def post(destination="/topic/a", body=b"x", **more):
    return {"destination": destination, "body": body, **more}


def refused(code, call, name, **parameters):
    with pytest.raises(Refused) as caught:
        call(name, **parameters)
    assert caught.value.code == code, caught.value
    return caught.value.error


def test_every_message_of_the_protocol_is_answered():
    declared = json.loads(avro.protocol())
    assert set(declared["messages"]) == set(avro.MESSAGES)
    assert not any(message.request.trouble for message in read(avro.protocol()).values())
    oneway = {name for name, message in declared["messages"].items() if message.get("one-way")}
    assert {name for name, message in declared["messages"].items() if not message.get("errors")} == oneway


# Publishing


def test_what_is_published_comes_to_stomp_clients(bureau):
    client = bureau.client()
    client.frame("SUBSCRIBE", {"id": "0", "destination": "/topic/a"})
    message = post(body="é".encode(), contentType="text/css", headers={"color": "red"})
    assert bureau.call("publish", messages=[message, post()]) == ["node.e.1", "node.e.2"]
    [(_, headers, body), (_, plain, _)] = client.got()
    assert body.decode() == "é"
    assert headers == {
        "subscription": "0", "message-id": "node.e.1", "destination": "/topic/a", "content-type": "text/css",
        "color": "red", "content-length": "2",
    }  # fmt: skip
    assert "content-type" not in plain


def test_the_same_key_again_is_published_once(bureau):
    message = post("/queue/a", idempotencyKey="k")
    assert bureau.call("publish", messages=[message]) == ["node.e.1"]
    assert bureau.call("publish", messages=[message, post("/queue/a")]) == ["", "node.e.2"]
    assert bureau.bodies("/queue/a") == ["x", "x"]


def test_a_batch_is_published_whole_or_not_at_all(bureau):
    bureau.call("declare", destination="/queue/a", properties={"max-length": "2"})
    error = refused("queue-full", bureau.call, "publish", messages=[post("/queue/a")] * 3)
    assert error["retry"] is True
    assert "nothing was published" in error["detail"]
    assert len(bureau.call("publish", messages=[post("/queue/a")] * 2)) == 2
    assert bureau.stats["errors_queue-full"] == 1


def test_nothing_is_published_at_once_that_is_too_much(bureau):
    assert bureau.call("publish", messages=[]) == []
    assert len(bureau.call("publish", messages=[post()] * MAX_MESSAGES)) == MAX_MESSAGES
    refused("bad-field", bureau.call, "publish", messages=[post()] * (MAX_MESSAGES + 1))


def test_one_way_messages_have_no_errors(bureau):
    refused("bad-destination", bureau.call, "send", messages=[post("nowhere")])  # Python's client hears it all the same
    # A client that knows what one-way means.
    shake = bureau.responder.hash + b"\0" + bureau.responder.hash + b"\0"
    assert bureau.respond(shake + b"\0" + b"\x08send" + b"\x02\x0enowhere\0\0\0\0\0") == bytes(6)
    assert bureau.stats["errors_bad-destination"] == 2


# Topics


def test_a_poll_goes_on_from_its_cursor(bureau):
    bureau.publish("/topic/a", "one", "two", "three")
    page = bureau.call("poll", destination="/topic/*", max=2, **{"from": "earliest"})
    assert [message["body"] for message in page["messages"]] == [b"one", b"two"]
    assert (page["cursor"], page["recovered"]) == ("node.e.2", True)
    page = bureau.call("poll", destination="/topic/*", cursor=page["cursor"])
    assert [message["id"] for message in page["messages"]] == ["node.e.3"]
    assert bureau.call("poll", destination="/topic/*", cursor=page["cursor"]) == {
        "messages": [], "cursor": "node.e.3", "recovered": True,
    }  # fmt: skip
    assert not bureau.waited


def test_messages_have_their_type_and_headers(bureau):
    bureau.publish("/topic/a", b"\xff\0", headers={"content-type": "image/png", "k": "ü"})
    bureau.publish("/topic/a", b"")
    first, second = bureau.call("poll", destination="/topic/a", **{"from": "earliest"})["messages"]
    assert first == {
        "id": "node.e.1", "destination": "/topic/a", "body": b"\xff\0", "contentType": "image/png",
        "headers": {"k": "ü"},
    }  # fmt: skip
    assert (second["body"], second["contentType"], second["headers"]) == (b"", "", {})


def test_a_page_ends_when_it_has_so_many_octets(bureau):
    bureau.publish("/topic/a", *["x" * 600] * 5)
    page = bureau.call("poll", destination="/topic/a", maxBytes=1000, **{"from": "earliest"})
    assert 1 <= len(page["messages"]) <= 2


def test_a_poll_waits_for_the_next_message(bureau):
    bureau.while_waiting = lambda: bureau.publish("/topic/a", "new")
    page = bureau.call("poll", destination="/topic/a", wait=3)
    assert [message["body"] for message in page["messages"]] == [b"new"]
    assert (page["cursor"], page["recovered"]) == ("node.e.1", True)
    bureau.while_waiting = lambda: None
    assert bureau.call("poll", destination="/topic/a", wait=1e9)["messages"] == []
    assert bureau.call("poll", destination="/topic/a", wait=float("nan"))["messages"] == []
    assert bureau.call("poll", destination="/topic/a", wait=-1)["messages"] == []
    assert bureau.waited == [3, 1e9]


def test_a_poll_with_a_cursor_of_long_ago_says_at_once_that_something_is_missing(bureau):
    page = bureau.call("poll", destination="/topic/a", cursor="node.other.5", wait=3)
    assert (page["messages"], page["recovered"]) == ([], False)
    assert not bureau.waited


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("bad-destination", {"destination": "/queue/a"}),
        ("bad-pattern", {"destination": "/topic/a..b"}),
        ("bad-field", {"destination": "/topic/a", "from": "tomorrow"}),
        ("bad-field", {"destination": "/topic/a", "max": 0}),
        ("bad-field", {"destination": "/topic/a", "max": MAX_MESSAGES + 1}),
        ("bad-field", {"destination": "/topic/a", "maxBytes": 0}),
    ],
)
def test_a_poll_that_is_wrong(bureau, code, parameters):
    assert set(refused(code, bureau.call, "poll", **parameters)) == {"code", "title", "detail", "retry"}
    assert bureau.stats[f"errors_{code}"] == 1


# Queues


def test_what_is_consumed_is_settled_by_its_token(bureau):
    bureau.call("publish", messages=[post("/queue/a", b"1", contentType="text/plain"), post("/queue/a", b"2")])
    first, second = bureau.call("consume", destination="/queue/a", max=5)
    assert (first["body"], first["contentType"], first["deliveries"]) == (b"1", "text/plain", 1)
    found = bureau.call("settle", ack=[first["token"], "none"], nack=[second["token"]])
    assert (found["settled"], [each["code"] for each in found["failed"]]) == (2, ["unknown-delivery"])
    [again] = bureau.call("consume", destination="/queue/a", max=5)
    assert (again["body"], again["deliveries"]) == (b"2", 2)
    assert bureau.call("settle", nack=[again["token"]], requeue=False)["settled"] == 1
    assert bureau.call("consume", destination="/queue/a") == []
    refused("bad-field", bureau.call, "settle", ack=["x"] * (MAX_TOKENS + 1))


def test_consuming_waits_for_the_first_message(bureau):
    bureau.while_waiting = lambda: bureau.publish("/queue/a", "new", "newer")
    [delivery] = bureau.call("consume", destination="/queue/a", wait=2)
    assert (delivery["body"], bureau.waited) == (b"new", [2])
    assert bureau.bodies("/queue/a") == ["newer"]


def test_a_queue_that_is_deleted_meanwhile_is_an_error(bureau):
    bureau.while_waiting = lambda: bureau.registry.delete("/queue/a")
    assert refused("queue-deleted", bureau.call, "consume", destination="/queue/a", wait=2)["retry"] is True
    assert bureau.stats["errors_queue-deleted"] == 1


def test_tokens_are_of_no_use_to_others(bureau):
    bureau.publish("/queue/a", "secret")
    bureau.only("ann", consume=("/queue/#",))
    [delivery] = bureau.call("consume", destination="/queue/a")
    bureau.only("bob", consume=("/queue/#",))
    assert bureau.call("settle", ack=[delivery["token"]])["settled"] == 0
    bureau.only("ann")
    assert bureau.call("settle", ack=[delivery["token"]])["settled"] == 1


def test_a_queue_is_declared_and_inspected(bureau):
    queue = bureau.call("declare", destination="/queue/a", properties={"max-length": "7", "auto-delete": "false"})
    assert (queue["properties"]["max-length"], queue["properties"]["auto-delete"]) == ("7", "false")
    assert bureau.call("declare", destination="/queue/a", properties=queue["properties"]) == queue
    bureau.call("publish", messages=[post("/queue/a", b"123")])
    queue = bureau.call("inspect", destination="/queue/a")
    assert (queue["messages"], queue["bytes"], queue["published"], queue["paused"]) == (1, 3, 1, False)
    refused("conflict", bureau.call, "declare", destination="/queue/a", properties={"max-length": "8"})
    refused("bad-operation", bureau.call, "declare", destination="/queue/a", properties={"colour": "red"})
    refused("bad-destination", bureau.call, "declare", destination="/topic/a", properties={"destination": "/queue/b"})
    refused("not-found", bureau.call, "inspect", destination="/queue/none")
    refused("bad-destination", bureau.call, "inspect", destination="/exchange/amq.topic")


def test_what_the_desk_does_is_asked_for_in_json(bureau):
    bureau.publish("/queue/a", "x", "y")
    found = json.loads(bureau.call("manage", operation="list", request='{"match": "a"}'))
    assert found["queues"] == [{"destination": "/queue/a", "messages": 2}]
    assert json.loads(bureau.call("manage", operation="purge", request='{"destination": "/queue/a"}')) == {
        "messages": 2
    }
    assert "exchanges" in json.loads(bureau.call("manage", operation="list"))
    refused("bad-operation", bureau.call, "manage", operation="explode")
    refused("bad-operation", bureau.call, "manage", operation="list", request="[1]")
    refused("bad-operation", bureau.call, "manage", operation="list", request="{")


# Rights


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("publish", {"messages": [post("/topic/b")]}),
        ("send", {"messages": [post("/topic/b")]}),
        ("poll", {"destination": "/topic/#"}),
        ("consume", {"destination": "/queue/b"}),
        ("declare", {"destination": "/queue/b"}),
        ("inspect", {"destination": "/queue/b"}),
        ("manage", {"operation": "stats"}),
    ],
)
def test_everything_is_forbidden_that_is_not_allowed(bureau, name, parameters):
    bureau.only("ann", publish=("/topic/a",), subscribe=("/topic/a",), consume=("/queue/a",), manage=("/queue/a",))
    refused("forbidden", bureau.call, name, **parameters)
    assert not bureau.registry.queues


# Clients of other versions

OLD = {
    "protocol": "QMQ",
    "namespace": "qmq",
    "types": [
        {"type": "record", "name": "Posting", "fields": [
            {"name": "body", "type": "string"}, {"name": "destination", "type": "string"},
        ]},
        {"type": "record", "name": "Message", "fields": [
            {"name": "body", "type": "bytes"}, {"name": "note", "type": "string", "default": "none"},
        ]},
        {"type": "record", "name": "Page", "fields": [
            {"name": "messages", "type": {"type": "array", "items": "Message"}},
        ]},
    ],
    "messages": {
        "publish": {
            "request": [{"name": "messages", "type": {"type": "array", "items": "Posting"}}],
            "response": {"type": "array", "items": "string"},
        },
        "poll": {
            "request": [{"name": "destination", "type": "string"}, {"name": "from", "type": "string"}],
            "response": "Page",
        },
        "recall": {"request": [], "response": "null"},
    },
}  # fmt: skip


def test_a_client_declares_only_what_it_needs(bureau):
    call = bureau.caller(json.dumps(OLD))
    assert call("publish", messages=[{"destination": "/topic/a", "body": "dö"}]) == ["node.e.1"]
    page = call("poll", destination="/topic/a", **{"from": "earliest"})
    assert page == {"messages": [{"body": "dö".encode(), "note": "none"}]}
    error = refused("bad-destination", call, "publish", messages=[{"destination": "nowhere", "body": ""}])
    assert error.startswith("bad-destination: ")  # it declares no other error than text


def test_a_newer_client_sends_more_than_is_known(bureau):
    newer = json.loads(avro.protocol())
    posting = next(each for each in newer["types"] if each["name"] == "Posting")
    posting["fields"].insert(1, {"name": "delay", "type": ["null", "long"], "default": None})
    posting["fields"].append({"name": "tags", "type": {"type": "map", "values": "int"}})
    newer["messages"]["poll"]["request"][3]["type"] = "int"
    newer["messages"]["recall"] = {"request": [], "response": "null", "errors": ["QmqError"]}
    call = bureau.caller(json.dumps(newer))
    assert call("publish", messages=[post(delay=7, tags={"a": 1}), post(tags={})]) == ["node.e.1", "node.e.2"]
    assert refused("bad-field", call, "poll", destination="/topic/a", max=0)["retry"] is False
