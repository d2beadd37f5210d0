"""Nodes with several threads, seen from outside: order, isolation, and nothing left behind."""

import asyncio
import json
import os
import socket
import threading
import time
from random import Random

import pytest

from qmq.config import make
from qmq.errors import ConfigError
from qmq.node import Node
from qmq.wire import stomp
from tests.helpers import Closed, Peer, peer_of, until, ws

HTTP = ("http://127.0.0.1:0",)


async def join(node, index=None):
    """A client that is logged in; if an index is given, one that lives on this thread."""
    while True:
        peer = await Peer.open(node.listen[0]["port"])
        await peer.upgrade()
        await peer.login()
        here = peer.sock.getsockname()
        branch = node.branches[index or 0]
        if index is None or any(peer_of(each._stream) == here for each in branch.gateway._connections.copy()):
            return peer
        peer.close()


def left():
    """What a node could leave behind: threads, file descriptors, tasks."""
    return threading.active_count(), len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.gen_test(timeout=30)
async def test_stopping_leaves_nothing_behind(threads):
    before = left()
    node = Node(make({"listen": (*HTTP, "stomp://127.0.0.1:0"), "drain": 0.2, "threads": threads}))
    await node.start()
    assert threading.active_count() == before[0] + threads - 1
    peers = [await join(node) for _ in range(10)]
    for peer in peers:
        await peer.subscribe("/topic/a")
        await peer.subscribe("/queue/a", id="2")
    stopping = asyncio.ensure_future(node.stop())
    for peer in peers:
        assert (await peer.dismissed())[0] == "shutting-down"
        peer.close()
    await stopping
    del stopping
    await node.stop()
    assert left() == before
    assert node.registry.memory.used == 0


# Tornado forgets to close the socket that it could not bind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.gen_test(timeout=30)
async def test_a_start_that_fails_leaves_nothing_behind(threads):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = left()
        wrong = (
            {"listen": (*HTTP, f"http://127.0.0.1:{taken.getsockname()[1]}")},
            {"listen": HTTP, "ready_file": "/nowhere/ready"},
        )
        for values in wrong:
            node = Node(make({**values, "drain": 0.1, "threads": threads}))
            with pytest.raises(ConfigError):
                await node.start()
            await node.stop()
            assert left() == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.gen_test(timeout=30)
async def test_two_nodes_do_not_share_a_port_by_accident(start_node):
    """Though each of them has its own sockets on one port."""
    node = await start_node({"threads": 2})
    port = node.listen[0]["port"]
    other = Node(make({"listen": (f"http://127.0.0.1:{port}",), "threads": 2, "drain": 0.1}))
    with pytest.raises(ConfigError, match="cannot listen on"):
        await other.start()
    peer = await join(node)
    peer.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_stuck_thread_holds_up_nobody_of_the_others(start_node):
    node = await start_node({"threads": 3})
    stuck = await join(node, 1)
    await stuck.subscribe("/topic/a")
    peers = [await join(node, index) for index in (0, 2)]
    for peer in peers:
        await peer.subscribe("/topic/a")
    node._loops[1].post(time.sleep, 0.5)
    begin, slowest = time.monotonic(), 0.0
    number = 0
    while time.monotonic() < begin + 0.4:
        sent = time.monotonic()
        await peers[0].tell("SEND", {"destination": "/topic/a"}, b"%d" % number)
        for peer in peers:
            assert (await peer.frame()).body == b"%d" % number
        slowest = max(slowest, time.monotonic() - sent)
        number += 1
    assert slowest < 0.2
    assert [(await stuck.frame()).body for _ in range(number)] == [b"%d" % each for each in range(number)]
    for peer in (stuck, *peers):
        peer.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_thread_that_is_stuck_for_long_sends_its_subscribers_back_to_the_stores(start_node, logged):
    node = await start_node(
        {"threads": 2, "limits.mailbox_messages": 1000, "topics": ({"match": "/topic/#", "history_messages": 10_000},)}
    )
    late, publisher = await join(node, 1), await join(node, 0)
    cursor = (await late.subscribe("/topic/a", **{"from": "latest"}))["cursor"]
    held = threading.Event()
    node._loops[1].post(held.wait, 20)
    for number in range(2000):
        await publisher.tell("SEND", {"destination": "/topic/a"}, b"%d" % number)
    await publisher.publish("/topic/b")
    held.set()
    frames, _, _ = await late.ended()
    *messages, error = frames
    assert [frame.body for frame in messages] == [b"%d" % number for number in range(len(messages))]
    assert (error.command, error.headers["code"], error.headers["retry"]) == ("ERROR", "slow-consumer", "true")
    assert len(messages) == 1000 and node.stats["messages_missed"] == 1000
    cursor = messages[-1].headers["message-id"]
    assert error.body.decode().endswith(f"cursor {cursor}")
    back = await join(node, 1)
    assert (await back.subscribe("/topic/a", cursor=cursor))["recovered"] == "true"
    assert [(await back.frame()).body for _ in range(1000)] == [b"%d" % number for number in range(1000, 2000)]
    for peer in (late, publisher, back):
        peer.close()


