"""Messages as JSON, both ways: what comes in requests, and what answers and event streams carry.

A body is whatever JSON says if its content type is JSON, text if it is UTF-8, and base64
otherwise. A message that goes out is encoded once for all who want it; what it shares
with its likes is kept in its envelope.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from qmq import native
from qmq.core.claims import Claimed
from qmq.core.message import Envelope, Message
from qmq.errors import QmqError
from qmq.session.operations import Posting
from qmq.wire import stomp

_JSON = "application/json"
_TEXT = "text/plain"

# Beyond this, the quick parser makes floating-point numbers of whole ones.
_LONG_NUMBER = re.compile(rb"[0-9]{19}")

_KEPT = "json"


def parse(data: bytes) -> Any:
    """The value of a request's body.

    Raises:
        QmqError: `bad-json`.

    """
    try:
        if _LONG_NUMBER.search(data):
            return _parse_exactly(data)
        return native.loads(data)
    except (ValueError, RecursionError) as error:
        raise QmqError("bad-json", str(error)[:200]) from None


def _parse_exactly(data: bytes) -> Any:
    """The slow way, by which large numbers stay what they are."""
    value = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large for a number")
    return value


def dump(value: Any) -> bytes:
    """A value as JSON; numbers may be as large as they like.

    Raises:
        QmqError: `bad-json` if it is nested too deeply.

    """
    try:
        return native.dumps(value)
    except TypeError:  # a large number, or many levels
        pass
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:
        raise QmqError("bad-json", str(error)[:200]) from None


def posting_of(message: Mapping[str, Any], where: str = "") -> Posting:
    """A message that is to be published, from an object that has been checked against its schema.

    Args:
        message: `destination`; `body` or `bodyBase64`; `contentType`, `headers`, `idempotencyKey`.
        where: Where it stands in the request, for errors.

    Raises:
        QmqError: `bad-field` if it has two bodies, or text is wanted or base64, and it is none.

    """
    headers = dict(message.get("headers") or {})
    kind = message.get("contentType") or headers.get("content-type")
    body: bytes
    if "bodyBase64" in message:
        if "body" in message:
            raise QmqError("bad-field", f"{where}body and {where}bodyBase64 cannot both be there")
        body = _octets(message["bodyBase64"], where)
    else:
        value = message.get("body", "")
        if is_json(kind) or (kind is None and not isinstance(value, str)):
            kind = kind or _JSON
            body = dump(value)
        elif isinstance(value, str):
            kind = kind or _TEXT
            body = value.encode()
        else:
            raise QmqError("bad-field", f"{where}body must be text, as its content type is {str(kind)[:64]!r}")
    if kind:
        headers["content-type"] = kind
    return Posting(message["destination"], body, headers, message.get("idempotencyKey", ""))


def is_json(kind: str | None) -> bool:
    """Whether a content type is JSON."""
    if kind is None:
        return False
    name = kind.partition(";")[0].strip().lower()
    return name == _JSON or name.endswith("+json")


def _octets(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise QmqError("bad-field", f"{where}bodyBase64 is no base64") from None


class JsonEncoder:
    """Makes one JSON object of a message, on one line. All are equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def encode(self, message: Message) -> bytes:
        """The object's octets."""
        return b'{"id":"%b%d"%b%b}' % (message.origin.prefix, message.offset, _middle(message.envelope), _body(message))


class EventEncoder(JsonEncoder):
    """Makes one Server-Sent Event of a message; its id is the cursor."""

    __slots__ = ()

    def encode(self, message: Message) -> bytes:
        """The event's octets."""
        return b"id: %b%d\ndata: %b\n\n" % (message.origin.prefix, message.offset, super().encode(message))


JSON = JsonEncoder()
EVENTS = EventEncoder()


def show(claimed: Claimed) -> bytes:
    """A message that was consumed, with the token that settles it."""
    token = native.dumps(claimed.token)
    return b'{"token":%b,"deliveries":%d,%b' % (token, claimed.deliveries, JSON.encode(claimed.message)[1:])


def _middle(envelope: Envelope) -> bytes:
    """What all messages of an envelope have between id and body."""
    kept: bytes | None = envelope.encoded.get(_KEPT)
    if kept is None:
        headers = dict(envelope.headers)
        shown: dict[str, Any] = {"destination": envelope.destination}
        kind = headers.pop("content-type", None)
        if kind is not None:
            shown["contentType"] = kind
        if headers:
            shown["headers"] = headers
        kept = b"," + native.dumps(shown)[1:-1]
        envelope.keep(_KEPT, kept)
    return kept


def _body(message: Message) -> bytes:
    body = message.body
    if is_json(message.envelope.headers.get("content-type")) and _is_valid(body):
        # Line ends stand between its parts only: in text they are escaped.
        return b',"body":' + body.translate(None, b"\r\n")
    if message.text or stomp.is_text(body):
        return b',"body":' + native.dumps(body.decode())
    return b',"bodyBase64":"%b"' % base64.b64encode(body)


def _is_valid(body: bytes) -> bool:
    try:
        native.loads(body)
    except ValueError:
        return False
    return True
