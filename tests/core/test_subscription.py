"""Which messages replace each other, and which bound is passed."""

import pytest

from qmq.core.audience import Audience
from qmq.core.message import Envelope, Message, Origin
from qmq.core.subscription import Bounds, Overflow, Subscription
from qmq.stats import Stats


def subscription(**bounds):
    return Subscription(
        Audience("/topic/#", None, Stats()), None, Bounds(**{"max_messages": 2, "max_bytes": 10, **bounds})
    )


def message(destination="/topic/a", **headers):
    return Message(Envelope(destination, headers), b"", True, Origin("n", "e"), 1)


@pytest.mark.parametrize(
    "one, other, same",
    [
        (message(k="x"), message("/topic/b", k="x"), True),
        (message(k="x"), message(k="y"), False),
        (message(), message(), True),
        (message(), message("/topic/b"), False),
        (message("/topic/x"), message(k="/topic/x"), False),
    ],
)
def test_conflation_keys(one, other, same):
    held = subscription(overflow=Overflow.CONFLATE, conflate_key="k")
    assert (held.conflation_key(one) == held.conflation_key(other)) is same


def test_the_bound_that_is_passed():
    held = subscription()
    assert held.over() == ""
    held.pending = dict.fromkeys((1, 2))
    held.pending_bytes = 11
    assert held.over() == "max-bytes"
    held.pending[3] = None
    assert held.over() == "max-messages"
    assert repr(held) == "<subscription to /topic/#, 3 pending, 11 octets>"
