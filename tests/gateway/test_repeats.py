"""A publish whose receipt was lost with the connection comes again, and reaches everybody once."""

import pytest

from tests.gateway.queue_peers import BOTH


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_a_lost_receipt_costs_nothing(start_node, enter, transport):
    node = await start_node(BOTH)
    reader = await enter(node, transport)
    await reader.subscribe("/topic/a")
    for number in range(5):
        headers = {"destination": "/topic/a", "receipt": "r", "idempotency-key": f"k{number}"}
        peer = await enter(node, transport)
        await peer.tell("SEND", headers, b"%d" % number)
        assert (await reader.frame()).body == b"%d" % number
        peer.close()  # its receipt is on the way, or lost
        peer = await enter(node, transport)
        await peer.tell("SEND", headers, b"%d" % number)
        answer = await peer.frame()
        assert (answer.command, answer.headers["receipt-id"]) == ("RECEIPT", "r")
        peer.close()
    node.publish("/topic/a", "last")
    assert (await reader.frame()).body == b"last"
    assert node.stats["publishes_repeated"] == 5
