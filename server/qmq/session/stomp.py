"""One STOMP client's conversation: octets in, core operations, frames out.

The same code serves every transport. A gateway feeds it what was received and
flushes the outbox; the session never sees a socket and never reads a clock. When
`ending` is set the gateway sends what the outbox holds and closes with that code.

What may be sent when is in `stomp_rules`; how messages look is in `stomp_encoder`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from qmq.core.destination import check_name, check_pattern
from qmq.core.hub import Hub
from qmq.core.message import Envelope
from qmq.core.outbox import Outbox
from qmq.core.subscription import Bounds, Overflow, Subscription
from qmq.errors import CODES, Code, QmqError
from qmq.session.stomp_encoder import Encoder, Framing
from qmq.session.stomp_rules import CLIENT_MAY_SEND, COMMANDS, State
from qmq.stats import Stats
from qmq.wire import stomp

# Headers of SEND that speak to the server and are not passed on.
_NOT_PASSED_ON = frozenset({"destination", "content-length", "receipt", "subscription", "ack"})

# Headers of SUBSCRIBE that are QMQ's own: whoever uses one is told on the RECEIPT
# what it was granted. Others get a plain RECEIPT, which some clients compare whole.
_OWN_HEADERS = frozenset({"max-messages", "max-bytes", "overflow", "conflate-key", "cursor", "from"})

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversation may ask for. Sizes in octets, times in milliseconds.

    Subscriptions get the `default_` bounds unless they ask, and never more than
    the `max_` ones. `heartbeat_min` is the shortest interval that the server
    promises or demands.
    """

    max_body: int = 1 << 20
    max_headers: int = 64
    max_header_bytes: int = 8192
    max_subscriptions: int = 1000
    default_messages: int = 1000
    default_bytes: int = 1 << 20
    max_messages: int = 100_000
    max_bytes: int = 16 << 20
    heartbeat_min: int = 100


