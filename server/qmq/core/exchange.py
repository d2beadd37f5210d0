"""Exchanges: what decides which queues a message goes to (AMQP 0-9-1, section 3.1.3).

An `Exchange` keeps bindings and answers, for one key and headers, which targets they
lead to; each kind has a table of its own for that. `route` follows exchanges that are
bound to each other, and alternates, until only queues are left. A target is an
`Exchange` or anything else hashable, which is a queue here: it is never looked into.

Nothing here delivers, declares or deletes. The default exchange ("") has no bindings
and is not here; who may declare what, and when an unused exchange goes, is the
registry's business. Used by its node's loop only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from qmq.core.matcher import Matcher, words_of_key
from qmq.errors import QmqError

Target = Hashable  # an Exchange, or what stands for a queue

MAX_EXCHANGE_NAME = 127  # characters (AMQP 0-9-1, domain exchange-name)
_MAX_OCTETS = 255  # it travels as a short string (AMQP 0-9-1, 4.2.5.3)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_X_MATCH = ("all", "any", "all-with-x", "any-with-x")


class Kind(StrEnum):
    """The kinds of exchange (AMQP 0-9-1, sections 3.1.3.1 to 3.1.3.4); the value is the name in the protocol."""

    DIRECT = "direct"
    FANOUT = "fanout"
    TOPIC = "topic"
    HEADERS = "headers"


# What is there without having been declared (AMQP 0-9-1, 3.1.3), but for the default exchange:
# amq.direct, amq.fanout, amq.topic and amq.headers, and the last one also as amq.match.
PREDECLARED: Mapping[str, Kind] = MappingProxyType(
    {f"amq.{kind}": kind for kind in Kind} | {"amq.match": Kind.HEADERS},
)


def check_exchange_name(name: str) -> str:
    """Returns a name that a client may give an exchange, as it came (AMQP 0-9-1, `exchange.declare`).

    RabbitMQ is followed in allowing more than letters, digits, `-_.:`.

    Raises:
        QmqError: `bad-destination` if it is empty, longer than 127 characters or 255
            octets, has control characters, or begins with `amq.`.

    """
    if not 1 <= len(name) <= MAX_EXCHANGE_NAME or len(name.encode("utf-8", "surrogatepass")) > _MAX_OCTETS:
        raise QmqError("bad-destination", f"an exchange's name has 1 to {MAX_EXCHANGE_NAME} characters")
    if _CONTROL.search(name):
        raise QmqError("bad-destination", f"{name!r} has control characters")
    if name.startswith("amq."):
        raise QmqError("bad-destination", f"{name!r}: names that begin with amq. are the server's")
    return name


@dataclass(frozen=True, slots=True)
class Binding:
    """One way from an exchange to a target (AMQP 0-9-1, section 3.1.5).

    Two are the same if target, key and arguments are. Arguments may hold lists and
    tables; they are the same if equal and of the same types all the way down.

    Args:
        target: Where it leads.
        key: The binding key; by default the empty one.
        arguments: By default none. Copied, but not what is in them: do not change that.

    """

    target: Target
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)
    _frozen: Hashable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # This is how a frozen dataclass initialises itself.
        object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))
        object.__setattr__(self, "_frozen", _freeze(self.arguments))


def _freeze(value: Any) -> Hashable:
    """What is hashable, and equal for the same values. Types are a part of it: to Python 1, 1.0 and True are equal."""
    if isinstance(value, Mapping):
        return frozenset((name, _freeze(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, float):
        return "float", repr(value)  # NaN is not equal to itself, and could never be unbound
    return type(value).__name__, bytes(value) if isinstance(value, bytearray | memoryview) else value


class _Table(Protocol):
    """The bindings of one exchange, arranged so that those for a message are found; `match` finds a target once.

    Told of a binding only if it is new, or was there. `add` may raise QmqError, before it has changed anything.
    """

    def add(self, binding: Binding) -> None: ...
    def remove(self, binding: Binding) -> None: ...
    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Target]: ...


# A header and the text of its value; None for any value.
_Mark: TypeAlias = tuple[str, str | None]
_ALWAYS: _Mark = ("", None)  # of bindings that match whatever comes


class _Fanout:
    """Every binding matches (3.1.3.2). A target is counted, as it may have several."""

    def __init__(self) -> None:
        self._targets: dict[Target, int] = {}

    def add(self, binding: Binding) -> None:
        self._targets[binding.target] = self._targets.get(binding.target, 0) + 1

    def remove(self, binding: Binding) -> None:
        self._targets[binding.target] -= 1
        if not self._targets[binding.target]:
            del self._targets[binding.target]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Target]:
        return self._targets


class _Keyed:
    """A binding matches whose key is, or as a pattern matches, the message's (3.1.3.1 and 3.1.3.3)."""

    def __init__(self, path: Callable[[str], list[str]]) -> None:
        self._matcher: Matcher[Target] = Matcher(path)
        # Same key and target, other arguments: so many more than the matcher's one. Rare.
        self._more: dict[tuple[str, Target], int] = {}

    def add(self, binding: Binding) -> None:
        pair = binding.key, binding.target
        if not self._matcher.add(*pair):
            self._more[pair] = self._more.get(pair, 0) + 1

    def remove(self, binding: Binding) -> None:
        pair = binding.key, binding.target
        more = self._more.pop(pair, 0)
        if more > 1:
            self._more[pair] = more - 1
        elif not more:
            self._matcher.remove(*pair)

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Target]:
        return self._matcher.match(key)


