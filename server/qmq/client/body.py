"""What a program hands over, as octets: bodies, with the header that says what they are, and whole frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from qmq.errors import QmqError
from qmq.wire import stomp

# What a program may give as headers: a number goes as its text, a truth value as `true` or `false`.
Headers: TypeAlias = Mapping[str, str | float]


def encode(body: Any) -> tuple[bytes, dict[str, str]]:
    """Octets as they are, text as `text/plain`, anything else as JSON.

    Raises:
        TypeError: If JSON does not know it.
        ValueError: If it holds itself, or a number that JSON does not know (NaN, infinity).
        UnicodeEncodeError: If it is text with half characters in it.

    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), {}
    if isinstance(body, str):
        return body.encode(), {"content-type": "text/plain"}
    return json.dumps(body, allow_nan=False).encode(), {"content-type": "application/json"}


def texts(headers: Headers) -> Mapping[str, str]:
    """Headers as text: numbers and truth values as STOMP writes them, text as it is.

    Raises:
        TypeError: For anything else; None is no header.

    """
    texts: dict[str, str] = {}
    for name, value in headers.items():
        if type(name) is str and type(value) is str:  # as nearly all are
            texts[name] = value
        else:
            texts[_text(name, name)] = _text(value, name)
    return texts


def _text(value: Any, name: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError(f"header {name!r} must be text or a number, not {type(value).__name__}")


def frame(command: str, headers: Headers, body: bytes = b"") -> bytes:
    """One frame as octets.

    Raises:
        QmqError: `bad-header` for a header that no frame can carry.
        TypeError: As `texts`.

    """
    try:
        return stomp.encode(command, texts(headers), body)
    except UnicodeEncodeError as error:
        wrong = error.object[max(error.start - 16, 0) : error.end + 16]
        raise QmqError("bad-header", f"{wrong!r} is no UTF-8") from None


def send(destination: str, body: Any, headers: Headers | None) -> bytes:
    """A SEND frame.

    Raises:
        QmqError: As `frame`; and as `encode`.

    """
    octets, fields = encode(body)
    return frame("SEND", {"destination": destination, **fields, **(headers or {})}, octets)
