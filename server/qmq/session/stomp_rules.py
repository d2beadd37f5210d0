"""Which frame a STOMP client may send in which state, as a table.

A frame that is not in the row of the present state is a protocol error; nothing
else decides this. The session reads the table, the documentation is printed
from it (`qmq.session.stomp_rules.as_markdown`).
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a conversation stands."""

    NEW = "new"
    CHECKING = "checking"  # who it is; what comes meanwhile waits
    OPEN = "open"
    CLOSING = "closing"


# Every frame a client may send, the method that answers it, and the headers it
# cannot do without. `LENIENT` are those that another header may stand for: before
# STOMP 1.2 ACK and NACK name a message by `message-id`, and in 1.0 a subscription
# may be named by its `destination`. NACK does not exist in 1.0.
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONNECT": ("on_connect", ()),
    "STOMP": ("on_connect", ()),
    "SEND": ("on_send", ("destination",)),
    "SUBSCRIBE": ("on_subscribe", ("destination", "id")),
    "UNSUBSCRIBE": ("on_unsubscribe", ("id",)),
    "ACK": ("on_ack", ("id",)),
    "NACK": ("on_nack", ("id",)),
    "BEGIN": ("on_begin", ("transaction",)),
    "COMMIT": ("on_commit", ("transaction",)),
    "ABORT": ("on_abort", ("transaction",)),
    "DISCONNECT": ("on_disconnect", ()),
}

CLIENT_MAY_SEND: dict[State, dict[str, State]] = {
    State.NEW: {"CONNECT": State.OPEN, "STOMP": State.OPEN},
    State.CHECKING: {},
    State.OPEN: {
        "SEND": State.OPEN,
        "SUBSCRIBE": State.OPEN,
        "UNSUBSCRIBE": State.OPEN,
        "ACK": State.OPEN,
        "NACK": State.OPEN,
        "BEGIN": State.OPEN,
        "COMMIT": State.OPEN,
        "ABORT": State.OPEN,
        "DISCONNECT": State.CLOSING,
    },
    State.CLOSING: {},
}


LENIENT = {
    ("1.0", "SUBSCRIBE"): "destination",
    ("1.0", "UNSUBSCRIBE"): "destination",
    **{(version, command): "message-id" for version in ("1.0", "1.1", "1.2") for command in ("ACK", "NACK")},
}


# Faults that are the end although the client has asked for refusals (`refusals:true` at CONNECT): of who it
# is, and of what the conversation is. Those of framing never get here: where the next frame begins is not
# known then. Every other code, of one frame that was well-formed, or was skipped, refuses that frame only.
ENDING = frozenset({"bad-login", "bad-token", "bad-version", "login-required", "not-now", "token-expired"})

# What is said here is who the client is, whatever is wrong with it.
IDENTITY = "/manage/refresh"


def ends(code: str, destination: str) -> bool:
    """Whether a fault of one frame is the end for a client that has asked for refusals."""
    return code in ENDING or destination == IDENTITY


def as_markdown() -> str:
    """The table for the documentation."""
    lines = ["| frame | needs | " + " | ".join(State) + " |", "| --- | --- |" + " --- |" * len(State)]
    for command, (_, needs) in COMMANDS.items():
        cells = [CLIENT_MAY_SEND[state].get(command) for state in State]
        row = " | ".join(f"→ {cell}" if cell else "error" for cell in cells)
        lines.append(f"| `{command}` | {', '.join(f'`{name}`' for name in needs) or '-'} | {row} |")
    return "\n".join(lines)
