"""All or nothing, over one connection or two."""

import asyncio

import pytest

from qmq.client import connect
from tests.client.failing import fails
from tests.helpers import until

WORK = {"ack": "client-individual"}


@pytest.mark.gen_test(timeout=20)
async def test_a_block_is_done_at_its_end(gateway):
    node, url = await gateway()
    async with await connect(url) as client:
        work = await client.subscribe("/queue/jobs", WORK)
        await client.publish_many([("/queue/jobs", "1"), ("/queue/jobs", "2")])
        first, second = [await work.next() for _ in range(2)]
        done = await client.subscribe("/topic/done")
        async with client.transaction() as tx:
            tx.publish("/topic/done", {"n": 1}, {"k": "v"})
            tx.ack(first)
            tx.nack(second, requeue=False)
            assert node.registry.queues["/queue/jobs"].unsettled == 2
        message = await done.next()
        assert (message.json(), message.headers["k"]) == ({"n": 1}, "v")
        assert "transaction" not in message.headers
        queue = node.registry.queues["/queue/jobs"]
        assert (len(queue), queue.unsettled) == (0, 0)
        async with client.transaction():
            pass
        async with fails("unknown-delivery", "it is settled"), client.transaction() as tx:
            tx.ack(first)


@pytest.mark.gen_test(timeout=20)
async def test_a_block_that_raises_does_nothing(gateway):
    node, url = await gateway()
    async with await connect(url) as client:
        work = await client.subscribe("/queue/jobs", WORK)
        await client.publish("/queue/jobs", "1")
        job, offset = await work.next(), node.hub.offset
        with pytest.raises(ZeroDivisionError):
            async with client.transaction() as tx:
                tx.publish("/topic/done", "x")
                tx.ack(job)
                raise ZeroDivisionError
        assert node.registry.queues["/queue/jobs"].unsettled == 1
        assert node.hub.offset == offset
        await job.ack()


@pytest.mark.gen_test(timeout=20)
async def test_what_cannot_be_sent_is_refused_at_once(gateway):
    _, url = await gateway()
    async with await connect(url, outbox_bytes=1000) as client:
        tx = client.transaction()
        async with fails("bad-header"):
            tx.publish("/topic/\udcff", "x")
        tx.publish("/topic/a", "x" * 500)
        async with fails("transaction-too-large", "1000 octets"):
            tx.publish("/topic/a", "x" * 500)
        await tx.commit()
        work = await client.subscribe("/queue/a")
        await client.publish("/queue/a", "x")
        message = await work.next()
        for settle in (tx.ack, tx.nack):
            async with fails("unknown-delivery", "it came settled"):
                settle(message)


@pytest.mark.gen_test(timeout=20)
async def test_one_that_only_publishes_is_repeated_and_done_once(relayed):
    node, url, relay = await relayed()
    async with await connect(url) as client:
        relay.deaf_to_gateway = True

        async def work():
            async with client.transaction() as tx:
                for number in range(3):
                    tx.publish("/topic/a", str(number))

        working = asyncio.create_task(work())
        await until(lambda: node.hub.offset == 3)
        relay.cut()
        relay.deaf_to_gateway = False
        await working
        assert (node.hub.offset, client.generation) == (3, 2)
        relay.target, target = None, relay.target
        relay.cut()
        await until(lambda: client.state != "open")
        working = asyncio.create_task(work())
        await asyncio.sleep(0)
        relay.target = target
        await working
        assert node.hub.offset == 6


@pytest.mark.gen_test(timeout=20)
async def test_one_that_settles_ends_with_its_connection(relayed):
    node, url, relay = await relayed()
    async with await connect(url) as client:
        work = await client.subscribe("/queue/a", WORK)
        await client.publish("/queue/a", "x")
        job, offset = await work.next(), node.hub.offset
        relay.deaf = True

        async def settle():
            async with client.transaction() as tx:
                tx.publish("/topic/done", "x")
                tx.ack(job)

        settling = asyncio.create_task(settle())
        await until(lambda: len(client._talk._passing))
        relay.cut()
        relay.deaf = False
        async with fails("connection-lost"):
            await settling
        again = await work.next()
        assert (again.redelivered, node.hub.offset) == (True, offset)
        async with fails("unknown-delivery", "its queue has it again"), client.transaction() as tx:
            tx.ack(job)
        async with client.transaction() as tx:
            tx.ack(again)
