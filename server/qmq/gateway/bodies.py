"""How large the bodies of requests may be: one table, by path.

The limit of a message is the same by every way in; what differs is how much is written
around it. A body that is larger than its row says cannot hold a message that is
allowed, so it is refused before it has come. What is in it is the business of others.
"""

from __future__ import annotations

from collections.abc import Callable

from qmq.sections import Limits

_BATCH = 256 << 10  # bytes that a client of /poll gathers before one more frame follows
_AROUND = 64 << 10  # bytes around a message: fields, a schema
_ESCAPED = 6  # bytes that JSON may take for one: \u0000
_IN_A_FORM = 8  # and in a form, where the backslash takes three: %5Cu0000


def in_json(limits: Limits) -> int:
    """Bytes of the largest frame as a text in JSON, however it is written."""
    return _ESCAPED * limits.frame_bytes + _AROUND


# Path or how paths begin, what may come, and the code of what is too large.
_TABLE: tuple[tuple[str, Callable[[Limits], int], str], ...] = (
    ("/poll", lambda limits: limits.frame_bytes + _BATCH, "frame-too-large"),
    ("/sockjs/", in_json, "frame-too-large"),
    ("/api/v1/", lambda limits: 2 * limits.body + _AROUND, "body-too-large"),
    ("/avro", lambda limits: limits.body + _AROUND, "body-too-large"),
)


class Allowed:
    """The table, for these limits."""

    def __init__(self, limits: Limits) -> None:
        self._rows = [(path, most(limits), code) for path, most, code in _TABLE]
        self._rest = max(limits.body, _AROUND)
        self._form = _IN_A_FORM * limits.frame_bytes + _AROUND

    def at(self, path: str) -> tuple[int, str]:
        """Bytes of a body, and the code of what is larger."""
        path = path.partition("?")[0]
        for begin, most, code in self._rows:
            if path.startswith(begin):
                return (self._form if path.endswith("/jsonp_send") else most), code
        return self._rest, "body-too-large"  # of no use there, but who sends it hears what is the matter
