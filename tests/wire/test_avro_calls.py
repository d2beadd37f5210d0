"""Calls against the vectors, against hostile octets and protocols, and against anything at all."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from io import BytesIO
from pathlib import Path

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.wire import avro_calls
from qmq.wire.avro_calls import Responder
from tests.avro_octets import number

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "avro.json").read_text("utf-8"))
OWN = VECTORS["own"]
MEBI = 1 << 20


def octets(text):
    return text.encode("latin-1")


def plain(value):
    """Parameters as the vectors have them."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value.decode("latin-1") if isinstance(value, bytes) else value


def test_the_vectors():
    responder = Responder(OWN)
    for case in VECTORS["calls"]:
        if case.get("refused"):
            with pytest.raises(QmqError) as refused:
                responder.read(octets(case["request"]))
            assert refused.value.code.name == "bad-avro", case["name"]
            continue
        call = responder.read(octets(case["request"]))
        assert (call.error and call.error.code.name) == case.get("error"), case["name"]
        assert call.message == case["message"], case["name"]
        if call.error is None:
            assert plain(call.parameters) == case.get("parameters", {}), case["name"]
        error = call.error or (QmqError(case["fails"], "why") if "fails" in case else None)
        response = call.refuse(error) if error else call.answer("done" if call.message == "post" else None)
        if "response" in case:
            assert response == octets(case["response"]), case["name"]


def test_our_own_hash_is_the_md5_of_the_text():
    assert Responder(OWN).hash == md5(OWN.encode()).digest()


# Hostile clients

TO = {"name": "to", "type": "string"}
POST = {"name": "letter", "type": {"type": "record", "name": "Letter", "fields": [TO]}}
ADA = b"\x06ada"


def protocol(*parameters, types=()):
    message = {"request": list(parameters), "response": "string"}
    return json.dumps({"protocol": "Mail", "types": list(types), "messages": {"post": message}})


def request(text, parameters, message="post"):
    """A request of a client with this protocol."""
    out = BytesIO()
    shake = {"clientHash": md5(text.encode()).digest(), "clientProtocol": text, "serverHash": bytes(16)}
    fastavro.schemaless_writer(out, avro_calls.HANDSHAKE_REQUEST, shake)
    return out.getvalue() + b"\0" + number(len(message)) + message.encode() + parameters


def code(call):
    return call.error and call.error.code.name


def array(items):
    return {"name": "more", "type": {"type": "array", "items": items}}


@pytest.mark.parametrize(
    ("more", "data"),
    [
        (array("int"), number(1 << 60) + bytes(100)),
        (array("float"), number(1 << 60) + bytes(100)),
        (array("double"), number(1 << 60) + bytes(100)),
        (array("boolean"), number(1 << 60) + bytes(100)),
        (array({"type": "fixed", "name": "F", "size": 4}), number(1 << 60) + bytes(100)),
        (array({"type": "enum", "name": "E", "symbols": ["A"]}), number(1 << 60) + bytes(100)),
        (array(["null", "int"]), number(1 << 60) + bytes(100)),
        (array(["null", "int"]), b"\x02\x08"),
        (array("int"), number(-(1 << 63)) + b"\x02" + bytes(2)),
        (array("int"), number(-1) + number(1 << 62) + bytes(9)),
        (array("int"), number(-1) + number(-9) + bytes(9)),
        (array("int"), b"\x01\x00" * (MEBI // 2)),
        ({"name": "more", "type": {"type": "map", "values": "int"}}, number(1 << 60) + bytes(100)),
        ({"name": "more", "type": "string"}, number(1 << 50) + b"x"),
        ({"name": "more", "type": "string"}, number(-5) + b"x"),
        ({"name": "more", "type": "bytes"}, number(1 << 31) + b"x"),
        ({"name": "more", "type": "long"}, b"\xff" * MEBI),
        ({"name": "more", "type": "double"}, b"1234567"),
    ],
)
def test_a_decoder_ends_with_the_octets(more, data):
    """In what is skipped as in what is read, whatever lengths and counts say."""
    begin = time.process_time()
    responder = Responder(OWN)
    assert code(responder.read(request(protocol(more, POST), data))) == "bad-avro"
    assert code(responder.read(request(protocol({**more, "name": "letter"}), data))) in ("bad-avro", "bad-protocol")
    assert time.process_time() - begin < 2


def nested(depth, inner="int"):
    for level in range(depth):
        inner = {"type": "record", "name": f"R{level}", "fields": [{"name": "a", "type": inner}]}
    return inner


@pytest.mark.parametrize(
    ("more", "types", "why"),
    [
        (array("null"), (), "null stands outside of a union"),
        (array({"type": "record", "name": "R", "fields": []}), (), "a record has no fields"),
        (array({"type": "fixed", "name": "F", "size": 0}), (), "a fixed type has no octets"),
        (array(nested(8)), (), "values are nested more than 8 times"),
        (array("L"), ({"type": "record", "name": "L", "fields": [{"name": "n", "type": ["null", "L"]}]},), "itself"),
    ],
)
def test_types_whose_values_cost_nothing_or_never_end_are_not_read(more, types, why):
    data = number(1 << 60) + b"\x02" * MEBI
    call = Responder(OWN).read(request(protocol(more, POST, types=types), data))
    assert code(call) == "bad-protocol"
    assert why in call.error.detail


def test_a_type_of_types_of_types_is_no_bomb():
    """Each has eight of the one before: 8^5 values in the end, which all must be there."""
    types = [{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "int"}]}]
    for depth in range(1, 6):
        fields = [{"name": name, "type": f"R{depth - 1}"} for name in "abcdefgh"]
        types.append({"type": "record", "name": f"R{depth}", "fields": fields})
    text = protocol({"name": "more", "type": "R5"}, POST, types=types)
    assert code(Responder(OWN).read(request(text, bytes(1000)))) == "bad-avro"
    assert code(Responder(OWN).read(request(text, bytes(8**5) + ADA))) is None