class _Headers:
    """A binding matches whose arguments are among the message's headers (3.1.3.4).

    Bindings are found by the headers that they want: what a message costs depends on its own
    headers and on the bindings that want one of them, not on all that there are.
    """

    def __init__(self) -> None:
        self._rules: dict[Binding, tuple[_Rule, list[_Mark]]] = {}
        self._marked: dict[_Mark, dict[Binding, _Rule]] = {}

    def add(self, binding: Binding) -> None:
        rule = _Rule(binding.arguments)
        marks = rule.marks()
        if rule.needs_all and len(marks) > 1:  # one of them is enough to find it: that which fewest others want
            marks = [min(marks, key=lambda mark: len(self._marked.get(mark, ())))]
        self._rules[binding] = rule, marks
        for mark in marks:
            self._marked.setdefault(mark, {})[binding] = rule

    def remove(self, binding: Binding) -> None:
        for mark in self._rules.pop(binding)[1]:
            bindings = self._marked[mark]
            del bindings[binding]
            if not bindings:
                del self._marked[mark]

    def match(self, key: str, headers: Mapping[str, Any]) -> Iterable[Target]:
        found: dict[Target, None] = {}
        marks = [_ALWAYS] if _ALWAYS in self._marked else []
        for name, value in headers.items():
            marks += [(name, None), (name, _mark_of(value))]
        for mark in marks:
            for binding, rule in self._marked.get(mark, {}).items():
                if binding.target not in found and rule.matches(headers):
                    found[binding.target] = None
        return found


class _Rule:
    """What one binding wants of headers. `all` of nothing is true and `any` of nothing false, as in RabbitMQ."""

    __slots__ = ("_any", "_wanted")

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        mode = arguments.get("x-match", "all")
        if mode not in _X_MATCH:
            raise QmqError("bad-header", f"x-match is {str(mode)[:64]!r}, which is none of {', '.join(_X_MATCH)}")
        self._any = mode.startswith("any")
        own = {"x-match"} if mode.endswith("-with-x") else {name for name in arguments if name.startswith("x-")}
        self._wanted = [(name, value) for name, value in arguments.items() if name not in own]

    @property
    def needs_all(self) -> bool:
        """Whether all that it wants must be there."""
        return not self._any

    def marks(self) -> list[_Mark]:
        """What a message must have to match: one of these for `any`, each of them for `all`."""
        marks = dict.fromkeys((name, None if value is None else _mark_of(value)) for name, value in self._wanted)
        return list(marks) or ([] if self._any else [_ALWAYS])

    def matches(self, headers: Mapping[str, Any]) -> bool:
        for name, value in self._wanted:
            if (name in headers and (value is None or _same(value, headers[name]))) is self._any:
                return self._any  # the first one decides
        return not self._any


def _same(wanted: Any, given: Any) -> bool:
    """Whether two values are equal; if one is text, as text, since a STOMP client has nothing else."""
    if isinstance(wanted, str) is not isinstance(given, str):
        return _text(wanted) == _text(given)
    # To Python True is 1; to AMQP they are as different as "true" and "1".
    return isinstance(wanted, bool) is isinstance(given, bool) and bool(wanted == given)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _mark_of(value: Any) -> str:
    """The same text for all values that are equal, be they text or numbers; for some others, too."""
    text = _text(value)
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number != number else repr(number)  # NaN equals nothing, but text that says so does


_TABLES: dict[Kind, Callable[[], _Table]] = {
    Kind.DIRECT: lambda: _Keyed(lambda key: []),  # without words, so that no key is a pattern
    Kind.FANOUT: _Fanout,
    Kind.TOPIC: lambda: _Keyed(words_of_key),
    Kind.HEADERS: _Headers,
}


