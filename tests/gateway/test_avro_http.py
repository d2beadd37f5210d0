"""`/avro` over HTTP: what is answered how, waiting, and bad input that harms nobody else."""

import asyncio
import contextlib
import gzip
import hashlib
import json
import sys
import time
from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmq.wire import avro
from tests.avro_client import Client, OverHttp
from tests.avro_octets import number, text
from tests.gateway.avro_peer import (
    BOTH,
    CLIENT,
    DECLARED,
    HASH,
    NONE,
    OWN,
    UNDECLARED,
    AvroPeer,
    call,
    poll,
    posting,
    publish,
    shake,
)
from tests.helpers import until

PAGE = "https://page.example"


@pytest.fixture
def join_avro():
    """Opens connections: `peer = await join_avro(node)`."""
    opened = []

    async def join_avro(node):
        opened.append(await AvroPeer.open(node.listen[0]["port"]))
        return opened[-1]

    yield join_avro
    for each in opened:
        each.close()


@pytest.fixture
def calling(start_node, join_avro):
    """A node and a connection to it: `node, peer = await calling()`."""

    async def calling(values=None):
        node = await start_node(values)
        return node, await join_avro(node)

    return calling


# The protocol


@pytest.mark.gen_test(timeout=20)
async def test_the_protocol_is_there_to_be_read(calling):
    _, peer = await calling()
    peer.ask("/avro", method="GET")
    status, headers, body = await peer.answer()
    assert (status, headers["content-type"], body.decode()) == (200, "application/json", OWN)
    assert headers["etag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert json.loads(body)["protocol"] == "QMQ"
    peer.ask("/avro", method="GET", If_None_Match=headers["etag"])
    status, again = await peer.head()
    assert (status, again["etag"]) == (304, headers["etag"])
    peer.ask("/avro", method="HEAD")
    status, headers = await peer.head()
    assert (status, int(headers["content-length"])) == (200, len(body))


@pytest.mark.gen_test(timeout=20)
async def test_its_md5_is_the_hash_by_which_clients_name_it(start_node):
    node = await start_node()
    port = node.listen[0]["port"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /avro HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head = (await reader.read()).partition(b"\r\n\r\n")[0]
    (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-md5:")]
    assert b64decode(line.partition(b":")[2]) == HASH
    writer.close()


# Requests that are calls


@pytest.mark.gen_test(timeout=20)
async def test_calls_follow_each_other_on_a_connection(calling):
    node, peer = await calling()
    for number_ in range(1, 4):
        match, rest = await peer.respond(publish(posting("/topic/a")))
        identity = f"{node.hub.origin.id_of(number_)}"
        assert (match, rest) == (BOTH, b"\0\0" + number(1) + text(identity) + b"\0")
    match, rest = await peer.respond(publish(posting("nowhere")))
    assert (match, rest[:3]) == (BOTH, DECLARED)
    assert text("bad-destination") in rest
    match, rest = await peer.respond(call("explode"))
    assert (match, rest[:3]) == (BOTH, UNDECLARED)
    assert node.stats["errors_bad-destination"] == node.stats["errors_bad-protocol"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_buffers_may_be_cut_anywhere(calling):
    node, peer = await calling()
    message = publish(posting("/topic/a"))
    buffers = b"".join(len(each).to_bytes(4) + each for each in (message[:1], message[1:40], message[40:])) + bytes(4)
    for size in (1, 7):
        peer.writer.write(b"POST /avro HTTP/1.1\r\nHost: x\r\nContent-Type: avro/binary\r\n")
        peer.writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(buffers), size):
            piece = buffers[at : at + size]
            peer.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        peer.writer.write(b"0\r\n\r\n")
        assert (await peer.hear())[0] == BOTH
    assert node.hub.offset == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_call_may_be_packed(calling):
    node, peer = await calling()
    peer.ask("/avro", gzip.compress(GOOD), Content_Type="avro/binary", Content_Encoding="gzip")
    assert (await peer.hear())[0] == BOTH
    assert node.hub.offset == 1


@pytest.mark.gen_test(timeout=20)
async def test_the_largest_body_of_a_message_passes(calling):
    _, peer = await calling({"limits.body": 100_000})
    match, rest = await peer.respond(publish(posting("/topic/a", bytes(100_000))))
    assert (match, rest[:2]) == (BOTH, b"\0\0")
    match, rest = await peer.respond(publish(posting("/topic/a", bytes(100_001))))
    assert (match, rest[:3]) == (BOTH, DECLARED)
    assert text("body-too-large") in rest


# Waiting


def waiting_on(node):
    """How many calls wait, on all loops."""
    return sum(branch.gateway.operations.waiting for branch in node.branches)


@pytest.mark.gen_test(timeout=20)
async def test_a_poll_waits_and_holds_up_nobody(calling, join_avro):
    node, waiting = await calling()
    other = await join_avro(node)
    waiting.tell(poll("/topic/a", wait=10))
    await until(lambda: waiting_on(node) == 1)
    assert (await other.respond(publish(posting("/topic/a", b"news"))))[0] == BOTH
    match, rest = await waiting.hear()
    assert match == BOTH
    assert text("news") in rest
    assert waiting_on(node) == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_poll_waits_no_longer_than_asked_and_than_the_server_holds(calling):
    node, peer = await calling({"limits.poll_hold_seconds": 0.2})
    for wait in (0.05, 1e6):
        begin = time.monotonic()
        match, rest = await peer.respond(poll("/topic/a", wait=wait))
        assert (match, rest) == (BOTH, b"\0\0" + b"\0" + text(node.hub.cursor) + b"\1")
        assert min(wait, 0.2) <= time.monotonic() - begin < 5


@pytest.mark.gen_test(timeout=20)
async def test_who_goes_while_waiting_has_consumed_nothing(calling, join_avro):
    node, leaving = await calling()
    leaving.tell(call("consume", text("/queue/a") + number(1) + number(1000) + bytes(6) + b"\x34\x40"))  # 20 seconds
    await until(lambda: node.registry.queues.get("/queue/a") and node.registry.queues["/queue/a"].consumers)
    leaving.close()
    await until(lambda: not node.registry.queues["/queue/a"].consumers)
    node.publish("/queue/a", "still there")
    peer = await join_avro(node)
    _, rest = await peer.respond(call("consume", text("/queue/a") + number(1) + number(1000) + bytes(8)))
    assert text("still there") in rest


@pytest.mark.gen_test(timeout=20)
async def test_who_waits_is_answered_when_the_node_stops(calling):
    node, peer = await calling()
    peer.tell(poll("/topic/a", wait=20))
    await until(lambda: waiting_on(node) == 1)
    stopping = asyncio.create_task(node.stop())
    match, rest = await peer.hear()
    assert (match, rest[:3]) == (BOTH, b"\0\0\0")
    await stopping


@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_stops_takes_no_more_calls(calling):
    node, peer = await calling()
    for branch in node.branches:
        branch.gateway.ready = False
    peer.tell(publish(posting("/topic/a")))
    assert (await peer.problem())[:2] == (503, "shutting-down")
    assert node.hub.offset == 0


# Requests that are no calls

GOOD = avro.encode(publish(posting("/topic/a")))


@pytest.mark.parametrize(
    ("status", "code", "body", "headers"),
    [
        (415, "unsupported-type", GOOD, {"Content-Type": "application/json"}),
        (415, "unsupported-type", GOOD, {"Content-Type": ""}),
        (415, "unsupported-type", GOOD, {"Content-Encoding": "br"}),
        (400, "bad-avro", b"", {}),
        (400, "bad-avro", b"\0\0\0\0", {}),
        (400, "bad-avro", GOOD[:-4], {}),
        (400, "bad-avro", GOOD[:50], {}),
        (400, "bad-avro", GOOD + GOOD, {}),
        (400, "bad-avro", GOOD + b"x", {}),
        (400, "bad-avro", avro.encode(b"x" * 100), {}),
        (400, "bad-avro", b"\0\0\0\x64" + bytes(10), {}),
        (413, "frame-too-large", b"\x80\0\0\0" + bytes(100), {}),
        (413, "frame-too-large", b'{"destination": "/topic/a"}', {}),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_no_call_is_a_problem(calling, status, code, body, headers):
    node, peer = await calling({"limits.body": 100_000})
    peer.ask("/avro", body, **{"Content-Type": "avro/binary", **headers})
    assert (await peer.problem())[:2] == (status, code)
    assert node.stats[f"errors_{code}"] == 1
    assert (await peer.respond(publish(posting("/topic/a"))))[0] == BOTH  # the connection is as good as before


@pytest.mark.parametrize("length", [200_000, 1 << 31, 10**30])
@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(calling, length):
    node, peer = await calling({"limits.body": 100_000})
    peer.writer.write(b"POST /avro HTTP/1.1\r\nHost: x\r\nContent-Type: avro/binary\r\n")
    peer.writer.write(b"Content-Length: %d\r\n\r\n\x80\0\0\0" % length)
    assert await peer.problem() == (413, "body-too-large", "a request's body has at most 165536 octets")
    assert await peer.reader.read() == b""
    assert node.stats["errors_body-too-large"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_turns_out_to_be_too_large_is_refused_when_it_has_come(calling):
    _, peer = await calling({"limits.body": 100_000})
    peer.ask("/avro", gzip.compress(bytes(10_000_000)), Content_Type="avro/binary", Content_Encoding="gzip")
    assert (await peer.problem())[:2] == (413, "body-too-large")
    assert (await peer.respond(publish(posting("/topic/a"))))[0] == BOTH


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.gen_test(timeout=20)
async def test_other_methods_are_refused_with_those_that_are_not(calling, method):
    _, peer = await calling()
    peer.ask("/avro", b"", method=method)
    status, headers, body = await peer.answer()
    assert (status, json.loads(body)["code"]) == (405, "bad-method")
    assert headers["allow"] == "get, head, post, options"


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_foreign_origins_get_nothing(calling):
    node, peer = await calling({"allowed_origins": (PAGE,)})
    for method in ("GET", "POST", "OPTIONS"):
        peer.ask("/avro", GOOD, method=method, Content_Type="avro/binary", Origin="https://evil.example")
        assert (await peer.problem())[:2] == (403, "bad-origin")
    assert node.hub.offset == 0
    for method, status in (("OPTIONS", 204), ("GET", 200), ("POST", 200)):
        peer.ask("/avro", GOOD, method=method, Content_Type="avro/binary", Origin=PAGE)
        found, headers, _ = await peer.answer()
        assert (found, headers["access-control-allow-origin"]) == (status, PAGE)
    assert node.hub.offset == 1


@pytest.mark.gen_test(timeout=20)
async def test_without_fastavro_calls_are_refused_and_the_rest_works(calling, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastavro", None)
    monkeypatch.delitem(sys.modules, "qmq.wire.avro_calls")
    _, peer = await calling()
    peer.tell(publish(posting("/topic/a")))
    assert (await peer.problem())[:2] == (501, "not-installed")
    peer.ask("/avro", method="GET")
    assert (await peer.answer())[0] == 200


@pytest.mark.gen_test(timeout=20)
async def test_over_tls(tls_node, authority):
    node = await tls_node()
    (port,) = [at["port"] for at in node.listen if at["scheme"] == "https"]

    def talk():
        with contextlib.closing(Client(OverHttp(port, authority.trust()))) as client:
            client("publish", messages=[{"destination": "/topic/a", "body": b"x"}])
            return client("poll", destination="/topic/a", **{"from": "earliest"})["messages"]

    assert [message["body"] for message in await asyncio.to_thread(talk)] == [b"x"]


# Hostile input, while somebody is served


def protocol(*parameters):
    messages = {"inspect": {"request": list(parameters), "response": "null"}}
    return json.dumps({"protocol": "X", "messages": messages})


def array(items):
    return {"name": "a", "type": {"type": "array", "items": items}}


def foreign(declared, parameters, client=None):
    known = client or hashlib.md5(declared.encode()).digest()
    return call("inspect", parameters, client=known, declares=declared)


LOOP = {"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]}
HOSTILE = {
    "a false hash": foreign(protocol(), b"", client=bytes(16)),
    "no protocol": foreign("{", b""),
    "a large protocol": foreign(" " * 70_000, b""),
    "brackets": foreign("[" * 60_000, b""),
    "nothing, very often": foreign(
        protocol({"name": "a", "type": {"type": "array", "items": "null"}}), number(1 << 60)
    ),
    "a list without end": foreign(protocol({"name": "a", "type": LOOP}), b"\2" * 300_000),
    "many zeros": foreign(protocol(array("float")), number(1 << 60)),
    "a long text": call("inspect", number(1 << 40) + b"x"),
    "a number without end": call("inspect", b"\xff" * 300_000),
    "many postings": call("publish", number(1 << 60) + bytes(300_000)),
    "metadata": shake() + number(1 << 60) + bytes(300_000),
    "parameters cut off": call("inspect", b"\x14/queue"),
    "another message": call("explode", bytes(100)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.gen_test(timeout=20)
async def test_hostile_calls_are_errors_at_once_and_disturb_nobody(calling, witness, name):
    node, peer = await calling()
    seen = await witness(node)
    begin = time.monotonic()
    match, rest = await peer.respond(HOSTILE[name])
    assert time.monotonic() - begin < 3
    assert match in (BOTH, CLIENT)
    assert b"bad-avro" in rest or b"bad-protocol" in rest
    assert await seen.well() < 3
    assert (await peer.respond(publish(posting("/topic/a"))))[0] == BOTH


@pytest.mark.gen_test(timeout=60)
async def test_anything_at_all_is_answered(calling, witness):
    """Random octets, and good calls of which some octets are others, one after the other on one connection."""
    node, peer = await calling()
    seen = await witness(node)
    bodies = []

    @settings(max_examples=150, database=None)
    @given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4))
    def collect(noise, changes):
        good = bytearray(GOOD)
        for at, octet in changes:
            good[at] = octet
        bodies.extend((noise, bytes(good), avro.encode(noise), avro.encode(shake() + noise)))

    collect()
    for body in bodies:
        peer.ask("/avro", body, Content_Type="avro/binary")
        status, headers, answer = await peer.answer()
        if status == 200:
            assert headers["content-type"] == "avro/binary"
            assert answer[4] in (BOTH, CLIENT, NONE)
        else:
            assert status in (400, 413)
            assert json.loads(answer)["code"] in ("bad-avro", "frame-too-large")
    assert await seen.well() < 3
