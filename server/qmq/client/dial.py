"""How a client reaches a gateway: address, TLS, the WebSocket handshake, and the login."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from urllib.parse import urlsplit

from qmq.client.client import Client
from qmq.errors import QmqError
from qmq.wire import websocket


async def connect(
    url: str, login: str = "", passcode: str = "", *, tls: ssl.SSLContext | None = None, seconds: float = 10.0
) -> Client:
    """Connects to a gateway and logs in.

    Args:
        url: `ws://` or `wss://` (or `http://`, `https://`), host and port; the
            path is `/stomp` if there is none; a query is sent with it.
        login: Name to log in with.
        passcode: Password or token.
        tls: For `wss`, if the default context does not do: for an authority of your
            own, or to show a certificate.
        seconds: How long all of it may take.

    Raises:
        QmqError: `connect-failed` if there is no gateway, or what it says.

    """
    try:
        async with asyncio.timeout(seconds):
            return await _connect(url, login, passcode, tls)
    except TimeoutError as error:
        raise QmqError("connect-failed", f"{url} did not answer within {seconds:g} seconds") from error


async def _connect(url: str, login: str, passcode: str, tls: ssl.SSLContext | None) -> Client:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise QmqError("connect-failed", f"{url!r}: {error}") from error
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.hostname:
        raise QmqError("connect-failed", f"{url!r} is no ws:// or wss:// address")
    secure = parts.scheme in ("wss", "https")
    port = port or (443 if secure else 80)
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, port, ssl=(tls or ssl.create_default_context()) if secure else None, limit=1 << 18
        )
    except (OSError, UnicodeError) as error:
        raise QmqError("connect-failed", f"{url}: {_explain(error)}") from error
    path = parts.path if parts.path.strip("/") else "/stomp"
    try:
        await _handshake(reader, writer, parts.netloc, f"{path}?{parts.query}" if parts.query else path)
    except BaseException:
        writer.close()
        raise
    client = Client(reader, writer)
    try:
        await client.login(parts.hostname, login, passcode)
    except BaseException:
        await client.close()
        raise
    return client


async def _handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v12.stomp\r\n\r\n".encode()
    )
    try:
        answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
        why = f": {_explain(error)}" if isinstance(error, ssl.SSLError) else ""
        raise QmqError("connect-failed", f"the server ended the WebSocket handshake{why}") from error
    status, _, head = answer.partition("\r\n")
    lines = [line.partition(":") for line in head.split("\r\n")]
    fields = {name.strip().lower(): value.strip() for name, _, value in lines}
    if status.split(" ")[1:2] != ["101"] or fields.get("sec-websocket-accept") != websocket.accept_key(key):
        raise QmqError("connect-failed", f"the server answered {status!r}")


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return f"TLS failed: {error.reason.lower().replace('_', ' ')}"
    return str(getattr(error, "strerror", None) or error)
