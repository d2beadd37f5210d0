"""A stream whose client is to be silent: it keeps what comes all the same, and tells that something did.

That is how a connection waits between requests that were answered by hand: without any
of the HTTP server's objects, until there is a request to be read.
"""

from __future__ import annotations

from collections.abc import Callable

from tornado.iostream import IOStream

from qmq.gateway.tls import TlsStream


class Quiet(IOStream):
    """A stream that notes whether anything came.

    Attributes:
        heard: Whether it did.
        on_octets: Called when it does.

    """

    heard = False
    on_octets: Callable[[], None] | None = None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        size = super().read_from_fd(buf)
        if size:
            self.heard = True
            if self.on_octets is not None:
                self.on_octets()
        return size


class _QuietTls(Quiet, TlsStream):
    """The same with TLS."""


_KINDS: dict[type[IOStream], type[Quiet]] = {IOStream: Quiet, TlsStream: _QuietTls}
_FORMER = {quiet: kind for kind, quiet in _KINDS.items()}


def hush(stream: IOStream) -> None:
    """Makes a stream quiet, if it is of a kind that can be."""
    kind = _KINDS.get(type(stream))
    if kind is not None:
        stream.__class__ = kind
        # What had come before: a client may send its next request at once. Tornado has no public word for that.
        stream.heard = stream._read_buffer_size > 0  # type: ignore[attr-defined]


def rouse(stream: Quiet) -> None:
    """Makes it what it was."""
    stream.__class__ = _FORMER[type(stream)]  # type: ignore[assignment]
    del stream.heard
    stream.__dict__.pop("on_octets", None)
