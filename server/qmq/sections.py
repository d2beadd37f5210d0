"""The sections of the configuration: options that belong together, each with its type, default and meaning.

`qmq.config` makes the configuration of them, and everything else that there is to say
about options. Here nothing is read or checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Strings = tuple[str, ...]
Tables = tuple[dict[str, Any], ...]  # `[[name]]` in TOML, a JSON array elsewhere


def setting(default: Any, text: str, least: float | None = None, *, secret: bool = False) -> Any:
    """A field that is an option.

    Args:
        default: Its value, or what makes it.
        text: What it means.
        least: What it must be at least.
        secret: Whether its value is never shown.

    """
    metadata = {"help": text, "least": least, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True)
class Limits:
    """`[limits]`: how much one client, and all of them, may ask for."""

    connections: int = setting(20_000, "connections at the same time", 1)
    connections_per_address: int = setting(0, "connections of one address; 0 for as many as of all", 0)
    connections_per_principal: int = setting(0, "connections of one user; 0 for as many as of all", 0)
    login_failures: int = setting(10, "failed logins of one address before it has to wait; 0 if it never has to", 0)
    subscriptions: int = setting(1000, "subscriptions of one connection", 1)
    body: int = setting(1 << 20, "octets of one message's body", 1)
    headers: int = setting(64, "headers of one STOMP frame", 1)
    header_bytes: int = setting(8192, "octets of all headers of one STOMP frame", 64)
    http_header_bytes: int = setting(16 << 10, "octets of the headers of one HTTP request", 1024)
    messages: int = setting(100_000, "the most that a subscription may ask for as max-messages", 1)
    bytes: int = setting(16 << 20, "the most that a subscription may ask for as max-bytes", 1)
    default_messages: int = setting(1000, "max-messages of a subscription that does not ask", 1)
    default_bytes: int = setting(1 << 20, "max-bytes of a subscription that does not ask", 1)
    outbox_bytes: int = setting(32 << 20, "octets that may wait for one connection, over all its subscriptions", 1024)
    prefetch: int = setting(65_535, "messages that a consumer may have unsettled", 1)
    default_prefetch: int = setting(1000, "messages that a consumer may have unsettled if it does not ask", 1)
    transactions: int = setting(100, "transactions that one connection may have open", 1)
    transaction_messages: int = setting(10_000, "frames in the open transactions of one connection", 1)
    transaction_bytes: int = setting(16 << 20, "octets in the open transactions of one connection", 1024)
    queues: int = setting(10_000, "queues of the node", 1)
    exchanges: int = setting(1000, "exchanges of the node", 6)
    bindings: int = setting(100_000, "bindings of the node", 1)
    memory: int = setting(1 << 30, "octets of all messages that wait; beyond them publishers wait", 1 << 20)
    topics: int = setting(10_000, "topics whose past is remembered; beyond, the longest unused are forgotten", 1)
    history: int = setting(256 << 20, "octets of the past of all topics; beyond, the oldest messages go", 0)
    mailbox_messages: int = setting(65_536, "messages that may wait for one thread of several", 1000)
    mailbox_bytes: int = setting(32 << 20, "octets of messages that may wait for one thread of several", 1 << 16)
    connect_seconds: float = setting(10.0, "how long a new connection has for its request, and then to log in", 0.01)
    body_rate: int = setting(
        1000, "bytes in a second that the body of a request must bring, over connect_seconds; 0 for any number", 0
    )
    ping_seconds: float = setting(25.0, "silence after which a client is pinged; after twice as long it is gone", 0.01)
    idempotency_keys: int = setting(100_000, "keys of publishes remembered, to drop what comes again", 0)
    idempotency_seconds: float = setting(300.0, "how long each key is remembered", 0.1)
    poll_hold_seconds: float = setting(25.0, "how long a long-poll waits for something to say", 0.01)
    poll_gone_seconds: float = setting(15.0, "how long a session on /poll may be without a request that receives", 0.01)
    heartbeat_ms: int = setting(100, "the shortest STOMP heart-beat, in milliseconds", 10)
    publish_rate: float = setting(0.0, "messages that one connection may publish in a second; 0 for any number", 0.0)
    octet_rate: int = setting(0, "octets that are read from one connection in a second; 0 for any number", 0)
    refuse_too_fast: bool = setting(False, "send connections away that pass these two, instead of slowing them down")
    idle_seconds: float = setting(
        0.0, "how long a client may send nothing while it is subscribed to nothing; 0 for ever", 0.0
    )
    linger_seconds: float = setting(5.0, "how long a client that is sent away may take to read why", 0.01)

    @property
    def frame_bytes(self) -> int:
        """Octets of the largest STOMP frame, with its line ends and NUL."""
        return self.header_bytes + 3 + self.body + 1


@dataclass(frozen=True)
class Tls:
    """`[tls]`: the certificate of `https://` and `stomps://` addresses, and what clients must show."""

    certificate: str = setting("", "file with the server's certificate and its chain, in PEM")
    key: str = setting("", "file with its private key, in PEM; if empty, the key is in the certificate's file")
    client_ca: str = setting("", "file with the authorities whose client certificates are believed, in PEM")
    client_certificates: str = setting("no", "whether clients show certificates: no, optional or required")
    client_name: str = setting("cn", "what names a certificate's holder: cn (common name) or uri (a SAN of that kind)")


@dataclass(frozen=True)
class Tokens:
    """`[tokens]`: which JSON Web Tokens are believed."""

    keys: Strings = setting((), "files with keys: a shared secret, PEM, or a JWK set")
    algorithms: Strings = setting(("HS256", "RS256", "ES256", "EdDSA"), "algorithms that keys may be used with")
    issuer: str = setting("", "what iss must be; if empty, anything")
    audience: str = setting("", "what aud must be or contain; if empty, tokens must have none")
    leeway: float = setting(5.0, "seconds by which clocks may differ", 0.0)
    name_claim: str = setting("sub", "the claim that names the holder")
    rights_claim: str = setting("qmq", "the claim that says what the holder may do; if empty, tokens carry no rights")
    cookie: str = setting("", "name of a cookie that may hold a token, for pages of the same origin; if empty, none")
    grace: float = setting(60.0, "seconds that a connection lives on when its token has expired", 0.0)
