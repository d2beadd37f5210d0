"""Protocols as text: what is one, what is none, and anything at all."""

import json
import time

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.wire import avro_protocol
from qmq.wire.avro_protocol import MAX_OCTETS, read, spelled


def declared(request, types=(), **more):
    message = {"request": request, "response": "null"}
    return json.dumps({"protocol": "P", "types": list(types), "messages": {"m": message}, **more})


def parameter(kind):
    return [{"name": "p", "type": kind}]


def form(kind, types=(), **more):
    """The canonical form of a parameter's type."""
    return read(declared(parameter(kind), types, **more))["m"].request.form["fields"][0]["type"]


def test_types_are_reduced_to_what_matters():
    dressed = {"type": "string", "avro.java.string": "String", "logicalType": "uuid"}
    assert form(dressed) == "string"
    assert form({"type": "array", "items": dressed, "default": []}) == {"type": "array", "items": "string"}
    assert form({"type": "map", "values": ["null", "long"]}) == {"type": "map", "values": ["null", "long"]}
    enum = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
    assert form({**enum, "default": "A", "doc": "d", "aliases": ["F"]}) == enum


def test_names_are_full():
    record = {"type": "record", "name": "R", "fields": parameter("int")}
    assert form("R", [record], namespace="a.b")["name"] == "a.b.R"
    assert form("a.b.R", [record], namespace="a.b")["name"] == "a.b.R"
    assert form("R", [record], protocol="a.b.P")["name"] == "a.b.R"
    assert form("c.R", [{**record, "namespace": "c"}], namespace="a.b")["name"] == "c.R"
    assert form("c.R", [{**record, "name": "c.R"}], namespace="a.b")["name"] == "c.R"
    assert form("R", [{**record, "namespace": ""}], namespace="a.b")["name"] == "R"
    inner = {"type": "record", "name": "c.R", "fields": parameter({"type": "fixed", "name": "F", "size": 1})}
    assert form("c.F", [inner])["name"] == "c.F"


def test_a_type_may_be_declared_where_it_is_used_first():
    error = {"type": "error", "name": "x.E", "fields": []}
    messages = {
        "a": {"request": [], "response": {"type": "record", "name": "R", "fields": parameter("int")}},
        "b": {"request": parameter("R"), "response": "null", "errors": [error]},
        "c": {"request": parameter(["null", "R"]), "response": "null", "errors": ["x.E"], "one-way": True},
    }
    found = read(json.dumps({"protocol": "P", "messages": messages}))
    assert found["b"].request.form["fields"][0]["type"] == found["a"].response.form
    assert [(each.errors, each.one_way) for each in found.values()] == [((), False), (("E",), False), (("E",), True)]


def test_a_named_type_is_spelled_out_once():
    record = {"type": "record", "name": "R", "fields": parameter("int")}
    both = [{"name": "a", "type": "R"}, {"name": "b", "type": {"type": "array", "items": "R"}}]
    request = read(declared(both, [record]))["m"].request
    (first, second) = spelled(request.form)["fields"]
    assert (first["type"], second["type"]) == (record, {"type": "array", "items": "R"})
    assert fastavro.parse_schema(spelled(request.form))


