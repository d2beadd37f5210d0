"""What does not go on is noticed, and what goes on or rests is not."""

import asyncio
import json
import threading
import time

import pytest

from qmq import watch
from qmq.loops import LoopThread
from qmq.watch import Watch
from tests.helpers import Peer, plain, until


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(watch, "_PERIOD", 0.01)
    monkeypatch.setattr(watch, "_PATIENCE", 0.1)


class Hub:
    """A hub that is flushed as a test says."""

    passes = 0
    busy = False


@pytest.mark.gen_test(timeout=20)
async def test_hub_that_is_busy_and_not_flushed_is_noticed():
    hub = Hub()
    looking = Watch(3, hub)
    assert looking.why_not_live() is None
    hub.busy = True
    await until(lambda: looking.why_not_live() is not None)
    assert "loop 3 has not written what it has to write for" in str(looking.why_not_live())
    hub.passes += 1
    await until(lambda: looking.why_not_live() is None)
    await until(lambda: looking.why_not_live() is not None)
    hub.busy = False
    await until(lambda: looking.why_not_live() is None)
    looking.stop()
    looking.stop()


@pytest.mark.gen_test(timeout=20)
async def test_hub_that_is_busy_and_flushed_lives():
    hub = Hub()
    hub.busy = True
    looking = Watch(0, hub)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        hub.passes += 1
        assert looking.why_not_live() is None
        await asyncio.sleep(0.005)
    looking.stop()


@pytest.mark.gen_test(timeout=20)
async def test_loop_that_stands_is_noticed_from_another():
    thread, go_on = LoopThread("stuck"), threading.Event()
    await thread.start()
    looking = await thread.run(Watch, 1, Hub())
    thread.post(go_on.wait)
    await until(lambda: looking.why_not_live() is not None)
    assert "loop 1 has not run for" in str(looking.why_not_live())
    go_on.set()
    await until(lambda: looking.why_not_live() is None)
    await thread.run(looking.stop)
    await thread.stop()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.gen_test(timeout=20)
async def test_node_whose_hub_is_not_flushed_does_not_live(start_node, threads):
    node = await start_node({"threads": threads})
    peer = await Peer.open(node.listen[0]["port"])
    assert (await peer.ask(plain("/health/live"))).status == 200
    hub = node.branches[-1].gateway.registry.hub
    hub._wake, hub.flush = lambda: None, lambda: None  # a fault that nobody has thought of
    hub._awake = True
    hub._unsettled[None] = None  # there is something to flush
    await until(lambda: node._why_not_live() is not None)
    answer = await peer.ask(plain("/health/live"))
    told = json.loads(answer.body)
    assert (answer.status, told["code"]) == (503, "stalled")
    assert f"loop {threads - 1} " in told["detail"]
    hub._unsettled.clear()
    peer.close()
