"""What the configuration says about queues, exchanges, bindings and topics, as rules for the core.

The configuration takes the tables as they come; here they are checked, against the same
table of properties that headers are. A wrong one is one line that names it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from qmq.config import Config
from qmq.core import options
from qmq.core.destination import EXCHANGE, QUEUE, TOPIC, check_name, check_pattern
from qmq.core.exchange import Kind, check_exchange_name
from qmq.core.hub import Hub
from qmq.core.memory import Memory
from qmq.core.message import Origin
from qmq.core.options import Rules
from qmq.core.registry import Registry
from qmq.core.store import Keep
from qmq.core.timers import Timers
from qmq.errors import ConfigError, QmqError
from qmq.stats import Stats


def rules_of(config: Config) -> Rules:
    """The rules of a configuration, which have been tried out.

    Raises:
        ConfigError: Naming the table and the key that is wrong.

    """
    limits = config.limits
    rules = Rules(
        queues=read_tables("queues", config.queues, _queue),
        exchanges=read_tables("exchanges", config.exchanges, _exchange),
        bindings=read_tables("bindings", config.bindings, _binding),
        max_queues=limits.queues,
        max_exchanges=limits.exchanges,
        max_bindings=limits.bindings,
        auto_create=config.auto_create,
        keys=limits.idempotency_keys,
        key_seconds=limits.idempotency_seconds,
        max_claimed=limits.prefetch,
    )
    _try(rules)
    return rules


def history_rules(config: Config) -> list[tuple[str, Keep]]:
    """How much which topics keep, by pattern; the first that matches counts.

    Raises:
        ConfigError: Naming the table and the key that is wrong.

    """
    return [*read_tables("topics", config.topics, _topic), (f"{TOPIC}#", Keep())]


def _topic(table: dict[str, Any]) -> tuple[str, Keep]:
    pattern = text_of(table, "match")
    try:
        if not pattern.startswith(TOPIC):
            raise QmqError("bad-pattern")
        check_pattern(pattern)
    except QmqError:
        raise ConfigError(f"match must be a pattern such as /topic/prices.#, not {pattern!r}") from None
    values = {}
    for field in dataclasses.fields(Keep):
        key = f"history_{field.name}"
        least, kinds = (0.1, (int, float)) if field.name == "seconds" else (0, (int,))
        value = table.pop(key, field.default)
        if type(value) not in kinds or not math.isfinite(value) or value < least:
            kind = "number" if float in kinds else "whole number"
            raise ConfigError(f"{key} must be a {kind} of at least {least}, not {value!r}")
        values[field.name] = value
    return pattern, Keep(**values)


def read_tables(section: str, tables: Any, read: Callable[[dict[str, Any]], Any]) -> list[Any]:
    """What is in `[[section]]`.

    Args:
        section: Its name, for errors.
        tables: As the configuration has them.
        read: Makes something of one of them, and takes out of it what it has used.

    Raises:
        ConfigError: Naming the table and the key that is wrong, or that there is not.

    """
    found = []
    for number, table in enumerate(tables, 1):
        rest = dict(table)
        with _naming(section, number):
            found.append(read(rest))
            if rest:
                raise ConfigError(f"there is no key {next(iter(rest))!r}")
    return found


def _try(rules: Rules) -> None:
    """Declares and binds everything in a registry that nobody uses."""
    registry = _registry(dataclasses.replace(rules, exchanges=(), bindings=()))
    for number, (name, properties) in enumerate(rules.exchanges, 1):
        with _naming("exchanges", number):
            registry.declare_exchange(name, **properties)
    for number, binding in enumerate(rules.bindings, 1):
        with _naming("bindings", number):
            registry.bind(*binding)


def _registry(rules: Rules) -> Registry:
    return Registry(
        Hub(Origin("", ""), lambda: None), Timers(lambda: 0.0, lambda when: None), Memory(1), Stats(), rules
    )


@contextmanager
def _naming(section: str, number: int) -> Iterator[None]:
    """Says which table it is that something is wrong with."""
    try:
        yield
    except QmqError as error:
        raise ConfigError(f"[[{section}]] number {number}: {error.detail}") from None
    except ConfigError as error:
        raise ConfigError(f"[[{section}]] number {number}: {error}") from None


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """Says which key it is, as it is written here; headers have - instead of _."""
    try:
        yield
    except QmqError as error:
        header = options.header_of(key)
        rest = error.detail.removeprefix(f"{header} ")
        raise ConfigError(f"{key} {rest}" if rest != error.detail else f"{key}: {rest}") from None


def _queue(table: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    pattern = text_of(table, "match")
    try:  # patterns are those of topics
        check_pattern(TOPIC + pattern.removeprefix(QUEUE))
        named = pattern.startswith(QUEUE)
    except QmqError:
        named = False
    if not named:
        raise ConfigError(f"match must be a pattern such as /queue/jobs.#, not {pattern!r}")
    properties = {name: _property(name, table.pop(name)) for name in options.FIELDS if name in table}
    if properties.get("exclusive"):
        raise ConfigError("exclusive is for clients: the configuration owns nothing")
    return pattern, properties


def _property(name: str, value: Any) -> Any:
    with _blaming(name):
        found = options.parse(name, value)
        _registry(Rules()).declare(QUEUE + "any", {name: found})
        return found


def _exchange(table: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name, kind = text_of(table, "name"), text_of(table, "kind", "direct")
    with _blaming("name"):
        check_exchange_name(name)
    if kind not in list(Kind):
        raise ConfigError(f"kind must be one of {', '.join(Kind)}, not {kind!r}")
    properties: dict[str, Any] = {"alternate": text_of(table, "alternate", "")}
    for key in ("auto_delete", "internal"):
        value = properties[key] = table.pop(key, False)
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be a boolean, not {value!r}")
    return name, {"kind": Kind(kind), **properties}


def _binding(table: dict[str, Any]) -> tuple[str, str, str, Mapping[str, Any]]:
    arguments = table.pop("arguments", {})
    if not isinstance(arguments, dict):
        raise ConfigError(f"arguments must be a table, not {arguments!r}")
    for name, value in arguments.items():
        if type(value) not in (str, int, float, bool):
            raise ConfigError(f"arguments.{name} must be a string, number or boolean, not {value!r}")
    source, destination = text_of(table, "source").removeprefix(EXCHANGE), text_of(table, "destination")
    if not destination.startswith((QUEUE, EXCHANGE)):
        raise ConfigError(f"destination must be a queue or an exchange, not {destination!r}")
    with _blaming("destination"):
        return source, check_name(destination), text_of(table, "key", ""), arguments


def text_of(table: dict[str, Any], name: str, default: str | None = None) -> str:
    """Takes a string out of a table.

    Raises:
        ConfigError: If it is none, or missing without a default.

    """
    value = table.pop(name, default)
    if not isinstance(value, str):
        raise ConfigError(f"{name} is missing" if value is None else f"{name} must be a string, not {value!r}")
    return value
