"""What a program hands over, as octets: bodies, with the header that says what they are, and whole frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from qmq.errors import QmqError
from qmq.wire import stomp


def encode(body: Any) -> tuple[bytes, dict[str, str]]:
    """Octets as they are, text as `text/plain`, anything else as JSON.

    Raises:
        TypeError: If JSON does not know it.
        ValueError: If it holds itself.
        UnicodeEncodeError: If it is text with half characters in it.

    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), {}
    if isinstance(body, str):
        return body.encode(), {"content-type": "text/plain"}
    return json.dumps(body).encode(), {"content-type": "application/json"}


def frame(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """One frame as octets.

    Raises:
        QmqError: `bad-header` for a header that no frame can carry.

    """
    try:
        return stomp.encode(command, headers, body)
    except UnicodeEncodeError as error:
        raise QmqError("bad-header", f"{error.object[:32]!r} is no UTF-8") from None


def send(destination: str, body: Any, headers: Mapping[str, str] | None) -> bytes:
    """A SEND frame.

    Raises:
        QmqError: As `frame`; and as `encode`.

    """
    octets, fields = encode(body)
    return frame("SEND", {"destination": destination, **fields, **(headers or {})}, octets)
