"""Packets of long-polling and streaming: numbered pieces of an octet stream (docs/polling.md).

An answer is a series of packets, `SEQ LENGTH` and a line end before so many octets.
Between them there may be blank lines, which are signs of life. The last of all is a
line `end CODE NAME`. Nothing here knows HTTP or what the octets mean.
"""

from __future__ import annotations

SIGN_OF_LIFE = b"\n"


def packet(seq: int, data: bytes) -> bytes:
    """A piece of the stream, with its number."""
    return b"%d %d\n%b" % (seq, len(data), data)


def end(code: int, name: str) -> bytes:
    """The end of the stream: a WebSocket close code, and what it is called."""
    return b"end %d %b\n" % (code, name.encode())