class Session:
    """A client's conversation, from CONNECT to its end.

    Args:
        hub: The switchboard of the loop that the connection lives on.
        outbox: What the connection owes its client.
        framing: How the transport carries a frame.
        limits: What the client may ask for.
        stats: Where errors are counted, as `errors_CODE`.
        server: What CONNECTED names as `server`.

    Attributes:
        stream: The pieces that it receives may be joined: only their octets count.
        state: Where the conversation stands.
        ending: Set once the conversation is over: why the connection is to be closed.
        heartbeat: Milliseconds between signs of life (that we owe, that the
            client owes); 0 for none.
        name: How logs and errors name this client.

    """

    __slots__ = (
        "_decoder", "_framing", "_known_text", "_limits", "_outbox", "_stats", "_subscriptions", "_version",
        "ending", "heartbeat", "hub", "name", "server", "state",
    )  # fmt: skip

    stream = True

    def __init__(
        self, hub: Hub, outbox: Outbox, framing: Framing, limits: Limits, stats: Stats, server: str = "qmq"
    ) -> None:
        self.hub = hub
        self.state = State.NEW
        self.ending: Code | None = None
        self.heartbeat = (0, 0)
        self.name = secrets.token_hex(6)
        self.server = server
        self._outbox = outbox
        self._framing = framing
        self._limits = limits
        self._stats = stats
        self._version = "1.2"
        self._subscriptions: dict[str, Subscription] = {}
        self._known_text = True
        self._decoder = stomp.Decoder(
            max_body=limits.max_body, max_headers=limits.max_headers, max_header_bytes=limits.max_header_bytes
        )

    @property
    def open(self) -> bool:
        """Whether the client has logged in."""
        return self.state is State.OPEN

    def receive(self, data: bytes, text: bool = False) -> None:
        """Takes what came from the client.

        Args:
            data: Octets, cut anywhere.
            text: Whether the transport has found them to be valid UTF-8.

        """
        if self.ending is not None:
            return
        decoder = self._decoder
        text = text and self._known_text
        publish = self.hub.publish
        for head, body in decoder.feed(data):
            envelope = head.memo
            if envelope is not None:  # a SEND whose very headers came before
                publish(envelope, body, text or stomp.is_text(body))
                continue
            self._dispatch(head, body, text)
            if self.ending is not None:
                return
        # A frame may begin in a binary message and end in a text one.
        self._known_text = text or decoder.idle
        if decoder.error is not None:
            self.fail(decoder.error)

    def fail(self, error: QmqError, receipt: str | None = None) -> None:
        """Tells the client what is wrong, in an ERROR frame, and ends the conversation."""
        if self.ending is not None:
            return
        self.close(error.code)
        self._stats.add(f"errors_{error.code.name}")
        headers = {
            "code": error.code.name,
            "message": error.code.text,
            "retry": "true" if error.code.retry else "false",
            "content-type": "text/plain",
        }
        if receipt is not None:
            headers["receipt-id"] = receipt
        if error.code.name == "bad-version":
            headers["version"] = ",".join(reversed(stomp.VERSIONS))
        self._reply("ERROR", headers, error.detail.encode())

    def close(self, code: Code = CODES["closed"]) -> None:
        """Ends the conversation without a word and gives everything back."""
        self.state = State.CLOSING
        self.ending = self.ending or code
        for subscription in self._subscriptions.values():
            self.hub.unsubscribe(subscription)
        self._subscriptions.clear()

    def beat(self) -> None:
        """Sends a sign of life ("Heart-beating")."""
        self._outbox.reply(self._framing(b"\n", True))

    def _dispatch(self, head: stomp.Head, body: bytes, text: bool) -> None:
        command, headers = head.command, head.headers
        receipt = headers.get("receipt")
        try:
            if command not in COMMANDS:
                raise QmqError("unknown-command", command)
            after = CLIENT_MAY_SEND[self.state].get(command)
            if after is None:
                raise QmqError("not-now", f"{command} while {self.state}")
            handler, needs = COMMANDS[command]
            for name in needs:
                if not headers.get(name) and not (name == "id" and self._version == "1.0"):
                    raise QmqError("missing-header", f"{command} needs {name}")
            if body and command != "SEND":
                raise QmqError("unexpected-body", command)
            extra = getattr(self, handler)(head, body, text)
        except QmqError as error:
            self.fail(error, receipt)
            return
        self.state = after
        if receipt is not None and command not in ("CONNECT", "STOMP"):
            self._reply("RECEIPT", {"receipt-id": receipt, **(extra or {})})

    def on_connect(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Settles the version and the heart-beats, and answers CONNECTED."""
        headers = head.headers
        offered = [version.strip() for version in headers.get("accept-version", "1.0").split(",")]
        version = next((version for version in stomp.VERSIONS if version in offered), None)
        if version is None:
            raise QmqError("bad-version", f"this server speaks STOMP {', '.join(stomp.VERSIONS)}")
        self._version = self._decoder.version = version
        answer = {"version": version, "session": self.name, "server": self.server}
        if version != "1.0":
            shortest = self._limits.heartbeat_min
            self.heartbeat = _agree_heartbeat(headers.get("heart-beat", "0,0"), shortest)
            answer["heart-beat"] = f"{shortest},{shortest}"
        self._reply("CONNECTED", answer)

    def on_send(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Publishes, and remembers the envelope for the next frame with the same headers."""
        headers = head.headers
        for name in ("message-id", "transaction"):
            if name in headers:
                raise QmqError("bad-header", f"SEND may not carry {name}")
        destination = check_name(headers["destination"])
        passed_on = {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}
        envelope = Envelope(destination, passed_on)
        if "receipt" not in headers:
            head.memo = envelope
        self.hub.publish(envelope, body, text or stomp.is_text(body))

    def on_subscribe(self, head: stomp.Head, body: bytes, text: bool) -> dict[str, str] | None:
        """Subscribes; returns what the RECEIPT says about it."""
        headers = head.headers
        pattern = check_pattern(headers["destination"])
        key = headers.get("id", "") or f"\0{pattern}"  # STOMP 1.0 may name a subscription by its destination
        if key in self._subscriptions:
            raise QmqError("duplicate-id", key)
        if len(self._subscriptions) >= self._limits.max_subscriptions:
            raise QmqError("too-many-subscriptions", f"{self._limits.max_subscriptions} are allowed")
        if headers.get("ack", "auto") != "auto":
            raise QmqError("bad-header", "ack of a topic can only be auto")
        bounds = self._bounds(headers)
        encoder = Encoder(self._framing, self._version, headers.get("id", ""))
        self._subscriptions[key] = self.hub.subscribe(pattern, encoder, self._outbox, bounds)
        if _OWN_HEADERS.isdisjoint(headers):
            return None
        return {
            "cursor": self.hub.cursor,
            "recovered": "true" if self._nothing_missed(headers) else "false",
            "max-messages": str(bounds.max_messages),
            "max-bytes": str(bounds.max_bytes),
        }

    def on_unsubscribe(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Ends a subscription; after its RECEIPT no message of it comes any more."""
        headers = head.headers
        key = headers.get("id", "") or f"\0{headers.get('destination', '')}"
        subscription = self._subscriptions.pop(key, None)
        if subscription is None:
            raise QmqError("unknown-id", headers.get("id", headers.get("destination", "")))
        self.hub.unsubscribe(subscription)

    def on_disconnect(self, head: stomp.Head, body: bytes, text: bool) -> None:
        """Ends the conversation in good order: the RECEIPT, then the close."""
        self.close()

    def _bounds(self, headers: dict[str, str]) -> Bounds:
        limits = self._limits
        overflow = headers.get("overflow", Overflow.DISCONNECT)
        if overflow not in list(Overflow):
            raise QmqError("bad-header", f"overflow is none of {', '.join(Overflow)}: {overflow[:32]!r}")
        return Bounds(
            min(_number(headers, "max-messages", limits.default_messages), limits.max_messages),
            min(_number(headers, "max-bytes", limits.default_bytes), limits.max_bytes),
            Overflow(overflow),
            headers.get("conflate-key", ""),
        )

    def _nothing_missed(self, headers: dict[str, str]) -> bool:
        # Topics keep no history yet, so a client has missed nothing only if
        # nothing at all was published since its position.
        hub = self.hub
        if "cursor" in headers:
            return headers["cursor"] == hub.cursor
        start = headers.get("from", "latest")
        if start not in ("latest", "earliest"):
            raise QmqError("bad-header", f"from is latest or earliest: {start[:32]!r}")
        return start == "latest" or hub.offset == 0

    def _reply(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        version = self._version if command != "ERROR" or self._version != "1.0" else "1.1"
        self._outbox.reply(self._framing(stomp.encode(command, headers, body, version), True))

    def __repr__(self) -> str:
        return f"<stomp session {self.name} {self.state} {len(self._subscriptions)} subscriptions>"


def _number(headers: dict[str, str], name: str, default: int) -> int:
    value = headers.get(name)
    if value is None:
        return default
    if not _NUMBER.fullmatch(value) or not int(value):
        raise QmqError("bad-header", f"{name} must be a positive number: {value[:32]!r}")
    return int(value)


def _agree_heartbeat(header: str, shortest: int) -> tuple[int, int]:
    """What both ends owe each other, in milliseconds ("Heart-beating": the larger of both wishes)."""
    parts = header.split(",")
    if len(parts) != 2 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise QmqError("bad-header", f"heart-beat must be two numbers: {header[:32]!r}")
    can, wants = int(parts[0]), int(parts[1])
    return (max(wants, shortest) if wants else 0, max(can, shortest) if can else 0)
