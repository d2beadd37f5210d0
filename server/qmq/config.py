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
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from qmq.addresses import is_loopback, normal_origin, parse_network
from qmq.errors import ConfigError

Strings = tuple[str, ...]
Tables = tuple[dict[str, Any], ...]  # `[[name]]` in TOML, a JSON array elsewhere


def _option(default: Any, text: str, least: float | None = None) -> Any:
    metadata = {"help": text, "least": least}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _default_threads() -> int:
    return 1 if getattr(sys, "_is_gil_enabled", lambda: True)() else os.cpu_count() or 1


def _host_name() -> str:
    return re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-")[:32] or "qmq"


@dataclass(frozen=True)
class Limits:
    """`[limits]`: how much one client, and all of them, may ask for."""

    connections: int = _option(20_000, "connections at the same time", 1)
    connections_per_address: int = _option(0, "connections of one address; 0 for as many as of all", 0)
    connections_per_principal: int = _option(0, "connections of one user; 0 for as many as of all", 0)
    login_failures: int = _option(10, "failed logins of one address before it has to wait; 0 if it never has to", 0)
    subscriptions: int = _option(1000, "subscriptions of one connection", 1)
    body: int = _option(1 << 20, "octets of one message's body", 1)
    headers: int = _option(64, "headers of one STOMP frame", 1)
    header_bytes: int = _option(8192, "octets of all headers of one STOMP frame", 64)
    http_header_bytes: int = _option(16 << 10, "octets of the headers of one HTTP request", 1024)
    messages: int = _option(100_000, "the most that a subscription may ask for as max-messages", 1)
    bytes: int = _option(16 << 20, "the most that a subscription may ask for as max-bytes", 1)
    default_messages: int = _option(1000, "max-messages of a subscription that does not ask", 1)
    default_bytes: int = _option(1 << 20, "max-bytes of a subscription that does not ask", 1)
    outbox_bytes: int = _option(32 << 20, "octets that may wait for one connection, over all its subscriptions", 1024)
    prefetch: int = _option(65_535, "messages that a consumer may have unsettled", 1)
    default_prefetch: int = _option(1000, "messages that a consumer may have unsettled if it does not ask", 1)
    transactions: int = _option(100, "transactions that one connection may have open", 1)
    transaction_messages: int = _option(10_000, "frames in the open transactions of one connection", 1)
    transaction_bytes: int = _option(16 << 20, "octets in the open transactions of one connection", 1024)
    queues: int = _option(10_000, "queues of the node", 1)
    exchanges: int = _option(1000, "exchanges of the node", 6)
    bindings: int = _option(100_000, "bindings of the node", 1)
    memory: int = _option(1 << 30, "octets of all messages that wait; beyond them publishers wait", 1 << 20)
    topics: int = _option(10_000, "topics whose past is remembered; beyond, the oldest is forgotten", 1)
    history: int = _option(256 << 20, "octets of the past of all topics; beyond, the oldest messages go", 0)
    mailbox_messages: int = _option(65_536, "messages that may wait for one thread of several", 1000)
    mailbox_bytes: int = _option(32 << 20, "octets of messages that may wait for one thread of several", 1 << 16)
    connect_seconds: float = _option(
        10.0, "how long a new connection has to send its request, and then to log in", 0.01
    )
    ping_seconds: float = _option(25.0, "silence after which a client is pinged; after twice as long it is gone", 0.01)
    idempotency_keys: int = _option(100_000, "keys of publishes remembered, to drop what comes again", 0)
    idempotency_seconds: float = _option(300.0, "how long each key is remembered", 0.1)
    poll_hold_seconds: float = _option(25.0, "how long a long-poll waits for something to say", 0.01)
    poll_gone_seconds: float = _option(15.0, "how long a session on /poll may be without a request that receives", 0.01)
    heartbeat_ms: int = _option(100, "the shortest STOMP heart-beat, in milliseconds", 10)
    publish_rate: float = _option(0.0, "messages that one connection may publish in a second; 0 for any number", 0.0)
    octet_rate: int = _option(0, "octets that are read from one connection in a second; 0 for any number", 0)
    refuse_too_fast: bool = _option(False, "send connections away that pass these two, instead of slowing them down")
    idle_seconds: float = _option(
        0.0, "how long a client may send nothing while it is subscribed to nothing; 0 for ever", 0.0
    )
    linger_seconds: float = _option(5.0, "how long a client that is sent away may take to read why", 0.01)

    @property
    def frame_bytes(self) -> int:
        """Octets of the largest STOMP frame, with its line ends and NUL."""
        return self.header_bytes + 3 + self.body + 1


@dataclass(frozen=True)
class Tls:
    """`[tls]`: the certificate of `https://` and `stomps://` addresses, and what clients must show."""

    certificate: str = _option("", "file with the server's certificate and its chain, in PEM")
    key: str = _option("", "file with its private key, in PEM; if empty, the key is in the certificate's file")
    client_ca: str = _option("", "file with the authorities whose client certificates are believed, in PEM")
    client_certificates: str = _option("no", "whether clients show certificates: no, optional or required")


