"""STOMP frames as SockJS messages, which are text and travel as JSON strings.

A body that is no text is carried in base64, and says so with the header
`content-transfer-encoding:base64`, in both directions (docs/sockjs.md). All that is
made here is ASCII, so that no character is one that some browser cannot take.

Nothing here knows sessions or transports.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from json.encoder import encode_basestring_ascii

from qmq.errors import QmqError

_ENCODED = b"content-transfer-encoding:base64"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_SURROGATE = re.compile("[\ud800-\udfff]")


def frame(data: bytes, text: bool) -> bytes:
    """Makes one STOMP frame an element of an array, and what separates it from the next.

    Args:
        data: The frame.
        text: Whether its body is UTF-8.

    """
    return (encode_basestring_ascii((data if text else _in_base64(data)).decode()) + ",").encode("ascii")


def array(frames: bytes) -> str:
    """The SockJS frame of everything that `frame` made."""
    return f"a[{frames[:-1].decode('ascii')}]"


def escaped(frame: str) -> str:
    """A SockJS frame as the data of an event: clients of that transport undo percent-encoding (`decodeURI`).

    No character but the percent sign needs it, for frames are ASCII without control characters.
    """
    return frame.replace("%", "%25")


def unframe(message: str) -> tuple[bytes, bool]:
    """The octets of what a client sends, which may be any part of STOMP frames, and whether they are text.

    Half a surrogate pair becomes U+FFFD, as in all that browsers send as text.

    Raises:
        QmqError: `bad-frame` if a frame says that its body is base64, and it is not, or something follows it.

    """
    try:
        data = message.encode()
    except UnicodeEncodeError:
        data = _SURROGATE.sub("\ufffd", message).encode()
    return _from_base64(data) if _ENCODED in data else (data, True)


def _in_base64(data: bytes) -> bytes:
    head, _, body = data.partition(b"\n\n")
    command, *headers = head.split(b"\n")
    return _assemble(command, [_ENCODED, *headers], b64encode(body[:-1]))


def _from_base64(data: bytes) -> tuple[bytes, bool]:
    data = data.lstrip(b"\r\n")  # heart-beats
    blank = _BLANK_LINE.search(data)
    if blank is None:
        return data, True
    command, *headers = data[: blank.start()].split(b"\n")
    headers = [header.removesuffix(b"\r") for header in headers]
    if _ENCODED not in headers:  # it is in the body
        return data, True
    body, nul, rest = data[blank.end() :].partition(b"\0")
    try:
        if not nul or rest.strip(b"\r\n"):
            raise ValueError
        decoded = binascii.a2b_base64(body, strict_mode=True)
    except ValueError as error:
        raise QmqError("bad-frame", "its body is not one in base64") from error
    return _assemble(command.removesuffix(b"\r"), [header for header in headers if header != _ENCODED], decoded), False


def _assemble(command: bytes, headers: list[bytes], body: bytes) -> bytes:
    kept = [header for header in headers if not header.startswith(b"content-length:")]
    return b"\n".join([command, *kept, b"content-length:%d" % len(body), b"", body]) + b"\0"
