"""The body of a request, as it comes: unpacked if it is packed, counted, and thrown away once it is of no use.

What is wrong with it is said when all of it has come, so that the client is there to hear it,
and the connection can be used again. Nothing here knows what is in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from qmq.errors import QmqError

_READ_ON = 4  # times as much as is allowed is read, before the connection is closed


class Body:
    """A body that may have so many octets.

    Args:
        most: Octets, unpacked.
        connection: Tornado's, which reads no more of it than is of use.

    Attributes:
        size: Octets so far, unpacked.

    """

    __slots__ = ("_chunks", "_unzip", "_wrong", "most", "size")

    def __init__(self, most: int, connection: Any) -> None:
        connection.set_max_body_size(_READ_ON * most)
        self.most = most
        self._chunks: list[bytes] = []
        self.size = 0
        self._unzip: Any = None
        self._wrong: tuple[str, str] | None = None  # code and detail: an error would keep its own traceback

    def begin(self, headers: Mapping[str, str]) -> None:
        """Is told how it comes.

        Args:
            headers: The request's.

        Raises:
            QmqError: `unsupported-type` if it is packed in a way that is not known.

        """
        encoding = headers.get("Content-Encoding", "identity").lower()
        if encoding == "gzip":
            self._unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        elif encoding != "identity":
            raise QmqError("unsupported-type", f"Content-Encoding is gzip or identity, not {encoding[:64]!r}")

    def feed(self, chunk: bytes) -> None:
        """Takes a piece."""
        if self._wrong is not None:
            return
        if self._unzip is not None:
            try:
                chunk = self._unzip.decompress(chunk, self.most + 1 - self.size)
            except zlib.error:
                self._wrong = "bad-request", "the body is no gzip"
                return
        self.size += len(chunk)
        if self.size > self.most:
            self._chunks.clear()
            self._wrong = self._too_large
            return
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """All of it.

        Raises:
            QmqError: `body-too-large`; `bad-request` if it was to be gzip and is none, or is cut off.

        """
        if self._wrong is not None:
            raise QmqError(*self._wrong)
        if self._unzip is not None and not self._unzip.eof:
            raise QmqError("bad-request", "the body is cut off: its gzip has no end")
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def _too_large(self) -> tuple[str, str]:
        return "body-too-large", f"a request's body has at most {self.most} octets"
