"""What a connection asks of the conversation that it carries, and how long it waits for what.

To add a conversation: subclass `Conversation` and write `receive`; all else has a meaning already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qmq.errors import CODES, Code, QmqError


class Conversation(Protocol):
    """What a connection asks of the session that it carries. Subclasses say only what differs from the least.

    `ending` is set once it is over, `failure` if that is because the client is sent away.
    `behind` says that something it has received is not worked off yet, because others are to have their turn:
    then `go_on` is to be called in the next pass, and nothing more is to be read before that.
    `stream` says that it does not care how what it receives was cut into messages,
    so that they may be handed over many at a time. `heartbeat` are the milliseconds at which
    each side owes the other a sign of life, 0 for none. `counts` are the frames that came so far,
    and those of them that publish; they are counted only where there are limits on them. `busy`
    says that the client waits for something, so that it need not say a word. `open` says that
    the client has said who it is, so that it may stay.
    """

    stream: bool = False
    ending: Code | None = None
    failure: QmqError | None = None
    heartbeat: tuple[int, int] = (0, 0)
    name: str = "conversation"

    @property
    def publishes(self) -> bool:
        """Whether what comes is published, so that it is not read while memory is short."""
        return False

    @property
    def open(self) -> bool:
        return True

    @property
    def busy(self) -> bool:
        return False

    @property
    def counts(self) -> tuple[int, int]:
        return (0, 0)

    def receive(self, data: bytes, text: bool = False) -> None:
        """Takes what the client says. What it answers goes to the connection's outbox."""
        ...

    @property
    def behind(self) -> bool: ...

    def go_on(self) -> None: ...

    def fail(self, error: QmqError) -> None:
        """Ends because of this. Last words go to the outbox."""
        self.failure, self.ending = error, error.code

    def close(self, code: Code = CODES["closed"]) -> None:
        """Lets go of everything: the client is gone."""

    def beat(self) -> None:
        """Gives a sign of life."""

    def describe(self) -> dict[str, object]:
        """What an operator may know about it."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a connection waits for what, in seconds.

    `connect`: for the client to log in. `ping`: between signs of life; a client
    that was silent for twice as long is gone. `linger`: for the client to read
    its last words.
    """

    connect: float = 10.0
    ping: float = 25.0
    linger: float = 5.0
