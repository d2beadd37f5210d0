"""One STOMP client's conversation: octets in, core operations, frames out.

The same code serves every transport. A gateway feeds it what was received and
flushes the outbox; the session never sees a socket and never reads a clock. When
`ending` is set the gateway sends what the outbox holds and closes with that code.

What may be sent when is in `stomp_rules`; what headers mean in `stomp_headers`; how
messages look in `stomp_encoder`. What a client does once it has logged in is `stomp_actions`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from operator import length_hint
from time import monotonic as clock
from typing import Protocol

from qmq.core.outbox import Outbox
from qmq.core.registry import Registry
from qmq.errors import CODES, Code, QmqError
from qmq.session import stomp_headers
from qmq.session.access import EVERYTHING, Rights
from qmq.session.auth import ANONYMOUS, Principal
from qmq.session.desk import Desk
from qmq.session.stomp_actions import Actions
from qmq.session.stomp_encoder import Framing
from qmq.session.stomp_headers import Limits
from qmq.session.stomp_rules import CLIENT_MAY_SEND, COMMANDS, LENIENT, State, ends
from qmq.stats import Stats
from qmq.wire import stomp

# How long one client may have the loop before others get their turn; what is left of a chunk goes on in the next pass.
TURN_SECONDS = 0.005

# The clock is looked at after so many frames, or deliveries of what they publish: a look costs as much as a tenth
# of a frame.
_FRAMES_PER_LOOK = 8
_DELIVERIES_PER_LOOK = 64

_UNGUARDED = nullcontext()


class Gate(Protocol):
    """Finds out who clients are. What it finds, it tells the session with `admit` or `fail`, at once or later."""

    def login(self, session: Session, login: str, passcode: str) -> None:
        """A client wants to come in, with this or, if both are empty, as who its transport says that it is."""

    def refresh(self, session: Session, token: str) -> int:
        """A client that has come in with a token shows a new one, which has so many milliseconds to go.

        Raises:
            QmqError: `bad-token`, `token-expired`.

        """


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
        gate: Finds out who the client is; without one, whoever comes may do everything.
        principal: Who the transport says that it is.

    Attributes:
        stream: The pieces that it receives may be joined: only their octets count.
        state: Where the conversation stands.
        ending: Set once the conversation is over: why the connection is to be closed.
        failure: What the client is sent away for, if it is.
        heartbeat: Milliseconds between signs of life (that we owe, that the
            client owes); 0 for none.
        name: How logs and errors name this client.
        skips: Whether a fault of one frame is the end of that frame only, as the client has asked for; then
            a frame that is too large may come in pieces, for it is never kept.
        rights: What the client may do, once it has logged in.
        version: Of STOMP, once that is agreed.

    """

    __slots__ = (
        "_actions", "_decoder", "_early", "_early_octets", "_known_text", "_rest",
        "desk", "ending", "failure", "framing", "gate", "heartbeat", "limits", "name", "outbox", "registry", "rights",
        "server", "skips", "state", "stats", "version",
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
        gate: Gate | None = None,
        principal: Principal = ANONYMOUS,
    ) -> None:
        self.state = State.NEW
        self.ending: Code | None = None
        self.failure: QmqError | None = None
        self.heartbeat = (0, 0)
        self.name = secrets.token_hex(6)
        self.server = server
        self.stats = stats
        self.version = "1.2"
        self.skips = False
        self.rights = EVERYTHING if gate is None else Rights(principal, {})
        self.registry = registry
        self.outbox = outbox
        self.framing = framing
        self.limits = limits
        self.desk = desk
        self._actions: Actions | None = None  # once the client has logged in
        self.gate = gate
        self._early: list[stomp.Frame] | None = None  # what comes while the client's login is looked at
        self._early_octets = 0
        self._rest: list[tuple[Iterator[stomp.Frame], bool]] = []  # what came, in order; empty between passes
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
        frames = iter(decoder.feed(data))
        # A frame may begin in a binary message and end in a text one.
        self._known_text = text or decoder.idle
        if self._early is not None:
            self._keep(frames, len(data))
            return
        self._rest.append((frames, text))
        if len(self._rest) == 1:
            self.go_on()

    @property
    def behind(self) -> bool:
        """Whether something came that is not worked off yet: `go_on` is to be called in the next pass."""
        return bool(self._rest)

    def go_on(self) -> None:
        """Works off what came, in order, for about as long as one client may have the loop at a time."""
        rest, deadline = self._rest, clock() + TURN_SECONDS
        while rest:
            if not self._work(*rest[0], deadline):
                return
            if rest:  # else it has ended
                del rest[0]
        if self._decoder.error is not None and self.ending is None and self._early is None:
            self.fail(self._decoder.error)

    def _work(self, frames: Iterator[stomp.Frame], text: bool, deadline: float) -> bool:
        """Works off frames; false if there was no time for the last of them."""
        hub = self.registry.hub
        left, limit = _FRAMES_PER_LOOK, hub.deliveries + _DELIVERIES_PER_LOOK
        while True:
            try:
                for head, body in frames:
                    memo = head.memo
                    if memo is not None:  # a SEND whose very headers came before
                        publish, envelope, cheap = memo
                        publish(envelope, body, text or stomp.is_text(body))
                        left -= 1
                        if left and cheap and hub.deliveries < limit:
                            continue
                    else:
                        self._dispatch(head, body, text)
                        if self.ending is not None:
                            return True
                        if self._early is not None:
                            self._keep(frames, 0)
                            return True
                    if clock() > deadline and length_hint(frames):
                        return False
                    left, limit = _FRAMES_PER_LOOK, hub.deliveries + _DELIVERIES_PER_LOOK
                return True
            except QmqError as error:  # of one that came before
                self._answer_fault(head, error)
                if self.ending is not None:
                    return True
                if clock() > deadline and length_hint(frames):
                    return False

    def _keep(self, frames: Iterable[stomp.Frame], octets: int) -> None:
        """Keeps what a client says before it knows whether it may come in. Its connection is not read any more."""
        assert self._early is not None
        self._early += frames
        self._early_octets += octets
        self._known_text = False
        if self._early_octets > self.limits.max_body + self.limits.max_header_bytes:
            self.fail(QmqError("not-now", "wait for CONNECTED"))

    def fail(self, error: QmqError, receipt: str | None = None) -> None:
        """Tells the client what is wrong, in an ERROR frame, and ends the conversation."""
        if self.ending is not None:
            return
        self.failure = error
        self.close(error.code)
        self.stats.add(f"errors_{error.code.name}")
        headers = {**_told(error), **({} if receipt is None else {"receipt-id": receipt})}
        if error.code.name == "bad-version":
            headers["version"] = ",".join(reversed(stomp.VERSIONS))
        self._reply("ERROR", headers, error.detail.encode())

    def _answer_fault(self, head: stomp.Head, error: QmqError) -> None:
        """A frame is wrong: that is the end, unless its client has asked to go on after a fault of one frame."""
        headers = head.headers
        receipt = headers.get("receipt")
        actions = self._actions
        if not self.skips or actions is None or ends(error.code.name, headers.get("destination", "")):
            self.fail(error, receipt)
            return
        with self.registry.lock:
            actions.refused(head, error)
        self.stats.add(f"errors_{error.code.name}")
        self.stats.add("frames_refused")
        told = {**_told(error), "fatal": "false"}
        if receipt is not None:
            told["receipt-id"] = receipt
        if head.command == "SUBSCRIBE" and "id" in headers:
            told["subscription"] = headers["id"]
        self._reply("ERROR", told, error.detail.encode())

    def close(self, code: Code = CODES["closed"]) -> None:
        """Ends the conversation without a word and gives everything back."""
        self.state = State.CLOSING
        self.outbox.ended = True
        self._early = None
        self._rest.clear()
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
            "principal": str(self.rights.principal),
            "waiting_bytes": self.outbox.backlog_bytes,
            **(actions.describe() if actions is not None else {}),
            "counters": self.stats.snapshot(),
        }

    def _dispatch(self, head: stomp.Head, body: bytes, text: bool) -> None:
        command, headers = head.command, head.headers
        receipt = headers.get("receipt")
        try:
            if head.error is not None:
                raise head.error
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
            self._answer_fault(head, error)
            return
        if self.ending is not None and after is not State.CLOSING:
            return  # what it did has ended it
        self.state = after if self._early is None else State.CHECKING
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
        if version != "1.0":
            self.heartbeat = stomp_headers.heartbeat(headers.get("heart-beat", "0,0"), self.limits.heartbeat_min)
        self.skips = self._decoder.skips = headers.get("refusals", "").strip().lower() == "true"
        if self.gate is None:
            self.admit(self.rights)
            return
        self._early, self._early_octets = [], 0
        self.gate.login(self, headers.get("login", ""), headers.get("passcode", ""))

    def admit(self, rights: Rights, expires_in: int | None = None) -> None:
        """The client may come in: answers CONNECTED, and goes on with what it has said meanwhile.

        Args:
            rights: What it may do.
            expires_in: Milliseconds after which it has to show a new token; None for never.

        """
        answer = {"version": self.version, "session": self.name, "server": self.server}
        if self.version != "1.0":
            answer["heart-beat"] = f"{self.limits.heartbeat_min},{self.limits.heartbeat_min}"
        if expires_in is not None:
            answer["expires-in"] = str(expires_in)
        if self.skips:
            answer["refusals"] = "true"
        early, self._early = self._early or (), None
        self.rights = rights
        self.state = State.OPEN
        self._actions = Actions(self)
        self._reply("CONNECTED", answer)
        if early:
            self._rest.append((iter(early), False))
        if len(self._rest) == 1 and early:
            self.go_on()
        elif not self._rest and self._decoder.error is not None:
            self.fail(self._decoder.error)

    def change(self, rights: Rights) -> None:
        """The client has other rights from now on.

        Raises:
            QmqError: `forbidden`, if what it does already is not among them.

        """
        self.rights = rights
        self._decoder.forget_memos()
        if self._actions is not None:
            self._actions.review()

    def refresh(self, token: str) -> dict[str, str]:
        """Takes a client's new token; returns what the RECEIPT says of it.

        Raises:
            QmqError: `bad-token`, `token-expired`; `forbidden`, if it does not allow what the client does.

        """
        if self.gate is None:
            raise QmqError("bad-token", "this server believes no tokens")
        return {"expires-in": str(self.gate.refresh(self, token))}

    def _reply(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        version = self.version if command != "ERROR" or self.version != "1.0" else "1.1"
        self.outbox.reply(self.framing(stomp.encode(command, headers, body, version), True))

    def __repr__(self) -> str:
        return f"<stomp session {self.name} {self.state}>"


def _told(error: QmqError) -> dict[str, str]:
    """What the headers of an ERROR say of it."""
    headers = {
        "code": error.code.name,
        "message": error.code.text,
        "retry": "true" if error.code.retry else "false",
        "content-type": "text/plain",
    }
    if error.retry_after:
        headers["retry-after"] = str(error.retry_after)
    return headers
