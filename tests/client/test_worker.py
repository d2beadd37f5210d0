"""Functions that are given messages: workers on queues, and callbacks."""

import asyncio

import pytest

from qmq.client import connect
from tests.client.failing import fails
from tests.helpers import until


@pytest.mark.gen_test(timeout=20)
async def test_a_handler_answers_and_settles(gateway):
    node, url = await gateway()
    async with await connect(url) as client, await connect(url) as worker:

        @worker.handler("/queue/sums", concurrency=3)
        async def add(message):
            return {"sum": sum(message.json())}

        @worker.handler("/queue/quiet")
        def swallow(message):
            return None

        replies = await asyncio.gather(*[client.request("/queue/sums", [1, number]) for number in range(10)])
        assert [reply.json()["sum"] for reply in replies] == list(range(1, 11))
        await client.publish("/queue/sums", [1])  # nobody waits for the reply to it
        await client.publish("/queue/quiet", "x")
        assert callable(add)
        assert callable(swallow)
        for name in ("/queue/sums", "/queue/quiet"):
            queue = node.registry.queues[name]
            await until(lambda queue=queue: not len(queue) and not queue.unsettled)


@pytest.mark.gen_test(timeout=20)
async def test_as_many_at_the_same_time_as_it_says(gateway):
    _, url = await gateway()
    running, most, gate = set(), 0, asyncio.Event()

    async def work(message):
        nonlocal most
        running.add(message.id)
        most = max(most, len(running))
        await gate.wait()
        running.discard(message.id)

    async with await connect(url) as client:
        await client.publish_many([("/queue/a", str(number)) for number in range(10)])
        serving = asyncio.create_task(client.serve("/queue/a", work, concurrency=4))
        await until(lambda: len(running) == 4)
        gate.set()
        await until(lambda: not running)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        assert most == 4
        assert not len(client._talk._subscriptions)


@pytest.mark.gen_test(timeout=20)
async def test_a_handler_that_fails_gives_the_message_back_once(gateway, logged):
    logged.expect("the handler of /queue/a failed")
    node, url = await gateway()
    seen = []

    def fail(message):
        seen.append(message.redelivered)
        raise ValueError(message.text())

    async with await connect(url) as client:
        client.handler("/queue/a")(fail)
        await client.publish("/queue/a", "x")
        await until(lambda: len(seen) == 2)
        queue = node.registry.queues["/queue/a"]
        await until(lambda: not len(queue) and not queue.unsettled)
        assert seen == [False, True]


@pytest.mark.gen_test(timeout=20)
async def test_a_worker_goes_on_after_a_cut_and_what_it_had_comes_again(relayed):
    node, url, relay = await relayed()
    seen, gate = [], asyncio.Event()

    async def work(message):
        seen.append((message.text(), message.redelivered))
        if not message.redelivered:
            await gate.wait()
        return "done"

    async with await connect(url) as client:
        client.handler("/queue/a")(work)
        await client.publish("/queue/a", "1")
        await until(lambda: seen)
        relay.cut()
        await until(lambda: client.generation == 2)
        gate.set()
        await until(lambda: len(seen) == 2)
        assert seen == [("1", False), ("1", True)]
        queue = node.registry.queues["/queue/a"]
        await until(lambda: not len(queue) and not queue.unsettled)


@pytest.mark.gen_test(timeout=20)
async def test_a_worker_ends_with_its_client(gateway):
    node, url = await gateway()
    client = await connect(url, reconnect=False)
    serving = asyncio.create_task(client.serve("/queue/a", print))
    await until(lambda: "/queue/a" in node.registry.queues)
    await node.stop()
    async with fails("shutting-down"):
        await serving
    await client.close()
    _, url = await gateway()
    async with fails("bad-pattern"):
        client = await connect(url)
        try:
            await client.serve("/queue/a..b", print)
        finally:
            await client.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_callback_gets_each_message_in_order(gateway, logged):
    logged.expect("the callback of /topic/a failed")
    _, url = await gateway()
    seen = []

    async def hear(message):
        if message.text() == "2":
            raise ValueError("two")
        await client.publish("/topic/b", message.body)  # it may wait for answers
        seen.append(message.text())

    async with await connect(url) as client:
        subscription = await client.subscribe("/topic/a", callback=hear)
        quick = []
        await client.subscribe("/topic/b", callback=lambda message: quick.append(message.text()))
        await client.publish_many([("/topic/a", str(number)) for number in range(5)])
        await until(lambda: len(quick) == 4)
        assert seen == quick == ["0", "1", "3", "4"]
        await subscription.unsubscribe()
        await client.publish("/topic/a", "5")
    assert len(seen) == 4


@pytest.mark.gen_test(timeout=20)
async def test_a_callback_may_close_the_client(gateway):
    _, url = await gateway()
    client = await connect(url)
    await client.subscribe("/topic/a", callback=lambda message: client.close())
    client.publish_nowait("/topic/a", "x")
    assert (await client.wait_closed()).code.name == "closed"
    await until(lambda: not client._talk.program.tasks)
    await client.close()
