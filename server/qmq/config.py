"""The one definition of the configuration.

Each option is a field here, with its type, default and meaning. The command line's
flags, the keys of a TOML file, the `QMQ_...` environment variables, the help text,
the checks and the table in the documentation are all made from these fields. A
value is taken from the command line first, then the environment, then the file,
then the default.

This file reads a file and the environment when asked to, and does nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import socket
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from qmq.addresses import is_loopback, normal_origin, origin_pattern, parse_network
from qmq.errors import ConfigError
from qmq.files import read_file
from qmq.sections import Limits, Strings, Tables, Tls, Tokens, setting


def _default_threads() -> int:
    return 1 if getattr(sys, "_is_gil_enabled", lambda: True)() else os.cpu_count() or 1


def _host_name() -> str:
    return re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")[:32] or "qmq"


@dataclass(frozen=True)
class Config:
    """Everything that can be said about a node before it starts."""

    listen: Strings = setting(
        ("http://127.0.0.1:8000", "stomp://127.0.0.1:61613"), "address to listen on, as URL; port 0 for any"
    )
    name: str = setting(_host_name, "the node's name: letters, digits and -; part of every message id")
    threads: int = setting(_default_threads, "threads with an event loop each; a client stays on one of them", 1)
    demo: bool = setting(False, "serve the demo pages and publish to their topics")
    static: str = setting("", "folder with pages of one's own, which are served at /; if empty, there are none")
    ready_file: str = setting("", "where to write what is listened on, once connections are accepted")
    drain: float = setting(2.0, "seconds over which clients are sent away when the node stops", 0.0)
    allowed_origins: Strings = setting(
        (),
        "origins of pages that may connect from other hosts; https://*.HOST, http://HOST:*, null; * for all",
    )
    allowed_hosts: Strings = setting((), "names by which browsers may call this node, without a port; if empty, any")
    sockjs_legacy: bool = setting(False, "offer the SockJS transports jsonp and htmlfile, for very old browsers")
    sockjs_client: str = setting("", "URL of sockjs-client for the SockJS iframe page; if empty, there is no such page")
    trusted_proxies: Strings = setting((), "addresses and networks of proxies that are believed whose connection it is")
    proxy_protocol: Strings = setting((), "schemes of addresses where trusted proxies send the PROXY protocol's header")
    require_origin: bool = setting(False, "refuse clients that send no Origin, as only browsers do")
    require_login: bool = setting(
        False, "refuse to start, and to be reloaded, where anybody could come in; best the first line of a file"
    )
    allow_anonymous: bool = setting(False, "let clients in that do not log in, also from beyond loopback")
    auto_create: bool = setting(True, "queues that are not configured appear when they are first used")
    manage: bool = setting(True, "answer requests to /manage/, with which clients inspect, purge and delete queues")
    queues: Tables = setting((), "properties of queues, by patterns of their names")
    exchanges: Tables = setting((), "exchanges that are there from the start")
    bindings: Tables = setting((), "bindings that are there from the start")
    topics: Tables = setting((), "how much of their past topics keep, by patterns of their names")
    users: Tables = setting((), "who may log in with a password", secret=True)
    rules: Tables = setting((), "who may do what where; once there are users, keys of tokens or rules, nothing else")
    log_level: str = setting("info", "debug, info, warning or error")
    limits: Limits = field(default_factory=Limits)
    tls: Tls = field(default_factory=Tls)
    tokens: Tokens = field(default_factory=Tokens)
    source: str = field(default="", repr=False, compare=False)  # no option: the file's own text, if it is of one

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class Option:
    """One option, and its name in each place where it can be set."""

    section: str
    name: str
    kind: Any
    default: Any
    help: str
    least: float | None
    secret: bool = False

    @property
    def key(self) -> str:
        """In a TOML file, the section before a dot."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def flag(self) -> str:
        """On the command line."""
        return "--" + self.key.replace(".", "-").replace("_", "-")

    @property
    def variable(self) -> str:
        """In the environment."""
        return "QMQ_" + self.key.replace(".", "_").upper()

    def of(self, config: Config) -> Any:
        """Its value in a configuration."""
        return getattr(getattr(config, self.section) if self.section else config, self.name)

    def parse(self, text: str) -> Any:
        """The value that a text stands for, as flags and variables have it.

        Raises:
            ConfigError: If it is of the wrong kind.

        """
        if self.kind is bool:
            if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
                raise ConfigError(f"{self.key} must be true or false, not {text!r}")
            return text.lower() in ("true", "1", "yes")
        if self.kind == Strings:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if self.kind == Tables:
            try:
                return self.check(_from_json(text))
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"{self.key} must be a JSON array of objects: {error}") from None
        try:
            return self.kind(text)
        except ValueError:
            raise ConfigError(f"{self.key} must be a {_KINDS[self.kind]}, not {text!r}") from None

    def check(self, value: Any) -> Any:
        """Returns a value as it came from TOML, in the type of the field.

        Raises:
            ConfigError: If it is of the wrong kind or too small.

        """
        if self.kind == Strings and isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            return tuple(value)
        if self.kind == Tables and isinstance(value, list | tuple) and all(isinstance(part, dict) for part in value):
            return tuple(value)
        if self.kind is float and type(value) is int:
            value = float(value)
        if self.kind in (Strings, Tables) or type(value) is not self.kind:
            raise ConfigError(f"{self.key} must be a {_KINDS[self.kind]}{'' if self.secret else f', not {value!r}'}")
        if self.kind is float and not math.isfinite(value):
            raise ConfigError(f"{self.key} must be a finite number, not {value}")
        if self.least is not None and value < self.least:
            raise ConfigError(f"{self.key} must be at least {self.least:g}, not {value:g}")
        return value


