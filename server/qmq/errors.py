"""The one table of error codes, and the exception that carries one.

`errors.json` beside this file is the table: server, Python client and browser
client all read their codes from it. A code says how a WebSocket is closed, what
HTTP status answers it, whether coming back makes sense, and one fixed sentence.

Nothing here logs or sends. An error's `detail` is meant for the client that
caused it; what only the operator may know is chained as `__cause__` and logged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from qmq.logs import printable


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table.

    `close` is the WebSocket close code (RFC 6455, section 7.4): below 4000 the
    registered ones, 4000-4499 "come back", 4500-4999 "do not". `status` is the
    HTTP status, `retry` whether the same client may succeed later. `http` marks
    answers to requests only, which no conversation gets.
    """

    name: str
    close: int
    status: int
    retry: bool
    text: str
    http: bool = False


def _read_table() -> dict[str, Code]:
    rows = json.loads(Path(__file__).with_name("errors.json").read_text("utf-8"))
    return {name: Code(name, **row) for name, row in rows.items()}


CODES: dict[str, Code] = _read_table()


class QmqError(Exception):
    """Something a client did, or must be told, with its code.

    Args:
        code: A name in the table.
        detail: What exactly is wrong, for the client's eyes.
        retry_after: How many milliseconds it is asked to stay away; 0 if it may come back as it likes.

    """

    def __init__(self, code: str, detail: str = "", retry_after: int = 0) -> None:
        super().__init__(code, detail)
        self.code = CODES[code]
        self.detail = detail
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = f"{self.code.name}: {self.code.text}"
        return f"{text}: {printable(self.detail)}" if self.detail else text


class ConfigError(Exception):
    """A wrong option, key or value; the text is one line that names it."""
