"""`/openapi.json`: the table of the JSON API as an OpenAPI 3.1 document, for programs to read.

Nothing is said here that the table does not say, but how to log in and how errors look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qmq import __version__
from qmq.errors import CODES
from qmq.gateway.api.schemas import DELIVERY, EXCHANGE, MESSAGE, NEW_MESSAGE, QUEUE, fields, number, text
from qmq.gateway.api.table import ALWAYS, OPERATIONS, PREFIX, WITH_BODY, Operation, Parameter

PROBLEM = fields(
    {
        "type": text("Always about:blank."),
        "title": text("What the code means."),
        "status": number("HTTP's."),
        "code": text("Names the error, in all of QMQ's protocols."),
        "detail": text("What exactly is wrong."),
    },
    ["type", "title", "status", "code"],
)

_NAMED = {
    "NewMessage": NEW_MESSAGE,
    "Message": MESSAGE,
    "Delivery": DELIVERY,
    "Queue": QUEUE,
    "Exchange": EXCHANGE,
    "Problem": PROBLEM,
}
_REFERENCES = {id(schema): {"$ref": f"#/components/schemas/{name}"} for name, schema in _NAMED.items()}

_INFO = """Publish, read, stream and consume messages, and look after queues, over HTTP.

Every error is a problem (RFC 9457) with the member `code`."""


def document() -> dict[str, Any]:
    """The document, as values."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "QMQ",
            "version": __version__,
            "description": _INFO,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "security": [{}, {"token": []}, {"password": []}],
        "components": {
            "schemas": {name: _inside(schema) for name, schema in _NAMED.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def codes_of(operation: Operation) -> list[str]:
    """All codes that an operation may answer."""
    return [*operation.errors, *(WITH_BODY if operation.body is not None else ()), *ALWAYS]


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.help,
        "responses": _responses(operation),
    }
    if operation.more:
        found["description"] = operation.more
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.body is not None:
        content = {"schema": _shown(operation.body), **_example(operation.example)}
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.help,
        "schema": dict(parameter.schema),
    }


def _responses(operation: Operation) -> dict[str, Any]:
    if operation.streams:
        answer: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
    else:
        assert operation.answer is not None
        answer = {"application/json": {"schema": _shown(operation.answer), **_example(operation.shown)}}
    found: dict[str, Any] = {"200": {"description": "It is done.", "content": answer}}
    if any(each.name == "If-None-Match" for each in operation.parameters):
        found["304"] = {"description": "The client has this already."}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(operation):
        by_status.setdefault(CODES[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        said = "\n".join(f"* `{code}`: {CODES[code].text}." for code in codes)
        content = {"application/problem+json": {"schema": _shown(PROBLEM)}}
        found[str(status)] = {"description": said, "content": content}
    return found


def _example(value: Any) -> dict[str, Any]:
    return {} if value is None else {"example": value}


def _shown(schema: Any) -> Any:
    """A schema with references in place of those that have names."""
    return _REFERENCES.get(id(schema)) or _inside(schema)


def _inside(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {name: _shown(value) for name, value in schema.items()}
    return [_shown(value) for value in schema] if isinstance(schema, list) else schema