def _from_json(text: str) -> Any:
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    return value


_KINDS = {
    bool: "boolean",
    int: "whole number",
    float: "number",
    str: "string",
    Strings: "list of strings",
    Tables: "list of tables",
}


def _default(item: dataclasses.Field[Any]) -> Any:
    return item.default_factory() if callable(item.default_factory) else item.default


def _options(section: str, cls: Any) -> list[Option]:
    kinds = get_type_hints(cls)
    found = []
    for item in fields(cls):
        if dataclasses.is_dataclass(kinds[item.name]):
            found += _options(item.name, kinds[item.name])
        elif item.metadata:
            found.append(Option(section, item.name, kinds[item.name], _default(item), **item.metadata))
    return found


OPTIONS: dict[str, Option] = {option.key: option for option in _options("", Config)}

# Variables that Kubernetes and container links make for each service that is near, by its name.
_SERVICE = re.compile(
    r"QMQ(_\w+)?_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?|ENV_\w+)"
)
_LINK = re.compile(r"(/[\w.-]+){2}")  # a container link's value for QMQ_NAME

# What the commands that are clients take from the environment, by flag. To a server it means nothing.
CLIENT_VARIABLES = {
    flag: "QMQ_" + flag.removeprefix("--").upper()
    for flag in ("--url", "--login", "--passcode", "--token", "--ca", "--cert", "--key")
}