@pytest.mark.gen_test(timeout=60)
async def test_a_flood_is_slowed_down_before_other_threads_lose_any_of_it(start_node):
    """Who publishes as fast as it can does so no faster than those on other threads are served."""
    wide = {"limits.messages": 1_000_000, "limits.bytes": 1 << 30, "limits.outbox_bytes": 1 << 30}
    node = await start_node({"threads": 3, "limits.mailbox_messages": 1000, **wide})
    readers = [await join(node, 1) for _ in range(20)]
    for reader in readers:
        await reader.subscribe("/topic/a", **{"max-messages": "1000000", "max-bytes": str(1 << 30)})
    publisher = await join(node, 0)
    frame = ws(stomp.encode("SEND", {"destination": "/topic/a"}, b"x", "1.2"))
    await publisher.send(frame * 10_000)
    for reader in readers:
        for _ in range(10_000):
            await reader.frame()
    assert node.stats["messages_missed"] == 0
    for peer in (publisher, *readers):
        peer.close()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.gen_test(timeout=60)
async def test_everything_once_and_in_order_for_all_who_come_and_go(start_node, hasty, seed):
    """Publishers on all threads; subscribers that are cut at random, and come back to whatever thread takes them."""
    random = Random(seed)
    node = await start_node({"threads": 4})
    publishers = [await join(node) for _ in range(4)]

    async def publish(index):
        for number in range(150):
            await publishers[index].tell("SEND", {"destination": f"/topic/a.{index}"}, b"%d" % number)
            if random.random() < 0.1:
                await asyncio.sleep(0.005)

    async def follow():
        seen, cursor, cuts = {}, None, 0
        peer = await join(node)
        cursor = (await peer.subscribe("/topic/a.*", **{"from": "latest"}))["cursor"]
        ready.append(1)
        while sum(seen.values()) < 600:
            try:
                async with asyncio.timeout(10):
                    frame = await peer.frame()
            except Closed:
                break
            origin = frame.headers["destination"]
            assert frame.body == b"%d" % seen.get(origin, 0)
            seen[origin] = seen.get(origin, 0) + 1
            cursor = frame.headers["message-id"]
            if cuts < 10 and random.random() < 0.05:
                cuts += 1
                peer.close()
                peer = await join(node)
                assert (await peer.subscribe("/topic/a.*", cursor=cursor))["recovered"] == "true"
        peer.close()
        return seen

    ready = []
    following = [asyncio.ensure_future(follow()) for _ in range(6)]
    await until(lambda: len(ready) == 6)
    await asyncio.gather(*[publish(index) for index in range(4)])
    for seen in await asyncio.gather(*following):
        assert seen == {f"/topic/a.{index}": 150 for index in range(4)}
    for peer in publishers:
        peer.close()


@pytest.mark.gen_test(timeout=60)
async def test_every_job_is_done_once_though_workers_die(start_node, hasty):
    random = Random(0)
    node = await start_node({"threads": 4})
    publisher, done = await join(node), []

    async def work(deaths):
        while len(done) < 300:
            worker = await join(node)
            wanted = {"id": "1", "destination": "/queue/jobs", "ack": "client-individual", "prefetch-count": "5"}
            await worker.tell("SUBSCRIBE", wanted)
            sent = 0  # acknowledgements that are not confirmed
            try:
                while len(done) < 300:
                    async with asyncio.timeout(0.2):
                        frame = await worker.frame()
                    if frame.command == "RECEIPT":
                        done.append(int(frame.headers["receipt-id"]))
                        sent -= 1
                    elif deaths and not sent and random.random() < 0.2:
                        deaths -= 1
                        break
                    else:
                        await worker.tell("ACK", {"id": frame.headers["ack"], "receipt": frame.body.decode()})
                        sent += 1
            except TimeoutError:
                pass
            worker.close()

    for number in range(300):
        await publisher.tell("SEND", {"destination": "/queue/jobs"}, b"%d" % number)
    await asyncio.gather(*[work(4) for _ in range(6)])
    assert sorted(done) == list(range(300))
    queue = node.registry.queues["/queue/jobs"]
    await until(lambda: not queue.unsettled)
    assert (queue.acked, len(queue)) == (300, 0)
    publisher.close()


@pytest.mark.gen_test(timeout=60)
async def test_an_operator_sees_all_threads_while_clients_come_and_go(start_node, hasty):
    """What is told of another thread's connections may be a moment old, but it is never half of something."""
    node = await start_node({"threads": 4})
    watcher, over = await join(node, 0), asyncio.Event()
    inbox = {"reply-to": "/temp-queue/me"}

    async def come_and_go(number):
        while not over.is_set():
            peer = await join(node)
            for each in range(5):
                await peer.subscribe(f"/queue/{number}.{each}", id=str(each))
                await peer.publish(f"/topic/{number}.{each}")
            peer.close()

    going = [asyncio.ensure_future(come_and_go(number)) for number in range(6)]
    seen = set()
    for number in range(600):
        operation = ("connections", "stats", "list")[number % 3]
        await watcher.tell("SEND", {"destination": f"/manage/{operation}", **inbox})
        answer = await watcher.frame()
        assert answer.headers.get("code") is None, answer
        for found in json.loads(answer.body).get("connections", ()):
            seen.add(found["name"])
    over.set()
    await asyncio.gather(*going)
    assert len(seen) > 6
    await until(lambda: node.gateway.connections == 1)
    watcher.close()
