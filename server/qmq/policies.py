"""What the configuration says about who may come and what they may do, as a policy.

Users, rules and the files with the keys of tokens are read here and checked. What is wrong
is one line that names the table or the file, and never shows a hash or a key.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from qmq.config import END, OPTIONS, Config, is_ended
from qmq.core.cover import check_allowing
from qmq.errors import ConfigError, QmqError
from qmq.files import read_file
from qmq.rules import read_tables, text_of
from qmq.session import keys, passwords
from qmq.session.access import Access, Action, Rule
from qmq.session.auth import Kind
from qmq.session.passwords import Scrypt
from qmq.session.policy import Policy, User
from qmq.session.tokens import MAX_NAME, Tokens

_MAX_KEY_FILE = 1 << 20  # octets


def policy_of(config: Config) -> Policy:
    """The policy of a configuration. Reads the files with keys.

    Raises:
        ConfigError: Naming the table or file that is wrong.

    """
    users = _users(config)
    rules = read_tables("rules", config.rules, _rule)
    tokens = _tokens(config)
    logins = bool(users) or tokens is not None
    certificates = config.tls.client_certificates != "no"
    guarded = logins or bool(rules)
    policy = Policy(
        access=Access(rules, guarded=guarded),
        users=users,
        nobody=_slowest(users),
        tokens=tokens,
        anonymous=config.allow_anonymous or not (logins or (rules and certificates)),
        cookie=config.tokens.cookie,
        grace=config.tokens.grace,
        by_uri=config.tls.client_name == "uri",
    )
    if config.require_login and policy.anonymous:
        raise ConfigError("require_login: anybody could come in; there are no users, tokens or client certificates")
    return policy


# What takes effect while the node runs. All else is fixed in what was made at the start.
_RELOADED = (
    "allow_anonymous",
    "require_login",
    "allowed_origins",
    "allowed_hosts",
    "users",
    "rules",
    "tokens",
    "tls",
    "limits",
)
_FIXED_LIMITS = frozenset(
    {"queues", "exchanges", "bindings", "memory", "topics", "history"}
    | {"idempotency_keys", "idempotency_seconds", "http_header_bytes"}
)


def reloaded(running: Config, wanted: Config) -> tuple[Config, list[str]]:
    """What a running node goes by when its configuration has become another one: what can change of it does.

    Returns:
        The configuration, and the keys that would need a restart.

    """
    kept = {name: getattr(running.limits, name) for name in _FIXED_LIMITS}
    limits = dataclasses.replace(wanted.limits, **kept)
    taken = {name: getattr(wanted, name) for name in _RELOADED}
    config = dataclasses.replace(running, **{**taken, "limits": limits, "source": wanted.source})
    return config, [option.key for option in OPTIONS.values() if option.of(config) != option.of(wanted)]


def check_not_open(running: Policy, wanted: Policy, before: Config, after: Config) -> None:
    """Checks that a reload takes away none of what keeps people out, unless that is said to be wanted.

    A file that is empty or was cut off looks like one that lets anybody in.

    Raises:
        ConfigError: Naming what would be gone.

    """
    _check_not_cut(before.source, after.source)
    if after.allow_anonymous:
        return
    gone = [name for name in ("users", "rules") if getattr(before, name) and not getattr(after, name)]
    if before.tokens.keys and not after.tokens.keys:
        gone.append("tokens.keys")
    if before.tls.certificate and not after.tls.certificate:
        gone.append("tls.certificate")
    if before.tls.client_certificates != "no" and after.tls.client_certificates == "no":
        gone.append("tls.client_certificates")
    if gone:
        raise ConfigError(f"{' and '.join(gone)} would be gone; if that is wanted, set allow_anonymous or restart")
    if wanted.anonymous and not running.anonymous:
        raise ConfigError("nobody would have to log in any more; if that is wanted, set allow_anonymous or restart")


def _check_not_cut(before: str, after: str) -> None:
    """Checks that a file is not the beginning of what it was, unless it says itself that this is all of it."""
    if is_ended(after):
        return
    if is_ended(before):
        raise ConfigError(f"the file is cut off: its last line was {END!r}")
    before, after = before.rstrip(), after.rstrip()
    if before != after and before.startswith(after):
        raise ConfigError(f"the file ends where it went on before; if that is all of it, end it with a line {END!r}")


def _users(config: Config) -> dict[str, User]:
    found: dict[str, User] = {}
    for name, user in read_tables("users", config.users, _user):
        if name in found:
            raise ConfigError(f"[[users]]: {name!r} is there twice")
        found[name] = user
    return found


def _user(table: dict[str, Any]) -> tuple[str, User]:
    name = text_of(table, "name")
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise ConfigError(f"name must have 1 to {MAX_NAME} printable characters, not {name!r}")
    kept = table.pop("password", None)
    if not isinstance(kept, str):
        raise ConfigError("password is missing, or no string")
    return name, User(passwords.parse(kept), keys.proof_of(kept.encode("utf-8", "surrogatepass")))


def _slowest(users: dict[str, User]) -> passwords.Password | None:
    """What the password of a name is compared with that nobody has: as slow as the slowest of all."""
    found = [user.password for user in users.values()]
    hashed = [password for password in found if isinstance(password, Scrypt)]
    if not hashed:
        return found[0] if found else None
    most = max(hashed, key=lambda password: (password.block * password.parallel) << password.cost)
    return Scrypt(most.cost, most.block, most.parallel, b"nobody's", bytes(len(most.digest)))


def _rule(table: dict[str, Any]) -> Rule:
    claims = table.pop("claims", {})
    if not isinstance(claims, dict) or not all(type(value) in (str, int, bool) for value in claims.values()):
        raise ConfigError("claims must be a table of strings, whole numbers and booleans")
    allow, on = _texts(table, "allow"), _texts(table, "on")
    _only(allow, "allow", list(Action))
    kinds = _texts(table, "kind", [])
    _only(kinds, "kind", list(Kind))
    for pattern in on:
        try:
            check_allowing(pattern.replace("{name}", "name"))
        except QmqError as error:
            raise ConfigError(f"on: {error.detail}") from None
    return Rule(
        frozenset(map(Action, allow)),
        tuple(on),
        tuple(_texts(table, "who", ["*"])),
        frozenset(map(Kind, kinds)),
        claims,
    )


def _texts(table: dict[str, Any], name: str, default: list[str] | None = None) -> list[str]:
    """A list of strings, of which one may stand alone."""
    value = table.pop(name, default)
    if value is None:
        raise ConfigError(f"{name} is missing")
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ConfigError(f"{name} must be a string or a list of strings, not {value!r}")
    return found


def _only(values: list[str], name: str, allowed: list[Any]) -> None:
    for value in values:
        if value not in allowed:
            raise ConfigError(f"{name} has only {', '.join(allowed)}, not {value!r}")


def _tokens(config: Config) -> Tokens | None:
    options = config.tokens
    for algorithm in options.algorithms:
        if algorithm not in keys.ALGORITHMS:
            raise ConfigError(f"tokens.algorithms has only {', '.join(keys.ALGORITHMS)}, not {algorithm!r}")
    if not options.keys:
        return None
    found = [key for file in options.keys for key in read_keys(file, "tokens.keys")]
    if not any(key.algorithm in options.algorithms for key in found):
        raise ConfigError("tokens.keys has no key for any of tokens.algorithms")
    return Tokens(
        found,
        options.algorithms,
        options.issuer,
        options.audience,
        options.leeway,
        options.name_claim,
        options.rights_claim,
    )


def read_keys(file: str, name: str) -> list[keys.Key]:
    """The keys in a file; `name` is the option that names it, for errors.

    Raises:
        ConfigError: Naming option and file.

    """
    try:
        data = read_file(file, _MAX_KEY_FILE)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: cannot read {file}: {getattr(error, 'strerror', None) or error}") from error
    try:
        return keys.read(data)
    except ConfigError as error:
        raise ConfigError(f"{name} {file}: {error}") from None
