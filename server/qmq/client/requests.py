"""Requests that wait for their replies, by correlation id. It sends nothing."""

from __future__ import annotations

import math
from typing import Any

from qmq.client import body as bodies
from qmq.client.answers import Answers
from qmq.client.body import Headers
from qmq.client.journal import Journal
from qmq.client.received import Received
from qmq.errors import QmqError

# Where replies come: a name of the client's own, for which the server has a private
# address. Nobody subscribes to it: the server knows from the request.
REPLIES = "/temp-queue/qmq.replies"

_LONGEST = 10**9  # seconds that the server is told a request is of use

# A request is of use for a little less than its client waits, so that a consumer can still
# answer it in time, and else the server can say that none has taken it.
_MARGIN = 0.25  # of the time that the client waits,
_MOST = 1.0  # and seconds

# What a reply may say of itself: that there is none.
_FAILURES = ("no-consumer", "handler-failed")


class Requests:
    """The requests of one client.

    Attributes:
        answers: Those who wait, by correlation id.

    """

    def __init__(self) -> None:
        self.answers: Answers[Received] = Answers()

    def frame(self, key: str, destination: str, body: Any, headers: Headers | None, seconds: float) -> bytes:
        """The SEND of a request. Whoever takes it from a queue after its time would work for nobody.

        Raises:
            QmqError: `bad-header`.

        """
        octets, fields = bodies.encode(body)
        useful = max(seconds - min(seconds * _MARGIN, _MOST), 0)
        fields["expiration"] = str(math.ceil(1000 * min(useful, _LONGEST)))
        # The receipt says nothing new, but lets an ERROR name this request.
        own = {"reply-to": REPLIES, "correlation-id": key, "receipt": key}
        return bodies.frame("SEND", {"destination": destination, **fields, **(headers or {}), **own}, octets)

    def settle(self, reply: Received) -> None:
        """Gives a reply to the request that it is for; to none if that no longer waits."""
        key, code = reply.headers.get("correlation-id", ""), reply.headers.get("code", "")
        if code in _FAILURES:
            self.answers.fail(key, QmqError(code, reply.text() or reply.headers.get("request-destination", "")))
        else:
            self.answers.settle(key, reply)

    def lose(self, error: QmqError, journal: Journal) -> None:
        """The connection ended: of what was sent on it no reply can come. What waits in the journal waits on."""
        for key in self.answers:
            if key not in journal:
                self.answers.fail(key, error)
