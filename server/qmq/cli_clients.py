"""Commands that talk to a gateway as its clients: `qmq pub`, `sub`, `request` and `manage`.

Each ends with 0, with 1 if the gateway refuses or cannot be reached, with 2 for a wrong
option, and with 130 after Ctrl-C, but for `sub`, which one ends so. Secrets may come from
the environment or a file. Errors are raised here and printed by `cli`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from qmq.certificates import client_context
from qmq.client import DEFAULT_URL, Client, Received, Subscription, connect
from qmq.config import CLIENT_VARIABLES
from qmq.core.destination import is_pattern
from qmq.errors import CODES, ConfigError, QmqError
from qmq.wire.stomp import is_text

_Dial = Callable[..., Coroutine[Any, Any, Client]]


def _option(flag: str, *names: str, **settings: Any) -> Any:
    """An option that may stand in the environment, too."""
    variable = CLIENT_VARIABLES[flag]
    settings["help"] += f" [{variable}]"
    return click.option(flag, *names, envvar=variable, **settings)


_CLIENT_OPTIONS = (
    _option("--url", "urls", multiple=True, default=(DEFAULT_URL,), show_default=True,
                 help="The gateway: stomp, stomps, ws, wss, http or https. Of several, the first that answers."),
    _option("--login", default="", help="Name to log in with."),
    _option("--passcode", default="", help="Password; better in the environment or a file."),
    click.option("--passcode-file", metavar="FILE", help="File whose first line is the password."),
    _option("--token", default="", help="Token to log in with; better in the environment or a file."),
    click.option("--token-file", metavar="FILE", help="File whose first line is the token."),
    _option("--ca", default="", metavar="FILE", help="For TLS: authorities to believe, in PEM."),
    _option("--cert", default="", metavar="FILE", help="For TLS: certificate to show, in PEM."),
    _option("--key", default="", metavar="FILE", help="Its key, if that is not in the same file."),
)  # fmt: skip


def _client_options(command: Any) -> Any:
    """Gives a command the options of a client, and as `dial` what connects with them."""

    @functools.wraps(command)
    def run(
        urls: tuple[str, ...],
        login: str,
        passcode: str,
        passcode_file: str | None,
        token: str,
        token_file: str | None,
        ca: str,
        cert: str,
        key: str,
        **more: Any,
    ) -> None:
        if key and not cert:
            raise click.UsageError("--key is of no use without --cert")
        tls = client_context(ca, cert, key) if ca or cert else None
        passcode, token = _first_line(passcode_file) or passcode, _first_line(token_file) or token

        async def dial(**how: Any) -> Client:
            return await connect(urls, login, passcode, token=token or None, tls=tls, **{"reconnect": False, **how})

        command(dial=dial, **more)

    for option in reversed(_CLIENT_OPTIONS):
        run = option(run)
    return run


def _first_line(file: str | None) -> str:
    """A secret from a file, so that it stands on no command line; empty without one."""
    if file is None:
        return ""
    try:
        with open(file, encoding="utf-8") as opened:
            line = opened.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    return line.rstrip("\r\n")


# What one message is made of.
_MESSAGE_OPTIONS = (
    click.argument("destination"),
    click.argument("body", required=False, metavar="[BODY|-]"),
    click.option("--content-type", default="", help="Of the body; text/plain if it is text."),
    click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="One more header."),
)


def _message_options(command: Any) -> Any:
    """Gives a command a destination, and as `octets` and `fields` what it is to send there."""

    @functools.wraps(command)
    def run(body: str | None, content_type: str, headers: tuple[str, ...], **more: Any) -> None:
        fields = _parse_headers(headers)
        octets = sys.stdin.buffer.read() if body in (None, "-") else os.fsencode(str(body))
        kind = content_type or ("text/plain" if is_text(octets) else "")
        command(octets=octets, fields={**({"content-type": kind} if kind else {}), **fields}, **more)

    for option in reversed(_MESSAGE_OPTIONS):
        run = option(run)
    return run


@click.command()
@_message_options
@_client_options
def pub(destination: str, octets: bytes, fields: dict[str, str], dial: _Dial) -> None:
    """Publish one message: BODY, or standard input if BODY is - or missing."""

    async def run() -> None:
        async with await dial() as client:
            await client.publish(destination, octets, fields)

    asyncio.run(run())


@click.command()
@click.argument("destinations", nargs=-1, required=True, metavar="DESTINATION...")
@click.option("--json", "as_json", is_flag=True, help="Print each message as one line of JSON.")
@click.option(
    "--names/--no-names",
    "names",
    default=None,
    help="Print each message's destination before it, or do not. By default if there may be several.",
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option("--ack", is_flag=True, help="Of a queue: take a message out only once it is printed.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="One more header of SUBSCRIBE.")
@click.option("--no-reconnect", is_flag=True, help="End when the connection does.")
@_client_options
def sub(
    destinations: tuple[str, ...],
    as_json: bool,
    names: bool | None,
    count: int | None,
    ack: bool,
    headers: tuple[str, ...],
    no_reconnect: bool,
    dial: _Dial,
) -> None:
    """Print the messages of destinations or patterns as they come, over one connection after the other.

    Where there may be several destinations, each message is printed after its own: /topic/prices.eur 1.08
    """
    fields = _parse_headers(headers)
    if ack:  # and have no more of them in hand than are wanted
        fields = {"ack": "client-individual", "prefetch-count": str(min(count or 100, 100)), **fields}
    if names is None:
        names = len(destinations) > 1 or is_pattern(destinations[0])
    errors: list[QmqError] = []

    def tell(state: str) -> None:
        if state == "waiting":
            _tell(f"{errors.pop()}; trying again")

    async def run() -> None:
        async with await dial(reconnect=not no_reconnect, on_error=errors.append, on_state=tell) as client:
            reader = Reader(as_json, names, count, ack)
            alone = len(destinations) == 1
            begun = [await _subscribe(client, each, fields, alone) for each in destinations]
            readers = [asyncio.create_task(reader.read(each)) for each in begun]
            try:
                await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in readers:
                    each.cancel()
                found = await asyncio.gather(*readers, return_exceptions=True)
            for error in found:
                if isinstance(error, Exception):
                    raise error

    with contextlib.suppress(KeyboardInterrupt):  # which is how one ends it
        asyncio.run(run())


async def _subscribe(client: Client, destination: str, fields: dict[str, str], alone: bool) -> Subscription:
    """Subscribes, and lets the user know on standard error, then and after each return."""
    told = False

    def tell(recovered: bool) -> None:
        if told:
            missed = "nothing was missed" if recovered else "something may have been missed"
            _tell(f"back; {missed}" if alone else f"back; {missed} of {destination}")

    subscription = await client.subscribe(destination, fields, on_recovered=tell)
    told = True
    missing = "" if subscription.recovered else "; what is older than what the gateway still has is missing"
    _tell(f"subscribed to {destination}{missing}")
    return subscription


def _tell(text: str) -> None:
    """Lets the user know something on standard error, which may be closed or full: the messages count."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=True)


