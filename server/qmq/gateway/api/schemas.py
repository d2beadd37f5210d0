"""The schemas of the JSON API: what goes into it and what comes out, as JSON Schema.

`table` puts them together; queues take theirs from the one table of properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from qmq.core import options

Schema: TypeAlias = Mapping[str, Any]


def text(help: str, **more: Any) -> Schema:
    return {"type": "string", "description": help, **more}


def number(help: str, least: int = 0, most: int | None = None, **more: Any) -> Schema:
    return {"type": "integer", "description": help, "minimum": least, **({"maximum": most} if most else {}), **more}


def truth(help: str, **more: Any) -> Schema:
    return {"type": "boolean", "description": help, **more}


def fields(properties: Schema, required: list[str] | None = None) -> Schema:
    return {"type": "object", "properties": properties, "required": required or [], "additionalProperties": False}


def items(each: Schema, help: str = "", least: int = 0, most: int | None = None) -> Schema:
    bounds = {"minItems": least, **({"maxItems": most} if most else {})}
    return {"type": "array", "items": each, **bounds, **({"description": help} if help else {})}


HEADERS = {"type": "object", "additionalProperties": {"type": "string"}}

BODY = {"description": "Any JSON value. With a content type that is not JSON it is text."}

NEW_MESSAGE = fields(
    {
        "destination": text("Where it goes, such as /topic/chat or /queue/jobs.", minLength=1, maxLength=255),
        "body": BODY,
        "bodyBase64": text("A body of any octets, in place of `body`.", contentEncoding="base64"),
        "contentType": text("By default text/plain if `body` is text, and application/json otherwise.", minLength=1),
        "headers": {**HEADERS, "description": "What else readers get; `priority` and `expiration` as in STOMP."},
        "idempotencyKey": text(
            "The message is published once, however often it comes with this key.", pattern="^[!-~]{1,128}$"
        ),
    },
    ["destination"],
)

_MESSAGE = {
    "id": text("The same for all who get it; as a cursor, the position after it."),
    "destination": text("Where it was published."),
    "contentType": text("What its publisher said it is."),
    "headers": {**HEADERS, "description": "All other headers."},
    "body": BODY,
    "bodyBase64": text("The body, if it is neither JSON nor text.", contentEncoding="base64"),
}
MESSAGE = fields(_MESSAGE, ["id", "destination"])
DELIVERY = fields(
    {
        "token": text("Settles it."),
        "deliveries": number("How often it was given to anybody; more than 1 if it has come back."),
        **_MESSAGE,
    },
    ["token", "deliveries", "id", "destination"],
)

_PROPERTY: dict[type, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0, "maximum": 10**15 - 1},
}


def _property(name: str) -> Schema:
    field = options.FIELDS[name]
    if isinstance(field.default, options.Full):
        return text(field.metadata["help"], enum=[str(each) for each in options.Full])
    schema = _PROPERTY.get(type(field.default), {"type": "string"})
    return {**schema, "description": field.metadata["help"]}


PROPERTIES = {options.header_of(name): _property(name) for name in options.FIELDS}
COUNTERS = {"type": "object", "additionalProperties": {"type": "integer"}}
QUEUE = fields(
    {
        "destination": text("`/queue/NAME`."),
        "properties": fields(PROPERTIES),
        **{
            name: number(help)
            for name, help in {
                "messages": "That wait.",
                "bytes": "Of bodies that wait.",
                "unsettled": "Messages that consumers have.",
                "consumers": "How many there are.",
                "published": "Messages, since it exists.",
                "delivered": "Likewise.",
                "acked": "Likewise.",
                "redelivered": "Likewise.",
            }.items()
        },
        "paused": truth("Whether consumers get nothing for the time being."),
        "counters": COUNTERS,
    }
)
KINDS = ["direct", "fanout", "topic", "headers"]
ARGUMENTS = {"type": "object", "description": "For an exchange of kind headers: what it wants of headers."}
EXCHANGE = fields(
    {
        "name": text("Its name."),
        "kind": text("How it matches.", enum=KINDS),
        "alternate": text("The exchange that gets what this one cannot route."),
        "auto-delete": truth("Gone with its last binding."),
        "internal": truth("Only other exchanges publish to it."),
        "bindings": items(fields({"destination": text(""), "key": text(""), "arguments": ARGUMENTS})),
    }
)
