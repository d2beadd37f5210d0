"""Where a gateway is: an address as people write it, taken apart. Nothing here connects."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from qmq.errors import QmqError

# By scheme: whether it is WebSocket, whether it is TLS, and the port if none is said.
_SCHEMES = {
    "stomp": (False, False, 61613),
    "stomps": (False, True, 61614),
    "ws": (True, False, 80),
    "wss": (True, True, 443),
    "http": (True, False, 80),
    "https": (True, True, 443),
}


@dataclass(frozen=True, slots=True)
class Address:
    """One gateway.

    Attributes:
        url: As it may be shown to anybody: without a password.
        websocket: Whether STOMP goes over WebSocket there, else over bare TCP.
        secure: Whether it goes over TLS.
        host: Name or number.
        port: Of TCP.
        authority: What the HTTP header `Host` says.
        path: What is asked for over HTTP, with its query.
        login: User in the URL, or empty.
        passcode: Password in the URL, or empty.

    """

    url: str
    websocket: bool
    secure: bool
    host: str
    port: int
    authority: str
    path: str
    login: str
    passcode: str


def parse(url: str) -> Address:
    """Takes a URL apart: `stomp://`, `stomps://`, `ws://`, `wss://`, `http://` or `https://`, host and port.

    Without a port it is 61613, 61614 with TLS, and for WebSocket the port of HTTP. Without
    a path it is `/stomp`. A user and a password may stand before the host.

    Raises:
        QmqError: `connect-failed` if it is no such URL.

    """
    try:
        parts = urlsplit(url)
        port, host, user, password = parts.port, parts.hostname, parts.username, parts.password
    except ValueError as error:
        raise QmqError("connect-failed", f"{url!r}: {error}") from error
    if parts.scheme not in _SCHEMES or not host:
        schemes = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise QmqError("connect-failed", f"{_shown(parts)!r} is no address: it begins with one of {schemes}")
    websocket, secure, default = _SCHEMES[parts.scheme]
    path = parts.path if parts.path.strip("/") else "/stomp"
    return Address(
        url=_shown(parts),
        websocket=websocket,
        secure=secure,
        host=host,
        port=port or default,
        authority=parts.netloc.rpartition("@")[2],
        path=f"{path}?{parts.query}" if parts.query else path,
        login=unquote(user or ""),
        passcode=unquote(password or ""),
    )


def _shown(parts: SplitResult) -> str:
    """The URL without what may be secret in it: user, password and query."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
