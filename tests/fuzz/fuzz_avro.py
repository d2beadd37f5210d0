"""Must hold: what comes to /avro is messages, however it is cut, or one error; and a message is a call or one error.

What a call says is of the types that our protocol declares, whatever the client's declares, and
its response begins with the handshake that it must begin with.
"""

import json
from io import BytesIO

from fastavro import schemaless_writer

from qmq.errors import QmqError
from qmq.session.avro import protocol
from qmq.wire import avro
from qmq.wire.avro_calls import Responder
from tests.avro_octets import number, text
from tests.fuzz.harness import pieces
from tests.gateway.avro_peer import HASH, OWN, call, poll, posting, publish, shake

LARGEST = 2000
OLD = json.dumps(
    {
        "protocol": "Q",
        "messages": {
            "inspect": {
                "request": [
                    {"name": "more", "type": ["null", {"type": "array", "items": "float"}]},
                    {"name": "destination", "type": {"type": "record", "name": "R", "fields": []}},
                ],
                "response": "null",
            }
        },
    }
)
SEEDS = [
    avro.encode(each)
    for each in (
        publish(posting("/topic/a")),
        publish(posting("/queue/a", b"\xff" * 70), posting("nowhere")),
        publish(),
        poll("/topic/#", "node.e.1", wait=1e9),
        call("consume", text("/queue/a") + number(9) + number(-1) + bytes(8)),
        call("settle", b"\2\2a\0\1\4\2b\0\1"),
        call("declare", text("/queue/a") + b"\2" + text("max-length") + text("7") + b"\0"),
        call("manage", text("list") + text("{}")),
        call(""),
        call("explode"),
        shake(),
        shake(bytes(16)),
        call("inspect", text("/queue/a"), server=bytes(16)),
        call("inspect", b"\0" * 9, client=bytes(16), declares=OLD),
        call("send", number(1) + posting("/topic/a") + b"\0"),
    )
]
TOKENS = [
    HASH,
    b"\0\0\0\0",
    b"\0",
    b"\1",
    b"\2",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    text("publish"),
    posting("/queue/b"),
]

_RESPONDER = Responder(protocol())
assert _RESPONDER.text == OWN


def check(data):
    whole, cut = avro.Decoder(LARGEST), avro.Decoder(LARGEST)
    messages = whole.feed(data)
    assert [each for piece in pieces(data) for each in cut.feed(piece)] == messages
    assert (whole.error is None) == (cut.error is None)
    assert all(len(each) <= LARGEST for each in messages)
    for message in [*messages, data]:
        read(_RESPONDER, message)


def read(responder, message):
    """Reads a message as a call; checks what it has become; returns the code of its error, if it is one."""
    try:
        found = responder.read(message)
    except QmqError as error:
        assert error.code.name == "bad-avro"
        return "bad-avro"
    assert found.answer()[0] in (0, 2, 4) if not found.message else True
    refused = found.refuse(found.error or QmqError("internal-error"))
    assert refused[0] in (0, 2, 4)
    if found.error is not None:
        assert found.error.code.name in ("bad-avro", "bad-protocol")
        return found.error.code.name
    if found.message:
        schemaless_writer(BytesIO(), responder._own[found.message].request, found.parameters)
    return ""