class Reader:
    """Prints the messages of all subscriptions of one `qmq sub`, until there were enough of them."""

    def __init__(self, as_json: bool, names: bool, count: int | None, ack: bool) -> None:
        self._as_json = as_json
        self._names = names
        self._left = count
        self._ack = ack

    async def read(self, subscription: Subscription) -> None:
        """Returns when the count is reached.

        Raises:
            QmqError: Why the client ended before.

        """
        async for message in subscription:
            if self._left == 0:  # another subscription had the last one
                return
            if self._left is not None:
                self._left -= 1
            _print(message, self._as_json, self._names)
            if self._ack:
                with contextlib.suppress(QmqError):  # if its connection has ended, it comes again
                    await message.ack(receipt=False)
            if self._left == 0:
                return


@click.command()
@_message_options
@click.option("--timeout", type=float, default=10.0, show_default=True,
              metavar="SECONDS", help="How long the reply may take.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the reply as one line of JSON.")
@_client_options
def request(
    destination: str, octets: bytes, fields: dict[str, str], timeout: float, as_json: bool, dial: _Dial
) -> None:
    """Publish one message, made as pub makes it, and print the reply to it."""
    if not timeout > 0:
        raise click.UsageError(f"--timeout must be more than 0 seconds, not {timeout:g}")

    async def run() -> None:
        async with await dial() as client:
            _print(await client.request(destination, octets, fields, seconds=timeout), as_json)

    asyncio.run(run())


class _Manage(click.Command):
    """Its help names the operations."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from qmq.session.desk import OPERATIONS

        with formatter.section("Operations"):
            formatter.write_dl([(name, (method.__doc__ or "").replace("`", "")) for name, method in OPERATIONS.items()])


@click.command(cls=_Manage)
@click.argument("operation")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@_client_options
def manage(operation: str, arguments: tuple[str, ...], dial: _Dial) -> None:
    """Ask the gateway about its queues and exchanges, or change them, and print its answer.

    For example: qmq manage purge destination=/queue/jobs
    """
    asked = _parse_arguments(arguments)

    async def run() -> None:
        async with await dial() as client:
            answer = await client.request(f"/manage/{operation}", asked)
        found = answer.json()
        code = answer.headers.get("code")
        if code is not None:
            raise QmqError(code if code in CODES else "bad-operation", found["detail"])
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))

    asyncio.run(run())


def _parse_arguments(arguments: tuple[str, ...]) -> dict[str, Any]:
    """What is asked for. A value is text, which the gateway reads as it needs it, but an object is JSON."""
    asked: dict[str, Any] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise click.UsageError(f"an argument must be NAME=VALUE, not {argument!r}")
        try:
            asked[name] = json.loads(value) if value.startswith("{") else value
        except (ValueError, RecursionError) as error:
            raise click.UsageError(f"{name} is no JSON object: {error}") from None
    return asked


def _print(message: Received, as_json: bool, name: bool = False) -> None:
    line = _as_json(message) if as_json else message.body + b"\n"
    sys.stdout.buffer.write(message.destination.encode() + b" " + line if name and not as_json else line)
    sys.stdout.buffer.flush()


def _as_json(message: Received) -> bytes:
    headers = {name: value for name, value in message.headers.items() if name not in ("subscription", "content-length")}
    line = {"id": message.id, "destination": message.destination, "headers": headers}
    if is_text(message.body):
        line["body"] = message.text()
    else:
        line["bodyBase64"] = base64.b64encode(message.body).decode()
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _parse_headers(headers: tuple[str, ...]) -> dict[str, str]:
    fields = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name:
            raise click.UsageError(f"--header must be NAME:VALUE, not {header!r}")
        try:
            header.encode()
        except UnicodeEncodeError:  # as the shell had it
            raise click.UsageError(f"--header must be UTF-8, which {os.fsencode(header)!r} is not") from None
        fields[name] = value
    return fields
