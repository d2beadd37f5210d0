"""One STOMP client's conversation: octets in, core operations, frames out.

The same code serves every transport. A gateway feeds it what was received and
flushes the outbox; the session never sees a socket and never reads a clock. When
`ending` is set the gateway sends what the outbox holds and closes with that code.

What may be sent when is in `stomp_rules`; what headers mean in `stomp_headers`; how
messages look in `stomp_encoder`. What a client does once it has logged in is `stomp_actions`.
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext

from qmq.core.outbox import Outbox
from qmq.core.registry import Registry
from qmq.errors import CODES, Code, QmqError
from qmq.session import access, stomp_headers
from qmq.session.desk import Desk
from qmq.session.stomp_actions import Actions
from qmq.session.stomp_encoder import Framing
from qmq.session.stomp_headers import Limits
from qmq.session.stomp_rules import CLIENT_MAY_SEND, COMMANDS, LENIENT, State
from qmq.stats import Stats
from qmq.wire import stomp

_UNGUARDED = nullcontext()


class Session:
    """A client's conversation, from CONNECT to its end.

    Args:
        registry: The node's queues and exchanges, and the hub of the loop that the connection lives on.
        outbox: What the connection owes its client.
        framing: How the transport carries a frame.
        limits: What the client may ask for.
        stats: The connection's counters; errors are counted as `errors_CODE`.
        server: What CONNECTED names as `server`.
        desk: Answers requests to `/manage/`; without one there is no such destination.

    Attributes:
        stream: The pieces that it receives may be joined: only their octets count.
        state: Where the conversation stands.
        ending: Set once the conversation is over: why the connection is to be closed.
        heartbeat: Milliseconds between signs of life (that we owe, that the
            client owes); 0 for none.
        name: How logs and errors name this client.
        rights: What the client may do, once it has logged in.
        version: Of STOMP, once that is agreed.

    """

    __slots__ = (
        "_actions", "_decoder", "_known_text",
        "desk", "ending", "framing", "heartbeat", "limits", "name", "outbox", "registry", "rights", "server", "state",
        "stats", "version",
    )  # fmt: skip

    stream = True

    def __init__(
        self,
        registry: Registry,
        outbox: Outbox,
        framing: Framing,
        limits: Limits,
        stats: Stats,
        server: str = "qmq",
        desk: Desk | None = None,
    ) -> None:
        self.state = State.NEW
        self.ending: Code | None = None
        self.heartbeat = (0, 0)
        self.name = secrets.token_hex(6)
        self.server = server
        self.stats = stats
        self.version = "1.2"
        self.rights = access.EVERYTHING
        self.registry = registry
        self.outbox = outbox
        self.framing = framing
        self.limits = limits
        self.desk = desk
        self._actions: Actions | None = None  # once the client has logged in
        self._known_text = True
        kind = stomp.CountingDecoder if limits.counted else stomp.Decoder
        self._decoder = kind(
            max_body=limits.max_body, max_headers=limits.max_headers, max_header_bytes=limits.max_header_bytes
        )

    @property
    def publishes(self) -> bool:
        """Whether it is to wait while memory is short: it publishes, and holds nothing that others wait for."""
        return self._actions is not None and self._actions.publishes and not self._actions.holds

    @property
    def open(self) -> bool:
        """Whether the client has logged in."""
        return self.state is State.OPEN

    @property
    def busy(self) -> bool:
        """Whether the client waits for messages, or has something to settle or to commit."""
        return self._actions is not None and self._actions.busy

    @property
    def counts(self) -> tuple[int, int]:
        """How many frames came so far, and how many of them were SENDs; only if `Limits.counted`."""
        decoder = self._decoder
        return (decoder.frames, decoder.sends) if isinstance(decoder, stomp.CountingDecoder) else (0, 0)

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
        try:
            for head, body in decoder.feed(data):
                memo = head.memo
                if memo is not None:  # a SEND whose very headers came before
                    publish, envelope = memo
                    publish(envelope, body, text or stomp.is_text(body))
                    continue
                self._dispatch(head, body, text)
                if self.ending is not None:
                    return
        except QmqError as error:
            self.fail(error)
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
        self.stats.add(f"errors_{error.code.name}")
        headers = {
            "code": error.code.name,
            "message": error.code.text,
            "retry": "true" if error.code.retry else "false",
            "content-type": "text/plain",
        }
        if error.retry_after:
            headers["retry-after"] = str(error.retry_after)
        if receipt is not None:
            headers["receipt-id"] = receipt
        if error.code.name == "bad-version":
            headers["version"] = ",".join(reversed(stomp.VERSIONS))
        self._reply("ERROR", headers, error.detail.encode())

    def close(self, code: Code = CODES["closed"]) -> None:
        """Ends the conversation without a word and gives everything back."""
        self.state = State.CLOSING
        self.ending = self.ending or code
        actions, self._actions = self._actions, None  # the two would keep each other
        if actions is not None:
            self.registry.hub.drain()
            with self.registry.lock:
                actions.close()

    def beat(self) -> None:
        """Sends a sign of life ("Heart-beating")."""
        self.outbox.reply(self.framing(b"\n", True))

    def describe(self) -> dict[str, object]:
        """What an operator may know about it. From any thread."""
        actions = self._actions
        return {
            "name": self.name,
            "protocol": f"stomp-{self.version}",
            "state": str(self.state),
            "waiting_bytes": self.outbox.backlog_bytes,
            **(actions.describe() if actions is not None else {}),
            "counters": self.stats.snapshot(),
        }

    def _dispatch(self, head: stomp.Head, body: bytes, text: bool) -> None:
        command, headers = head.command, head.headers
        receipt = headers.get("receipt")
        try:
            if command not in COMMANDS or (command == "NACK" and self.version == "1.0"):
                raise QmqError("unknown-command", command)
            after = CLIENT_MAY_SEND[self.state].get(command)
            if after is None:
                raise QmqError("not-now", f"{command} while {self.state}")
            handler, needs = COMMANDS[command]
            for name in needs:
                if not headers.get(name) and not headers.get(LENIENT.get((self.version, command), "")):
                    raise QmqError("missing-header", f"{command} needs {name}")
            if body and command != "SEND":
                raise QmqError("unexpected-body", command)
            with _UNGUARDED if command == "SEND" else self.registry.lock:  # else several steps are one
                extra = getattr(self._actions or self, handler)(head, body, text)
        except QmqError as error:
            self.fail(error, receipt)
            return
        if self.ending is not None and after is not State.CLOSING:
            return  # what it did has ended it
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
        self.version = self._decoder.version = version
        answer = {"version": version, "session": self.name, "server": self.server}
        if version != "1.0":
            shortest = self.limits.heartbeat_min
            self.heartbeat = stomp_headers.heartbeat(headers.get("heart-beat", "0,0"), shortest)
            answer["heart-beat"] = f"{shortest},{shortest}"
        self._actions = Actions(self)
        self._reply("CONNECTED", answer)

    def _reply(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        version = self.version if command != "ERROR" or self.version != "1.0" else "1.1"
        self.outbox.reply(self.framing(stomp.encode(command, headers, body, version), True))

    def __repr__(self) -> str:
        return f"<stomp session {self.name} {self.state}>"
