"""What becomes of an exception that the code of one client raises while others wait for their turn.

It ends that client, with `internal-error`, and nobody else: it is counted, and logged once
with the client's name. What belongs to no client is only counted and logged. Nothing here
raises, so a loop over many may call it and go on.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qmq.stats import Stats

if TYPE_CHECKING:
    from qmq.core.outbox import Sink

log = logging.getLogger("qmq.core")


def end_client(sink: Sink, error: Exception) -> None:
    """Ends the client whose sink, encoder or callback has raised."""
    try:
        sink.failed(error)
    except Exception:
        log.exception("a client that has failed cannot be ended")


def note(stats: Stats, what: str, error: Exception) -> None:
    """Counts and logs what has failed and is nobody's: a store, a timer.

    Args:
        stats: Where it is counted.
        what: Its name, for the log.
        error: What it has raised.

    """
    stats.add("internal_errors")
    log.error("%s failed; all else goes on", what, exc_info=error)
