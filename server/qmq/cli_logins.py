"""Commands about those who log in: `qmq hash-password`, `qmq token make` and `qmq token explain`.

Nothing secret is taken from the command line, where others on the machine could read it,
but a token to be explained, if somebody insists. No password or key is ever printed.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from qmq.config import Config, load
from qmq.errors import ConfigError, QmqError
from qmq.session import passwords
from qmq.session.access import Access, Action

if TYPE_CHECKING:  # other commands are not to wait for what only these need
    from qmq.session.keys import Key
    from qmq.session.tokens import Tokens


@click.command("hash-password")
@click.option("--cost", type=click.IntRange(10, 20), default=15, show_default=True,
              help="Logarithm of the work: one more is twice the time and memory.")  # fmt: skip
def hash_password(cost: int) -> None:
    """Print the hash of a password, for [[users]]. It is asked for, or read from standard input."""
    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    click.echo(passwords.hashed(password, cost))


@click.group()
def token() -> None:
    """Make and explain tokens."""


_SOURCES = (
    click.option("--config", metavar="FILE", help="TOML file that says which keys there are [QMQ_CONFIG]."),
    click.option("--key", metavar="FILE", help="File with the key, in place of those of the configuration."),
    click.option("--issuer", help="Who issues it, in place of what the configuration says."),
    click.option("--audience", help="Whom it is for, likewise."),
)


def _sources(command: Any) -> Any:
    for option in reversed(_SOURCES):
        command = option(command)
    return command


def _action_options(command: Any) -> Any:
    for action in reversed(Action):
        text = f"Where its holder may {action}: a pattern such as /topic/a.#; several if repeated."
        command = click.option(f"--{action}", multiple=True, metavar="PATTERN", help=text)(command)
    return command


def _tokens(config: Config, key: str | None, issuer: str | None, audience: str | None) -> Tokens:
    from qmq.policies import policy_of, read_keys
    from qmq.session.tokens import Tokens

    found = policy_of(config).tokens if key is None else None
    if key is None and found is None:
        raise ConfigError("no tokens.keys are configured; name a key with --key, or a configuration with --config")
    options = config.tokens
    return Tokens(
        found.keys if found is not None else read_keys(str(key), "--key"),
        options.algorithms,
        options.issuer if issuer is None else issuer,
        options.audience if audience is None else audience,
        options.leeway,
        options.name_claim,
        options.rights_claim,
    )


@token.command()
@click.argument("name")
@_sources
@click.option("--lasts", type=click.FloatRange(min=1), default=3600, show_default=True, metavar="SECONDS",
              help="After how long it expires.")  # fmt: skip
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="One more claim; JSON, or text.")
@_action_options
def make(
    name: str,
    config: str | None,
    key: str | None,
    issuer: str | None,
    audience: str | None,
    lasts: float,
    claims: tuple[str, ...],
    **allowed: tuple[str, ...],
) -> None:
    """Print a token whose holder is NAME. Its key must be a private one, or a shared secret."""
    tokens = _tokens(load(file=config), key, issuer, audience)
    signing = next((each for each in tokens.keys if each.signing is not None), None)
    if signing is None:
        raise ConfigError("there is no private key to sign with, and no shared secret")
    click.echo(_signed(tokens, signing, name, lasts, _read_claims(claims), allowed))


def _signed(
    tokens: Tokens, key: Key, name: str, lasts: float, claims: dict[str, Any], allowed: dict[str, tuple[str, ...]]
) -> str:
    import jwt

    from qmq.session.tokens import name_of, rights_of

    now = int(time.time())
    said = {tokens.name_claim: name, "iat": now, "exp": now + round(lasts), **claims}
    said |= {"iss": tokens.issuer} if tokens.issuer else {}
    said |= {"aud": tokens.audience} if tokens.audience else {}
    rights = {action: list(patterns) for action, patterns in allowed.items() if patterns}
    if rights and not tokens.rights_claim:
        raise ConfigError("tokens.rights_claim is empty: tokens carry no rights")
    said |= {tokens.rights_claim: rights} if rights else {}
    try:
        name_of(said, tokens.name_claim)
        rights_of(said, tokens.rights_claim)
        return jwt.encode(said, key.signing, key.algorithm, {"kid": key.id} if key.id else None)
    except QmqError as error:
        raise ConfigError(error.detail) from None
    except TypeError as error:
        raise ConfigError(f"this cannot be said in a token: {error}") from None


def _read_claims(claims: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for claim in claims:
        name, equals, value = claim.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--claim must be NAME=VALUE, not {claim!r}")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


@token.command()
@click.argument("text", metavar="[TOKEN|-]", default="-")
@_sources
def explain(text: str, config: str | None, key: str | None, issuer: str | None, audience: str | None) -> None:
    """Say what is in a token, whether a gateway would take it, and what its holder could do there.

    Exit status 1 if a gateway would not take it.
    """
    said = (sys.stdin.readline() if text == "-" else text).strip()
    settings = load(file=config)
    tokens = _tokens(settings, key, issuer, audience)
    for name, value in _unverified(said).items():
        click.echo(f"{name}: {json.dumps(value, ensure_ascii=False)}")
    principal = tokens.verify(said, time.time())
    assert principal.expires is not None
    end = datetime.fromtimestamp(min(principal.expires, 253402300799.0), UTC)
    click.echo(f"good until {end:%Y-%m-%d %H:%M:%S} UTC, for {principal.expires - time.time():.0f} seconds")
    from qmq.policies import policy_of

    access = policy_of(settings).access if key is None else Access(guarded=True)
    for action, patterns in access.allowed(principal).items():
        click.echo(f"may {action}: {', '.join(map(str, patterns)) or 'nothing'}")


def _unverified(said: str) -> dict[str, Any]:
    """Header and claims, as far as they can be read."""
    import jwt

    from qmq.session.tokens import header_of

    header = header_of(said)
    try:
        claims = jwt.decode(said, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError, TypeError):
        raise QmqError("bad-token", "it is damaged") from None
    return {"header": header, "claims": claims}
