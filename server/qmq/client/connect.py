"""How a program gets a client."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence

from qmq.client.address import parse
from qmq.client.client import Client
from qmq.client.options import DEFAULT_URL, Options, State, Token
from qmq.errors import QmqError


async def connect(
    url: str | Sequence[str] = DEFAULT_URL,
    login: str = "",
    passcode: str = "",
    *,
    token: Token | None = None,
    tls: ssl.SSLContext | None = None,
    seconds: float = 10.0,
    heartbeat: float = 10.0,
    reconnect: bool = True,
    patient: bool = False,
    outbox_messages: int = 10_000,
    outbox_bytes: int = 8 << 20,
    on_state: Callable[[State], None] | None = None,
    on_error: Callable[[QmqError], None] | None = None,
) -> Client:
    """Connects to a gateway and logs in. The client that it returns comes back by itself.

    Args:
        url: Where the gateway is: `stomp://` or `stomps://` (STOMP over TCP, or TLS), `ws://` or
            `wss://` (over WebSocket; `http://` and `https://` mean the same). Of several, it is
            the first that answers; when a connection ends, the next of them is tried first. User
            and password may be in it.
        login: Name to log in with.
        passcode: Password or token.
        token: Instead of a password, a token; or a function, or coroutine function, that is
            asked for one before each login.
        tls: For TLS, if the default context does not do: for an authority of your own, or to
            show a certificate.
        seconds: How long it may take to reach one gateway and log in. After each try that fails the
            next may take twice as long, up to 30 seconds.
        heartbeat: Seconds between signs of life, both ways; a gateway that is silent for twice
            as long is taken for dead. 0 for none.
        reconnect: If false, the end of the connection is the end of the client.
        patient: If true, it goes on trying also if no gateway can be reached at first.
        outbox_messages: How many publishes may wait for a connection or a receipt.
        outbox_bytes: How many octets of them may, and of what waits for the socket.
        on_state: Called with each new state, see `Client.state`.
        on_error: Called with the reason whenever a connection ends or cannot be made, but
            for `close`.

    Raises:
        QmqError: `connect-failed` if there is no gateway, or what it says.

    """
    urls = [url] if isinstance(url, str) else url
    if not urls:
        raise QmqError("connect-failed", "no address was given")
    client = Client(
        Options(
            tuple(map(parse, urls)), login, passcode, token, tls, seconds, heartbeat, reconnect, patient,
            outbox_messages, outbox_bytes, on_state, on_error,
        )
    )  # fmt: skip
    await _opened(client)
    return client


async def _opened(client: Client) -> None:
    """Returns when there is a connection; closes the client if there will be none."""
    try:
        async for state in client.states():
            if state in ("open", "closed"):
                break
        if client.error is not None:
            raise client.error
    except BaseException:
        await client.close()
        raise
