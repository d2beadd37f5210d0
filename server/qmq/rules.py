"""What the configuration says about queues, exchanges and bindings, as rules for the registry.

The configuration takes the tables as they come; here they are checked, against the same
table of properties that headers are. A wrong one is one line that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qmq.config import Config
from qmq.core import options
from qmq.core.destination import check_name
from qmq.core.exchange import Exchange, Kind, check_exchange_name
from qmq.core.registry import Rules
from qmq.errors import ConfigError, QmqError

_OF_EXCHANGE = ("alternate", "auto_delete", "internal")


def rules_of(config: Config) -> Rules:
    """The rules of a configuration.

    Raises:
        ConfigError: Naming the table and the key that is wrong.

    """
    limits = config.limits
    return Rules(
        queues=_read("queues", config.queues, _queue),
        exchanges=_read("exchanges", config.exchanges, _exchange),
        bindings=_read("bindings", config.bindings, _binding),
        max_queues=limits.queues,
        max_exchanges=limits.exchanges,
        max_bindings=limits.bindings,
        auto_create=config.auto_create,
    )


def _read(section: str, tables: Any, read: Callable[[dict[str, Any]], Any]) -> list[Any]:
    found = []
    for number, table in enumerate(tables, 1):
        rest = dict(table)
        try:
            found.append(read(rest))
        except (QmqError, ConfigError) as error:
            detail = error.detail if isinstance(error, QmqError) else str(error)
            raise ConfigError(f"[[{section}]] number {number}: {detail}") from None
        if rest:
            raise ConfigError(f"[[{section}]] number {number}: there is no key {next(iter(rest))!r}")
    return found


def _queue(table: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    pattern = _text(table, "match")
    if not pattern.startswith("/queue/"):
        raise ConfigError(f"match must be a pattern such as /queue/jobs.#, not {pattern!r}")
    properties = {name: options.parse(name, table.pop(name)) for name in options.FIELDS if name in table}
    if properties.get("dead_letter"):
        check_name(properties["dead_letter"])
    if properties.get("exclusive"):
        raise ConfigError("exclusive is for clients: the configuration owns nothing")
    options.QueueOptions(**properties)
    return pattern, properties


def _exchange(table: dict[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name, kind = check_exchange_name(_text(table, "name")), _text(table, "kind", "direct")
    if kind not in list(Kind):
        raise ConfigError(f"kind must be one of {', '.join(Kind)}, not {kind!r}")
    properties = {name: table.pop(name) for name in _OF_EXCHANGE if name in table}
    for name_of_property, value in properties.items():
        if type(value) is not type(getattr(Exchange, name_of_property)):
            raise ConfigError(f"{name_of_property} has the wrong kind of value: {value!r}")
    return name, {"kind": Kind(kind), **properties}


def _binding(table: dict[str, Any]) -> tuple[str, str, str, Mapping[str, Any]]:
    arguments = table.pop("arguments", {})
    if not isinstance(arguments, dict):
        raise ConfigError("arguments must be a table")
    return _text(table, "source"), check_name(_text(table, "destination")), _text(table, "key", ""), arguments


def _text(table: dict[str, Any], name: str, default: str | None = None) -> str:
    value = table.pop(name, default)
    if not isinstance(value, str):
        raise ConfigError(f"{name} is missing" if value is None else f"{name} must be a string, not {value!r}")
    return value
