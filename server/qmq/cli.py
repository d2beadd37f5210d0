"""The `qmq` command: serve, pub, sub, request, manage, check-config; those about logins are in `cli_logins`.

A wrong option, key or value is one line on standard error that names it, and exit
status 2; a server that cannot be reached or that refuses is one line and status 1.
Options of `serve` are made from `qmq.config`; nothing is defined twice.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import gc
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from qmq import __version__, logs
from qmq.certificates import client_context, server_context
from qmq.cli_logins import hash_password, token
from qmq.client import DEFAULT_URL, Client, connect
from qmq.config import OPTIONS, Config, Option, load
from qmq.errors import CODES, ConfigError, QmqError
from qmq.sections import Strings
from qmq.wire.stomp import is_text

_Dial = Callable[..., Coroutine[Any, Any, Client]]


class _Value(click.ParamType[Any]):
    """Lets the configuration's own check speak, in its own words."""

    name = "value"

    def __init__(self, option: Option) -> None:
        self.option = option

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return self.option.parse(value) if isinstance(value, str) else value


def _config_options(command: Any) -> Any:
    """Gives a command `--config` and one flag for each option."""
    for option in reversed(OPTIONS.values()):
        settings: dict[str, Any] = {"help": f"{option.help} [{option.variable}]", "default": None}
        if option.kind is bool:
            settings |= {"is_flag": True, "flag_value": True, "type": bool}
        elif option.kind == Strings:
            settings |= {"multiple": True, "metavar": "TEXT"}
        else:
            settings |= {"type": _Value(option), "metavar": {int: "N", float: "SECONDS"}.get(option.kind, "TEXT")}
        command = click.option(option.flag, option.key.replace(".", "__"), **settings)(command)
    return click.option("--config", metavar="FILE", help="TOML file to read [QMQ_CONFIG]")(command)


def _load(config: str | None, flags: dict[str, Any]) -> Config:
    values = {}
    for name, value in flags.items():
        if value is not None and value != ():
            values[name.replace("__", ".")] = value
    return load(values, config)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qmq")
def cli() -> None:
    """QMQ, the Quick Message Queue."""


@cli.command()
@_config_options
def serve(config: str | None, **flags: Any) -> None:
    """Run a node until SIGTERM or SIGINT."""
    settings = _load(config, flags)
    logs.setup(settings.log_level)
    _raise_file_limit()
    # A gateway makes no cycles per message, and a full collection over many
    # connections would stall all of them: look seldom.
    gc.set_threshold(5_000, 200, 50)
    asyncio.run(_serve(settings, lambda: _load(config, flags)))


async def _serve(settings: Config, reread: Callable[[], Config]) -> None:
    from qmq.node import Node

    node = Node(settings, reread)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGHUP, node.reload)
    await node.start()
    gc.freeze()
    for at in node.listen:
        host = f"[{at['host']}]" if ":" in at["host"] else at["host"]
        click.echo(f"qmq {settings.name} listens on {at['scheme']}://{host}:{at['port']}")
    await stopped.wait()
    await node.stop()


@cli.command("check-config")
@_config_options
def check_config(config: str | None, **flags: Any) -> None:
    """Say whether a configuration is right, and what it amounts to."""
    from qmq.policies import policy_of
    from qmq.rules import history_rules, rules_of

    settings = _load(config, flags)
    if settings.tls.certificate:
        server_context(settings.tls)
    rules_of(settings)
    history_rules(settings)
    policy_of(settings)
    for option in OPTIONS.values():
        value = option.of(settings)
        click.echo(f"{option.key} = {f'({len(value)} not shown)' if option.secret and value else json.dumps(value)}")


_CLIENT_OPTIONS = (
    click.option("--url", "urls", multiple=True, default=(DEFAULT_URL,), show_default=True,
                 help="The gateway: stomp, stomps, ws, wss, http or https. Of several, the first that answers."),
    click.option("--login", default="", help="Name to log in with."),
    click.option("--passcode", default="", help="Password."),
    click.option("--token", default="", help="Token to log in with, instead of a password."),
    click.option("--ca", default="", metavar="FILE", help="For TLS: authorities to believe, in PEM."),
    click.option("--cert", default="", metavar="FILE", help="For TLS: certificate to show, in PEM."),
    click.option("--key", default="", metavar="FILE", help="Its key, if that is not in the same file."),
)  # fmt: skip


