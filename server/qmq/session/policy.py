"""Who may come in at all, and with what rights: everything that the configuration says of it, in one object.

A policy never changes. A reload makes another one and puts it in the place of the first,
whole, so that whoever reads it, on whatever loop, sees one or the other. It knows no
transport: who shows which password, token or certificate is found out elsewhere.

Verifying a password is slow on purpose and is not for a loop's thread; the rest is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qmq.errors import QmqError
from qmq.session.access import Access, Rights
from qmq.session.auth import ANONYMOUS, Kind, Principal
from qmq.session.passwords import Password
from qmq.session.tokens import Tokens, looks_like_one


@dataclass(frozen=True, slots=True)
class User:
    """One of `[[users]]`.

    Attributes:
        password: As it is kept.
        proof: Tells the password from a later one.

    """

    password: Password
    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may come in, and what for.

    Attributes:
        access: The rules.
        users: By name.
        nobody: A password for names that no user has, so that they take as long to refuse.
        tokens: Which tokens are believed; None for none.
        anonymous: Whether clients may come in that do not log in.
        cookie: The name of the cookie that may hold a token; empty for none.
        grace: Seconds that a connection lives on beyond its token.
        by_uri: Whether a client certificate names its holder by a URI instead of its common name.

    """

    access: Access = field(default_factory=Access)
    users: Mapping[str, User] = field(default_factory=dict, repr=False)
    nobody: Password | None = field(default=None, repr=False)
    tokens: Tokens | None = None
    anonymous: bool = True
    cookie: str = ""
    grace: float = 60.0
    by_uri: bool = False

    def rights(self, principal: Principal) -> Rights:
        """What a principal may do, whoever has found out who it is, and when: that may have been under another policy.

        Raises:
            QmqError: `login-required` for who has not logged in and should have; `forbidden` for who is known no more.

        """
        if principal is ANONYMOUS and not self.anonymous:
            raise QmqError("login-required")
        if not self.knows(principal):
            raise QmqError("forbidden", f"{principal} is known no more")
        return self.access.rights(principal)

    @property
    def has_logins(self) -> bool:
        """Whether what a client says of itself is looked at."""
        return bool(self.users) or self.tokens is not None

    def takes_for_token(self, login: str, passcode: str) -> bool:
        """Whether a passcode is to be a token. Whoever is no user and shows something like one means one."""
        return self.tokens is not None and (
            not self.users or login == "token" or (login not in self.users and looks_like_one(passcode))
        )

    def by_token(self, token: str, now: float) -> Principal:
        """Who holds a token.

        Args:
            token: As it came.
            now: Seconds since 1970.

        Raises:
            QmqError: `bad-token`, `token-expired`.

        """
        if self.tokens is None:
            raise QmqError("bad-token", "this server believes no tokens")
        return self.tokens.verify(token, now)

    def by_password(self, login: str, passcode: str) -> Principal:
        """Who has a password. Slow, whether there is such a user or not.

        Raises:
            QmqError: `bad-login`.

        """
        user = self.users.get(login)
        password = user.password if user is not None else self.nobody
        if password is None or not password.matches(passcode) or user is None:
            raise QmqError("bad-login")
        return Principal(login, Kind.USER, proof=user.proof)

    def knows(self, principal: Principal) -> bool:
        """Whether who came in under any policy would come in under this one, its end left aside."""
        if principal.kind is Kind.USER:
            user = self.users.get(principal.name)
            return user is not None and user.proof == principal.proof
        if principal.kind is Kind.TOKEN:
            return self.tokens is not None and self.tokens.still_believes(principal)
        return True


OPEN = Policy()  # nobody is configured, everybody may do everything
