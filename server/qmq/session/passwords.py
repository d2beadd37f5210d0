"""Passwords: kept as hashes that are slow to try, and compared in constant time.

A hash is one line that says how it was made: `$scrypt$ln=15,r=8,p=1$SALT$HASH`, with
salt and hash in base64 without padding, as `qmq hash-password` prints it. Those of argon2
(`$argon2id$…`) are understood where the package argon2-cffi is installed.

To verify one takes tens of milliseconds of a core, on purpose, so it is not for a loop's
thread. Nothing here remembers a password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from qmq.errors import ConfigError

MAX_PASSWORD = 1024  # octets; more is not hashed, it is refused
_COST, _BLOCK, _PARALLEL = 15, 8, 1  # 32 MiB, and about 80 ms of a core
_MAX_MEMORY = 256 << 20  # octets that one hash may take
_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")


class Password(Protocol):
    """A password that can be recognised, and nothing else."""

    def matches(self, password: str) -> bool:
        """Whether it is this one. Slow."""


@dataclass(frozen=True, slots=True)
class Scrypt:
    """A password hashed with scrypt (RFC 7914).

    Attributes:
        cost: The logarithm of its N.
        block: Its r.
        parallel: Its p.

    """

    cost: int
    block: int
    parallel: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    def matches(self, password: str) -> bool:
        # HMAC, within scrypt, takes a NUL at the end for nothing, so no password has one.
        return hmac.compare_digest(self.digest, self.hash(password)) and "\0" not in password

    def hash(self, password: str) -> bytes:
        """What the digest of a password would be."""
        octets = password.encode("utf-8", "surrogatepass")[: MAX_PASSWORD + 1]
        return hashlib.scrypt(
            octets,
            salt=self.salt,
            n=1 << self.cost,
            r=self.block,
            p=self.parallel,
            maxmem=2 * _MAX_MEMORY,
            dklen=len(self.digest),
        )

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode().rstrip("=") for part in (self.salt, self.digest))
        return f"$scrypt$ln={self.cost},r={self.block},p={self.parallel}${salt}${digest}"


@dataclass(frozen=True, slots=True)
class Argon2:
    """A password hashed with argon2 (RFC 9106)."""

    text: str = field(repr=False)

    def matches(self, password: str) -> bool:
        from argon2 import PasswordHasher
        from argon2.exceptions import VerificationError

        try:
            return PasswordHasher().verify(self.text, password.encode("utf-8", "surrogatepass"))
        except VerificationError:
            return False


def hashed(password: str, cost: int = _COST) -> str:
    """A new hash of a password, as the configuration has it.

    Raises:
        ConfigError: If it is empty, longer than 1024 octets, or has a NUL.

    """
    if not 1 <= len(password.encode("utf-8", "surrogatepass")) <= MAX_PASSWORD or "\0" in password:
        raise ConfigError(f"a password has 1 to {MAX_PASSWORD} octets, none of them NUL")
    empty = Scrypt(cost, _BLOCK, _PARALLEL, secrets.token_bytes(16), bytes(32))
    return str(Scrypt(cost, _BLOCK, _PARALLEL, empty.salt, empty.hash(password)))


def parse(text: str) -> Password:
    """The password that a hash stands for.

    Raises:
        ConfigError: If it is none, or takes more memory than is sensible. It never shows the hash.

    """
    if text.startswith("$argon2"):
        return _parse_argon2(text)
    found = _SCRYPT.fullmatch(text)
    if found is None:
        raise ConfigError("password must be a hash as `qmq hash-password` prints it")
    cost, block, parallel = map(int, found.groups()[:3])
    if not 1 <= cost <= 24 or not block or not parallel or (128 * block * parallel) << cost > _MAX_MEMORY:
        raise ConfigError(f"password has a hash that needs more than {_MAX_MEMORY >> 20} MiB, or makes no sense")
    try:
        salt, digest = (base64.b64decode(part + "=" * (-len(part) % 4), validate=True) for part in found.groups()[3:])
    except binascii.Error:
        raise ConfigError("password has a hash that is no base64") from None
    if len(salt) < 8 or not 16 <= len(digest) <= 64:
        raise ConfigError("password has a hash that is too short or too long")
    return Scrypt(cost, block, parallel, salt, digest)


def _parse_argon2(text: str) -> Password:
    try:
        from argon2 import extract_parameters
        from argon2.exceptions import InvalidHashError
    except ImportError:
        raise ConfigError("password is hashed with argon2, which needs the package argon2-cffi") from None
    try:
        memory = extract_parameters(text).memory_cost
    except InvalidHashError:
        raise ConfigError("password has a hash that argon2 does not understand") from None
    if memory << 10 > _MAX_MEMORY:
        raise ConfigError(f"password has a hash that needs more than {_MAX_MEMORY >> 20} MiB")
    return Argon2(text)
