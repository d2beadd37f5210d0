"""Must hold: whatever protocol a client declares, its parameters are read as ours, or there is one error, and soon.

An input is the type of a parameter in JSON, a NUL, and the octets of the parameters. The type
stands once in place of one of ours, and once beside it, where it is to be skipped.
"""

import json
import time
from hashlib import md5

from qmq.wire.avro_calls import Responder
from tests.avro_octets import number, text
from tests.fuzz.fuzz_avro import read
from tests.gateway.avro_peer import call

RECORD = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": ["null", "R"]}]}
INNER = {"type": "record", "name": "S", "fields": [{"name": "a", "type": {"type": "map", "values": "double"}}]}
SEEDS = [
    json.dumps(kind).encode() + b"\0" + octets
    for kind, octets in (
        ("string", text("/queue/a") * 2),
        ("bytes", text("/queue/a") * 2),
        ("null", b""),
        ("int", b"\2\2"),
        ("float", bytes(8)),
        ("double", bytes(16)),
        ("boolean", b"\1\1"),
        (["null", "string"], b"\2" + text("x") + b"\0"),
        ({"type": "array", "items": "long"}, b"\4\2\2\0"),
        ({"type": "array", "items": "null"}, number(1 << 60) * 2),
        ({"type": "array", "items": "boolean"}, number(1 << 60) * 2),
        ({"type": "map", "values": "string"}, b"\1\x06\2a\2b\0\0"),
        ({"type": "fixed", "name": "F", "size": 3}, b"abcdef"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, b"\2\0"),
        (RECORD, b"\2\2\2\0\2\0"),
        (INNER, b"\2\2a" + bytes(8) + b"\0\0"),
        ({"type": "string", "logicalType": "uuid"}, text("x")),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "array", "items": ["null", "int"]}}},
            b"\2\2\2\2\2\0\0\0" * 2,
        ),
    )
]
TOKENS = [
    b'"string"',
    b'"null"',
    b'"float"',
    b'"fixed"',
    b'"record"',
    b'"array"',
    b'"map"',
    b'"enum"',
    b'"R"',
    b'{"type":',
    b'"items":',
    b'"name":',
    b'"size":',
    b'"fields":',
    b'"symbols":',
    b'"values":',
    b'"namespace":',
    b'"__fastavro_parsed__":true',
    b"[",
    b"]",
    b"}",
    b",",
    b'"logicalType":"decimal"',
    b"\0",
    b"\2",
    b"\x80\x80\x80\x80\x10",
    b'"default":',
    b'"aliases":["R"]',
]

OURS = json.dumps(
    {
        "protocol": "O",
        "namespace": "o",
        "types": [],
        "messages": {"ask": {"request": [{"name": "x", "type": "string", "default": ""}], "response": "null"}},
    }
)
SECONDS = 5.0  # far more than any input of these takes, and far less than one that does not end

_RESPONDER = Responder(OURS)


def check(data):
    kind, _, octets = data.partition(b"\0")
    begin = time.process_time()
    for parameters in ('{"name":"x","type":%s}', '{"name":"y","type":%s},{"name":"x","type":"string"}'):
        declared = '{"protocol":"P","messages":{"ask":{"response":"null","request":[%s]}}}' % (
            parameters % kind.decode("utf-8", "replace")
        )
        client = md5(declared.encode()).digest()
        read(_RESPONDER, call("ask", octets, client=client, declares=declared))
    assert time.process_time() - begin < SECONDS
