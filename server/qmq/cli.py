"""The `qmq` command: serve, check-config, and how every command ends. Others: `cli_clients`, `cli_logins`.

A wrong option, key or value is one line on standard error that names it, and exit
status 2; a server that cannot be reached or that refuses is one line and status 1.
Options of `serve` are made from `qmq.config`; nothing is defined twice.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from qmq import __version__, logs, ready
from qmq.certificates import server_context
from qmq.cli_clients import manage, pub, request, sub
from qmq.cli_logins import hash_password, token
from qmq.collector import Collector
from qmq.config import OPTIONS, Config, Option, load, unknown_variables
from qmq.errors import ConfigError, QmqError
from qmq.logqueue import LogQueue
from qmq.sections import Strings
from qmq.stats import Stats

if TYPE_CHECKING:
    from qmq.node import Node

log = logging.getLogger("qmq")


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
        flags = option.flag
        settings: dict[str, Any] = {"help": f"{option.help} [{option.variable}]", "default": None}
        if option.kind is bool:
            flags = f"{option.flag}/--no-{option.flag.removeprefix('--')}"  # the latter for what a file turns on
        elif option.kind == Strings:
            settings |= {"multiple": True, "metavar": "TEXT"}
        else:
            settings |= {"type": _Value(option), "metavar": {int: "N", float: "SECONDS"}.get(option.kind, "TEXT")}
        command = click.option(flags, option.key.replace(".", "__"), **settings)(command)
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
    # Whoever waits for the ready file is not to take that of an earlier run for ours, whatever goes wrong now.
    ready.remove(flags["ready_file"] or os.environ.get("QMQ_READY_FILE", ""))
    settings = _load(config, flags)
    from qmq.node import Node  # before there is a loop, and not for commands that are clients

    lines = logs.setup(settings.log_level)
    for line in unknown_variables():
        log.warning("%s", line)
    _raise_file_limit()
    # A gateway makes no cycles per message, and a full collection over many
    # connections would stall all of them: look seldom. What is young is looked at often,
    # 50,000 objects at a time: a million, as many as a flood leaves in queues, take 200 ms.
    gc.set_threshold(5_000, 10, 1_000)
    asyncio.run(_serve(Node(settings, lambda: _load(config, flags)), lines))


async def _serve(node: Node, lines: LogQueue) -> None:
    output = logs.queue_of(sys.stdout)
    lines.on_drop = Dropped(node.stats, lines).notice
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    reloads = set[asyncio.Task[None]]()  # or a task might be forgotten on its way

    def reload() -> None:
        reloads.add(task := asyncio.create_task(node.reload()))
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    await node.start()
    gc.freeze()
    collector = Collector(lambda: node.hub.passes)
    for at in node.listen:
        host = f"[{at['host']}]" if ":" in at["host"] else at["host"]
        output.put(f"qmq {node.config.name} listens on {at['scheme']}://{host}:{at['port']}")
    await stopped.wait()
    collector.stop()
    await node.stop()


class Dropped:
    """Counts log lines that were dropped among the node's counters, on the running loop.

    Args:
        stats: The node's.
        lines: The queue that drops them.

    """

    def __init__(self, stats: Stats, lines: LogQueue) -> None:
        self._stats = stats
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._counted = 0
        self._noticed = False

    def notice(self) -> None:
        """From any thread. Many lines are counted together."""
        if not self._noticed:
            self._noticed = True
            with suppress(RuntimeError):  # the loop is closed: nobody reads counters any more
                self._loop.call_soon_threadsafe(self._count)

    def _count(self) -> None:
        self._noticed = False
        dropped = self._lines.dropped
        self._stats.add("log_lines_dropped", dropped - self._counted)
        self._counted = dropped


@cli.command("check-config")
@_config_options
@click.option(
    "--instead-of",
    metavar="FILE",
    help="Say also whether a node that has read this file would take the other on SIGHUP.",
)
def check_config(config: str | None, instead_of: str | None, **flags: Any) -> None:
    """Say whether a configuration is right, and what it amounts to."""
    from qmq.policies import check_not_open, policy_of, reloaded
    from qmq.rules import history_rules, rules_of

    settings = _load(config, flags)
    if instead_of is not None:
        before = _load(instead_of, flags)
        after = reloaded(before, settings)[0]
        check_not_open(policy_of(before), policy_of(after), before, after)
    for line in unknown_variables():
        click.echo(f"qmq: {line}", err=True)
    if settings.tls.certificate:
        server_context(settings.tls)
    rules_of(settings)
    history_rules(settings)
    policy_of(settings)
    for option in OPTIONS.values():
        value = option.of(settings)
        click.echo(f"{option.key} = {f'({len(value)} not shown)' if option.secret and value else json.dumps(value)}")


def _raise_file_limit() -> None:
    """Lets the process have as many sockets as it is allowed to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


for each in (pub, sub, request, manage, hash_password, token):
    cli.add_command(each)


def _hold_streams() -> None:
    """Has closed standard streams lead nowhere; else the next connection would take their place.

    What is to be printed where standard output is closed, is an error like a full disk.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # the lowest number that is free is this one
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, closefd=False)


def _say(text: str) -> None:
    """Prints a line on standard error, if that is possible."""
    with suppress(OSError, ValueError):
        click.echo(f"qmq: {text}", err=True)


def _close_output() -> None:
    """Prints what is left for standard output; what cannot be printed is given up.

    Raises:
        OSError: If something could not be printed.

    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)  # else the interpreter would try again at its end
        os.dup2(nowhere, 1)
        os.close(nowhere)
        raise


def main() -> None:
    """Runs the command line and exits."""
    _hold_streams()
    try:
        status = cli.main(standalone_mode=False) or 0
        _close_output()
    except click.exceptions.NoArgsIsHelpError as error:
        with suppress(OSError):
            click.echo(error.format_message(), err=True)
        status = 2
    except click.ClickException as error:
        _say(error.format_message())
        status = 2
    except ConfigError as error:
        _say(str(error))
        status = 2
    except QmqError as error:
        _say(str(error))
        status = 1
    except (click.exceptions.Abort, BrokenPipeError):
        status = 130
    except OSError as error:
        closed = error.errno == errno.EBADF
        _say("standard output is closed" if closed else f"cannot print: {error.strerror or error}")
        status = 1
    with suppress(OSError, ValueError):
        _close_output()
    sys.exit(status)
