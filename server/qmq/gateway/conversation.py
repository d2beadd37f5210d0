"""What a connection asks of the conversation that it carries, and how long it waits for what. There is no code here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qmq.errors import Code, QmqError


class Conversation(Protocol):
    """What a connection asks of the session that it carries.

    `ending` is set once it is over, `failure` if that is because the client is sent away.
    `stream` says that it does not care how what it receives was cut into messages,
    so that they may be handed over many at a time. `counts` are the frames that came so far,
    and those of them that publish; they are counted only where there are limits on them. `busy`
    says that the client waits for something, so that it need not say a word.
    """

    stream: bool
    ending: Code | None
    failure: QmqError | None
    heartbeat: tuple[int, int]
    name: str

    @property
    def publishes(self) -> bool: ...

    @property
    def open(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    @property
    def counts(self) -> tuple[int, int]: ...

    def receive(self, data: bytes, text: bool = False) -> None: ...

    def fail(self, error: QmqError) -> None: ...

    def close(self, code: Code = ...) -> None: ...

    def beat(self) -> None: ...

    def describe(self) -> dict[str, object]: ...


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
