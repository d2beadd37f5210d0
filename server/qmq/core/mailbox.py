"""What other threads leave for a hub: topics' messages, in the order of their numbers, up to a bound.

Whoever posts holds the lock of the `Sequence`, and so does whoever takes; nothing is
locked or waited for in here. A full mailbox takes nothing more until it is emptied, and
notes what it missed: its thread is stuck, and the publishers are not to wait for it.
"""

from __future__ import annotations

from collections.abc import Callable

from qmq.core.memory import OVERHEAD
from qmq.core.message import Message

_MAX_MISSED = 1000  # destinations that are noted one by one


class Bell:
    """Wakes a loop, once for all that is left for it until it looks.

    Args:
        wake: Makes the loop look, from any thread.

    Attributes:
        rung: Whether the loop is about to look. For the loop to clear, before it does.

    """

    __slots__ = ("_wake", "rung")

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self.rung = False

    def ring(self) -> None:
        """Wakes the loop unless it was woken already."""
        if not self.rung:
            self.rung = True
            self._wake()


class Mailbox:
    """The messages that wait for one hub.

    Args:
        bell: Of the hub's loop.
        max_messages: How many may wait.
        max_octets: With their headers and what Python needs to keep them.

    Attributes:
        messages: What waits, in order.
        octets: And how much memory that takes.
        missed: By destination, the number of the first message that found no room. Of
            destinations beyond the first thousand there is one, under an empty name.
        lost: How many messages found no room.

    """

    __slots__ = ("bell", "lost", "max_messages", "max_octets", "messages", "missed", "octets")

    def __init__(self, bell: Bell, max_messages: int, max_octets: int) -> None:
        self.bell = bell
        self.max_messages = max_messages
        self.max_octets = max_octets
        self.messages: list[Message] = []
        self.octets = 0
        self.missed: dict[str, int] = {}
        self.lost = 0

    @property
    def crowded(self) -> bool:
        """Whether so much waits that who publishes much should slow down; one that is full is given up instead."""
        if self.missed:
            return False
        return len(self.messages) * 8 > self.max_messages or self.octets * 8 > self.max_octets

    def post(self, message: Message) -> None:
        """Leaves a message."""
        if self.missed or len(self.messages) >= self.max_messages or self.octets >= self.max_octets:
            self._miss(message)
            return
        self.messages.append(message)
        self.octets += len(message.body) + message.envelope.octets + OVERHEAD

    def take(self) -> tuple[list[Message], dict[str, int], int]:
        """Empties it: the messages, and what was missed after them."""
        taken = self.messages, self.missed, self.lost
        self.messages = []
        self.octets = self.lost = 0
        self.missed = {}
        return taken

    def _miss(self, message: Message) -> None:
        destination = message.envelope.destination
        if len(self.missed) >= _MAX_MISSED and destination not in self.missed:
            destination = ""
        self.missed.setdefault(destination, message.offset)
        self.lost += 1

    def __repr__(self) -> str:
        return f"<mailbox with {len(self.messages)} messages, {self.lost} lost>"
