"""Who comes to one loop: credentials of CONNECT frames, HTTP requests and client certificates, as principals.

Whichever way a client comes, the same policy looks at the same credentials, and what it
finds is the same principal. Passwords are tried elsewhere, and meanwhile their connection
is not read. What was right is remembered for a minute, as a digest that is of no use to
anybody else. When a token or certificate has expired, and the grace time is over, its
connection ends, whatever carries it. After a reload everybody is looked at again.

Nothing here knows STOMP, or where the policy comes from.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import ssl
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPServerRequest

from qmq.errors import QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.door import Door
from qmq.gateway.handlers import is_own_page
from qmq.session.access import Rights
from qmq.session.auth import ANONYMOUS, Kind, Principal

if TYPE_CHECKING:
    from qmq.session import stomp

log = logging.getLogger("qmq.gateway")

ssl.cert_time_to_seconds(
    "Jan  1 00:00:00 2000 GMT"
)  # what it needs is loaded now, not when the first certificate comes

_REMEMBERED = 1000  # passwords and tokens that were right
_NOBODY = "\0"  # no user's name, for tokens that are remembered
_REMEMBERED_SECONDS = 60.0
_PATIENCE = 5.0  # seconds that a password waits for others of its address, which guesses
_LOOK_AGAIN = 0.05  # seconds
_LONGEST = 86_400.0  # seconds after which a timer looks again whether it is time


class Logins:
    """Finds out who comes to a loop.

    Args:
        door: The node's, with its policy.

    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._verified: dict[bytes, tuple[float, Principal]] = {}
        self._trying: set[asyncio.Future[Principal]] = set()

    def rights(self, principal: Principal) -> Rights:
        """What a principal may do now.

        Raises:
            QmqError: `login-required` for who is anonymous where that is not enough; `forbidden` for who is known no
                more.

        """
        return self._door.policy.rights(principal)

    # HTTP

    async def principal(self, request: HTTPServerRequest) -> Principal:
        """Who makes a request, by its `Authorization`, `access_token`, cookie or client certificate, in this order.

        Who shows none of them is anonymous; whether that is enough, its `rights` say.

        Raises:
            QmqError: `bad-login`, `bad-token`; `token-expired`, also of a certificate; `bad-request` for a header
                that makes no sense.

        """
        policy, address = self._door.policy, request.remote_ip or ""
        if policy.has_logins:
            scheme, _, said = request.headers.get("Authorization", "").partition(" ")
            token = said.strip() if scheme.lower() == "bearer" else _token_of(request, policy.cookie)
            if scheme.lower() == "basic":
                return await self._by_password(*_read_basic(said), address)
            if scheme and scheme.lower() != "bearer":
                raise QmqError("bad-request", "Authorization is Bearer or Basic")
            if token is not None:
                return self._by_token(token, address)
        holder = self.holder(getattr(request.connection, "stream", None))
        if holder.expires is not None and holder.expires + policy.grace <= time.time():
            raise _expired(holder)
        return holder

    def holder(self, stream: Any) -> Principal:
        """Whose certificate was shown on a stream, which TLS has verified."""
        sock = getattr(stream, "socket", None)
        shown: Any = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
        name = _name_in(shown, self._door.policy.by_uri) if shown else ""
        if not name:
            return ANONYMOUS
        return Principal(name, Kind.CERTIFICATE, expires=float(ssl.cert_time_to_seconds(shown["notAfter"])))

    # STOMP and its like

    def login(self, session: stomp.Session, login: str, passcode: str) -> None:
        """Lets a client in, or sends it away, at once or when its password was tried."""
        policy, address = self._door.policy, _connection_of(session).address
        try:
            if not policy.has_logins or not (login or passcode):
                self._admit(session, session.rights.principal)
            elif policy.takes_for_token(login, passcode):
                self._admit(session, self._by_token(passcode, address))
            else:
                self._try(session, login, passcode, address)
        except QmqError as error:
            self._refuse(session, error)

    def refresh(self, session: stomp.Session, token: str) -> int:
        """Takes a new token of the same holder; returns how many milliseconds it has to go.

        Raises:
            QmqError: `bad-token`, `token-expired`; `forbidden` if the client does what the new one does not allow.

        """
        principal = self._door.policy.by_token(token, time.time())
        if not principal.is_same(session.rights.principal):
            raise QmqError("bad-token", "it is not of the same holder as the one before")
        session.change(self.rights(principal))
        self._watch(_connection_of(session), principal)
        session.stats.add("tokens_refreshed")
        return _left(principal) or 0

    def _admit(self, session: stomp.Session, principal: Principal) -> None:
        rights = self.rights(principal)
        refusal = self.count(_connection_of(session), principal)
        if refusal is not None:
            raise refusal
        session.admit(rights, _left(principal))

    def _refuse(self, session: stomp.Session, error: QmqError) -> None:
        # As whom it came is not logged: some people type their password there.
        log.info("session %s from %s may not come in: %s", session.name, _connection_of(session).address, error)
        session.fail(error)

    def _try(self, session: stomp.Session, login: str, passcode: str, address: str) -> None:
        remembered = self._recall(login, passcode)
        if remembered is not None:
            self._admit(session, remembered)
            return
        connection = _connection_of(session)
        connection.wait()
        task = asyncio.ensure_future(self._by_password(login, passcode, address))

        def tried(done: asyncio.Future[Principal]) -> None:
            done.exception()  # looked at, although it may be told to nobody
            if session.ending is not None:
                return
            try:
                self._admit(session, done.result())
            except QmqError as error:
                self._refuse(session, error)
            except Exception as error:
                connection.failed(error)
            connection.go_on()

        task.add_done_callback(tried)

    # Credentials

    def _by_token(self, token: str, address: str) -> Principal:
        remembered = self._recall(_NOBODY, token)
        if remembered is not None:
            return remembered
        now = time.time()
        with self._door.lockout.trying(address, self._digest(_NOBODY, token), cheap=True):  # expired is no guess
            principal = self._door.policy.by_token(token, now)
        assert principal.expires is not None
        self._remember(_NOBODY, token, principal, principal.expires - now)
        return principal

    async def _by_password(self, login: str, passcode: str, address: str) -> Principal:
        remembered = self._recall(login, passcode)
        if remembered is not None:
            return remembered
        lockout, proof, end = self._door.lockout, self._digest(login, passcode), time.monotonic() + _PATIENCE
        while lockout.crowded(address, proof) and time.monotonic() < end:  # noqa: ASYNC110  # of any loop
            await asyncio.sleep(_LOOK_AGAIN)  # a whole office logs in
        with lockout.trying(address, proof):
            principal = await self._try_password(login, passcode)
        self._remember(login, passcode, principal, _REMEMBERED_SECONDS)
        return principal

    async def _try_password(self, login: str, passcode: str) -> Principal:
        trying = asyncio.wrap_future(self._door.try_password(login, passcode))
        self._trying.add(trying)
        try:
            return await trying
        finally:
            self._trying.discard(trying)

    async def settle(self) -> None:
        """Returns when no password is being tried for this loop any more. The door must be closed."""
        while self._trying:
            await asyncio.wait(self._trying)

    def _remember(self, login: str, passcode: str, principal: Principal, seconds: float) -> None:
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        until = time.monotonic() + min(seconds, _REMEMBERED_SECONDS)
        self._verified[self._digest(login, passcode)] = (until, principal)

    def _recall(self, login: str, passcode: str) -> Principal | None:
        found = self._verified.get(self._digest(login, passcode)) if self._verified else None
        if found is None:
            return None
        until, principal = found
        return principal if time.monotonic() < until and self._door.policy.knows(principal) else None

    def _digest(self, login: str, passcode: str) -> bytes:
        # The length keeps the name "a" with the password "bc" from being "ab" with "c".
        said = f"{len(login)} {login}{passcode}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(said, key=self._door.secret).digest()

    # Live connections

    def count(self, connection: Connection, principal: Principal) -> QmqError | None:
        """Notes as whom a connection's client has come, and for how long. Says why it may not stay, if it may not."""
        if principal is ANONYMOUS:
            return None
        try:
            self._door.census.log_in(str(principal))
        except QmqError as error:
            return error
        connection.logged_in = str(principal)
        connection.stats.add("logins")
        self._watch(connection, principal)
        return None

    def _watch(self, connection: Connection, principal: Principal) -> None:
        """Ends a connection when its principal has expired and the grace time is over."""
        if connection.expiry is not None:
            connection.expiry.cancel()
            connection.expiry = None
        if principal.expires is not None:
            left = principal.expires + self._door.policy.grace - time.time()
            loop = asyncio.get_running_loop()
            connection.expiry = loop.call_later(min(max(left, 0), _LONGEST), self._expire, connection, principal)

    def _expire(self, connection: Connection, principal: Principal) -> None:
        assert principal.expires is not None
        if time.time() < principal.expires + self._door.policy.grace:
            self._watch(connection, principal)
        else:
            connection.fail(_expired(principal))

    def review(self, connections: Iterable[Connection]) -> None:
        """Looks again at everybody, after the policy has changed; who has lost a right that it uses is sent away."""
        self._verified.clear()
        for connection in list(connections):
            conversation: Any = connection.conversation
            if not conversation.open:
                continue  # whoever logs in now is looked at now
            principal = conversation.rights.principal
            try:
                conversation.change(self.rights(principal))
                self._watch(connection, principal)
            except QmqError as error:
                connection.fail(error)
            except Exception as error:
                connection.failed(error)


