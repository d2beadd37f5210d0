"""Several subscriptions of one client: their frames, their receipts, and which of them is full."""

import pytest

from qmq.client.subscription import Subscription
from qmq.client.subscriptions import Subscriptions
from qmq.errors import QmqError
from qmq.wire import stomp


@pytest.mark.gen_test
async def test_each_waits_for_its_own_receipt():
    subscriptions = Subscriptions()
    first, second = (Subscription(None, key, f"/topic/{key}", {"k": "v"}) for key in "ab")
    for subscription, receipt in ((first, "1"), (second, "2")):
        subscriptions.add(subscription)
        ((head, _),) = stomp.Decoder().feed(subscriptions.frame(subscription, receipt))
        assert (head.command, head.headers["receipt"], head.headers["id"]) == ("SUBSCRIBE", receipt, subscription.key)
        assert (head.headers["from"], head.headers["k"]) == ("latest", "v")
    assert subscriptions.grant("2", {"receipt-id": "2", "cursor": "n.e.5", "recovered": "true"})
    assert not subscriptions.grant("2", {})
    assert (second.cursor, second.granted) == ("n.e.5", {"cursor": "n.e.5", "recovered": "true"})
    subscriptions.refuse("1", QmqError("bad-header"))
    subscriptions.refuse("1", QmqError("bad-header"))
    assert (list(subscriptions), subscriptions.get("a"), first in subscriptions) == ([second], None, False)
    with pytest.raises(QmqError, match="bad-header"):
        await first.made
    assert b"cursor:n.e.5" in subscriptions.frame(second, "3")
    subscriptions.lose()
    assert not subscriptions.grant("3", {})
    assert subscriptions.remove(second)
    assert not subscriptions.remove(second)


def test_one_that_is_full_is_enough():
    subscriptions = Subscriptions()
    subscriptions.hold("a", True)
    subscriptions.hold("b", True)
    subscriptions.hold("a", False)
    assert subscriptions.full
    subscriptions.hold("b", False)
    assert not subscriptions.full