def load(
    flags: Mapping[str, Any] | None = None, file: str | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    """Puts a configuration together.

    Args:
        flags: Values by key, already parsed; the highest in rank.
        file: Path of a TOML file, if there is one.
        environ: The environment; by default the process's own.

    Raises:
        ConfigError: Naming the wrong key or value and where it stands.

    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    source, file = "", file or environ.get("QMQ_CONFIG")
    if file:
        source, found = _read_file(file)
        values.update(found)
    values.update(_read_environment(environ))
    values.update(flags or {})
    return dataclasses.replace(make(values), source=source)


def make(values: Mapping[str, Any]) -> Config:
    """A configuration from values by key, such as `limits.body`.

    Raises:
        ConfigError: For a key that does not exist, or a value it cannot have.

    """
    sections: dict[str, dict[str, Any]] = {"": {}}
    for key, value in values.items():
        option = OPTIONS.get(key)
        if option is None:
            raise ConfigError(f"there is no option {key!r}")
        sections.setdefault(option.section, {})[option.name] = value
    top = sections.pop("")
    kinds = {"limits": Limits, "tls": Tls, "tokens": Tokens}
    return Config(**top, **{name: kind(**sections.get(name, {})) for name, kind in kinds.items()})


END = "# end"  # as the last line of a file it says that nothing was cut off


def is_ended(source: str) -> bool:
    """Whether a file says itself that it is whole."""
    return source.rstrip().rpartition("\n")[2].strip() == END


def _read_file(file: str) -> tuple[str, dict[str, Any]]:
    """A file's text and its values. One that is empty or ends within a line may have been cut off, and is refused."""
    try:
        source = read_file(file).decode()
        tree = tomllib.loads(source)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    sections = {option.section for option in OPTIONS.values() if option.section}
    values = {}
    for name, value in tree.items():
        nested = value if name in sections else {"": value}
        if not isinstance(nested, dict):
            raise ConfigError(f"{file}: {name} is a section, write [{name}]")
        for inner, item in nested.items():
            key = f"{name}.{inner}" if inner else name
            if key not in OPTIONS:
                raise ConfigError(f"{file}: there is no option {key!r}")
            try:
                values[key] = OPTIONS[key].check(item)
            except ConfigError as error:
                raise ConfigError(f"{file}: {error}") from None
    if not source.strip():
        raise ConfigError(f"{file} is empty; if nothing is to be said in it, write a comment")
    if not source.endswith("\n"):
        raise ConfigError(f"{file} has no line end after its last line, as if it were cut off; add one")
    return source, values


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    by_variable = {option.variable: option for option in OPTIONS.values()}
    values = {}
    for name in sorted(environ):
        option = by_variable.get(name)
        if option is None or (name == "QMQ_NAME" and _LINK.fullmatch(environ[name])):
            continue
        try:
            values[option.key] = option.parse(environ[name])
        except ConfigError as error:
            raise ConfigError(f"environment: {name}: {error}") from None
    return values


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with variables that look like options and are none, one line for each.

    They stop no start: others give a program's environment names of their own. Those that
    Kubernetes and container links make for a service called `qmq` are expected.
    """
    environ = os.environ if environ is None else environ
    known = {"QMQ_CONFIG", *CLIENT_VARIABLES.values(), *[option.variable for option in OPTIONS.values()]}
    found = []
    for name in sorted(environ):
        if name.startswith("QMQ_") and name not in known and not _SERVICE.fullmatch(name):
            like = get_close_matches(name, known, 1)
            found.append(f"environment: there is no option {name!r}" + (f"; is it {like[0]}?" if like else ""))
    return found


def _check(config: Config) -> None:
    for option in OPTIONS.values():
        option.check(option.of(config))
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", config.name):
        raise ConfigError(f"name must be 1 to 64 letters, digits or -, not {config.name!r}")
    if config.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"log_level must be debug, info, warning or error, not {config.log_level!r}")
    if config.static and not os.path.isdir(config.static):
        raise ConfigError(f"static: there is no folder {config.static}")
    if not config.listen:
        raise ConfigError("listen needs at least one URL")
    _check_tls(config.tls)
    _check_neighbours(config)
    for url in config.listen:
        scheme, host, _ = parse_listen(url)
        if scheme in SECURE_SCHEMES and not config.tls.certificate:
            raise ConfigError(f"listen {url}: {scheme} needs tls.certificate")
        shows = scheme in SECURE_SCHEMES and config.tls.client_certificates == "required"
        known = bool(config.users or config.tokens.keys) or shows
        if not known and not config.allow_anonymous and not is_loopback(host):
            raise ConfigError(
                f"listen {url}: anybody could connect; configure users, tokens or client certificates, "
                "listen on 127.0.0.1, or set allow_anonymous if that is wanted"
            )


def _check_tls(tls: Tls) -> None:
    if tls.key and not tls.certificate:
        raise ConfigError("tls.key is of no use without tls.certificate")
    if tls.client_certificates not in ("no", "optional", "required"):
        raise ConfigError(f"tls.client_certificates must be no, optional or required, not {tls.client_certificates!r}")
    if tls.client_name not in ("cn", "uri"):
        raise ConfigError(f"tls.client_name must be cn or uri, not {tls.client_name!r}")
    if tls.client_certificates != "no" and not tls.client_ca:
        raise ConfigError(f"tls.client_certificates = {tls.client_certificates} needs tls.client_ca")
    if tls.client_certificates == "no" and tls.client_ca:
        # Whoever names an authority means that not everybody gets in.
        raise ConfigError("tls.client_ca is of no use while tls.client_certificates is no")


def _check_neighbours(config: Config) -> None:
    for origin in config.allowed_origins:
        if origin != "*" and origin_pattern(origin) is None:
            raise ConfigError(
                f"allowed_origins: {origin!r} can match nothing; write https://HOST, https://HOST:PORT, https://*.HOST "
                "for all names below it, http://HOST:* for all ports, or null for pages without an address"
            )
    for host in config.allowed_hosts:
        if normal_origin(f"http://{host}") != f"http://{host.lower()}":
            raise ConfigError(f"allowed_hosts: {host!r} is no name or address, without a port")
    for text in config.trusted_proxies:
        if parse_network(text) is None:
            raise ConfigError(f"trusted_proxies: {text!r} is no address and no network such as 10.0.0.0/8")
    for scheme in config.proxy_protocol:
        if scheme not in SCHEMES:
            raise ConfigError(f"proxy_protocol: {scheme!r} is none of {', '.join(SCHEMES)}")
    if config.proxy_protocol and not config.trusted_proxies:
        raise ConfigError("proxy_protocol needs trusted_proxies: nobody else is believed")


def parse_listen(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a `listen` URL.

    Raises:
        ConfigError: If it is none.

    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"listen {url}: write it as {url.partition('://')[0]}://HOST:PORT") from None
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"listen {url}: the scheme must be one of {', '.join(SCHEMES)}")
    if not parts.hostname or port is None or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigError(f"listen {url}: write it as {parts.scheme}://HOST:PORT")
    return parts.scheme, parts.hostname, port


SCHEMES = ("http", "https", "stomp", "stomps")
SECURE_SCHEMES = ("https", "stomps")  # those that speak TLS
_COMPUTED = {"name": "the host's name", "threads": "`1`; without a GIL the number of cores"}


def as_markdown() -> str:
    """The table of options for the documentation."""
    lines = ["| TOML key | flag | environment | default | meaning |", "| --- | --- | --- | --- | --- |"]
    for option in OPTIONS.values():
        default = _COMPUTED.get(option.key) or _show(option.default)
        lines.append(f"| `{option.key}` | `{option.flag}` | `{option.variable}` | {default} | {option.help} |")
    return "\n".join(lines)


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value) or "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "none"
