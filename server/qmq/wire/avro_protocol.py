"""Avro protocols as their JSON text declares them (Avro specification, "Protocol Declaration").

Of a protocol only that is kept which decides how octets are read: names, types and their
order, the specification's canonical form. Documentation, defaults, aliases and logical
types of somebody else's protocol mean nothing here.

A protocol may come from anybody, and what it declares steers a decoder that is not ours.
So a message is only read if its types are such that every value costs octets and no value
can be nested for ever: then a decoder ends with the octets. Nothing here decodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qmq import native
from qmq.errors import QmqError

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

MAX_OCTETS = 64 << 10  # of a protocol's text
_MAX_NESTED = 32  # in the text: arrays and objects within each other
_MAX_DEPTH = 8  # of values: a decoder calls itself for each, and a level may cost no octet
_MAX_FIXED = 64 << 10


@dataclass(frozen=True, slots=True)
class Type:
    """A type.

    Attributes:
        form: Its canonical form: a name for a primitive, a list for a union, else a
            dictionary. A named type stands whole in every place, as the same object.
        depth: How deep its values are nested.
        trouble: Why its values are not read; empty if they are.

    """

    form: Any
    depth: int = 1
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a protocol.

    Attributes:
        request: Its parameters, as a record.
        response: What it is answered with.
        one_way: Whether it is not answered.
        errors: The names of the errors that it declares, without their namespaces.

    """

    request: Type
    response: Type
    one_way: bool
    errors: tuple[str, ...]


def read(text: str) -> dict[str, Message]:
    """The messages of a protocol, by name.

    Raises:
        QmqError: `bad-protocol` if the text declares none, or is too long.

    """
    if len(text) > MAX_OCTETS or len(text.encode()) > MAX_OCTETS:
        raise _wrong(f"it has more than {MAX_OCTETS} octets")
    try:
        declared = native.loads(text)
    except ValueError:  # also what is no UTF-8
        raise _wrong("it is no JSON") from None
    if not isinstance(declared, dict):
        raise _wrong("it is no object")
    namespace, _ = _full_name({**declared, "name": declared.get("protocol")}, "")
    types = _Types()
    for each in _list(declared, "types", []):
        types.read(each, namespace)
    messages = declared.get("messages", {})
    if not isinstance(messages, dict):
        raise _wrong("messages is no object")
    return {name: _message(types, message, namespace) for name, message in messages.items()}


def spelled(form: Any, known: set[str] | None = None) -> Any:
    """A canonical form as others want to read it: a named type stands whole where it comes first, then by name."""
    known = set() if known is None else known
    if isinstance(form, str):
        return form
    if isinstance(form, list):
        return [spelled(each, known) for each in form]
    name = form.get("name")
    if name is not None:
        if name in known:
            return name
        known.add(name)
    found = dict(form)
    for key in ("items", "values"):
        if key in form:
            found[key] = spelled(form[key], known)
    if "fields" in form:
        found["fields"] = [{"name": each["name"], "type": spelled(each["type"], known)} for each in form["fields"]]
    return found


