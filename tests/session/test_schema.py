"""A part of JSON Schema, as checks: what is wrong is found, and said where it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.errors import QmqError
from qmq.session.schema import compiled, from_text

TEXT = {"type": "string"}
OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 9}, "b": {"type": "array", "items": TEXT}},
    "required": ["a"],
    "additionalProperties": False,
}

RIGHT = [
    ({}, None),
    ({"description": "anything"}, [1, {"x": None}]),
    (TEXT, ""),
    ({"type": "string", "enum": ["x", "y"]}, "y"),
    ({"type": "string", "minLength": 1, "maxLength": 2}, "ab"),
    ({"type": "string", "pattern": "^[a-z]$"}, "q"),
    ({"type": "boolean"}, False),
    ({"type": "integer"}, -(10**30)),
    ({"type": "array"}, [1, "x"]),
    ({"type": "array", "items": TEXT, "minItems": 1, "maxItems": 2}, ["x", "y"]),
    (OBJECT, {"a": 1}),
    (OBJECT, {"a": 9, "b": []}),
    ({"type": "object", "additionalProperties": TEXT}, {"any": "x"}),
    ({"oneOf": [OBJECT, {"type": "array", "items": OBJECT}]}, [{"a": 1}]),
]

WRONG = [
    (TEXT, 1, "here must be text"),
    (TEXT, None, "here must be text"),
    ({"type": "string", "enum": ["x", "y"]}, "z", "here must be one of x, y"),
    ({"type": "string", "minLength": 1}, "", "here must be text that is not empty"),
    ({"type": "string", "maxLength": 2}, "abc", "here must be at most 2 characters long"),
    ({"type": "string", "pattern": "^[a-z]$"}, "1", "here must be text that matches ^[a-z]$"),
    ({"type": "boolean"}, 1, "here must be true or false"),
    ({"type": "integer"}, True, "here must be a whole number"),
    ({"type": "integer"}, 1.0, "here must be a whole number"),
    ({"type": "array", "items": TEXT}, ["x", 1], "here[1] must be text"),
    ({"type": "array", "items": TEXT, "minItems": 1, "maxItems": 2}, [], "here must be an array of 1 to 2 items"),
    (OBJECT, {}, "here.a is missing"),
    (OBJECT, {"a": 0}, "here.a must be at least 1"),
    (OBJECT, {"a": 10}, "here.a must be at most 9"),
    (OBJECT, {"a": 1, "c": 1}, "here.c is none of a, b"),
    (OBJECT, {"a": 1, "b": [[]]}, "here.b[0] must be text"),
    (OBJECT, [], "here must be an object"),
    ({"oneOf": [OBJECT, {"type": "array", "items": OBJECT}]}, [{"a": 1}, {}], "here[1].a is missing"),
    ({"oneOf": [OBJECT, {"type": "array", "items": OBJECT}]}, "x", "here must be an object or an array"),
]


@pytest.mark.parametrize(("schema", "value"), RIGHT, ids=repr)
def test_what_is_right_passes(schema, value):
    compiled(schema)(value, "here")


@pytest.mark.parametrize(("schema", "value", "said"), WRONG, ids=repr)
def test_what_is_wrong_is_named(schema, value, said):
    with pytest.raises(QmqError) as caught:
        compiled(schema)(value, "here")
    assert (caught.value.code.name, caught.value.detail) == ("bad-field", said)


def test_at_the_top_the_body_is_named():
    with pytest.raises(QmqError, match="the body must be an object"):
        compiled(OBJECT)(1, "")
    with pytest.raises(QmqError, match=": a is missing"):
        compiled(OBJECT)({}, "")


@pytest.mark.parametrize("schema", [{"type": "number"}, {"minimum": 1}, {"type": "string", "minimum": 1}])
def test_a_schema_that_is_not_understood_is_no_schema(schema):
    with pytest.raises(ValueError, match="not"):
        compiled(schema)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (TEXT, "12", "12"),
        ({"type": "integer"}, "-12", -12),
        ({"type": "boolean"}, "true", True),
        ({"type": "integer"}, "1.0", None),
        ({"type": "integer"}, "١", None),
        ({"type": "integer"}, "9" * 99, None),
        ({"type": "boolean"}, "yes", None),
    ],
)
def test_parameters_come_as_text(schema, text, value):
    if value is not None:
        assert from_text(schema, text, "p") == value
        return
    with pytest.raises(QmqError, match="p must be"):
        from_text(schema, text, "p")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab") | st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_whatever_it_is_it_passes_or_is_told_what_is_wrong(value):
    try:
        compiled({"oneOf": [OBJECT, {"type": "array", "items": OBJECT}]})(value, "")
    except QmqError as error:
        assert error.code.name == "bad-field" and error.detail
    else:
        for each in value if isinstance(value, list) else [value]:
            assert 1 <= each["a"] <= 9 and set(each) <= {"a", "b"}