def test_what_fastavro_marks_its_own_schemas_with_means_nothing():
    marks = {"__fastavro_parsed": True, "__named_schemas": {}, "logicalType": "decimal", "precision": 0}
    letter = {"type": {**POST["type"], **marks, "fields": [{**TO, "type": {"type": "string", **marks}}]}}
    call = Responder(OWN).read(request(protocol({"name": "letter", **letter}), ADA))
    assert code(call) is None
    assert call.parameters["letter"]["to"] == "ada"


# Other versions


def version(*fields, **message):
    letter = {"type": "record", "name": "Letter", "fields": list(fields)}
    declared = {"request": [{"name": "letter", "type": letter}], "response": "string", **message}
    return json.dumps({"protocol": "Mail", "namespace": "post", "messages": {"post": declared}})


WEIGHT = {"name": "weight", "type": "double"}


@pytest.mark.parametrize(
    ("fields", "data", "expected"),
    [
        ([TO, {**WEIGHT, "type": "int"}], ADA + number(3), {"to": "ada", "weight": 3.0}),
        ([TO, {**WEIGHT, "type": "long"}], ADA + number(1 << 40), {"to": "ada", "weight": float(1 << 40)}),
        ([TO, {**WEIGHT, "type": "float"}], ADA + b"\0\0\0\x3f", {"to": "ada", "weight": 0.5}),
        ([{**TO, "type": "bytes"}], ADA, {"to": "ada"}),
        ([{**TO, "type": ["null", "string"]}], b"\x02" + ADA, {"to": "ada"}),
        ([{**TO, "type": {"type": "string"}}], ADA, {"to": "ada"}),
        ([{"name": "body", "type": "string"}, TO], ADA + ADA, {"to": "ada", "body": b"ada"}),
    ],
)
def test_a_client_of_another_version(fields, data, expected):
    call = Responder(OWN).read(request(version(*fields), data))
    assert code(call) is None
    assert call.parameters["letter"] == {"weight": 0.5, "body": b"", **expected}


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ([WEIGHT], bytes(8)),
        ([{**TO, "type": "int"}], b"\0"),
        ([{**TO, "type": ["null", "string"]}], b"\0"),
        ([{**TO, "type": {"type": "array", "items": "string"}}], b"\0"),
        ([TO, {**WEIGHT, "type": "string"}], ADA + ADA),
    ],
)
def test_what_does_not_fit_is_a_clear_error(fields, data):
    text = version(*fields, errors=[{"type": "error", "name": "QmqError", "fields": [TO]}])
    call = Responder(OWN).read(request(text, data))
    assert code(call) == "bad-protocol"
    assert b"\x01\x02\x18bad-protocol" in call.refuse(call.error)


