"""Apache's own Avro client for Python over HTTP, unmodified; with QMQ's protocol, an older and a newer one."""

import asyncio
import contextlib
import json

import avro.ipc
import pytest

from qmq.session.avro import protocol
from tests.avro_client import Client, OverHttp, Refused


@pytest.fixture
def talk():
    """Runs a function in a thread, with `connect` to make clients: `await talk(node, function)`."""

    async def talk(node, function, text=None):
        def run():
            with contextlib.ExitStack() as stack:

                def connect():
                    transport = OverHttp(node.listen[0]["port"])
                    return stack.enter_context(contextlib.closing(Client(transport, text)))

                return function(connect)

        return await asyncio.to_thread(run)

    return talk


def older():
    """The protocol as if it had been smaller: without keys and headers, queues and bounds."""
    text = json.loads(protocol())
    types = {each["name"]: each for each in text["types"]}
    for name, kept in {
        "Posting": ("destination", "body"),
        "Message": ("body", "id"),
        "Page": ("cursor", "messages"),
    }.items():
        types[name]["fields"] = [each for each in types[name]["fields"] if each["name"] in kept]
    text["types"] = [types[name] for name in ("QmqError", "Posting", "Message", "Page")]
    poll = text["messages"]["poll"]
    poll["request"] = [each for each in poll["request"] if each["name"] in ("cursor", "destination", "from")]
    text["messages"] = {name: text["messages"][name] for name in ("publish", "poll")}
    return json.dumps(text)


def newer():
    """The protocol as it may be some day: more fields, in another order, of wider and narrower types."""
    text = json.loads(protocol())
    types = {each["name"]: each for each in text["types"]}
    types["Posting"]["fields"] = [
        {"name": "trace", "type": ["null", {"type": "fixed", "name": "Trace", "size": 16}], "default": None},
        *reversed(types["Posting"]["fields"]),
        {"name": "labels", "type": {"type": "array", "items": "string"}, "default": []},
    ]
    types["Message"]["fields"].append({"name": "size", "type": "long", "default": -1})
    poll = text["messages"]["poll"]["request"]
    poll.append({"name": "fields", "type": {"type": "array", "items": "string"}, "default": []})
    poll[4]["type"] = "int"  # maxBytes
    text["messages"]["undo"] = {"request": [], "response": "null", "errors": ["QmqError"]}
    return json.dumps(text)


def conversation(connect):
    client = connect()
    said = {}
    said["ids"] = client("publish", messages=[{"destination": "/topic/a", "body": b"one"}])
    said["page"] = client("poll", destination="/topic/a", **{"from": "earliest"})
    try:
        client("publish", messages=[{"destination": "nowhere", "body": b""}])
    except Refused as refused:
        said["error"] = refused.error
    said["next"] = connect()("poll", destination="/topic/a", cursor=said["page"]["cursor"], **{"from": "latest"})
    return said


@pytest.mark.gen_test(timeout=30)
async def test_a_whole_conversation(start_node, talk):
    node = await start_node()
    said = await talk(node, conversation)
    assert said["ids"] == [node.hub.origin.id_of(1)]
    assert (said["page"]["messages"][0]["body"], said["next"]["messages"]) == (b"one", [])
    assert said["error"]["code"] == "bad-destination"


@pytest.mark.gen_test(timeout=30)
async def test_queues(start_node, talk):
    node = await start_node()

    def work(connect):
        client = connect()
        client("send", messages=[{"destination": "/queue/jobs", "body": b"1"}, {"destination": "/queue/jobs"}])
        first, second = client("consume", destination="/queue/jobs", max=10, wait=5)
        found = client("settle", ack=[first["token"]], nack=[second["token"]])
        return first["body"], found, client("inspect", destination="/queue/jobs")["messages"]

    assert await talk(node, work) == (b"1", {"settled": 2, "failed": []}, 1)


@pytest.mark.gen_test(timeout=30)
async def test_an_older_client(start_node, talk):
    node = await start_node()
    said = await talk(node, conversation, older())
    assert said["page"] == {"messages": [{"body": b"one", "id": said["ids"][0]}], "cursor": said["ids"][0]}
    assert (said["next"]["messages"], said["error"]["code"]) == ([], "bad-destination")


@pytest.mark.gen_test(timeout=30)
async def test_a_newer_client(start_node, talk):
    node = await start_node()
    said = await talk(node, conversation, newer())
    assert (said["page"]["messages"][0]["body"], said["page"]["messages"][0]["size"]) == (b"one", -1)
    assert (said["next"]["messages"], said["error"]["code"]) == ([], "bad-destination")


@pytest.mark.gen_test(timeout=30)
async def test_a_client_goes_on_after_the_server_was_started_anew(start_node, talk):
    """Then it knows the server's protocol, and the server does not know its own any more."""
    node = await start_node()

    def twice(connect):
        client = connect()
        first = client("publish", messages=[{"destination": "/topic/a"}])
        node.branch._protocol._responder = None
        return first, client("publish", messages=[{"destination": "/topic/a"}])

    assert await talk(node, twice) == ([node.hub.origin.id_of(1)], [node.hub.origin.id_of(2)])


@pytest.mark.gen_test(timeout=30)
async def test_a_protocol_that_does_not_fit_is_a_clear_error(start_node, talk):
    text = json.loads(protocol())
    text["messages"]["inspect"]["request"] = [{"name": "queue", "type": "string"}]
    node = await start_node()

    def ask(connect):
        with pytest.raises(Refused) as refused:
            connect()("inspect", queue="/queue/a")
        return refused.value.error

    error = await talk(node, ask, json.dumps(text))
    assert (error["code"], error["retry"]) == ("bad-protocol", False)
    assert "destination" in error["detail"]


def test_the_client_is_apaches():
    assert issubclass(OverHttp, avro.ipc.HTTPTransceiver)
