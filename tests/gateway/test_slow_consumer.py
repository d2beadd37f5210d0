"""Clients that do not read: each bound, each overflow policy over a real socket, and the 999 others."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers import caught_up, lasts, narrow, server_side, until

CROWD = Path(__file__).with_name("crowd.py")
BODY = b"x" * 2000


async def fill(node, peer, destination="/topic/slow"):
    """Publishes until the kernel's buffers are full and messages begin to wait here; returns how many that took.

    The bodies are numbers, padded. What waits then is the last of them.
    """
    connection = narrow(server_side(node, peer))
    number = 0
    while not await lasts(lambda: connection.outbox.backlog_bytes):
        number += 1
        assert number < 10_000
        node.publish(destination, b"%06d " % number + BODY)
        await caught_up(connection)  # so that each is written, or held back, by itself
    return number


async def publish(node, count, headers=None, destination="/topic/slow", first=0):
    for number in range(first, first + count):
        node.publish(destination, b"late %d" % number, headers(number) if headers else None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def read_late(peer):
    """Reads what came, up to the message that says it is the last."""
    bodies = []
    while not bodies or bodies[-1] != b"last":
        frame = await peer.frame()
        assert frame.command == "MESSAGE", frame
        bodies.append(frame.body)
    return bodies


def ids_rise(frames):
    numbers = [int(frame.headers["message-id"].rpartition(".")[2]) for frame in frames]
    return numbers == sorted(set(numbers))


# policy and bounds: which of the 20 late messages are left, besides the one that came first
KEPT = {
    "drop-oldest by number": ({"overflow": "drop-oldest", "max_messages": "5"}, range(15, 20), 16, "dropped_oldest"),
    "drop-newest by number": ({"overflow": "drop-newest", "max_messages": "5"}, range(4), 16, "dropped_newest"),
    "conflate by destination": ({"overflow": "conflate", "max_messages": "5"}, [19], 20, "conflated"),
}


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.parametrize("name", KEPT)
@pytest.mark.gen_test(timeout=20)
async def test_a_slow_reader_that_resumes_sees_what_its_policy_keeps(start_node, join, witness, name):
    headers, kept, dropped, counter = KEPT[name]
    node = await start_node({"limits.ping_seconds": 60.0})
    seen = await witness(node)
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", **headers)
    full = await fill(node, peer)
    await publish(node, 20)
    await seen.well()
    assert node.stats[f"messages_{counter}"] == dropped
    before = [f"{number:06d} ".encode() + BODY for number in range(1, full + 1)]
    late = [b"late %d" % number for number in kept]
    frames = []
    gone = full if "newest" not in name else 0  # the first that waited is the oldest
    expected = before if not gone else before[:-1]
    for body in [*expected, *late]:
        frames.append(await peer.frame())
        assert frames[-1].body == body
    assert ids_rise(frames)
    # It has caught up, so it gets everything again.
    await until(lambda: not server_side(node, peer).outbox.backlog_bytes)
    await publish(node, 3)
    assert [(await peer.frame()).body for _ in range(3)] == [b"late 0", b"late 1", b"late 2"]
    assert sum(node.stats.snapshot().get(f"messages_{name}", 0) for name in COUNTERS) == dropped


COUNTERS = ("dropped_oldest", "dropped_newest", "conflated")


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.gen_test(timeout=20)
async def test_conflation_keeps_the_latest_of_each_key(start_node, join):
    node = await start_node({"limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", overflow="conflate", conflate_key="symbol")
    await fill(node, peer)
    await publish(node, 30, lambda number: {"symbol": "abc"[number % 3]} if number < 27 else None)
    node.publish("/topic/slow", "last", {"symbol": "z"})
    bodies = await read_late(peer)
    # 24 to 26 are the last of a, b and c; those without a key replace each other, and the one that filled up.
    assert bodies[-5:] == [b"late 24", b"late 25", b"late 26", b"late 29", b"last"]
    assert bodies[-6].endswith(BODY)
    assert node.stats["messages_conflated"] == 24 + 3


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.gen_test(timeout=20)
async def test_conflation_beyond_its_bounds_drops_the_oldest_key(start_node, join):
    node = await start_node({"limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", overflow="conflate", conflate_key="symbol", max_messages="3")
    await fill(node, peer)
    await publish(node, 6, lambda number: {"symbol": str(number)})
    node.publish("/topic/slow", "last", {"symbol": "0"})
    assert (await read_late(peer))[-3:] == [b"late 4", b"late 5", b"last"]
    assert (node.stats["messages_conflated"], node.stats["messages_dropped_oldest"]) == (0, 5)


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.parametrize("overflow", ["drop-oldest", "drop-newest"])
@pytest.mark.gen_test(timeout=20)
async def test_max_bytes_bounds_what_waits(start_node, join, overflow):
    node = await start_node({"limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", overflow=overflow, max_bytes="5000")
    await fill(node, peer)
    outbox = server_side(node, peer).outbox
    for _ in range(30):
        node.publish("/topic/slow", BODY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert outbox.backlog_bytes <= 5000
    assert node.stats[f"messages_{overflow.replace('drop-', 'dropped_')}"] == 29


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.gen_test(timeout=20)
async def test_policies_of_one_connection_are_its_subscriptions_own(start_node, join):
    node = await start_node({"limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", id="all", max_messages="1000")
    await peer.subscribe("/topic/o", id="oldest", overflow="drop-oldest", max_messages="2")
    await peer.subscribe("/topic/n", id="newest", overflow="drop-newest", max_messages="2")
    await peer.subscribe("/topic/c", id="conflate", overflow="conflate")
    await fill(node, peer)
    for number in range(5):
        for name in "onc":
            await publish(node, 1, destination=f"/topic/{name}", first=number)
    await publish(node, 5)
    got = {"all": [], "oldest": [], "newest": [], "conflate": []}
    while len(got["all"]) < 5:
        frame = await peer.frame()
        if frame.body.startswith(b"late "):
            got[frame.headers["subscription"]].append(int(frame.body[5:]))
    assert got == {"all": [0, 1, 2, 3, 4], "oldest": [3, 4], "newest": [0, 1], "conflate": [4]}


# name: (headers, options, code, what the ERROR says)
KILLED = {
    "max-messages": ({"max_messages": "5"}, {}, "slow-consumer", b"max-messages of /topic/slow is 5; 6 messages with "),
    "max-bytes": ({"max_bytes": "9000"}, {}, "slow-consumer", b"max-bytes of /topic/slow is 9000; 5 messages with "),
    "default": ({}, {"limits.default_messages": 7}, "slow-consumer", b"max-messages of /topic/slow is 7; 8 messages "),
    "pattern": ({"max_messages": "5", "destination": "/topic/#"}, {}, "slow-consumer", b"of /topic/# is 5; 6 messages"),
    "the whole connection": ({}, {"limits.outbox_bytes": 9000}, "outbox-full", b"octets wait, 9000 may"),
}


@pytest.mark.parametrize("name", KILLED)
@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_passes_its_bound_is_told_which(start_node, join, witness, name):
    headers, options, code, text = KILLED[name]
    node = await start_node({"limits.ping_seconds": 60.0, **options})
    seen = await witness(node)
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe(**{"destination": "/topic/slow", **headers})
    connection = server_side(node, peer)
    number = full = await fill(node, peer)
    while not node.stats[f"errors_{code}"]:
        number += 1
        assert number < full + 100
        node.publish("/topic/slow", b"%06d " % number + BODY)
        await caught_up(connection)  # so that it is told of before the next one
    assert (node.stats[f"errors_{code}"], node.stats[f"connections_closed_{code}"]) == (1, 1)
    frames = []
    while not frames or frames[-1].command != "ERROR":
        frames.append(await peer.frame())
    error = frames.pop()
    assert error.headers["code"] == code
    assert error.headers["retry"] == "true"
    assert text in error.body
    # What it got before is whole and in order, and the cursor says where that ended.
    assert [frame.body for frame in frames] == [b"%06d " % n + BODY for n in range(1, len(frames) + 1)]
    assert ids_rise(frames)
    if code == "slow-consumer":
        assert error.body.decode().endswith(f"cursor {frames[-1].headers['message-id']}")
    assert (await peer.ended())[1] == {"slow-consumer": 4000, "outbox-full": 4001}[code]
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_never_reads_its_last_words_is_cut_off(start_node, join, witness):
    node = await start_node({"limits.linger_seconds": 0.1, "limits.ping_seconds": 60.0})
    seen = await witness(node)
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", max_messages="1")
    await fill(node, peer)
    await publish(node, 5)
    await until(lambda: node.gateway.connections == 1)
    assert node.stats["connections_closed_slow-consumer"] == 1
    assert node.stats["connections_lost"] == 0
    await seen.well()


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@pytest.mark.gen_test(timeout=20)
async def test_unsubscribing_while_slow_forgets_what_waits(start_node, join):
    node = await start_node({"limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", max_messages="5")
    await fill(node, peer)
    await publish(node, 3)
    await peer.tell("UNSUBSCRIBE", {"id": "1", "receipt": "done"})
    await until(lambda: not server_side(node, peer).outbox.subscriptions)
    await publish(node, 20)
    frame = await peer.frame()
    while frame.command == "MESSAGE":
        assert not frame.body.startswith(b"late")
        frame = await peer.frame()
    assert frame.headers == {"receipt-id": "done"}
    await peer.publish("/topic/slow", b"not for itself any more")


@pytest.mark.gen_test(timeout=20)
async def test_a_reader_that_is_slow_but_reads_is_not_given_up(start_node, join):
    """Always behind, for many times as long as a silent client would be kept: what it takes is a sign of life."""
    node = await start_node({"limits.ping_seconds": 0.1, "limits.linger_seconds": 0.1})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/slow", overflow="drop-oldest", max_messages="200")
    connection = server_side(node, peer)
    await fill(node, peer)
    end = time.monotonic() + 1
    read = 0
    while time.monotonic() < end:
        for _ in range(20):
            node.publish("/topic/slow", BODY)
        await asyncio.sleep(0.005)
        assert not connection._closing, f"given up after {read} octets were read"
        assert connection.outbox.backlog_bytes
        read += len(await peer.octets())
    assert read > 100_000


@pytest.mark.gen_test(timeout=60)
async def test_one_stuck_client_and_999_others(start_node, join, many_files):
    """The stuck one is dropped at its bound. 999 subscribers and the publisher do not notice, by the clock."""
    count, rate = 999, 40
    if many_files < 2200:
        pytest.skip(f"this system allows {many_files} open files")
    node = await start_node({"limits.ping_seconds": 60.0})
    crowd = subprocess.Popen(
        [sys.executable, str(CROWD), "subscribers", str(node.listen[0]["port"]), str(count), "/topic/all"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    loop = asyncio.get_running_loop()

    async def report():
        return json.loads(await asyncio.wait_for(loop.run_in_executor(None, crowd.stdout.readline), 20))

    async def publish_for_a_while(done):
        """Publishes at a fixed rate until it is `done`: the publisher's own waits, and how many messages that were."""
        waits = []
        due = time.monotonic()
        while not done(len(waits)):
            assert len(waits) < 2000
            due = max(due + 1 / rate, time.monotonic() - 1)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            begin = time.monotonic()
            await publisher.publish("/topic/all", f"{begin!r} ".encode() + BODY)
            waits.append(time.monotonic() - begin)
        return waits, [await report() for _ in waits]

    def summary(waits, reports):
        return (
            statistics.median(waits),
            statistics.median(one["median"] for one in reports),
            statistics.median(one["p95"] for one in reports),
        )

    try:
        assert await report() == {"ready": count}
        publisher = await join(node)
        await publish_for_a_while(lambda sent: sent == 10)  # to warm up
        before = await publish_for_a_while(lambda sent: sent == 40)
        stuck = await join(node, receive_buffer=4096)
        await stuck.subscribe("/topic/all", id="all", max_messages="50")
        # The kernel's buffers hold thousands of such messages: they are filled with messages of another topic.
        await stuck.subscribe("/topic/slow", id="fill", overflow="drop-oldest", max_messages="1")
        await fill(node, stuck)
        during = await publish_for_a_while(lambda sent: sent >= 60 and node.stats["connections_closed_slow-consumer"])
    finally:
        crowd.stdin.close()
        crowd.wait(20)
        crowd.stdout.close()

    frames, number, reason = await stuck.ended()
    assert (number, reason) == (4000, "slow-consumer")
    assert b"max-messages of /topic/all is 50; 51 messages" in frames[-1].body
    assert len(during[0]) == 60
    counts = node.stats.snapshot()
    counts.pop("messages_dropped_oldest", 0)  # of those that filled the buffers
    assert (counts["errors_slow-consumer"], counts["connections_closed_slow-consumer"]) == (1, 1)
    assert not [name for name in counts if name.startswith("messages_")]  # nothing was dropped for anybody
    for waits, reports in (before, during):
        assert [one["got"] for one in reports] == [count] * len(waits)

    for old, new in zip(summary(*before), summary(*during), strict=True):
        assert new < max(3 * old, 0.05), (summary(*before), summary(*during))
