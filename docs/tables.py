"""Prints the tables in docs/ anew, from the code that they describe.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. A test runs this
with nothing to change; `make docs` makes it so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from qmq import config
from qmq.core import options
from qmq.errors import CODES
from qmq.gateway.api import table as api_table
from qmq.session import desk, stomp_rules

DOCS = Path(__file__).parent
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def errors() -> str:
    """The table of error codes."""
    lines = ["| code | closes with | HTTP | come back? | meaning |", "| --- | --- | --- | --- | --- |"]
    for code in CODES.values():
        retry = "yes" if code.retry else "no"
        lines.append(f"| `{code.name}` | {code.close} | {code.status} | {retry} | {code.text} |")
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "options": config.as_markdown,
    "errors": errors,
    "states": stomp_rules.as_markdown,
    "properties": options.as_markdown,
    "operations": desk.as_markdown,
    "api": api_table.as_markdown,
}


def printed(text: str) -> str:
    """A document with its tables as they should be."""
    return _TABLE.sub(lambda match: f"{match[1]}{TABLES[match[2]]()}\n{match[3]}", text)


def main() -> None:
    """Rewrites every document whose tables are out of date."""
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text("utf-8")
        if printed(text) != text:
            path.write_text(printed(text), "utf-8")


if __name__ == "__main__":
    main()