@dataclass(eq=False, repr=False)
class Exchange:
    """Bindings, and which of them a message matches. One without bindings is false: compare with None.

    Args:
        name: Its name; not checked here.
        kind: How it matches.
        auto_delete: Whether it goes when its last binding does (0-9-1, `exchange.declare`); by default it stays.
        internal: Whether clients may not publish to it; by default they may.
        durable: Whether it was declared to outlive the node; by default not.
        alternate: The name of the exchange that gets what matches nothing here; by default there is none.

    Attributes:
        had_bindings: Whether it ever had one. Only then does losing the last one count for auto-delete.

    """

    name: str
    kind: Kind
    _: KW_ONLY
    auto_delete: bool = False
    internal: bool = False
    durable: bool = False
    alternate: str = ""
    had_bindings: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._table = _TABLES[self.kind]()
        self._bindings: dict[Binding, None] = {}
        self._chained = False  # whether a target was ever an exchange
        self._of_target: dict[Target, dict[Binding, None]] = {}  # so that a queue's end costs its own bindings only

    @property
    def bindings(self) -> list[Binding]:
        """Its bindings, the oldest first."""
        return list(self._bindings)

    def bind(self, target: Target, key: str = "", arguments: Mapping[str, Any] | None = None) -> bool:
        """Adds a binding (AMQP 0-9-1, `queue.bind`); returns whether it is new.

        Args:
            target: Where matching messages go: an exchange, this one too, or a queue.
            key: The key, or for a topic exchange the pattern; by default empty.
            arguments: For a headers exchange what it wants of headers; by default nothing.

        Raises:
            QmqError: `bad-header` if the `x-match` of a headers exchange's binding is none.

        """
        binding = Binding(target, key, arguments or {})
        if binding in self._bindings:
            return False
        self._table.add(binding)
        self._bindings[binding] = None
        self._of_target.setdefault(target, {})[binding] = None
        self.had_bindings = True
        self._chained |= isinstance(target, Exchange)
        return True

    def unbind(self, target: Target, key: str = "", arguments: Mapping[str, Any] | None = None) -> bool:
        """Takes away the binding with the same three (AMQP 0-9-1, `queue.unbind`); returns whether it was there."""
        binding = Binding(target, key, arguments or {})
        if binding not in self._bindings:
            return False
        del self._bindings[binding], self._of_target[target][binding]
        if not self._of_target[target]:
            del self._of_target[target]
        self._table.remove(binding)
        return True

    def is_bound(self, target: Target, key: str = "", arguments: Mapping[str, Any] | None = None) -> bool:
        """Whether there is this very binding."""
        return Binding(target, key, arguments or {}) in self._bindings

    def leads_to(self, target: Target) -> bool:
        """Whether there is any binding to a target."""
        return target in self._of_target

    def drop(self, target: Target) -> None:
        """Takes away all bindings to a target, if there are any."""
        for binding in self._of_target.pop(target, ()):
            del self._bindings[binding]
            self._table.remove(binding)

    def match(self, key: str, headers: Mapping[str, Any]) -> list[Target]:
        """The targets of a message, each once however many of its bindings match; alternates are left to `route`."""
        return list(self._table.match(key, headers))

    def __len__(self) -> int:
        return len(self._bindings)

    def __repr__(self) -> str:
        return f"<{self.kind} exchange {self.name!r}, {len(self)} bindings>"


@dataclass(slots=True)
class Routed:
    """Where a message goes.

    Attributes:
        queues: All targets that are no exchanges, each once, in the order in which they were found.
        exchanges: The exchanges that it passed, in that order, the first one included.

    """

    queues: list[Target]
    exchanges: dict[Exchange, None]


def route(start: Exchange, key: str, headers: Mapping[str, Any], find: Callable[[str], Exchange | None]) -> Routed:
    """Finds a message's queues, through all exchanges that lead to them (AMQP 0-9-1, section 3.1.3).

    An exchange is passed once per message, so that circles end, and a queue gets one
    copy. An exchange at which nothing matches hands over to its alternate, with the same
    key and headers; if something matches, be it only an exchange that leads nowhere, not.

    Args:
        start: Where the message was published.
        key: Its routing key.
        headers: Its headers.
        find: Returns the exchange of a name, or None; asked for alternates only.

    """
    queues: dict[Target, None] = {}
    exchanges = {start: None}
    waiting = [start]  # grows while it is gone through
    for exchange in waiting:
        targets = exchange.match(key, headers)
        if targets and not exchange._chained and len(exchanges) == 1:
            return Routed(targets, exchanges)  # the usual case; a fanout to thousands need not look at each
        for target in targets or _alternate(exchange, find):
            if not isinstance(target, Exchange):
                queues[target] = None
            elif target not in exchanges:
                exchanges[target] = None
                waiting.append(target)
    return Routed(list(queues), exchanges)


def _alternate(exchange: Exchange, find: Callable[[str], Exchange | None]) -> Sequence[Target]:
    found = find(exchange.alternate) if exchange.alternate else None
    return () if found is None else (found,)
