"""Who a client is: its principal, and with what it proves that.

A principal is made once, when the client logs in, and stays the same until it logs in
anew or refreshes its token. Nothing that is secret is kept in it, and its `repr` shows
neither claims nor proofs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How a principal has proved who it is."""

    ANONYMOUS = "anonymous"
    USER = "user"
    TOKEN = "token"  # noqa: S105
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a client is.

    Attributes:
        name: Of the user, the token's subject or the certificate's holder; empty for nobody in particular.
        kind: How it has proved that.
        claims: What a token says besides.
        expires: Seconds since 1970 after which it is no longer believed; None for never.
        rights: What a token itself allows: patterns of destinations, by action.
        proof: Tells one password or key from another, not what it is: by it a reload sees that it is gone.

    """

    name: str = ""
    kind: Kind = Kind.ANONYMOUS
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    expires: float | None = None
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, hash=False)
    proof: str = field(default="", repr=False)

    def is_same(self, other: Principal) -> bool:
        """Whether it is the same client, with the same proof or a newer one."""
        return (self.name, self.kind) == (other.name, other.kind)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}" if self.name else str(self.kind)


ANONYMOUS = Principal()
