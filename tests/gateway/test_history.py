"""Coming back to a real node: over each transport, with what configuration says, and when it was started anew."""

import asyncio

import pytest

from tests.gateway.queue_peers import BOTH

pytestmark = pytest.mark.parametrize("transport", ["http", "stomp"])


async def numbers(peer, count):
    """The bodies of the next messages, as numbers."""
    return [int((await peer.frame()).body) for _ in range(count)]


def publish(node, start, stop):
    for number in range(start, stop):
        node.publish("/topic/a", str(number))


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_was_cut_off_misses_nothing(start_node, enter, transport):
    node = await start_node(BOTH)
    peer = await enter(node, transport)
    await peer.subscribe("/topic/a", **{"from": "latest"})
    publish(node, 0, 10)
    frames = [await peer.frame() for _ in range(10)]
    peer.close()
    publish(node, 10, 500)
    peer = await enter(node, transport)
    granted = await peer.subscribe("/topic/a", cursor=frames[3].headers["message-id"])
    assert granted["recovered"] == "true"
    publish(node, 500, 510)
    assert await numbers(peer, 506) == list(range(4, 510))


@pytest.mark.gen_test(timeout=30)
async def test_a_past_larger_than_any_buffer_comes_as_fast_as_it_is_read(start_node, enter, transport):
    rule = {"match": "/topic/#", "history_messages": 100_000, "history_bytes": 1 << 30}
    node = await start_node({**BOTH, "topics": (rule,), "limits.outbox_bytes": 1 << 20})
    padding = " " * 10_000
    for number in range(3000):  # 30 MB, more than the kernel holds and far more than the outbox may
        node.publish("/topic/a", f"{padding}{number}")
    peer = await enter(node, transport)
    granted = await peer.subscribe("/topic/a", **{"from": "earliest"})
    assert granted["recovered"] == "true"
    assert await numbers(peer, 1000) == list(range(1000))
    publish(node, 3000, 3010)
    assert await numbers(peer, 2010) == list(range(1000, 3010))


@pytest.mark.gen_test(timeout=20)
async def test_after_a_restart_nothing_is_recovered_and_that_is_said(start_node, enter, transport):
    node = await start_node({**BOTH, "name": "same"})
    peer = await enter(node, transport)
    cursor = (await peer.subscribe("/topic/a", **{"from": "latest"}))["cursor"]
    await node.stop()
    node = await start_node({**BOTH, "name": "same"})
    publish(node, 0, 1)
    peer = await enter(node, transport)
    granted = await peer.subscribe("/topic/a", cursor=cursor)
    assert (granted["recovered"], granted["cursor"]) == ("false", node.hub.cursor)
    publish(node, 1, 2)
    assert await numbers(peer, 1) == [1]


@pytest.mark.gen_test(timeout=20)
async def test_what_is_kept_is_configured_and_grows_old(start_node, enter, transport):
    rule = {"match": "/topic/a", "history_messages": 3, "history_seconds": 0.2}
    node = await start_node({**BOTH, "topics": (rule,)})
    publish(node, 0, 5)
    peer = await enter(node, transport)
    assert (await peer.subscribe("/topic/a", **{"from": "earliest"}))["recovered"] == "false"
    assert await numbers(peer, 3) == [2, 3, 4]
    async with asyncio.timeout(10):
        while node.hub.history.used:
            await asyncio.sleep(0.01)
    granted = await peer.subscribe("/topic/a", id="2", **{"from": "earliest"})
    assert (granted["recovered"], granted["cursor"]) == ("false", node.hub.cursor)


@pytest.mark.gen_test(timeout=20)
async def test_who_reads_more_slowly_than_the_topic_forgets_is_told_where_it_was(start_node, enter, transport):
    rule = {"match": "/topic/#", "history_messages": 1000, "history_bytes": 1 << 30}
    node = await start_node({**BOTH, "topics": (rule,)})
    padding = " " * 10_000
    for number in range(1000):
        node.publish("/topic/a", f"{padding}{number}")
    peer = await enter(node, transport, receive_buffer=4096)
    granted = await peer.subscribe("/topic/a", **{"from": "earliest"})
    for number in range(1000, 2000):
        node.publish("/topic/a", f"{padding}{number}")
    last, expected = granted["cursor"], 0
    while (frame := await peer.frame()).command == "MESSAGE":
        assert int(frame.body) == expected
        last, expected = frame.headers["message-id"], expected + 1
    assert frame.headers["code"] == "slow-consumer"
    assert frame.body.decode().endswith(f"cursor {last}")
