"""Those who catch up at one hub: whose turn it is, and what they share.

Turns are given last in each pass of the loop, few of them, and each is short, so that those
who are up to date do not wait for those who come back. Many come back after the same cut: what
was read and encoded for one of them is at hand for the others. A client takes turns with others,
however many subscriptions it has.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qmq.core.outbox import Delivery
from qmq.core.scan import Scan
from qmq.core.subscription import Encoder
from qmq.errors import QmqError

if TYPE_CHECKING:
    from qmq.core.hub import Hub
    from qmq.core.message import Message
    from qmq.core.replay import Replay

# Subscribers that catch up are given this much at once, and all of them together in a pass.
PIECE_OCTETS = 64 * 1024
_REPLAY_OCTETS = 64 * 1024
REPLAYS_PER_PASS = 3

# What is at hand: pieces for those who are at the same position; copies of scans that have looked for long,
# for those who begin at the same position; and scans that stand where somebody is to
# go on. Who has nothing to give yet lets this many others go first; so hardly more scans than that are begun.
_PIECES = 16
_SCANS = 16
_FOUND = 4
_BEHIND = 8

_MANY = 50  # steps after which it is worth while to remember what was found

# Passes of the loop after which what is at hand is given up if nobody reads any more. Until then
# the next request for more, of a client that comes with requests, goes on with the scan of its last.
_AT_HAND = 500

_FRAME = 64  # what a message has on the wire besides body and headers, at least


@dataclass(slots=True)
class Piece:
    """What is given to subscribers at one position: everything up to the next one.

    Attributes:
        deliveries: For their outboxes.
        octets: Of all of them.
        position: The next position.
        dropped: The largest number that was found missing; 0 for none.

    """

    deliveries: list[Delivery]
    octets: int
    position: int
    dropped: int


class Reader(Protocol):
    """Who takes turns.

    Attributes:
        owner: The client: of several readers of one, one has a turn.
        ended: Whether nobody wants it any more.
        error: Why it cannot go on.
        looking: Whether it is to have another turn without asking for it.

    """

    ended: bool
    error: QmqError | None
    looking: bool

    @property
    def owner(self) -> object: ...

    def take_turn(self) -> int:
        """Goes on for a moment; returns how many octets it has given."""

    def failed(self, error: Exception) -> None:
        """Ends whom it is for: a turn has raised this."""


class Replays:
    """The readers of one hub.

    Args:
        hub: Whose.

    Attributes:
        active: Whether anybody wants a turn, or something is at hand.

    """

    def __init__(self, hub: Hub) -> None:
        self.active = False
        self._hub = hub
        self._owners: deque[object] = deque()  # those who want a turn
        self._waiting: dict[object, deque[Reader]] = {}  # what each of them reads
        self._open: set[object] = set()  # those who will want more
        self._read = 0  # the last pass in which there were any
        self._pieces: OrderedDict[tuple[str, Encoder, int], Piece] = OrderedDict()
        self._scans: OrderedDict[tuple[str, int], Scan] = OrderedDict()
        self._found: OrderedDict[tuple[str, int], Scan] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._owners)

    def add(self, reader: Reader) -> None:
        """Lets a reader have a turn in one of the next passes."""
        self.active = True
        self._open.add(reader)
        waiting = self._waiting.get(reader.owner)
        if waiting is None:
            waiting = self._waiting[reader.owner] = deque()
            self._owners.append(reader.owner)
        waiting.append(reader)

    def forget(self, reader: Reader) -> None:
        """Notes that a reader needs nothing any more."""
        self._open.discard(reader)

    def take_turns(self, number: int) -> list[tuple[Replay, QmqError]]:
        """Gives turns to a few; in each pass while it is active.

        Args:
            number: Of the pass.

        Returns:
            Those that are to be sent away, and why.

        """
        given = 0
        failed: list[tuple[Replay, QmqError]] = []
        for _ in range(REPLAYS_PER_PASS):
            reader = self._next()
            if reader is None:
                break
            again = False
            try:
                given += reader.take_turn()
                again = reader.looking and not reader.ended
            except Exception as error:
                self.forget(reader)
                reader.failed(error)
            if reader.error is not None:
                self.forget(reader)
                failed.append((reader, reader.error))  # type: ignore[arg-type]  # others have no errors
            self._go_on(reader.owner, again)
            if given > _REPLAY_OCTETS:
                break
        if self._open:
            self._read = number
        else:
            self._clear(number)
        return failed

    def _clear(self, number: int) -> None:
        """Gives up what is at hand, if nobody has read for a while."""
        self._pieces.clear()
        if number - self._read > _AT_HAND:
            self._scans.clear()
            self._found.clear()
            self.active = bool(self._owners)

    def _next(self) -> Reader | None:
        """Whose turn it is. It stays the first that its owner waits with, until `_go_on`."""
        while self._owners:
            owner = self._owners.popleft()
            waiting = self._waiting[owner]
            while waiting and waiting[0].ended:
                waiting.popleft()
            if waiting:
                return waiting[0]
            del self._waiting[owner]
        return None

    def _go_on(self, owner: object, again: bool) -> None:
        """Puts an owner back into the line after a turn, with the same reader or the next."""
        waiting = self._waiting[owner]
        if again:
            self._owners.insert(_BEHIND, owner)
            return
        waiting.popleft()
        if waiting:
            self._owners.append(owner)
        else:
            del self._waiting[owner]

    def scan(self, pattern: str, position: int) -> Scan:
        """A scan that stands there, for one who gives it back with `keep`."""
        scan = self._scans.pop((pattern, position), None)
        return self.further(scan or Scan(self._hub.history, pattern, position, self._note_found))

    def further(self, scan: Scan) -> Scan:
        """The same scan or, if somebody else has found what it looks for, one that knows."""
        found = self._found.get((scan.pattern, scan.position))
        return found.copy() if found is not None and not scan.knows else scan

    def _note_found(self, scan: Scan, steps: int) -> None:
        if steps > _MANY:
            self._found[scan.pattern, scan.position] = scan.copy()
            if len(self._found) > _FOUND:
                self._found.popitem(last=False)

    def keep(self, scan: Scan) -> None:
        """Has a scan at hand for whoever is to read on from there."""
        self.active = True
        self._scans[scan.pattern, scan.position] = scan
        if len(self._scans) > _SCANS:
            self._scans.popitem(last=False)

    def piece(self, pattern: str, encoder: Encoder, position: int) -> Piece:
        """What comes after a position; nothing, if it is still looked for."""
        key = (pattern, encoder, position)
        piece = self._pieces.get(key)
        if piece is not None:
            return piece
        scan = self.scan(pattern, position)
        messages = self._hub.advance(scan, self._hub.turn_steps, PIECE_OCTETS, _FRAME)
        piece = self._encode(encoder, messages, scan)
        self.keep(scan)
        if piece.deliveries:
            self._pieces[key] = piece
            if len(self._pieces) > _PIECES:
                self._pieces.popitem(last=False)
        return piece

    def _encode(self, encoder: Encoder, messages: list[Message], scan: Scan) -> Piece:
        piece = Piece([], 0, scan.position, scan.dropped)
        for place, message in enumerate(messages):
            if piece.octets >= PIECE_OCTETS:  # frames are larger than what they carry
                scan.put_back(messages[place:])
                piece.position = scan.position
                break
            frame = encoder.encode(message)
            piece.deliveries.append((None, message, frame))
            piece.octets += len(frame)
        return piece

    def __repr__(self) -> str:
        return f"<{len(self._open)} readers, {len(self._owners)} clients wait for a turn>"