def _client_options(command: Any) -> Any:
    """Gives a command the options of a client, and as `dial` what connects with them."""

    @functools.wraps(command)
    def run(
        urls: tuple[str, ...], login: str, passcode: str, token: str, ca: str, cert: str, key: str, **more: Any
    ) -> None:
        if key and not cert:
            raise click.UsageError("--key is of no use without --cert")
        tls = client_context(ca, cert, key) if ca or cert else None

        async def dial(**how: Any) -> Client:
            return await connect(urls, login, passcode, token=token or None, tls=tls, **{"reconnect": False, **how})

        command(dial=dial, **more)

    for option in reversed(_CLIENT_OPTIONS):
        run = option(run)
    return run


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


@cli.command()
@_message_options
@_client_options
def pub(destination: str, octets: bytes, fields: dict[str, str], dial: _Dial) -> None:
    """Publish one message: BODY, or standard input if BODY is - or missing."""

    async def run() -> None:
        async with await dial() as client:
            await client.publish(destination, octets, fields)

    _run(run)


@cli.command()
@click.argument("destination")
@click.option("--json", "as_json", is_flag=True, help="Print each message as one line of JSON.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many messages.")
@click.option("--ack", is_flag=True, help="Of a queue: take a message out only once it is printed.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="One more header of SUBSCRIBE.")
@click.option("--no-reconnect", is_flag=True, help="End when the connection does.")
@_client_options
def sub(
    destination: str,
    as_json: bool,
    count: int | None,
    ack: bool,
    headers: tuple[str, ...],
    no_reconnect: bool,
    dial: _Dial,
) -> None:
    """Print the messages of a destination or pattern as they come, over one connection after the other."""
    fields = _parse_headers(headers)
    if ack:  # and have no more of them in hand than are wanted
        fields = {"ack": "client-individual", "prefetch-count": str(min(count or 100, 100)), **fields}

    async def run() -> None:
        errors: list[QmqError] = []

        def tell(state: str) -> None:
            if state == "waiting":
                click.echo(f"{errors.pop()}; trying again", err=True)

        async with await dial(reconnect=not no_reconnect, on_error=errors.append, on_state=tell) as client:
            subscription = await client.subscribe(destination, fields, on_recovered=_tell_recovered)
            click.echo(f"subscribed to {destination}", err=True)
            left = count
            async for message in subscription:
                _print(message, as_json)
                if ack:
                    with contextlib.suppress(QmqError):  # if its connection has ended, it comes again
                        await message.ack(receipt=False)
                left = None if left is None else left - 1
                if left == 0:
                    return

    _run(run)


def _tell_recovered(recovered: bool) -> None:
    click.echo("back; nothing was missed" if recovered else "back; something may have been missed", err=True)


@cli.command()
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

    _run(run)


class _Manage(click.Command):
    """Its help names the operations."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from qmq.session.desk import OPERATIONS

        with formatter.section("Operations"):
            formatter.write_dl([(name, (method.__doc__ or "").replace("`", "")) for name, method in OPERATIONS.items()])


@cli.command(cls=_Manage)
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

    _run(run)


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


def _print(message: Any, as_json: bool) -> None:
    sys.stdout.buffer.write(_as_json(message) if as_json else message.body + b"\n")
    sys.stdout.buffer.flush()


def _as_json(message: Any) -> bytes:
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
        fields[name] = value
    return fields


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


def _raise_file_limit() -> None:
    """Lets the process have as many sockets as it is allowed to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


cli.add_command(hash_password)
cli.add_command(token)


def main() -> None:
    """Runs the command line and exits."""
    try:
        status = cli.main(standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        status = 2
    except click.ClickException as error:
        click.echo(f"qmq: {error.format_message()}", err=True)
        status = 2
    except ConfigError as error:
        click.echo(f"qmq: {error}", err=True)
        status = 2
    except QmqError as error:
        click.echo(f"qmq: {error}", err=True)
        status = 1
    except (click.exceptions.Abort, BrokenPipeError):
        status = 130
    sys.exit(status)
