"""Tokens: JSON Web Tokens (RFC 7519, RFC 8725) verified, and what they say of who holds them.

The signature is PyJWT's affair, everything else is checked here, so that each refusal
says what is wrong: only with keys and algorithms of the configuration, with an end
(`exp`), for us (`aud`, `iss`), and with a name. Beside it a token may say what its holder
may do. No token, and nothing of a key, is ever in an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.exceptions import InvalidSignatureError, PyJWTError
from jwt.utils import base64url_decode

from qmq.core.cover import check_allowing
from qmq.errors import QmqError
from qmq.session.access import Action
from qmq.session.auth import Kind, Principal
from qmq.session.keys import ALGORITHMS, Key

MAX_TOKEN = 8192  # characters
MAX_NAME = 255  # characters of a principal's name
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_MAX_PATTERNS = 100  # of one action in one token
_AHEAD = 60.0  # seconds by which an issuer's clock may be ahead, even where the leeway is less: no harm can come of it
_MILLISECONDS = 1.4e12  # so much is said only by an issuer that counts milliseconds


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which tokens are believed.

    Attributes:
        keys: To verify with.
        algorithms: Those that may be used.
        issuer: What `iss` must be; empty for anything.
        audience: What `aud` must be or contain; empty for no audience at all.
        leeway: Seconds by which clocks may differ; a token may begin a minute ahead in any case.
        name_claim: Where the holder's name is.
        rights_claim: Where its rights are, if it has any; empty for none.

    """

    keys: Sequence[Key]
    algorithms: Sequence[str] = ALGORITHMS
    issuer: str = ""
    audience: str = ""
    leeway: float = 5.0
    name_claim: str = "sub"
    rights_claim: str = "qmq"

    def verify(self, token: str, now: float) -> Principal:
        """Who holds a token.

        Args:
            token: As it came.
            now: Seconds since 1970.

        Raises:
            QmqError: `bad-token`, or `token-expired` if that is all that is wrong.

        """
        claims, key = self.open(token)
        expires = self._check(claims, now)
        principal = Principal(
            name_of(claims, self.name_claim),
            Kind.TOKEN,
            claims,
            expires,
            rights_of(claims, self.rights_claim),
            key.proof,
        )
        if now > expires + self.leeway:
            raise QmqError("token-expired", f"{now - expires:.0f} seconds ago")
        return principal

    def open(self, token: str) -> tuple[dict[str, Any], Key]:
        """What a token says, and with which key it is signed.

        Raises:
            QmqError: `bad-token`.

        """
        header = header_of(token)
        keys = self._candidates(header)
        for key in keys:
            try:
                return jwt.decode(token, key.material, algorithms=[key.algorithm], options=_SIGNATURE_ONLY), key
            except InvalidSignatureError:
                continue
            except (PyJWTError, ValueError, RecursionError, TypeError):
                raise QmqError("bad-token", "it is damaged") from None
        raise QmqError("bad-token", "it is signed with none of the keys that are believed" if keys else _no_key(header))

    def still_believes(self, principal: Principal) -> bool:
        """Whether a holder who was believed once would still be, its end left aside."""
        if not any(key.proof == principal.proof and key.algorithm in self.algorithms for key in self.keys):
            return False
        try:
            self._check_addressee(principal.claims)
        except QmqError:
            return False
        return True

    def _candidates(self, header: Mapping[str, Any]) -> list[Key]:
        algorithm, name = header.get("alg"), header.get("kid", "")
        keys = [key for key in self.keys if key.algorithm == algorithm and algorithm in self.algorithms]
        named = [key for key in keys if name and key.id == name]
        return named or [key for key in keys if not name or not key.id]

    def _check(self, claims: Mapping[str, Any], now: float) -> float:
        """Checks times and addressee; returns when it ends."""
        expires = _time(claims, "exp")
        if expires is None:
            raise QmqError("bad-token", "it has no end (exp)")
        begins, issued = _time(claims, "nbf"), _time(claims, "iat")
        ahead = max(self.leeway, _AHEAD)
        if begins is not None and now + ahead < begins:
            raise QmqError("bad-token", f"it begins in {begins - now:.0f} seconds (nbf)")
        if issued is not None and now + ahead < issued:
            raise QmqError("bad-token", "it was issued in the future (iat)")
        self._check_addressee(claims)
        return expires

    def _check_addressee(self, claims: Mapping[str, Any]) -> None:
        if self.issuer and claims.get("iss") != self.issuer:
            raise QmqError("bad-token", "it is of another issuer (iss)")
        audience = claims.get("aud", [])
        found = audience if isinstance(audience, list) else [audience]
        if self.audience and self.audience not in found:
            raise QmqError("bad-token", "it is for somebody else (aud)")
        if found and not self.audience:
            # Whoever names an addressee means that others are to refuse it (RFC 7519, section 4.1.3).
            raise QmqError(
                "bad-token", "it is for somebody in particular (aud), and this server does not say who it is"
            )


def looks_like_one(text: str) -> bool:
    """Whether a text may be a token rather than a password."""
    return text.startswith("ey") and len(text) <= MAX_TOKEN and _SHAPE.fullmatch(text) is not None


def header_of(token: str) -> dict[str, Any]:
    """A token's header, which nobody has verified.

    Raises:
        QmqError: `bad-token`.

    """
    if len(token) > MAX_TOKEN:
        raise QmqError("bad-token", f"it is longer than {MAX_TOKEN} characters")
    if not _SHAPE.fullmatch(token):
        raise QmqError("bad-token", "it is not three parts in base64url, joined by dots")
    try:
        header = json.loads(base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise QmqError("bad-token", "its header is damaged")
    if "crit" in header:
        raise QmqError("bad-token", "it demands what this server does not know (crit)")
    return header


def name_of(claims: Mapping[str, Any], claim: str) -> str:
    """The holder's name.

    Raises:
        QmqError: `bad-token`.

    """
    name = claims.get(claim)
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise QmqError("bad-token", f"it names no holder: {claim} is 1 to {MAX_NAME} printable characters")
    return name


def rights_of(claims: Mapping[str, Any], claim: str) -> dict[str, tuple[str, ...]]:
    """What a token allows its holder, by action.

    Raises:
        QmqError: `bad-token`, if it is not an object of lists of patterns by actions.

    """
    said = claims.get(claim) if claim else None
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise QmqError("bad-token", f"{claim} is no object")
    return {action: _patterns(claim, action, patterns) for action, patterns in said.items()}


def _patterns(claim: str, action: str, patterns: Any) -> tuple[str, ...]:
    if action not in list(Action):
        raise QmqError("bad-token", f"{claim} has only {', '.join(Action)}, not {action[:32]!r}")
    if not isinstance(patterns, list) or len(patterns) > _MAX_PATTERNS or not _are_texts(patterns):
        raise QmqError("bad-token", f"{claim}.{action} is no list of up to {_MAX_PATTERNS} patterns")
    try:
        return tuple(map(check_allowing, patterns))
    except QmqError as error:
        raise QmqError("bad-token", f"{claim}.{action}: {error.detail}") from None


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2)."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not -1e15 < value < 1e15:
        raise QmqError("bad-token", f"{name} is no time")
    if value >= _MILLISECONDS:
        raise QmqError("bad-token", f"{name} counts milliseconds; times in a token count seconds")
    return float(value)


def _no_key(header: Mapping[str, Any]) -> str:
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        return f"it is signed with none of {', '.join(ALGORITHMS)}"
    return f"there is no key for its algorithm ({algorithm}) and kid"


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False),
    **dict.fromkeys(("verify_sub", "verify_jti"), False),
}
