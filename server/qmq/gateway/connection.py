"""A client of the gateway, whatever carries it: its conversation, its outbox, its times.

Writing. What a pass of the loop left in the outbox is joined and written at once. As
long as that is under way, or nobody is there to read it, the connection is blocked and
everything else waits in the outbox, where it is counted.

Publishers wait here while the node is short of memory, and those that flood are not
read while their replies pile up. Ending always goes: last words, goodbye, a while to
read them.

Everything here happens on the connection's own loop. What octets travel on is the
business of subclasses, what they mean that of the conversation.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from qmq.core.memory import UNCOUNTED, Memory
from qmq.core.outbox import Delivery, Outbox
from qmq.errors import CODES, Code, QmqError
from qmq.gateway.conversation import Conversation, Timing
from qmq.gateway.meter import Meter, size_of, too_fast
from qmq.session.auth import ANONYMOUS
from qmq.stats import Stats

log = logging.getLogger("qmq.gateway")

_CHUNKS_PER_TURN = 16  # then other connections get theirs
_PAUSE = 0.005  # seconds that a publisher waits for other threads that are behind,
_PATIENCE = 40  # and how often
_MAX_REPLIES = 64 * 1024  # replies that may wait before we stop reading more requests


F = TypeVar("F", bound=Callable[..., None])


def guarded(method: F) -> F:
    """A method that the loop calls: what it raises ends its connection, and nothing else."""

    @functools.wraps(method)
    def run(self: Connection, *args: Any) -> None:
        try:
            method(self, *args)
        except Exception as error:
            self.failed(error)

    return cast(F, run)


class Connection:
    """One client's connection. Subclasses say how it reads, writes and ends.

    Args:
        stats: Where endings are counted; what concerns this client alone also in its own.
        timing: How long to wait for what.
        max_outbox: Octets that may wait for the client.
        memory: The node's account: while it is full, what publishes is not read.
        address: Of the client, as far as it is known.

    Attributes:
        address: The same.
        expiry: The timer that ends it when its client's token has expired.
        logged_in: As whom it is counted, once its client has logged in.
        meter: Counts what the client sends, where that is limited.
        on_end: Called with the connection when all of it is gone.
        principal: Who the client is, as far as the transport says.

    """

    __slots__ = (
        "_asking",
        "_blocked",
        "_closing",
        "_doomed",
        "_finished",
        "_gone",
        "_heard",
        "_loop",
        "_memory",
        "_opened",
        "_paused",
        "_period",
        "_sent",
        "_silence",
        "_stats",
        "_timer",
        "_timing",
        "_waits",
        "address",
        "conversation",
        "expiry",
        "logged_in",
        "meter",
        "on_end",
        "outbox",
        "principal",
        "stats",
    )  # fmt: skip

    conversation: Conversation
    pings = True  # whether `ping` makes a live client answer
    least_turns = 8  # a pass of the loop costs about as much as delivering to so many
    chunk = 16 * 1024  # octets of what has waited that are written at once; that they were is a sign of life

    def __init__(
        self, stats: Stats, timing: Timing, max_outbox: int, memory: Memory = UNCOUNTED, address: str = ""
    ) -> None:
        self.address = address
        self.meter: Meter | None = None
        self.stats = Stats(stats)
        self.outbox = Outbox(self, self.stats, max_outbox, memory)
        self._memory = memory
        self.principal = ANONYMOUS
        self.logged_in = ""
        self.expiry: asyncio.TimerHandle | None = None
        self.on_end: Any = None
        self._stats = stats
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._asking = self._blocked = self._closing = self._doomed = self._opened = self._paused = self._waits = False
        self._heard = self._sent = True
        self._gone = self._finished = False
        self._silence = self._period = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, conversation: Conversation, refusal: QmqError | None = None) -> None:
        """Begins on behalf of a conversation; one that is refused hears nothing of it."""
        self.conversation = conversation
        self._timer = self._loop.call_later(self._timing.connect, self._too_late)
        if refusal is not None:
            self.fail(refusal)

    # What subclasses define

    def received(self, data: Any) -> None:
        """Passes on what was read, in whatever form the transport has it."""
        raise NotImplementedError

    def farewell(self, code: Code) -> bytes:
        """The transport's own goodbye, sent after the conversation's last words."""
        raise NotImplementedError

    def ping(self) -> bytes:
        """What makes a live client answer, where its protocol has no heart-beats."""
        raise NotImplementedError

    def abort(self) -> None:
        """Ends it now."""
        raise NotImplementedError

    def _read(self) -> None:
        """Reads on."""
        raise NotImplementedError

    def _write(self, data: bytes) -> bool:
        """Writes; true if there may be more at once, else `_blocked` is set until `_drained`."""
        raise NotImplementedError

    def _close_if_done(self) -> None:
        """After a goodbye: ends it if nothing is left to be written or read."""
        raise NotImplementedError

    def _is_taking(self) -> bool:
        """Whether a blocked client has taken anything since the last look."""
        return False

    @property
    def tls(self) -> bool:
        """Whether it is encrypted."""
        return False

    # Reading

    def _take(self, data: Any) -> None:
        """Takes what was read, and says how to go on."""
        self._heard = True
        try:
            self.received(data)
            self._after_talk()
        except Exception as error:
            self.failed(error)
        if self.conversation.behind and not self._closing:
            self._overlook_end()
            self._loop.call_soon(self._work_on, data)
            return
        self._worked_off(data)

    @guarded
    def _work_on(self, data: Any) -> None:
        """Goes on with what was read: others had their turn."""
        conversation = self.conversation
        if conversation.behind:
            conversation.go_on()
        if not conversation.behind:
            self.work_on()
        self._after_talk()
        if conversation.behind and not self._closing:
            self._loop.call_soon(self._work_on, data)
        else:
            self._worked_off(data)

    def work_on(self) -> None:
        """Goes on with what the transport has kept back while the conversation was behind."""

    def _worked_off(self, data: Any) -> None:
        """All that was read is dealt with."""
        if self.meter is not None and self._is_too_fast(self.meter, data):
            return  # until _go_on
        if not self._asking:
            self._want_more()

    def wait(self) -> None:
        """Reads no more until `go_on`: what the client has said is looked at elsewhere."""
        self._asking = True
        self._overlook_end()

    def _overlook_end(self) -> None:
        """Notices the end of what comes no sooner than at the next read: until then the client can be answered."""

    @guarded
    def go_on(self) -> None:
        """What came of it is known."""
        self._asking = False
        self._after_talk()
        if self.conversation.behind and not self._closing:
            self._loop.call_soon(self._work_on, b"")
        elif not self._waits:
            self._want_more()

    def _want_more(self) -> None:
        """Reads more, when there is room for what comes of it."""
        if self._memory.full and self.conversation.publishes and not self._closing:
            self._wait_for_memory()
        elif self.outbox.reply_bytes < _MAX_REPLIES or self._gone:
            # Not at once: what this chunk published is written first, and what comes
            # meanwhile makes one larger batch instead of two small ones.
            self._loop.call_soon(self._read_on, _PATIENCE)
        else:
            self._paused = True  # until _write_backlog has made room

    @guarded
    def _read_on(self, patience: int) -> None:
        """Reads, once other threads have caught up with what it published; not for ever, as they may be stuck."""
        if self._memory.crowded and patience and self.conversation.publishes and not self._closing:
            self._loop.call_later(_PAUSE, self._read_on, patience - 1)
        else:
            self._read()

    def _wait_for_memory(self) -> None:
        """Reads no more until there is room for what it would publish."""
        self._waits = True
        self.stats.add("publishers_slowed")
        self._memory.wait(self._go_on)

    def _is_too_fast(self, meter: Meter, data: Any) -> bool:
        """Charges for what was read; true if for that the client is not read from for a while."""
        wait = meter.charge(size_of(data), self.conversation.counts[1])
        if not wait or self._closing:
            return False
        self.stats.add("clients_too_fast")
        if meter.refuses:
            self.fail(too_fast(wait))
            return False
        self._waits = True
        meter.timer = self._loop.call_later(wait, self._go_on)
        return True

    def _stop_waiting(self) -> None:
        """Forgets what it waits for before it reads on."""
        self._waits = False
        if self.meter is not None and self.meter.timer is not None:
            self.meter.timer.cancel()
            self.meter.timer = None
        else:
            self._memory.forget(self._go_on)

    @guarded
    def _go_on(self) -> None:
        if self.meter is not None:
            self.meter.timer = None
        self._waits = False
        self._loop.call_soon(self._read)

    def _after_talk(self) -> None:
        conversation = self.conversation
        if conversation.ending is not None:
            self.end()
        elif not self._opened and conversation.open:
            self._opened = True
            self._keep_alive()
        if self.outbox.fresh:
            self.flush()

    # Writing

    def flush(self) -> None:
        """Writes what is fresh in the outbox, or holds it back while the client is busy."""
        outbox = self.outbox
        if not outbox.fresh:
            return
        if self._gone:
            outbox.take_fresh()  # nobody hears it
            return
        if self._blocked:
            error = outbox.hold()
            if error is not None and not self._doomed:
                # Not at once: the hub may be half way through its subscribers.
                self._doomed = True
                self._loop.call_soon(self.fail, error)
            return
        self._sent = True
        if self._write(outbox.take_fresh()) and outbox.waiting:
            self._loop.call_soon(self._resume_queues)

    @guarded
    def _resume_queues(self) -> None:
        if not self._blocked:
            self.outbox.resume()

    def deliver(self, data: bytes, batch: list[Delivery]) -> None:
        """Writes a batch that others get too."""
        outbox = self.outbox
        if self._blocked or outbox.fresh:
            outbox.fresh.extend(batch)
            self.flush()
        elif not self._doomed:
            self._sent = True
            self._write(data)

    @guarded
    def _drained(self) -> None:
        """What was written has been taken."""
        self._heard = True  # a sign of life too
        self._write_backlog()

    @guarded
    def _write_backlog(self) -> None:
        outbox = self.outbox
        for _ in range(_CHUNKS_PER_TURN):
            if not outbox.backlog_bytes:
                self._blocked = False
                self.flush()
                if self.outbox.waiting:
                    self._loop.call_soon(self._resume_queues)
                break
            self._sent = True
            if not self._write(outbox.take(self.chunk)):
                break
        else:
            self._loop.call_soon(self._write_backlog)
        if self._paused and outbox.reply_bytes < _MAX_REPLIES:
            self._paused = False
            self._read()
        self._close_if_done()

    # Keeping alive

    def _keep_alive(self) -> None:
        """Sets the period at which both directions are looked at: two fit into what we owe, so that no beat is late."""
        owe, owed = self.conversation.heartbeat
        intervals = [self._timing.ping, *([owe / 2500] if owe else []), *([owed / 1000] if owed else [])]
        if self.meter is not None and self.meter.period is not None:
            intervals.append(self.meter.period)
        self._period = min(intervals)
        self._rearm(self._period, self._tick)

    @guarded
    def _tick(self) -> None:
        owe, owed = self.conversation.heartbeat
        taking = self._blocked and self._is_taking()
        if self._heard or self._waits or taking:
            self._silence = 0.0
        else:
            self._silence += self._period
        patience = owed / 1000 or self._timing.ping
        # A client that promises to beat seldom is pinged as others are.
        allowed = 2 * (min(patience, self._timing.ping) if self.pings else patience)
        error = self.outbox.in_the_way() if self._blocked and not taking else None
        if self._silence >= allowed and (owed or self.pings or self._blocked):
            error = QmqError("heartbeat-lost", f"nothing came for {self._silence:g} seconds")
        if error is None and self.meter is not None:
            error = self.meter.watch(self._period, self.conversation.counts[0], self._blocked or self.conversation.busy)
        if error is not None:
            self.fail(error)
            return
        if not self._blocked:
            if owe and not self._sent:
                self.conversation.beat()
            if self.pings and not self._heard and self._silence >= self._timing.ping:
                self.outbox.reply(self.ping())
        self._heard = self._sent = False
        self.flush()
        self._rearm(self._period, self._tick)

    @guarded
    def _too_late(self) -> None:
        self.fail(QmqError("connect-timeout", f"{self._timing.connect:g} seconds are allowed"))

    def _rearm(self, delay: float, callback: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, callback)

    # Ending

    def fail(self, error: QmqError) -> None:
        """Drops what waits, tells the client why, and closes."""
        if self._closing:
            return
        self._doomed = True
        self.outbox.clear()
        try:
            self.conversation.fail(error)
            self._after_talk()
        except Exception:
            log.exception("session %s cannot be told why it ends", self.conversation.name)
            self.abort()

    def failed(self, error: Exception) -> None:
        """Ends it with `internal-error`, soon: something of this client has raised, and others are not to feel it."""
        if not self._doomed:
            self._stats.add("clients_failed")
            log.error("session %s from %s failed", self.conversation.name, self.address, exc_info=error)
        if self._closing:
            self._loop.call_soon(self.abort)
        elif not self._doomed:
            self._loop.call_soon(self.fail, QmqError("internal-error"))
        self._doomed = True

    def hang_up(self, error: QmqError) -> None:
        """Tells the client why, after what is on its way already, and closes."""
        if not self._closing:
            self.conversation.fail(error)
            self._after_talk()

    def end(self, code: Code | None = None) -> None:
        """Says goodbye; all is over when that was read, or after the linger time."""
        if self._closing:
            return
        self._closing = True
        if self._asking:
            self._asking = False
            self._loop.call_soon(self._read)
        if self._waits:  # what still comes is thrown away
            self._stop_waiting()
            self._loop.call_soon(self._read)
        if self.conversation.failure is not None:
            log.info("session %s from %s ended: %s", self.conversation.name, self.address, self.conversation.failure)
        code = code or self.conversation.ending or CODES["closed"]
        self._stats.add(f"connections_closed_{code.name}")
        goodbye = self.farewell(code)
        if goodbye:
            self.outbox.reply(goodbye)
        self.flush()
        self._rearm(self._timing.linger, self.abort)
        self._close_if_done()

    def describe(self) -> dict[str, object]:
        """What an operator may know about it."""
        transport = type(self).__name__.removesuffix("Connection").lower()
        return {"transport": transport, "address": self.address, "tls": self.tls, **self.conversation.describe()}

    def _ended(self) -> None:
        if self._finished:
            return
        self._finished = True
        for timer in (self._timer, self.expiry):
            if timer is not None:
                timer.cancel()
        if not self._closing:
            self._closing = True
            self._stats.add("connections_lost")
        if self._waits:
            self._stop_waiting()
        self._doomed = True
        try:
            self.conversation.close(CODES["connection-lost"])
        except Exception:
            log.exception("session %s cannot give everything back", self.conversation.name)
        self.outbox.close()
        if self.on_end is not None:
            self.on_end(self)

    def __repr__(self) -> str:
        state = "closing" if self._closing else "blocked" if self._blocked else "idle"
        return f"<{type(self).__name__} {self.conversation.name} {state} {self.outbox!r}>"
