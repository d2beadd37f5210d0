"""The table of the JSON API: what there is, what it takes, what it answers.

Routing, checks, `/openapi.json` and the page at `/api/` are all made from it. Here is
only what can be said about an operation; what it does is in `calls`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qmq.core.subscription import Overflow
from qmq.gateway.api.schemas import (
    ARGUMENTS,
    COUNTERS,
    DELIVERY,
    EXCHANGE,
    KINDS,
    MESSAGE,
    NEW_MESSAGE,
    PROPERTIES,
    QUEUE,
    Schema,
    fields,
    items,
    number,
    text,
    truth,
)
from qmq.session.operations import MAX_MESSAGES, MAX_TOKENS

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the path, the query, or a header."""

    name: str
    schema: Schema
    help: str
    place: str = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does.

    Attributes:
        name: What it is called in `calls`, and in `/openapi.json` with other separators.
        method: HTTP's.
        path: Below `/api/v1`, with `{name}` for a part that is a parameter.
        help: What it does, in a sentence.
        parameters: What it takes besides a body.
        body: The schema of the request's body; None for none.
        answer: That of the answer's.
        errors: Codes that it may answer besides those that every operation may.
        example: The body of a request.
        shown: What it answers, for example.
        more: What else there is to say.
        streams: Whether the answer is a stream of events.

    """

    name: str
    method: str
    path: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    answer: Schema | None = None
    errors: tuple[str, ...] = ()
    example: Any = None
    shown: Any = None
    more: str = ""
    streams: bool = False


LAST_EVENT_ID = "Last-Event-ID"
# The same in the query, in small letters, without - and _.
LAST_EVENT = frozenset({"lasteventid", "evslasteventid"})
# What jQuery, polyfills and others add to the query of a GET, so that nothing caches the answer.
AGAINST_CACHES = frozenset(
    {"_", "__", "t", "_t", "ts", "_ts", "r", "rand", "random", "cb", "nocache", "cachebust", "cachebuster", "timestamp"}
)

_DESTINATION = Parameter(
    "destination", {"type": "string", "minLength": 1, "maxLength": 255}, "A topic, or a pattern of topics.",
    required=True,
)  # fmt: skip
_CURSOR = Parameter(
    "cursor", {"type": "string", "maxLength": 1024}, "The position to go on from, as the last answer gave it."
)
_FROM = Parameter(
    "from",
    {"type": "string", "enum": ["latest", "earliest"]},
    "Where to begin without a cursor: `latest` is now, and the default; `earliest` is the oldest that is kept.",
)
_WAIT = "How many seconds to wait if there is nothing; the server waits no longer than `limits.poll_hold_seconds`."
_MAX = Parameter(
    "max", {"type": "integer", "minimum": 1, "maximum": MAX_MESSAGES}, "Messages at most; 100 unless said otherwise."
)
_PREFER = Parameter("Prefer", {"type": "string"}, "`wait=N` (RFC 7240).", "header")
_MAX_BYTES = "Octets of bodies after which no more are added."
_MATCH = Parameter("match", {"type": "string", "maxLength": 255}, "What names must contain.")
_PAGE = (
    Parameter("after", {"type": "string", "maxLength": 255}, "Where to go on: what the answer before called `next`."),
    Parameter("max", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many at most."),
)
_MORE = {"more": truth("Whether there are more than these."), "next": text("If so, what to ask for next as `after`.")}

_QUEUE_NAME = Parameter(
    "name", {"type": "string", "minLength": 1, "maxLength": 248}, "Of the queue, without /queue/.", "path", True
)
_EXCHANGE_NAME = Parameter(
    "name", {"type": "string", "minLength": 1, "maxLength": 244}, "Of the exchange.", "path", True
)
_COUNT = fields({"messages": number("How many were dropped.")})
_PAUSED = fields({"paused": truth("Whether it is.")})
_TOKENS = {"type": "string", "maxLength": 200}
_OF_QUEUE = ("not-found", "in-use", "bad-pattern")


def _binding(place: str) -> dict[str, Schema]:
    return {
        "source": text("The name of the exchange.", minLength=1, maxLength=255),
        "destination": text("`/queue/NAME` or `/exchange/NAME`.", minLength=1, maxLength=255),
        "key": text("The binding's key, or pattern.", maxLength=255),
        **({"arguments": ARGUMENTS} if place == "body" else {}),
    }


_UNBINDING = (
    *(Parameter(name, schema, schema["description"], required=name != "key")
      for name, schema in _binding("query").items()),
    Parameter("arguments", {"type": "string", "maxLength": 1024}, "A JSON object, as it was bound with."),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "publish", "POST", "/publish", "Publishes one message, or several: all of them or none.",
        (Parameter("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,128}$"},
                   "As `idempotencyKey`, for a single message.", "header"),),
        {"oneOf": [NEW_MESSAGE, items(NEW_MESSAGE, least=1, most=MAX_MESSAGES)]},
        fields({"ids": {
            "type": "array",
            "description": "In the order of the messages. Null for one that had been published before with its key.",
            "items": {"type": ["string", "null"]},
        }}),
        ("bad-destination", "bad-pattern", "bad-header", "queue-full", "memory-full", "too-fast", "not-found",
         "too-many-queues"),
        {"destination": "/topic/chat", "body": {"from": "curl", "text": "hello"}},
        {"ids": ["node-a.k3f9.1042"]},
    ),
    Operation(
        "read_messages", "GET", "/messages", "Reads what topics keep beyond a cursor, and waits for more if asked to.",
        (_DESTINATION, _CURSOR, _FROM, _MAX,
         Parameter("maxBytes", {"type": "integer", "minimum": 1}, _MAX_BYTES),
         Parameter("wait", {"type": "integer", "minimum": 0}, f"{_WAIT} `Prefer: wait=N` says the same."),
         Parameter("If-None-Match", {"type": "string"}, "The ETag of an earlier answer.", "header"),
         _PREFER),
        answer=fields({
            "messages": items(MESSAGE, "In the order in which they were published."),
            "cursor": text("Where to go on."),
            "recovered": truth("Whether nothing is missing between the cursor of the request and the messages."),
        }),
        errors=("bad-destination", "bad-pattern", "too-many-connections"),
        shown={"messages": [{"id": "node-a.k3f9.1042", "destination": "/topic/chat", "contentType": "application/json",
                             "body": {"from": "curl", "text": "hello"}}],
               "cursor": "node-a.k3f9.1042", "recovered": True},
        more="Ask again with the cursor that you got. While `recovered` is true you have every message once.",
    ),
    Operation(
        "stream_messages", "GET", "/stream", "Streams what is published to topics, as Server-Sent Events.",
        (_DESTINATION, _CURSOR, _FROM,
         Parameter("max-messages", {"type": "integer", "minimum": 1}, "How many may wait for a slow reader."),
         Parameter("max-bytes", {"type": "integer", "minimum": 1}, "Octets that may wait for a slow reader."),
         Parameter("overflow", {"type": "string", "enum": [str(each) for each in Overflow]},
                   "What happens beyond; by default `disconnect`."),
         Parameter("conflate-key", {"type": "string", "maxLength": 255},
                   "With `conflate`: the header whose value says which messages replace each other."),
         Parameter(LAST_EVENT_ID, {"type": "string", "maxLength": 1024},
                   "As `cursor`; browsers send it by themselves when they come back.", "header")),
        errors=("bad-destination", "bad-pattern", "too-many-connections"),
        more="The events: `subscribed` once, with `cursor`, `recovered` and the bounds; then, if something is "
             "missing, `gap`; a `message` for each message; and before the end, if there is a reason, `error` "
             "with `code`, `title`, `detail` and `retry`. Comments are signs of life.",
        streams=True,
    ),
    Operation(
        "consume", "POST", "/consume", "Takes messages out of a queue; each is to be settled with its token.",
        (_PREFER,),
        body=fields({
            "destination": text("A queue, such as /queue/jobs; it is made if need be.", minLength=1, maxLength=255),
            "max": number("Messages at most.", 1, MAX_MESSAGES, default=1),
            "maxBytes": number(_MAX_BYTES, 1),
            "wait": number(_WAIT),
        }, ["destination"]),
        answer=fields({"deliveries": items(DELIVERY)}),
        errors=("bad-destination", "bad-pattern", "in-use", "not-found", "queue-deleted", "too-many-unsettled",
                "too-many-connections", "too-many-queues"),
        example={"destination": "/queue/jobs", "max": 10, "wait": 20},
        shown={"deliveries": [{"token": "2vX…Q.1", "deliveries": 1, "id": "node-a.k3f9.1043",
                               "destination": "/queue/jobs", "contentType": "text/plain", "body": "resize cat.jpg"}]},
        more="What is not settled within the queue's `ack-timeout` goes back, and its token is of no use any more.",
    ),
    Operation(
        "settle", "POST", "/settle", "Settles messages that were consumed.",
        body=fields({
            "ack": items(_TOKENS, "Tokens of messages that are done.", most=MAX_TOKENS),
            "nack": items(_TOKENS, "Tokens of messages that are given back.", most=MAX_TOKENS),
            "requeue": truth("Whether those of `nack` are to be given again; else they are dead letters.",
                              default=True),
        }),
        answer=fields({
            "settled": number("How many were."),
            "failed": items(fields({"token": text(""), "code": text(""), "detail": text("")}),
                            "Those that were not, because they had been, or were too old."),
        }),
        example={"ack": ["2vX…Q.1"]},
        shown={"settled": 1, "failed": []},
    ),
    Operation(
        "list_queues", "GET", "/queues", "The queues, with how much waits.", (_MATCH, *_PAGE),
        answer=fields({"queues": items(fields({"destination": text(""), "messages": number("")})),
                        **_MORE}),
        shown={"queues": [{"destination": "/queue/jobs", "messages": 3}], "more": False},
    ),
    Operation("show_queue", "GET", "/queues/{name}", "A queue's properties, state and counters.", (_QUEUE_NAME,),
              answer=QUEUE, errors=_OF_QUEUE),
    Operation(
        "declare_queue", "PUT", "/queues/{name}", "Makes a queue, or checks that it is as asked for.", (_QUEUE_NAME,),
        fields(PROPERTIES), QUEUE,
        ("bad-pattern", "bad-header", "bad-destination", "bad-operation", "conflict", "in-use", "too-many-queues"),
        {"max-length": 1000, "dead-letter": "/queue/dead"},
    ),
    Operation("delete_queue", "DELETE", "/queues/{name}", "Deletes a queue and what it holds.", (_QUEUE_NAME,),
              answer=_COUNT, errors=_OF_QUEUE, shown={"messages": 3}),
    Operation("purge_queue", "POST", "/queues/{name}/purge", "Drops what waits in a queue.", (_QUEUE_NAME,),
              answer=_COUNT, errors=_OF_QUEUE, shown={"messages": 3}),
    Operation("pause_queue", "POST", "/queues/{name}/pause", "Gives a queue's consumers nothing for the time being.",
              (_QUEUE_NAME,), answer=_PAUSED, errors=_OF_QUEUE, shown={"paused": True}),
    Operation("resume_queue", "POST", "/queues/{name}/resume", "Ends a pause.", (_QUEUE_NAME,),
              answer=_PAUSED, errors=_OF_QUEUE, shown={"paused": False}),
    Operation("list_exchanges", "GET", "/exchanges", "The names of the exchanges.", (_MATCH, *_PAGE),
              answer=fields({"exchanges": items({"type": "string"}), **_MORE})),
    Operation("show_exchange", "GET", "/exchanges/{name}", "An exchange and its bindings.", (_EXCHANGE_NAME,),
              answer=EXCHANGE, errors=("not-found",)),
    Operation(
        "declare_exchange", "PUT", "/exchanges/{name}", "Makes an exchange, or checks that it is as asked for.",
        (_EXCHANGE_NAME,),
        fields({"kind": text("How it matches.", enum=KINDS, default="direct"),
                 "alternate": text("The exchange that gets what this one cannot route.", maxLength=255),
                 "auto-delete": truth("Gone with its last binding."),
                 "internal": truth("Only other exchanges publish to it.")}),
        EXCHANGE, ("conflict", "bad-destination", "bad-pattern", "too-many-queues"), {"kind": "topic"},
    ),
    Operation("delete_exchange", "DELETE", "/exchanges/{name}", "Deletes an exchange and its bindings.",
              (_EXCHANGE_NAME,), answer=fields({}), errors=("not-found", "bad-destination"), shown={}),
    Operation(
        "bind", "POST", "/bindings", "Binds a queue or an exchange to an exchange.",
        body=fields(_binding("body"), ["source", "destination"]),
        answer=fields({"new": truth("Whether it was not there before.")}),
        errors=("not-found", "bad-destination", "bad-pattern", "bad-header", "bad-operation", "too-many-bindings",
                "too-many-queues"),
        example={"source": "amq.topic", "destination": "/queue/audit", "key": "orders.#"}, shown={"new": True},
    ),
    Operation(
        "unbind", "DELETE", "/bindings", "Takes a binding away.",
        _UNBINDING,
        answer=fields({"found": truth("Whether it was there.")}),
        errors=("not-found", "bad-destination", "bad-pattern", "bad-header", "bad-operation"), shown={"found": True},
    ),
    Operation(
        "list_connections", "GET", "/connections", "The node's connections, by name; 100 at most.", _PAGE,
        answer=fields({"connections": items({"type": "object"}), **_MORE}),
    ),
    Operation(
        "kick", "DELETE", "/connections/{name}", "Ends a connection; its client may come back.",
        (Parameter("name", {"type": "string", "minLength": 1, "maxLength": 64}, "As the list has it.", "path", True),),
        answer=fields({}), errors=("not-found",), shown={},
    ),
    Operation(
        "show_stats", "GET", "/stats", "The node's counters, and those of its destinations, by name.", _PAGE,
        answer=fields({
            **_MORE,
            "counters": COUNTERS,
            "destinations": {"type": "object", "additionalProperties": COUNTERS},
            "memory": fields({"used": number(""), "limit": number(""), "full": truth("")}),
            "published": number("Messages, since the start."),
            "fanned_out": number("Messages times subscribers."),
        }),
    ),
)  # fmt: skip

# What any operation may answer.
ALWAYS = ("bad-request", "bad-field", "bad-origin", "bad-login", "bad-token", "login-required", "token-expired",
          "forbidden", "bad-method", "headers-too-large", "body-too-large", "shutting-down",
          "internal-error")  # fmt: skip

# And any with a body.
WITH_BODY = ("bad-json", "unsupported-type")


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| request | what it does |", "| --- | --- |"]
    lines += [f"| `{each.method} {PREFIX}{each.path}` | {each.help} |" for each in OPERATIONS]
    return "\n".join(lines)
