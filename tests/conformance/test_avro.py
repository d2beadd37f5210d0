"""Avro's remote calls over HTTP, sentence by sentence: the table of what the specification demands, on a real node.

Each row is what the specification says ("Protocol Wire Format"), or what its implementations
have made of it, the requests of a client, and the beginning of the last response, octet by
octet. A row without one: there is no call to respond to. That official clients get along is shown in tests/interop.
"""

import contextlib
import json
import struct
from dataclasses import dataclass
from hashlib import md5

import pytest

from qmq.errors import QmqError
from qmq.wire import avro
from tests.avro_octets import number, text
from tests.gateway.avro_peer import HASH, OWN, AvroPeer, call, poll, posting, publish, shake

UNKNOWN = bytes(range(16))
QUEUE = text("/queue/a")

# Handshake responses: the match, then protocol, hash and metadata of the server, or that there are none.
BOTH = b"\0\0\0\0"
SERVER = b"\2" + text(OWN) + b"\2" + HASH + b"\0"
CLIENT, NONE = b"\2" + SERVER, b"\4" + SERVER

# Responses: no metadata, whether it is an error, and which of those that may be.
RESPONSE, TEXT_ERROR, DECLARED_ERROR = b"\0\0", b"\0\1\0", b"\0\1\2"


def own_protocol(**messages):
    """The text of a client's own protocol."""
    return json.dumps({"protocol": "QMQ", "namespace": "qmq", "messages": messages})


def inspecting(kind="string", **more):
    """A protocol with nothing but `inspect`, whose parameter is of this type."""
    request = [{"name": "destination", "type": kind}]
    return own_protocol(inspect={"request": request, "response": "null", **more})


def declaring(protocol, message, parameters):
    return call(message, parameters, client=md5(protocol.encode()).digest(), declares=protocol)


def known(protocol, message, parameters, **handshake):
    return call(message, parameters, client=md5(protocol.encode()).digest(), **handshake)


NOT_FOUND = str(QmqError("not-found", "/queue/a"))

PLAIN = inspecting()
ERRING = inspecting(errors=[{"type": "error", "name": "QmqError", "fields": [{"name": "code", "type": "string"}]}])
POLLING = own_protocol(
    poll={
        "request": [
            {"name": "unknown", "type": {"type": "map", "values": ["null", "double"]}},
            {"name": "maxBytes", "type": "int"},
            {"name": "wait", "type": "float"},
            {"name": "destination", "type": ["null", "bytes"]},
        ],
        "response": "null",
    }
)
EMPTY_PAGE = RESPONSE + b"\0"


@dataclass(frozen=True, slots=True)
class Row:
    """What is demanded, the messages of a client, and how the last response begins; `ends`: that is all of it."""

    rule: str
    messages: tuple[bytes, ...]
    begins: bytes
    ends: bool = False


