"""Who may do what where: the rules of the configuration, and what they come to for one client.

There are four actions. To `publish` is to send to a topic, queue or exchange; to
`subscribe` is to get what is published to a topic or an exchange from now on, or from its
past; to `consume` is to take messages out of a queue; to `manage` is to inspect, declare,
bind, purge or delete, and to look at the node itself, which is `/manage/OPERATION`.

Whatever no rule allows is forbidden, once there are any rules or anybody to log in. Until
then everything is allowed. In any case topics `/topic/system.#` are the server's to
publish to; and temporary queues are open to those who know their names, which nobody can
guess: their owner consumes, others reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from qmq.core.cover import Shape, allowing, shape_of
from qmq.core.destination import EXCHANGE, TEMP_QUEUE, TOPIC, TOPIC_EXCHANGE, is_reserved
from qmq.core.exchange import Exchange
from qmq.core.exchange import Kind as Matching
from qmq.errors import QmqError
from qmq.session.auth import ANONYMOUS, Kind, Principal

_MAX_MADE = 1000  # rights of principals that are kept, to be shared
_MAX_REMEMBERED = 256  # decisions that one client's rights remember


class Action(StrEnum):
    """What may be done with a destination."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    CONSUME = "consume"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rules]]` of the configuration: who may do what where.

    Attributes:
        allow: Actions.
        on: Patterns of destinations; `{name}` in them stands for the principal's name.
        who: Patterns of principals' names, with `*` for any characters. One must match.
        kinds: Kinds of principals; none for all that have logged in.
        claims: What a token must say; all of it must match. In a list it must be among the values.

    """

    allow: frozenset[Action]
    on: tuple[str, ...]
    who: tuple[str, ...] = ("*",)
    kinds: frozenset[Kind] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict)

    def applies_to(self, principal: Principal) -> bool:
        """Whether it speaks of this principal."""
        if principal.kind not in (self.kinds or _LOGGED_IN):
            return False
        if principal.kind is not Kind.ANONYMOUS and not any(_is_like(principal.name, pattern) for pattern in self.who):
            return False
        return all(_has(principal.claims.get(name), wanted) for name, wanted in self.claims.items())


_LOGGED_IN = frozenset(Kind) - {Kind.ANONYMOUS}


class Access:
    """The rules of a node, which never change; a reload makes another one.

    Args:
        rules: From the configuration.
        guarded: Whether what they do not allow is forbidden.

    """

    __slots__ = ("_made", "_rules", "guarded")

    def __init__(self, rules: Sequence[Rule] = (), *, guarded: bool = False) -> None:
        self._rules = tuple(rules)
        self.guarded = guarded
        self._made: dict[Principal, Rights] = {}

    def rights(self, principal: Principal) -> Rights:
        """What a principal may do. Its connections and requests share them."""
        if not self.guarded and principal is ANONYMOUS:
            return EVERYTHING
        found = self._made.get(principal)
        if found is None:
            if len(self._made) >= _MAX_MADE:
                self._made.clear()
            found = self._made[principal] = Rights(principal, self.allowed(principal) if self.guarded else None)
        return found

    def allowed(self, principal: Principal) -> dict[str, tuple[Shape, ...]]:
        """What rules, and its own token, allow a principal, by action."""
        allowed: dict[str, list[Shape]] = {action: [] for action in Action}
        for action, patterns in principal.rights.items():
            allowed[action] += map(allowing, patterns)
        for rule in self._rules:
            if rule.applies_to(principal):
                shapes = [allowing(pattern) for pattern in _filled_in(rule.on, principal.name)]
                for action in rule.allow:
                    allowed[action] += shapes
        return {action: tuple(dict.fromkeys(shapes)) for action, shapes in allowed.items()}


class Rights:
    """What one client may do. Its conversation asks before it acts.

    Args:
        principal: Who it is.
        allowed: Shapes of destinations by action; None if everything is allowed.

    Attributes:
        principal: Who it is.

    """

    __slots__ = ("_allowed", "_decided", "principal")

    def __init__(self, principal: Principal, allowed: Mapping[str, tuple[Shape, ...]] | None) -> None:
        self.principal = principal
        self._allowed = allowed
        self._decided: dict[tuple[str, str], bool] | None = None  # made when first needed

    def check(self, action: str, destination: str) -> None:
        """Checks that something may be done. A pattern may be used only if all that it could match may.

        Args:
            action: One of `Action`.
            destination: Name or pattern, in its usual form (`qmq.core.destination`); or `/manage/OPERATION`.

        Raises:
            QmqError: `forbidden`.

        """
        if not self.allows(action, destination):
            raise QmqError("forbidden", f"{self.principal} may not {action} {destination[:255]}")

    def allows(self, action: str, destination: str) -> bool:
        """Whether something may be done; see `check`."""
        if action == "publish" and is_reserved(destination):
            return False
        if self._allowed is None or destination.startswith(TEMP_QUEUE):
            return True
        decided = self._decided
        if decided is None:
            decided = self._decided = {}
        found = decided.get((action, destination))
        if found is None:
            if len(decided) >= _MAX_REMEMBERED:
                decided.clear()
            asked = shape_of(destination)
            found = any(shape.covers(asked) for shape in self._allowed.get(action, ()))
            decided[(action, destination)] = found
        return found

    def check_source(self, exchange: Exchange, key: str) -> None:
        """Checks that what an exchange is given may be taken from it, by a subscription or a binding.

        Args:
            exchange: Some kinds look at no key, and give whatever comes.
            key: What is asked for.

        Raises:
            QmqError: `forbidden`.

        """
        if exchange.name == TOPIC_EXCHANGE:
            self.check(Action.SUBSCRIBE, f"{TOPIC}{key}")
        else:
            by_key = exchange.kind in (Matching.DIRECT, Matching.TOPIC)
            self.check(Action.SUBSCRIBE, f"{EXCHANGE}{exchange.name}/{key if by_key else '#'}".rstrip("/"))

    def check_bound(self, queue: str) -> None:
        """Checks that a queue may be bound and then consumed from: others may consume, too, what is now given to it.

        Raises:
            QmqError: `forbidden`.

        """
        self.check(Action.CONSUME, queue)
        self.check(Action.MANAGE, queue)

    def check_dead_letters(self, properties: Mapping[str, Any]) -> None:
        """Checks that a queue may be given these properties: the server will publish its dead letters on its own.

        Raises:
            QmqError: `forbidden`.

        """
        target = properties.get("dead_letter")
        if not target:
            return
        if target == EXCHANGE + TOPIC_EXCHANGE:
            target = f"{TOPIC}#"
        elif target.startswith(EXCHANGE) and "/" not in target[len(EXCHANGE) :]:
            target += "/#"  # each letter keeps the key that it came with
        self.check(Action.PUBLISH, target)

    def __repr__(self) -> str:
        return f"<rights of {self.principal}{'' if self._allowed is not None else ': everything'}>"


EVERYTHING = Rights(ANONYMOUS, None)  # of those who come to a node on which nobody is configured


def _is_like(name: str, pattern: str) -> bool:
    # Of what the shell knows only * has a meaning here.
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))


def _has(value: Any, wanted: Any) -> bool:
    return wanted in value if isinstance(value, list | tuple) else type(value) is type(wanted) and value == wanted


def _filled_in(patterns: Iterable[str], name: str) -> list[str]:
    """Patterns with the principal's name in its place. A name that is not one plain word fills in nothing."""
    plain = bool(name) and {".", "/", "*", "#"}.isdisjoint(name) and name.isprintable() and " " not in name
    return [pattern.replace("{name}", name) for pattern in patterns if plain or "{name}" not in pattern]