@pytest.mark.parametrize(
    ("kind", "trouble"),
    [
        ("null", True),
        (["null"], False),
        (["null", "int"], False),
        (["null", {"type": "array", "items": "null"}], True),
        ({"type": "record", "name": "R", "fields": []}, True),
        ({"type": "record", "name": "R", "fields": parameter("R")}, True),
        ({"type": "record", "name": "R", "fields": parameter(["null", {"type": "array", "items": "R"}])}, True),
        ({"type": "fixed", "name": "F", "size": 0}, True),
        ({"type": "fixed", "name": "F", "size": 1}, False),
    ],
)
def test_what_is_not_read_is_known_and_harms_no_other_message(kind, trouble):
    messages = {
        "bad": {"request": parameter(kind), "response": "null"},
        "good": {"request": parameter("int"), "response": kind if isinstance(kind, list) else "R"},
        "empty": {"request": [], "response": "null"},
    }
    types = [] if isinstance(kind, dict) and kind.get("name") == "R" else [{"type": "fixed", "name": "R", "size": 1}]
    found = read(json.dumps({"protocol": "P", "types": types, "messages": messages}))
    assert bool(found["bad"].request.trouble) == trouble
    assert not found["good"].request.trouble
    assert not found["empty"].request.trouble


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"protocol": 7}',
        '{"protocol": ""}',
        '{"protocol": "P", "namespace": 7}',
        '{"protocol": "P", "types": {}}',
        '{"protocol": "P", "messages": []}',
        '{"protocol": "P", "messages": {"m": 7}}',
        '{"protocol": "P", "messages": {"m": {"request": [], "response": "null", "errors": 7}}}',
        '{"protocol": "P", "messages": {"m": {"request": []}}}',
        '{"protocol": "P", "messages": {"m": {"response": "null"}}}',
        '{"protocol": "P", "messages": {"m": {"request": [7], "response": "null"}}}',
        declared([{"type": "int"}]),
        declared([{"name": 7, "type": "int"}]),
        declared([{"name": "a"}]),
        declared([{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]),
        declared(parameter("nothing")),
        declared(parameter(7)),
        declared(parameter(None)),
        declared(parameter({})),
        declared(parameter({"type": "array"})),
        declared(parameter({"type": "map"})),
        declared(parameter({"type": "record", "name": "R"})),
        declared(parameter({"type": "record", "fields": []})),
        declared(parameter({"type": "record", "name": "R", "namespace": 7, "fields": []})),
        declared(parameter({"type": "enum", "name": "E"})),
        declared(parameter({"type": "enum", "name": "E", "symbols": []})),
        declared(parameter({"type": "enum", "name": "E", "symbols": [7]})),
        declared(parameter({"type": "fixed", "name": "F"})),
        declared(parameter({"type": "fixed", "name": "F", "size": -1})),
        declared(parameter({"type": "fixed", "name": "F", "size": 1e9})),
        declared(parameter({"type": "fixed", "name": "F", "size": True})),
        declared(parameter({"type": "fixed", "name": "F", "size": 1 << 40})),
        declared(parameter("int"), [{"type": "fixed", "name": "F", "size": 1}] * 2),
        declared(parameter(json.loads("[" * 40 + '"int"' + "]" * 40))),
        '{"protocol": ' + "[" * 30_000 + "]" * 30_000 + "}",
        declared(parameter("int"), doc="x" * MAX_OCTETS),
        declared(parameter("int")).replace('"P"', '"' + "ü" * (MAX_OCTETS // 2) + '"'),
    ],
)
def test_what_is_no_protocol_is_refused(text):
    with pytest.raises(QmqError) as refused:
        read(text)
    assert refused.value.code.name == "bad-protocol"
    assert len(refused.value.detail) < 300


def test_the_largest_protocol_takes_no_time():
    fields = [{"name": f"f{number}", "type": "int"} for number in range(1900)]
    text = declared(fields)
    assert 60_000 < len(text) <= MAX_OCTETS
    begin = time.process_time()
    read(text)
    assert time.process_time() - begin < 0.5


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([*avro_protocol.PRIMITIVES, "record", "error", "enum", "fixed", "array", "map", "R", "a.R", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "name", "namespace", "fields", "items", "values", "symbols", "size"]), inner
        )
    ),
)


@given(JSON, JSON, JSON)
def test_any_json_is_a_protocol_or_is_refused(kind, types, message):
    for text in (
        declared(parameter(kind)),
        json.dumps({"protocol": "P", "types": types, "messages": {"m": message}}),
    ):
        try:
            found = read(text)
        except QmqError as error:
            assert error.code.name == "bad-protocol"
        else:
            for each in found.values():
                if not each.request.trouble:
                    fastavro.parse_schema(spelled(each.request.form))