ROWS = (
    Row("BOTH: the client's hash is known, and the server's is right", (publish(),), BOTH + RESPONSE),
    Row("CLIENT: the server's hash is wrong; its protocol and hash come with the result",
        (call("publish", b"\0", server=UNKNOWN),), CLIENT + RESPONSE),
    Row("NONE: the client's hash is unknown; there is no result", (call("publish", b"\0", client=UNKNOWN),),
        NONE, True),
    Row("NONE: the server's protocol comes along in any case, as references do it",
        (call("publish", b"\0", client=UNKNOWN, server=UNKNOWN),), NONE, True),
    Row("the client repeats its request with the text of its protocol",
        (known(PLAIN, "inspect", QUEUE), declaring(PLAIN, "inspect", QUEUE)),
        BOTH + TEXT_ERROR),
    Row("from then on the hash is enough", (declaring(PLAIN, "inspect", QUEUE), known(PLAIN, "inspect", QUEUE)),
        BOTH + TEXT_ERROR),
    Row("a text is remembered even if the server's hash was wrong",
        (shake(md5(PLAIN.encode()).digest(), UNKNOWN, PLAIN), known(PLAIN, "inspect", QUEUE)), BOTH + TEXT_ERROR),
    Row("a hash is the MD5 of the protocol's text", (call("inspect", QUEUE, client=UNKNOWN, declares=PLAIN),),
        BOTH + TEXT_ERROR),
    Row("what is said under a false hash is not believed later either",
        (call("inspect", QUEUE, client=UNKNOWN, declares=PLAIN), call("inspect", QUEUE, client=UNKNOWN)), NONE, True),
    Row("every request begins with a handshake", (publish(), publish()[36:]), b""),
    Row("a handshake may have metadata",
        (HASH + b"\0" + HASH + b"\2\2" + text("a") + text("b") + b"\0" + publish()[34:],), BOTH + RESPONSE),
    Row("a call may have metadata, in blocks of known size too",
        (shake() + b"\1\x08" + text("a") + text("b") + b"\0" + text("publish") + b"\0",), BOTH + RESPONSE),
    Row("an empty message name is a ping: parameters are ignored, the response is empty",
        (call("", b"\xff\xff\xff"),), BOTH + RESPONSE, True),
    Row("a ping makes a handshake", (call("", client=UNKNOWN),), NONE, True),
    Row("parameters are a record", (call("inspect", QUEUE),), BOTH + DECLARED_ERROR + text("not-found")),
    Row("arrays come in blocks, with and without their size",
        (call("publish", b"\1\x1a" + posting("/topic/a") + b"\2" + posting("/topic/a") + b"\0"),),
        BOTH + RESPONSE + b"\4"),
    Row("an error is marked, and is of the union of text and what is declared",
        (publish(posting("nowhere")),), BOTH + DECLARED_ERROR + text("bad-destination")),
    Row("what is not declared is text: the message is unknown", (call("explode"),), BOTH + TEXT_ERROR),
    Row("what is not declared is text: by the client's protocol",
        (declaring(PLAIN, "inspect", QUEUE),), BOTH + TEXT_ERROR + text(NOT_FOUND)),
    Row("what the client declares, it gets, written as the server's protocol has it",
        (declaring(ERRING, "inspect", QUEUE),), BOTH + DECLARED_ERROR + text("not-found")),
    Row("parameters are resolved: promotions, unions, another order, defaults, and what is unknown is skipped",
        (declaring(POLLING, "poll", b"\1\x06\2k\0\0" + number(9) + struct.pack("<f", 0) + b"\2" + text("/topic/a")),),
        BOTH + EMPTY_PAGE),
    Row("what cannot be resolved is an error: no default", (declaring(own_protocol(inspect={
        "request": [{"name": "queue", "type": "string"}], "response": "null"}), "inspect", QUEUE),), BOTH + TEXT_ERROR),
    Row("what cannot be resolved is an error: no way between the types",
        (declaring(inspecting("int"), "inspect", b"\0"),), BOTH + TEXT_ERROR),
    Row("a one-way message is answered over HTTP with a handshake, and nothing",
        (call("send", number(1) + posting("/topic/a") + b"\0"),), BOTH + RESPONSE, True),
    Row("that also if it fails", (call("send", number(1) + posting("nowhere") + b"\0"),), BOTH + RESPONSE, True),
    Row("long numbers may be written longer than need be", (call("publish", b"\x80\x80\0"),), BOTH + RESPONSE),
    Row("a poll of nothing is an empty page", (poll("/topic/a"),), BOTH + EMPTY_PAGE),
)  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
@pytest.mark.gen_test(timeout=20)
async def test_the_table(start_node, row):
    node = await start_node()
    with contextlib.closing(await AvroPeer.open(node.listen[0]["port"])) as peer:
        for message in row.messages:
            peer.tell(message)
            status, headers, body = await peer.answer()
    if not row.begins:
        assert (status, json.loads(body)["code"]) == (400, "bad-avro")
        return
    assert (status, headers["content-type"]) == (200, "avro/binary")
    (response,) = avro.Decoder(1 << 20).feed(body)
    assert response.startswith(row.begins)
    assert not row.ends or response == row.begins
