"""A node's core on real threads: order and completeness while everybody does everything at once."""

import asyncio
import time

import pytest

from qmq.config import make
from qmq.core.hub import Hub
from qmq.core.message import Envelope, Origin
from qmq.core.registry import Registry
from qmq.core.sibling import Sibling
from qmq.loops import Loop, LoopThread
from qmq.stats import Stats, Sum
from qmq.trunk import Trunk
from tests.helpers import until
from tests.throng import QUEUES, Subscriber, Worker, check

ORIGIN = Origin("node", "e")


async def grow(threads):
    """Loops and a trunk."""
    loops = [Loop()]
    for number in range(1, threads):
        loops.append(LoopThread(f"loop-{number}"))
        await loops[-1].start()
    keeps_all = {"match": "/topic/#", "history_messages": 1_000_000, "history_bytes": 1 << 28}
    config = make({"topics": (keeps_all,)})
    return loops, Trunk(config, ORIGIN, loops, Sum([]) if threads > 1 else Stats())


@pytest.mark.gen_test(timeout=60)
async def test_one_loop_shares_nothing():
    _, trunk = await grow(1)
    assert type(trunk.registry) is Registry and type(trunk.registry.hub) is Hub
    assert trunk.views == [trunk.registry]


@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.gen_test(timeout=60)
async def test_everything_at_once_on_threads_that_change_all_the_time(hasty, threads):
    loops, trunk = await grow(threads)
    workers = [Worker(index, view) for index, view in enumerate(trunk.views)]
    begin = time.monotonic()
    while time.monotonic() < begin + 2 and sum(len(worker.published) for worker in workers) < 10_000:
        await asyncio.gather(*[loop.run(worker.work, 100) for loop, worker in zip(loops, workers, strict=True)])
    queues = [trunk.registry.declare(name) for name in QUEUES]
    finishing = [asyncio.ensure_future(loop.run(worker.finish)) for loop, worker in zip(loops, workers, strict=True)]
    await until(lambda: not any(len(queue) or queue.unsettled for queue in queues), 20)
    for worker in workers:
        worker.going = False
    await asyncio.gather(*finishing)
    for loop, worker in zip(loops, workers, strict=True):
        await loop.run(lambda hub=worker.view.hub: [hub.flush() for _ in range(50)])
    check(workers)
    assert isinstance(trunk.registry.hub, Sibling)
    assert sum(len(worker.published) for worker in workers) > 100
    assert trunk.registry.memory.used == 0
    for loop in loops:
        await loop.stop()


@pytest.mark.gen_test(timeout=20)
async def test_what_falls_due_is_set_from_any_thread_and_comes_on_the_first():
    loops, trunk = await grow(2)
    await loops[1].run(trunk.views[1].declare, "/queue/gone", {"expires": 20})
    await until(lambda: "/queue/gone" not in trunk.registry.queues)
    assert trunk.registry.totals["queues_expired"] == 1
    await loops[1].stop()


@pytest.mark.gen_test(timeout=20)
async def test_a_burst_from_another_thread_is_looked_at_together():
    """At once when little comes; when much comes, no more often than that."""
    loops, trunk = await grow(2)
    hub, looks = trunk.views[1].hub, []
    look = hub.look
    hub.look = lambda: (looks.append(time.monotonic()), look())
    readers = [await loops[1].run(Subscriber, hub, "/topic/a") for _ in range(16)]
    begin, published = time.monotonic(), 0
    while time.monotonic() < begin + 0.1:
        trunk.registry.hub.publish(Envelope("/topic/a", {}), b"x", True)
        published += 1
        await asyncio.sleep(0)
    await until(lambda: [len(reader.numbers) for reader in readers] == [published] * 16)
    assert len(looks) <= (looks[-1] - looks[0]) / 0.0005 + 2
    assert looks[0] - begin < 0.1
    await loops[1].stop()
