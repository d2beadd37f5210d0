"""`/api/`: the table of the JSON API as a page, for people to read; and the addresses of both its documents.

It works without scripts, and is made once.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import Any, TypeAlias

from qmq import __version__, native
from qmq.errors import CODES
from qmq.gateway.api.document import document
from qmq.gateway.api.schemas import Schema
from qmq.gateway.api.table import ALWAYS, OPERATIONS, PREFIX, WITH_BODY, Operation
from qmq.gateway.handlers import Elsewhere, Problems
from qmq.stats import Stats

# Name, place, kind, whether it is required, and help.
Row: TypeAlias = "tuple[str, str, str, bool, str]"

_HEAD = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>QMQ: the API</title>
  <link rel="icon" href="/favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/style.css">
  <link rel="stylesheet" href="/api.css">
</head>
<body>
  <header class="bar"><div class="wrap">
    <a class="brand" href="/"><img src="/favicon.svg" alt="" width="28" height="28">QMQ</a>
    <nav aria-label="Documents"><a href="/openapi.json">OpenAPI</a></nav>
  </div></header>
  <main class="wrap api">
    <h1>JSON over HTTP</h1>
    <p class="soft">Every program with an HTTP client can publish, read, stream and consume. Bodies are JSON; an error
    is a problem (RFC 9457) whose <code>code</code> is the same in all protocols.</p>
"""
_FOOT = """  </main>
  <footer class="foot"><div class="wrap"><span>QMQ {version}</span><a href="/">Home</a></div></footer>
</body>
</html>
"""


@cache
def page() -> bytes:
    """The page."""
    lines = [f'    <li><a href="#{each.name}">{_method(each)}</a> {escape(each.help)}</li>' for each in OPERATIONS]
    parts = [_HEAD, '    <ul class="toc">\n', "\n".join(lines), "\n    </ul>\n"]
    parts += [_section(each) for each in OPERATIONS]
    parts.append(_codes("Any of them", "any", [*ALWAYS, *WITH_BODY]))
    parts.append(_FOOT.replace("{version}", __version__))
    return "".join(parts).encode()


def _method(operation: Operation) -> str:
    return f"<code><b>{operation.method}</b> {PREFIX}{operation.path}</code>"


def _section(operation: Operation) -> str:
    parts = [f'    <section class="card" id="{operation.name}">\n    <h2>{_method(operation)}</h2>']
    parts.append(f"    <p>{_prose(operation.help)} {_prose(operation.more)}</p>")
    takes = [(each.name, each.place, _kind(each.schema), each.required, each.help) for each in operation.parameters]
    if operation.body is not None:
        takes += _fields(operation.body, "body")
    parts.append(_table("Takes", takes))
    if operation.example is not None:
        parts.append(_json("For example", operation.example))
    if operation.answer is not None:
        parts.append(_table("Answers", _fields(operation.answer)))
    if operation.shown is not None:
        parts.append(_json("For example", operation.shown))
    if operation.errors:
        parts.append(_codes("Errors", "", list(operation.errors)))
    return "\n".join(part for part in parts if part) + "\n    </section>\n"


def _fields(schema: Schema, place: str = "") -> list[Row]:
    """The fields of an object, or of the first alternative."""
    schema = schema["oneOf"][0] if "oneOf" in schema else schema
    required = () if not place else schema.get("required", ())
    return [
        (name, place, _kind(each), name in required, each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]


def _kind(schema: Schema) -> str:
    if "enum" in schema:
        return " | ".join(schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array" and schema.get("items"):
        return f"array of {_kind(schema['items'])}"
    return kind if isinstance(kind, str) else " or ".join(kind)


def _table(title: str, rows: list[Row]) -> str:
    if not rows:
        return ""
    lines = [
        f"<tr><th scope=row><code>{escape(name)}</code></th><td>{escape(place)}{' required' if required else ''}</td>"
        f"<td>{escape(kind)}</td><td>{_prose(help)}</td></tr>"
        for name, place, kind, required, help in rows
    ]
    return f"    <h3>{title}</h3>\n    <table>{''.join(lines)}</table>"


def _json(title: str, value: Any) -> str:
    return f"    <h3>{title}</h3>\n    <pre>{escape(native.pretty(value).decode())}</pre>"


def _codes(title: str, anchor: str, codes: list[str]) -> str:
    rows = [(code, str(CODES[code].status), "", False, f"{CODES[code].text}.") for code in codes]
    shown = _table(title, rows)
    return f'    <section class="card" id="{anchor}">\n{shown}\n    </section>\n' if anchor else shown


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


class Document(Problems):
    """Something that is made once, and revalidated on each use."""

    def initialize(self, stats: Stats, content: bytes = b"", kind: str = "") -> None:
        super().initialize(stats)
        self._content = content
        self._kind = kind

    def get(self) -> None:
        """Answers with it, or that the client has it."""
        self.set_header("Content-Type", self._kind)
        self.set_header("Cache-Control", "no-cache")
        self.finish(self._content)

    head = get


@cache
def _described() -> bytes:
    return native.dumps(document())


def routes(stats: Stats) -> list[Any]:
    """The rules for Tornado."""
    shown = {"stats": stats, "content": page(), "kind": "text/html; charset=utf-8"}
    told = {"stats": stats, "content": _described(), "kind": "application/json"}
    return [
        (r"/api/", Document, shown),
        (r"/api", Elsewhere, {"stats": stats, "url": "/api/"}),
        (r"/openapi\.json", Document, told),
    ]
