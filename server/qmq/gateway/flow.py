"""The form of an answer that goes on: in chunks, or ending with its connection.

It was measured (docs/operations.md, "Streams behind a proxy"): HAProxy keeps each piece of a
chunked answer back for 200 ms, and clients that read in blocks, such as Python's
requests, hang on the last piece of one without chunks. So who is known to need chunks
has them, and everybody else reads until the connection ends. Nothing here knows what is
streamed.
"""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPServerRequest

_IN_BLOCKS = ("python-requests", "urllib3")  # in User-Agent: they read so many bytes, unless there are chunks


def ends_with_connection(request: HTTPServerRequest) -> bool:
    """Whether an answer that goes on has no chunks.

    Browsers read what comes as it comes. Others that keep their connection alive on purpose are better served with
    chunks; a proxy in between takes that word of theirs away.
    """
    if request.version != "HTTP/1.1":
        return True
    headers = request.headers
    agent = headers.get("User-Agent", "")
    if agent.startswith("Mozilla/") or "Sec-Fetch-Mode" in headers:
        return True
    if any(each in agent for each in _IN_BLOCKS):
        return False
    return "keep-alive" not in headers.get("Connection", "").lower()


def chunk(data: bytes) -> bytes:
    """A piece of an answer in chunks."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


class Flowing:
    """Mixed into handlers of SockJS whose answers go on."""

    request: HTTPServerRequest

    def disable_cache(self) -> None:
        """Is called before the head of the answer."""
        handler: Any = super()
        handler.disable_cache()
        if ends_with_connection(self.request):
            this: Any = self
            this.set_header("Connection", "close")  # `http1` goes by that