def test_a_client_that_wants_no_answer_gets_none():
    text = json.loads(OWN)
    text["messages"]["post"] = {**text["messages"]["drop"]}
    call = Responder(OWN).read(request(json.dumps(text), ADA + bytes(9)))
    assert (call.message, code(call)) == ("post", None)
    nothing = Responder(OWN).read(request(json.dumps(text), b"", message="")).answer()
    assert call.answer("done") == call.refuse(QmqError("closed")) == nothing


def test_a_client_that_wants_an_answer_to_a_one_way_message_gets_one():
    """The reference implementation for Python knows no one-way messages."""
    text = json.loads(OWN)
    del text["messages"]["drop"]["one-way"]
    call = Responder(OWN).read(request(json.dumps(text), ADA + bytes(9), message="drop"))
    nothing = Responder(OWN).read(request(json.dumps(text), b"", message="")).answer()
    assert call.answer() == nothing
    assert b"closed: The client was closed" in call.refuse(QmqError("closed"))


# Protocols that are remembered


def test_so_many_protocols_are_remembered_and_the_oldest_are_forgotten():
    responder = Responder(OWN)
    filler = "x" * 60_000
    texts = [version(TO, {"name": f"n{each}", "type": "int", "doc": filler}) for each in range(30)]
    for text in texts:
        assert code(responder.read(request(text, ADA + b"\0"))) is None
        assert responder.read(known(OWN, b"", "")).answer()[0] == 0  # used all the time, so it stays
    match = [responder.read(known(text, ADA + b"\0")).answer("done")[0] for text in texts]
    assert match[0] == 4  # NONE
    assert match[-10:] == [0] * 10
    assert 10 <= match.count(0) <= 17


def test_threads_share_what_is_remembered():
    """More than there is room for, from several threads: each call is read right, or its protocol is asked for."""
    responder = Responder(OWN)
    texts = [version(TO, {"name": f"n{each}", "type": "int", "doc": "x" * 60_000}) for each in range(20)]

    def ask(first):
        matches = set()
        for step in range(60):
            text = texts[(first + step) % len(texts)]
            call = responder.read(known(text, ADA + b"\0"))
            matches.add(call.answer("done")[0])
            if not call.message:
                call = responder.read(request(text, ADA + b"\0"))
            assert (code(call), call.parameters["letter"]["to"]) == (None, "ada")
        return matches

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(ask, (0, 1, 2, 10))) <= {0, 4}
    assert sum(kept.octets for kept in responder._known._kept.values()) <= 1 << 20


def known(text, parameters, message="post"):
    """A request of a client that thinks that both sides know each other."""
    hashes = md5(text.encode()).digest() + b"\0" + md5(OWN.encode()).digest() + b"\0"
    return hashes + b"\0" + number(len(message)) + message.encode() + parameters


# Anything at all

FIRST = known(OWN, b"\x06ada" + bytes(8) + b"\x04hi")


@given(st.binary(max_size=300))
def test_any_octets_are_a_call_or_an_error(data):
    try:
        call = Responder(OWN).read(data)
    except QmqError as error:
        assert error.code.name == "bad-avro"
    else:
        assert call.error is None or call.error.code.name in ("bad-avro", "bad-protocol")


@settings(max_examples=300)
@given(st.data())
def test_a_request_with_something_changed_is_a_call_or_an_error(data):
    request = bytearray(data.draw(st.sampled_from([octets(case["request"]) for case in VECTORS["calls"]])))
    for _ in range(data.draw(st.integers(1, 4))):
        if request:
            request[data.draw(st.integers(0, len(request) - 1))] = data.draw(st.integers(0, 255))
    try:
        call = Responder(OWN).read(bytes(request[: data.draw(st.integers(0, len(request)))]))
    except QmqError as error:
        assert error.code.name == "bad-avro"
    else:
        assert call.error is None or call.error.code.name in ("bad-avro", "bad-protocol")


def test_a_request_cut_off_anywhere_is_an_error():
    responder = Responder(OWN)
    assert code(responder.read(FIRST)) is None
    shake = len(known(OWN, b"")) - 6
    for size in range(len(FIRST)):
        if size < shake:
            with pytest.raises(QmqError):
                responder.read(FIRST[:size])
        elif size > shake:
            assert code(responder.read(FIRST[:size])) == "bad-avro", size
