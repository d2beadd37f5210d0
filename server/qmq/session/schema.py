"""A part of JSON Schema, as checks: what requests must look like, said once and used for two things.

A schema is a plain dictionary, so that it can be published as it is. `compiled` makes a
function of it that checks a value, and says of the first thing that is wrong where it is
and what it should be. Known are `type`, `enum`, `minLength`, `maxLength`, `pattern`, `minimum`,
`maximum`, `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, and
`oneOf` for alternatives of different types. Annotations say nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from qmq.errors import QmqError

Schema: TypeAlias = Mapping[str, Any]

# Checks a value; the text says where it stands. Raises QmqError (`bad-field`).
Check: TypeAlias = Callable[[Any, str], None]

_TYPES: dict[str, tuple[type, str]] = {
    "string": (str, "text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "object": (dict, "an object"),
    "array": (list, "an array"),
}
_NOTES = frozenset({"description", "default", "example", "examples", "title", "contentEncoding", "format"})
_NUMBER = re.compile(r"-?[0-9]{1,15}")
_TRUTH = {"true": True, "false": False}


def compiled(schema: Schema) -> Check:
    """A check of values against a schema.

    Raises:
        ValueError: If the schema says something that is not known here.

    """
    rest = {name: value for name, value in schema.items() if name not in _NOTES}
    alternatives = rest.pop("oneOf", None)
    if alternatives is not None:
        return _one_of(alternatives)
    name = rest.pop("type", None)
    if name is None:
        if rest:
            raise ValueError(f"not known without a type: {rest}")
        return _anything
    if name not in _TYPES:
        raise ValueError(f"not a known type: {name}")
    rules = _RULES[name](rest) if name in _RULES else []
    if rest:
        raise ValueError(f"not known in {name}: {rest}")
    return _typed(*_TYPES[name], rules)


def from_text(schema: Schema, text: str, where: str) -> Any:
    """The value of a parameter, which comes as text.

    Raises:
        QmqError: `bad-field` if it is not of the type.

    """
    kind = schema.get("type")
    if kind == "integer":
        if not _NUMBER.fullmatch(text):
            raise wrong(where, "a whole number")
        return int(text)
    if kind == "boolean":
        if text not in _TRUTH:
            raise wrong(where, "true or false")
        return _TRUTH[text]
    return text


def wrong(where: str, what: str) -> QmqError:
    """The error that says where something is wrong, and what should be there."""
    return QmqError("bad-field", f"{where or 'the body'} must be {what}")


def _anything(value: Any, where: str) -> None:
    pass


def _typed(kind: type, what: str, rules: list[Check]) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not kind:
            raise wrong(where, what)
        for rule in rules:
            rule(value, where)

    return check


def _one_of(alternatives: list[Schema]) -> Check:
    by_type = {_TYPES[each["type"]][0]: compiled(each) for each in alternatives}
    what = " or ".join(_TYPES[each["type"]][1] for each in alternatives)

    def check(value: Any, where: str) -> None:
        found = by_type.get(type(value))
        if found is None:
            raise wrong(where, what)
        found(value, where)

    return check


def _rules_of_text(rest: dict[str, Any]) -> list[Check]:
    rules: list[Check] = []
    if "enum" in rest:
        allowed = rest.pop("enum")
        rules.append(_rule(lambda value: value in allowed, f"one of {', '.join(allowed)}"))
    least, most = rest.pop("minLength", 0), rest.pop("maxLength", None)
    if least:
        rules.append(_rule(lambda value: len(value) >= least, "longer" if least > 1 else "text that is not empty"))
    if most is not None:
        rules.append(_rule(lambda value: len(value) <= most, f"at most {most} characters long"))
    if "pattern" in rest:
        pattern = re.compile(rest.pop("pattern"))
        rules.append(_rule(lambda value: pattern.search(value) is not None, f"text that matches {pattern.pattern}"))
    return rules


def _rules_of_number(rest: dict[str, Any]) -> list[Check]:
    least, most = rest.pop("minimum", None), rest.pop("maximum", None)
    rules: list[Check] = []
    if least is not None:
        rules.append(_rule(lambda value: value >= least, f"at least {least}"))
    if most is not None:
        rules.append(_rule(lambda value: value <= most, f"at most {most}"))
    return rules


def _rules_of_array(rest: dict[str, Any]) -> list[Check]:
    least, most = rest.pop("minItems", 0), rest.pop("maxItems", None)
    item = compiled(rest.pop("items", {}))

    def check(value: list[Any], where: str) -> None:
        if len(value) < least or (most is not None and len(value) > most):
            raise wrong(where, f"an array of {least} to {most} items" if most is not None else "an array with items")
        for place, each in enumerate(value):
            item(each, f"{where}[{place}]")

    return [check]


def _rules_of_object(rest: dict[str, Any]) -> list[Check]:
    known = {name: compiled(schema) for name, schema in rest.pop("properties", {}).items()}
    required = rest.pop("required", [])
    others = rest.pop("additionalProperties", True)
    other = None if others is False else compiled({} if others is True else others)

    def check(value: dict[str, Any], where: str) -> None:
        for name in required:
            if name not in value:
                raise QmqError("bad-field", f"{_within(where, name)} is missing")
        for name, each in value.items():
            found = known.get(name, other)
            if found is None:
                raise QmqError("bad-field", f"{_within(where, name[:64])} is none of {', '.join(known)}")
            if found is not _anything:
                found(each, _within(where, name))

    return [check]


_RULES: dict[str, Callable[[dict[str, Any]], list[Check]]] = {
    "string": _rules_of_text,
    "integer": _rules_of_number,
    "array": _rules_of_array,
    "object": _rules_of_object,
}


def _rule(holds: Callable[[Any], bool], what: str) -> Check:
    def check(value: Any, where: str) -> None:
        if not holds(value):
            raise wrong(where, what)

    return check


def _within(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