class _Types:
    """Reads types, and knows the named ones that it has read."""

    def __init__(self) -> None:
        self._named: dict[str, Type] = {}
        self._nested = 0

    def read(self, declared: Any, namespace: str) -> Type:
        """A type, wherever one stands."""
        if isinstance(declared, str):
            return self._by_name(declared, namespace)
        self._nested += 1
        if self._nested > _MAX_NESTED:
            raise _wrong(f"types are nested more than {_MAX_NESTED} times")
        if isinstance(declared, list):
            found = self._union(declared, namespace)
        elif isinstance(declared, dict):
            found = self._complex(declared, namespace)
        else:
            raise _wrong(f"{_show(declared)} is no type")
        self._nested -= 1
        return found

    def _by_name(self, name: str, namespace: str) -> Type:
        if name in PRIMITIVES:
            return Type(name, trouble="null stands outside of a union" if name == "null" else "")
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self._named.get(full) or self._named.get(name)
        if found is None:
            raise _wrong(f"there is no type {_show(name)}")
        return found

    def _union(self, declared: list[Any], namespace: str) -> Type:
        branches = [self.read(each, namespace) for each in declared]
        troubles = [each.trouble for each in branches if each.form != "null"]
        return _around([each.form for each in branches], branches, troubles)

    def _complex(self, declared: dict[str, Any], namespace: str) -> Type:
        kind = declared.get("type")
        if kind in ("record", "error"):
            return self._record(declared, namespace)
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            element = self.read(declared.get(inner), namespace)
            return _around({"type": kind, inner: element.form}, [element], [element.trouble])
        if kind == "enum":
            symbols = _list(declared, "symbols")
            if not symbols or not all(isinstance(each, str) for each in symbols):
                raise _wrong("an enum needs symbols")
            return self._name(declared, namespace, {"symbols": symbols})
        if kind == "fixed":
            size = declared.get("size")
            if type(size) is not int or not 0 <= size <= _MAX_FIXED:
                raise _wrong(f"{_show(size)} is no size of a fixed type")
            return self._name(declared, namespace, {"size": size}, "" if size else "a fixed type has no octets")
        return self.read(kind, namespace)  # a type in a dress, as in {"type": "string"}

    def _name(self, declared: dict[str, Any], namespace: str, parts: dict[str, Any], trouble: str = "") -> Type:
        _, name = _full_name(declared, namespace)
        self._new(name)
        found = self._named[name] = Type({"type": declared["type"], "name": name, **parts}, trouble=trouble)
        return found

    def _record(self, declared: dict[str, Any], namespace: str) -> Type:
        namespace, name = _full_name(declared, namespace)
        self._new(name)
        # A field may be of the type that is being declared; only, nobody reads it then.
        self._named[name] = Type(name, trouble="a type contains itself")
        fields = self.fields(_list(declared, "fields"), namespace, name)
        trouble = fields.trouble or ("" if fields.form["fields"] else "a record has no fields")
        found = self._named[name] = Type(fields.form, fields.depth, trouble)
        return found

    def fields(self, declared: list[Any], namespace: str, name: str) -> Type:
        """Fields of a record, or parameters of a message."""
        fields: dict[str, Type] = {}
        for each in declared:
            field = each.get("name") if isinstance(each, dict) else None
            if not isinstance(field, str) or field in fields:
                raise _wrong(f"{_show(field)} names no field, or two of the same record")
            fields[field] = self.read(each.get("type"), namespace)
        form = {"type": "record", "name": name, "fields": [{"name": n, "type": t.form} for n, t in fields.items()]}
        return _around(form, list(fields.values()), [each.trouble for each in fields.values()])

    def _new(self, name: str) -> None:
        if name in self._named:
            raise _wrong(f"there are two types {_show(name)}")


def _message(types: _Types, declared: Any, namespace: str) -> Message:
    if not isinstance(declared, dict):
        raise _wrong("a message is no object")
    # A name that no type can have, and the same for all: parameters are compared as records are.
    request = types.fields(_list(declared, "request"), namespace, "the request")
    response = types.read(declared.get("response"), namespace)
    errors = _list(declared, "errors", [])
    for each in errors:
        types.read(each, namespace)
    names = [each.get("name") if isinstance(each, dict) else each for each in errors]
    own = tuple(name.rpartition(".")[2] for name in names if isinstance(name, str))
    return Message(request, response, declared.get("one-way") is True, own)


def _around(form: Any, inside: list[Type], troubles: list[str]) -> Type:
    depth = 1 + max([each.depth for each in inside], default=0)
    trouble = f"values are nested more than {_MAX_DEPTH} times" if depth > _MAX_DEPTH else ""
    return Type(form, depth, next((each for each in troubles if each), trouble))


def _full_name(declared: dict[str, Any], namespace: str) -> tuple[str, str]:
    """Namespace and full name of what is declared ("Names")."""
    name, own = declared.get("name"), declared.get("namespace", namespace)
    if not isinstance(name, str) or not name or not isinstance(own, str):
        raise _wrong(f"{_show(name)} is no name")
    if "." in name:
        return name.rpartition(".")[0], name
    return own, f"{own}.{name}" if own else name


def _list(declared: dict[str, Any], key: str, default: list[Any] | None = None) -> list[Any]:
    found = declared.get(key, default)
    if not isinstance(found, list):
        raise _wrong(f"{key} is no list")
    return found


def _show(value: Any) -> str:
    return f"{str(value)[:64]!r}"


def _wrong(why: str) -> QmqError:
    return QmqError("bad-protocol", f"the client's protocol: {why}")