@dataclass(frozen=True)
class Config:
    """Everything that can be said about a node before it starts."""

    listen: Strings = _option(
        ("http://127.0.0.1:8000", "stomp://127.0.0.1:61613"), "address to listen on, as URL; port 0 for any"
    )
    name: str = _option(_host_name, "the node's name: letters, digits and -; part of every message id")
    threads: int = _option(_default_threads, "threads with an event loop each; a client stays on one of them", 1)
    demo: bool = _option(False, "serve the demo pages and publish to their topics")
    ready_file: str = _option("", "where to write what is listened on, once connections are accepted")
    drain: float = _option(2.0, "seconds over which clients are sent away when the node stops", 0.0)
    allowed_origins: Strings = _option((), "origins of pages that may connect from other hosts; * for all")
    sockjs_legacy: bool = _option(False, "offer the SockJS transports jsonp and htmlfile, for very old browsers")
    sockjs_client: str = _option("", "URL of sockjs-client for the SockJS iframe page; if empty, there is no such page")
    trusted_proxies: Strings = _option((), "addresses and networks of proxies that are believed whose connection it is")
    proxy_protocol: Strings = _option((), "schemes of addresses where trusted proxies send the PROXY protocol's header")
    require_origin: bool = _option(False, "refuse clients that send no Origin, as only browsers do")
    allow_anonymous: bool = _option(False, "listen beyond loopback although anybody may then connect")
    auto_create: bool = _option(True, "queues that are not configured appear when they are first used")
    manage: bool = _option(True, "answer requests to /manage/, with which clients inspect, purge and delete queues")
    queues: Tables = _option((), "properties of queues, by patterns of their names")
    exchanges: Tables = _option((), "exchanges that are there from the start")
    bindings: Tables = _option((), "bindings that are there from the start")
    topics: Tables = _option((), "how much of their past topics keep, by patterns of their names")
    log_level: str = _option("info", "debug, info, warning or error")
    limits: Limits = field(default_factory=Limits)
    tls: Tls = field(default_factory=Tls)

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
            raise ConfigError(f"{self.key} must be a {_KINDS[self.kind]}, not {value!r}")
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
        else:
            default = _default(item)
            found.append(
                Option(section, item.name, kinds[item.name], default, item.metadata["help"], item.metadata["least"])
            )
    return found


OPTIONS: dict[str, Option] = {option.key: option for option in _options("", Config)}


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
    file = file or environ.get("QMQ_CONFIG")
    if file:
        values.update(_read_file(file))
    values.update(_read_environment(environ))
    values.update(flags or {})
    return make(values)


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
    return Config(**top, limits=Limits(**sections.get("limits", {})), tls=Tls(**sections.get("tls", {})))


def _read_file(file: str) -> dict[str, Any]:
    try:
        tree = tomllib.loads(Path(file).read_text("utf-8"))
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
    return values


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    by_variable = {option.variable: option for option in OPTIONS.values()}
    values = {}
    for name in sorted(environ):
        if not name.startswith("QMQ_") or name == "QMQ_CONFIG":
            continue
        option = by_variable.get(name)
        if option is None:
            raise ConfigError(f"environment: there is no option {name!r}")
        try:
            values[option.key] = option.parse(environ[name])
        except ConfigError as error:
            raise ConfigError(f"environment: {name}: {error}") from None
    return values


def _check(config: Config) -> None:
    for option in OPTIONS.values():
        holder = getattr(config, option.section) if option.section else config
        option.check(getattr(holder, option.name))
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", config.name):
        raise ConfigError(f"name must be 1 to 64 letters, digits or -, not {config.name!r}")
    if config.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"log_level must be debug, info, warning or error, not {config.log_level!r}")
    if not config.listen:
        raise ConfigError("listen needs at least one URL")
    _check_tls(config.tls)
    _check_neighbours(config)
    for url in config.listen:
        scheme, host, _ = parse_listen(url)
        if scheme in SECURE_SCHEMES and not config.tls.certificate:
            raise ConfigError(f"listen {url}: {scheme} needs tls.certificate")
        if not config.allow_anonymous and not is_loopback(host):
            raise ConfigError(
                f"listen {url}: anybody could connect; listen on 127.0.0.1, or set allow_anonymous if that is wanted"
            )


def _check_tls(tls: Tls) -> None:
    if tls.key and not tls.certificate:
        raise ConfigError("tls.key is of no use without tls.certificate")
    if tls.client_certificates not in ("no", "optional", "required"):
        raise ConfigError(f"tls.client_certificates must be no, optional or required, not {tls.client_certificates!r}")
    if tls.client_certificates != "no" and not tls.client_ca:
        raise ConfigError(f"tls.client_certificates = {tls.client_certificates} needs tls.client_ca")
    if tls.client_certificates == "no" and tls.client_ca:
        # Whoever names an authority means that not everybody gets in.
        raise ConfigError("tls.client_ca is of no use while tls.client_certificates is no")


def _check_neighbours(config: Config) -> None:
    for origin in config.allowed_origins:
        if origin != "*" and normal_origin(origin) is None:
            raise ConfigError(f"allowed_origins: write {origin!r} as https://HOST or https://HOST:PORT")
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
