"""Files over HTTP: looked for, opened and read by threads, so that no loop waits for a disk.

Only regular files below a folder are given: no names that begin with a dot, no links
that lead out of it, no pipes or devices, which may never end. Browsers ask each time
whether a file has changed. What is in the files, and what browsers may do with them,
is the business of others.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from pathlib import Path
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from qmq.errors import QmqError
from qmq.gateway.handlers import Telling, answer_options, refuse, set_safe_headers
from qmq.stats import Stats

INDEX = "index.html"
_PIECE = 64 * 1024  # bytes that are read at once
_THREADS = 2
_MOST_NAMES = 32  # in a path
_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))")

# What the machine's own table may lack.
_KINDS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".md": "text/markdown",
}


@dataclass(slots=True)
class Found:
    """A file that is open.

    Attributes:
        number: Its descriptor.
        root: The folder in which it was looked for.
        size: In bytes, as it was opened.
        tag: Says which version of it this is, as `ETag`.
        changed: When, as `Last-Modified`.
        kind: As `Content-Type`.

    """

    number: int
    root: str
    size: int
    tag: str
    changed: str
    kind: str


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, "qmq-files")  # starts them when they are needed


def look_for(roots: Sequence[str], path: str, index: str | None) -> Found | str | None:
    """Opens a file. Blocks.

    Args:
        roots: Folders, in this order.
        path: As in the URL, without its first slash.
        index: What stands for a folder, if anything does.

    Returns:
        The file; `/` if it is a folder, whose path ends with that; None if it is not there, or not to be given.

    """
    names = _names(path, index)
    if not names:
        return None
    for root in roots:
        found = _open(root, names, index)
        if found is not None:
            return found
    return None


def _names(path: str, index: str | None) -> list[str] | None:
    """The names on the way to a file, without `.` and `..`; None if there is none that may be gone."""
    parts = path.split("/")
    if len(parts) > _MOST_NAMES:
        return None
    is_folder = parts[-1] in ("", ".", "..")
    names: list[str] = []
    for part in parts if parts[-1] else parts[:-1]:
        if part == "..":
            if not names:
                return None
            names.pop()
        elif part != ".":
            if not _is_plain(part):
                return None
            names.append(part)
    if is_folder:
        return [*names, index] if index is not None else None
    return names


def _is_plain(name: str) -> bool:
    return bool(name) and (name[0] != "." or name == ".well-known") and "\0" not in name and "\\" not in name


def _open(root: str, names: list[str], index: str | None) -> Found | str | None:
    base = os.path.realpath(root)
    try:
        real = os.path.realpath(os.path.join(base, *names))
        if os.path.commonpath((base, real)) != base:
            return None
        if os.path.isdir(real):
            return "/" if index is not None and os.path.isfile(os.path.join(real, index)) else None
        # Whoever opens a pipe waits for its other end, but not so.
        number = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    about = os.fstat(number)
    if not stat.S_ISREG(about.st_mode):
        os.close(number)
        return None
    tag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
    return Found(number, root, about.st_size, tag, formatdate(about.st_mtime, usegmt=True), kind_of(names[-1]))


def kind_of(name: str) -> str:
    """The type of a file, by its name."""
    kind, packed = mimetypes.guess_type(name, strict=False)
    if packed is not None:
        return "application/gzip" if packed == "gzip" else "application/octet-stream"
    kind = _KINDS.get(os.path.splitext(name)[1].lower()) or kind or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


class Files(Telling, RequestHandler):
    """The files of some folders.

    Args:
        stats: Where refusals are counted.
        path: The folder, or several, which are looked into in this order.
        index: The file that stands for a folder, if anything does.

    """

    def initialize(self, stats: Stats, path: str | Sequence[str], index: str | None = None) -> None:
        self.stats = stats
        self._roots = (path,) if isinstance(path, str) else tuple(path)
        self._index = index

    def set_default_headers(self) -> None:
        set_safe_headers(self)

    def compute_etag(self) -> str | None:
        return self._headers.get("Etag")

    def dress(self, found: Found) -> None:
        """Adds headers to the answer that gives a file."""

    async def get(self, path: str) -> None:
        """Gives it, or a part of it, or says that the client has it."""
        found = await self._look_for(path)
        if found is None:
            return
        try:
            if self._begin(found):
                await self._give(found, *self._part(found))
        finally:
            os.close(found.number)

    async def head(self, path: str) -> None:
        """Says what it would give."""
        found = await self._look_for(path)
        if found is not None:
            os.close(found.number)
            if self._begin(found):
                self.set_header("Content-Length", found.size)
                self.finish()

    def options(self, path: str) -> None:
        """Says what is answered."""
        answer_options(self)

    async def _look_for(self, path: str) -> Found | None:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_threads(), look_for, self._roots, path, self._index)
        if isinstance(found, Found):
            return found
        if found is None:
            refuse(self, QmqError("not-found"), self.stats)
        else:
            # From where it is, so that no other host can be meant.
            self.set_header("Cache-Control", "no-cache")
            self.redirect(f"./{quote(Path(path).name)}/")
        return None

    def _begin(self, found: Found) -> bool:
        """Sets the headers; false if the client has the file already, and was told so."""
        self.set_header("Content-Type", found.kind)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Last-Modified", found.changed)
        self.set_header("Etag", found.tag)
        self.set_header("Accept-Ranges", "bytes")
        self.dress(found)
        asked = self.request.headers
        if "If-None-Match" in asked:
            known = self.check_etag_header()
        else:
            known = asked.get("If-Modified-Since") == found.changed
        if known:
            self.set_status(304)
            self.finish()
        return not known

    def _part(self, found: Found) -> tuple[int, int]:
        """What is asked for: from where, and up to where. All of it, unless it is one part."""
        asked = self.request.headers
        match = _RANGE.fullmatch(asked.get("Range", ""))
        if match is None or asked.get("If-Range", found.tag) != found.tag:
            return 0, found.size
        first, last, tail = match.groups()
        if tail is not None:
            start, end = max(found.size - int(tail), 0), found.size
        else:
            start, end = int(first), min(int(last) + 1, found.size) if last else found.size
        if start >= end:
            self.set_status(416)
            self.set_header("Content-Range", f"bytes */{found.size}")
            return 0, 0
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{end - 1}/{found.size}")
        return start, end

    async def _give(self, found: Found, start: int, end: int) -> None:
        self.set_header("Content-Length", end - start)
        loop = asyncio.get_running_loop()
        try:
            while start < end:
                size = min(_PIECE, end - start)
                piece = await loop.run_in_executor(_threads(), os.pread, found.number, size, start)
                if not piece:  # it has become shorter
                    self.request.connection.stream.close()  # type: ignore[union-attr]
                    return
                start += len(piece)
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            return
        self.finish()
