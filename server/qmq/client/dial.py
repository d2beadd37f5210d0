"""One connection to one gateway: TCP, TLS, WebSocket where the address says so, and the login."""

from __future__ import annotations

import asyncio
import inspect
import ssl

from qmq.client.address import Address
from qmq.client.connection import Connection, explain
from qmq.client.options import Options
from qmq.client.transport import Plain
from qmq.client.websocket import WebSocket
from qmq.errors import QmqError


async def dial(address: Address, options: Options, seconds: float) -> Connection:
    """Connects and logs in.

    Args:
        address: Where to.
        options: As whom.
        seconds: How long all of it may take.

    Raises:
        QmqError: `connect-failed` if there is no gateway, or what it says.

    """
    try:
        async with asyncio.timeout(seconds):
            connection = await _open(address, options)
            try:
                await connection.login(await _credentials(address, options), options.heartbeat)
            except BaseException:
                connection.abort()
                raise
            return connection
    except TimeoutError as error:
        raise QmqError("connect-failed", f"no answer within {seconds:g} seconds") from error


async def _open(address: Address, options: Options) -> Connection:
    loop = asyncio.get_running_loop()

    def make() -> Connection:
        return Connection(WebSocket(address) if address.websocket else Plain(), options.outbox_bytes)

    try:
        _, connection = await loop.create_connection(
            make,
            address.host,
            address.port,
            ssl=(options.tls or ssl.create_default_context()) if address.secure else None,
        )
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise QmqError("connect-failed", explain(error)) from error
    return connection


async def _credentials(address: Address, options: Options) -> dict[str, str]:
    """The headers of CONNECT that say who this is. A token is asked for anew each time."""
    fields = {"host": address.host}
    if options.token is not None:
        return fields | {"login": options.login or "token", "passcode": await fetch_token(options)}
    login, passcode = options.login or address.login, options.passcode or address.passcode
    return fields | ({"login": login, "passcode": passcode} if login or passcode else {})


async def fetch_token(options: Options) -> str:
    """The token of now.

    Raises:
        QmqError: `connect-failed` if the program's own function fails.

    """
    token = options.token
    if token is None or isinstance(token, str):
        return token or ""
    try:
        found = token()
        return str(await found if inspect.isawaitable(found) else found)
    except QmqError:
        raise
    except Exception as error:
        raise QmqError("connect-failed", f"there is no token: {error!r}") from error