def _connection_of(session: stomp.Session) -> Connection:
    connection = session.outbox.sink
    assert isinstance(connection, Connection)
    return connection


def _token_of(request: HTTPServerRequest, cookie: str) -> str | None:
    """A token in the query (RFC 6750, section 2.3), or in a cookie of a page of the same origin."""
    found = request.query_arguments.get("access_token")
    if found:
        return found[0].decode("latin-1")
    if cookie and cookie in request.cookies and is_own_page(request):
        return request.cookies[cookie].value
    return None


def _read_basic(said: str) -> tuple[str, str]:
    """Name and password (RFC 7617)."""
    try:
        name, colon, password = base64.b64decode(said.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise QmqError("bad-request", "Authorization: Basic is a name, a colon and a password in base64")
    return name, password


def _name_in(certificate: dict[str, Any], by_uri: bool) -> str:
    """The holder's name in a certificate as `ssl` has it; empty if there is none."""
    if by_uri:
        names = (value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI")
    else:
        parts = (pair for part in certificate.get("subject", ()) for pair in part)
        names = (value for kind, value in parts if kind == "commonName")
    name = str(next(names, ""))
    return name if len(name) <= 255 and name.isprintable() else ""


def _expired(principal: Principal) -> QmqError:
    return QmqError("token-expired", "it was a certificate" if principal.kind is Kind.CERTIFICATE else "")


def _left(principal: Principal) -> int | None:
    """Milliseconds until it expires."""
    if principal.expires is None:
        return None
    return max(0, round((principal.expires - time.time()) * 1000))
