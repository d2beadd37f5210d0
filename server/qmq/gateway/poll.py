"""A session on long-polling or streaming: many requests, one conversation (docs/polling.md).

What the client sends is numbered, so that a request that it repeats is taken once. What
it is sent is numbered too, and kept until it says that it has it, so that an answer
that was lost is given again. Both are bounded: the client sends one request at a time,
and what is kept is little; the rest waits in the outbox, where its bounds apply.

Nothing here knows HTTP, but that an answer can be given once or piece by piece.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from qmq.errors import CODES, Code, QmqError
from qmq.gateway.connection import Connection
from qmq.wire import poll

if TYPE_CHECKING:
    from qmq.gateway.gateway import Gateway
    from qmq.gateway.held import Held

_KEPT = 256 * 1024  # octets that a client may have been sent without having said that it got them
_BEAT = 10.0  # seconds between signs of life in a streamed answer
_LOOK = 5.0  # seconds after which a session looks at the latest whether it is due


class PollConnection(Connection):
    """A client that polls.

    Args:
        gateway: Counters, limits and times.
        origin: Of the page that opened it; others may not go on with it.
        forget: Called with its id when it is over.
        tls: Whether it was opened over TLS.
        address: Of the client that opened it.

    Attributes:
        id: By which its requests name it; nobody can guess it.

    """

    __slots__ = (
        "_code", "_due", "_forget", "_goes_on", "_gone_after", "_held", "_hold", "_kept", "_kept_octets", "_look",
        "_over", "_reading", "_received", "_seq", "_tls", "id", "origin",
    )  # fmt: skip

    pings = False
    least_turns = 400  # in the next pass those who have their answer ask again, which costs more than the answer
    chunk = 128 * 1024  # a packet is a round trip

    def __init__(
        self, gateway: Gateway, origin: str | None, forget: Callable[[str], object], tls: bool, address: str
    ) -> None:
        limits = gateway.config.limits
        super().__init__(gateway.stats, gateway.timing, limits.outbox_bytes, gateway.registry.memory, address)
        self.id = gateway.home + secrets.token_urlsafe(18)
        self.origin = origin
        self._forget = forget
        self._tls = tls
        self._hold = limits.poll_hold_seconds
        self._gone_after = limits.poll_gone_seconds
        self._blocked = True  # nobody receives yet
        self._held: Held | None = None  # the answer that waits for something to say
        self._goes_on = False  # whether it is a streamed one
        self._due = 0.0  # when the next sign of life is due, or who has not received is given up
        self._look: asyncio.TimerHandle | None = None  # for it
        self._seq = 0  # of the last packet
        self._kept: list[tuple[int, bytes]] = []  # packets that the client may not have
        self._kept_octets = 0
        self._received = 0  # the last request that was taken
        self._reading: asyncio.Future[None] | None = None  # until the next one may come
        self._code: Code | None = None  # how it ended
        self._over = False
        self._wait_for_receiver()

    # What the client asks for

    def open(self, data: bytes) -> None:
        """Takes the first that it says."""
        if data:
            self._take(data)

    def send(self, seq: int, data: bytes) -> asyncio.Future[None]:
        """Takes the client's next octets; what is returned is done when more may come.

        Raises:
            QmqError: `bad-sequence` if it is neither the next request nor the last one again.

        """
        if seq not in (self._received, self._received + 1):
            raise QmqError("bad-sequence", f"{self._received + 1} is next, not {seq}")
        if self._reading is None or self._reading.done():
            self._reading = self._loop.create_future()
            if seq == self._received or self._closing:
                self._reading.set_result(None)
        if seq != self._received:
            self._received = seq
            if not self._closing:
                self._take(data)
        return self._reading

    def acknowledge(self, seq: int) -> None:
        """Forgets what the client has.

        Raises:
            QmqError: `bad-sequence` if it cannot have that.

        """
        if seq > self._seq:
            raise QmqError("bad-sequence", f"packet {seq} was not sent yet")
        while self._kept and self._kept[0][0] <= seq:
            self._kept_octets -= len(self._kept.pop(0)[1])

    def receive(self, held: Held, goes_on: bool) -> None:
        """Answers with what there is, or when there is something. An earlier answer that waits is given up."""
        self._heard = True
        self._let_go()
        self._held, self._goes_on = held, goes_on
        held.on_gone = self._release
        again = b"".join([packet for _, packet in self._kept])
        if goes_on:
            held.begin(again or poll.SIGN_OF_LIFE)
        elif again:
            self._answer(again)
            return
        self._be_due(_BEAT if goes_on else self._hold)
        self._write_backlog()

    def leave(self) -> None:
        """The client has said goodbye."""
        if not self._closing:
            self._closing = True
            self._stats.add("connections_closed_by_client")
            self.conversation.close()
        self.abort()

    # What a connection does

    def received(self, data: bytes) -> None:
        self.conversation.receive(data)

    def farewell(self, code: Code) -> bytes:
        self._code = code
        return b""

    def ping(self) -> bytes:
        return b""

    @property
    def tls(self) -> bool:
        return self._tls

    def abort(self) -> None:
        """Forgets the session at once."""
        if self._over:
            return
        self._over = True
        self._let_go()
        if self._look is not None:
            self._look.cancel()
        self._read()
        self._kept.clear()
        self._forget(self.id)
        self._ended()

    def _read(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def _write(self, data: bytes) -> bool:
        held = self._held
        assert held is not None, "blocked while nobody receives"
        self._seq += 1
        packet = poll.packet(self._seq, data)
        self._kept.append((self._seq, packet))
        self._kept_octets += len(packet)
        if not self._goes_on or self._kept_octets > _KEPT:
            self._answer(packet)
            return False
        self._blocked = not held.go_on(packet, self._on_taken)
        return not self._blocked

    def _on_taken(self) -> None:
        if self._held is not None and not self._over:
            self._drained()

    def _write_backlog(self) -> None:
        if self._held is not None:
            super()._write_backlog()

    def _close_if_done(self) -> None:
        if self._held is not None and self._said_all:
            self._answer(b"")

    @property
    def _said_all(self) -> bool:
        """Whether nothing but the end is left to be said."""
        return self._closing and not self.outbox.backlog_bytes and not self.outbox.fresh

    # Receivers come and go

    def _answer(self, body: bytes) -> None:
        """Ends the answer that waits, with this, and with the end of all if there is nothing else."""
        held = self._held
        assert held is not None
        if self._said_all:
            code = self._code or CODES["closed"]
            body += poll.end(code.close, code.name)
            self._loop.call_soon(self.abort)
        self._release()
        if self._goes_on:
            held.finish(body)
        else:
            held.answer(body)

    def _let_go(self) -> None:
        """Ends the answer that waits with what it has."""
        held = self._held
        if held is not None:
            self._release()
            if self._goes_on:
                held.finish()
            else:
                held.answer(b"")

    def _release(self) -> None:
        self._held = None
        self._blocked = True
        self._wait_for_receiver()

    def _wait_for_receiver(self) -> None:
        self._be_due(self._gone_after)

    def _be_due(self, delay: float) -> None:
        """Sets the time anew. A timer that runs already is left to do so, for there is a new time with each message."""
        now = self._loop.time()
        self._due = due = now + delay
        if self._look is not None:
            if self._look.when() <= due:
                return
            self._look.cancel()
        self._look = None if self._over else self._loop.call_at(min(due, now + _LOOK), self._look_at_time)

    def _look_at_time(self) -> None:
        self._look = None
        left = self._due - self._loop.time()
        if left > 0:
            self._be_due(left)
        elif self._held is None:
            self.abort()  # nobody came to receive
        elif not self._goes_on:
            self._let_go()  # it has waited long enough for something to say
        else:
            if not self._blocked:
                self._held.go_on(poll.SIGN_OF_LIFE, lambda: None)
            self._be_due(_BEAT)
