"""Too much for a queue, for a client, for the whole node: who waits, who is told, and that nothing is lost."""

import asyncio
import contextlib

import pytest

from qmq.wire import stomp
from tests.gateway.queue_peers import BOTH, bodies, message, nothing_more, settle, work
from tests.helpers import caught_up, connections_of, lasts, narrow, plain, server_side, until, ws

CEILING = 1 << 20  # the least that can be configured
CHUNK = 64 * 1024  # what is read at once
BODY = b"x" * 4000

every_transport = pytest.mark.parametrize("transport", ["http", "stomp"])


def small(**more):
    """Options of a node with little memory."""
    return {**BOTH, "limits.memory": CEILING, **{name.replace("__", "."): value for name, value in more.items()}}


def send(transport, destination, body, **headers):
    """The octets of a SEND."""
    data = stomp.encode("SEND", {"destination": destination, **headers}, body)
    return data if transport == "stomp" else ws(data)


@contextlib.asynccontextmanager
async def publishing(peer, transport, count, destination="/queue/jobs", first=0):
    """Publishes so many numbered messages, with a receipt for the last; gives the task that does."""

    async def publish():
        loop = asyncio.get_running_loop()
        for start in range(first, first + count, 10):
            numbers = range(start, min(start + 10, first + count))
            data = [send(transport, destination, b"%06d" % number + BODY) for number in numbers]
            await loop.sock_sendall(peer.sock, b"".join(data))
        await loop.sock_sendall(peer.sock, send(transport, destination, b"last", receipt="last"))

    task = asyncio.create_task(publish())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def slowed(node, publishers=1):
    """Returns when so many connections wait for memory; it is as full then as it can get."""
    await until(lambda: sum(one._waits for one in connections_of(node)) >= publishers)
    assert_bounded(node, publishers)


def assert_bounded(node, publishers):
    """What is counted is the ceiling and a chunk of each publisher, with what the messages in it cost besides."""
    allowed = CEILING + publishers * CHUNK * 1.2
    assert node.registry.memory.used <= allowed, (node.registry.memory, allowed)


async def ready(node, dial):
    """What a load balancer hears: the status, and the code if it is an error."""
    peer = await dial(node)
    answer = await peer.ask(plain("/health/ready"))
    return answer.problem() if answer.status != 200 else (200, None)


async def consume(peer, done):
    """Takes and acknowledges until the condition is true of the bodies; returns them, shortened."""
    found = []
    while not done(found):
        frame = await peer.frame()
        if frame.command == "MESSAGE":
            found.append(frame.body[:6])
            await settle(peer, frame)
    return found


# A queue


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_full_queue_refuses_with_the_receipt_and_its_consumer_goes_on(start_node, enter, transport):
    node = await start_node({**BOTH, "queues": ({"match": "/queue/jobs", "max_length": 2},)})
    consumer, publisher = await enter(node, transport), await enter(node, transport)
    await work(consumer, prefetch_count="1")
    for number in range(3):
        await publisher.publish("/queue/jobs", b"%d" % number)
    await publisher.tell("SEND", {"destination": "/queue/jobs", "receipt": "too many"}, b"3")
    frames, close, _ = await publisher.ended()
    (error,) = frames
    assert (error.headers["code"], error.headers["receipt-id"]) == ("queue-full", "too many")
    assert error.headers["retry"] == "true"
    assert b"/queue/jobs holds 2 messages of 2 octets; max-length is 2" in error.body
    assert close == (4010 if transport == "http" else 1006)
    frame = await message(consumer, b"0")
    for number in (b"1", b"2"):
        await settle(consumer, frame)
        frame = await message(consumer, number)
    again = await enter(node, transport)
    await again.publish("/queue/jobs", b"3")  # there is room again
    await settle(consumer, frame)
    await message(consumer, b"3")
    jobs = node.registry.queues["/queue/jobs"]
    assert (jobs.published, jobs.acked) == (4, 3)
    assert jobs.stats["publishes_refused"] == node.stats["publishes_refused"] == 1


# The whole node


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_publishers_wait_for_memory_and_go_on_when_consumers_have_made_room(start_node, enter, dial, transport):
    node = await start_node(small())
    count, publishers = 600, [await enter(node, transport) for _ in range(3)]
    assert await ready(node, dial) == (200, None)
    async with contextlib.AsyncExitStack() as stack:
        tasks = [
            await stack.enter_async_context(publishing(peer, transport, count, first=number * count))
            for number, peer in enumerate(publishers)
        ]
        await slowed(node, 3)
        jobs = node.registry.queues["/queue/jobs"]
        before = jobs.published
        assert await ready(node, dial) == (503, "memory-full")
        # Others are not concerned: they come, subscribe, and consume.
        consumer = await enter(node, transport)
        await consumer.receipt("SUBSCRIBE", {"id": "t", "destination": "/topic/elsewhere"})
        assert jobs.published == before
        await work(consumer, prefetch_count="20")
        found = await consume(consumer, lambda found: len(found) == 3 * (count + 1))
        await asyncio.gather(*tasks)
    assert found.count(b"last") == 3
    assert sorted(found)[:-3] == [b"%06d" % number for number in range(3 * count)]
    for number, peer in enumerate(publishers):
        assert (await peer.frame()).headers == {"receipt-id": "last"}
        mine = [body for body in found if body != b"last" and int(body) // count == number]
        assert mine == sorted(mine)  # each one's own order
    await until(lambda: node.registry.memory.used == 0)
    assert await ready(node, dial) == (200, None)
    assert node.stats["publishers_slowed"] > 3


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_memory_stays_bounded_through_many_rounds(start_node, enter, transport):
    node = await start_node(small())
    publisher, consumer = await enter(node, transport), await enter(node, transport)
    await work(consumer, prefetch_count="5")
    async with publishing(publisher, transport, 1000):
        found = []
        while len(found) < 1001:
            if len(found) in range(0, 501, 100):  # a consumer that is quicker than the publisher would see no round
                await until(lambda: node.stats["publishers_slowed"] > len(found) // 100)
            frame = await message(consumer)
            found.append(frame.body[:6])
            await settle(consumer, frame)
            assert_bounded(node, 1)
    assert found == [*(b"%06d" % number for number in range(1000)), b"last"]
    assert node.stats["publishers_slowed"] > 5  # so often was it full


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_waiting_publisher_is_not_blamed_for_beats_that_nobody_reads(start_node, enter, transport):
    node = await start_node(small(limits__ping_seconds=0.05))
    publisher = await enter(node, transport, **{"heart-beat": "100,100"})
    connection = server_side(node, publisher)
    async with publishing(publisher, transport, 600) as task:
        await slowed(node)
        for _ in range(12):  # periods of the tick: many times the silence that would be allowed
            timer = connection._timer
            await until(lambda timer=timer: connection._timer is not timer)
        assert not connection._closing
        assert connection._silence == 0
        consumer = await enter(node, transport)
        await work(consumer)
        assert len(await consume(consumer, lambda found: found[-1:] == [b"last"])) == 601
        await task
    assert (await publisher.frame()).headers == {"receipt-id": "last"}
    assert len(publisher.beats) > 3  # it had its own all the time
    assert node.stats["errors_heartbeat-lost"] == 0


def waiting(node):
    """How many publishers wait for memory."""
    return sum(len(branch.gateway.registry.memory._waiting) for branch in node.branches)


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_waiting_publishers_that_vanish_leave_nothing_behind(start_node, enter, transport):
    node = await start_node(small())
    first = await enter(node, transport)
    async with publishing(first, transport, 600):
        await slowed(node)
        for _ in range(3):
            other = await enter(node, transport)
            await other.publish("/queue/jobs", b"x")
            await slowed(node, 2)
            assert waiting(node) == 2
            other.close()
            await until(lambda: node.gateway.connections == 1)
            assert waiting(node) == 1


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_waiting_publisher_hears_why_it_is_sent_away(start_node, enter, transport):
    node = await start_node(small(limits__linger_seconds=60.0))
    publisher = await enter(node, transport)
    await work(publisher, "/queue/own", ack="auto")
    async with publishing(publisher, transport, 600):
        await slowed(node)
        node.registry.delete("/queue/own")
        error = await publisher.frame()
        assert error.headers["code"] == "queue-deleted"
        publisher.close()
    await until(lambda: node.gateway.connections == 0)


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_who_has_something_to_settle_need_not_wait_but_is_stopped_at_the_brim(start_node, enter, transport):
    """Else its acknowledgements would wait behind what it publishes, and memory would be full for ever."""
    node = await start_node(small())
    worker = await enter(node, transport)
    await work(worker, "/queue/own")
    await worker.tell("SEND", {"destination": "/queue/own"}, b"unsettled")
    await message(worker, b"unsettled")
    async with publishing(worker, transport, 600):
        error = await worker.frame()
    assert error.headers["code"] == "memory-full"
    assert node.registry.memory.used <= CEILING * 1.25 + len(BODY) + 1000
    await until(lambda: len(node.registry.queues["/queue/own"]) == 1)


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_transaction_that_fills_memory_can_be_committed(start_node, enter, transport):
    node = await start_node(small())
    publisher = await enter(node, transport)
    await publisher.tell("BEGIN", {"transaction": "t"})
    for number in range(270):  # just above the ceiling
        await publisher.tell("SEND", {"destination": "/queue/jobs", "transaction": "t"}, b"%06d" % number + BODY)
    await until(lambda: node.registry.memory.full)
    await publisher.receipt("COMMIT", {"transaction": "t"})
    assert len(node.registry.queues["/queue/jobs"]) == 270


# A client


async def fill(node, peer, destination="/queue/jobs"):
    """Publishes until a consumer that does not read has got all that it can get; returns how many that were."""
    queue, connection = node.registry.queues[destination], narrow(server_side(node, peer))
    number = 0
    while not await lasts(lambda: connection._blocked and len(queue)):
        node.publish(destination, b"%06d" % number + BODY)
        number += 1
        assert number < 10_000
        await caught_up(connection)
    return number


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_what_a_consumer_does_not_read_stays_in_the_queue_for_others(start_node, enter, transport):
    node = await start_node({**BOTH, "limits.ping_seconds": 60.0})
    slow = await enter(node, transport, receive_buffer=4096)
    await work(slow, prefetch_count="60000")
    jobs = node.registry.queues["/queue/jobs"]
    filled = await fill(node, slow)
    outbox = server_side(node, slow).outbox
    given = jobs.unsettled
    for number in range(filled, filled + 500):
        node.publish("/queue/jobs", b"%06d" % number + BODY)
        await asyncio.sleep(0)
        assert outbox.backlog_bytes <= 64 * 1024 + 2 * len(BODY)
    assert jobs.unsettled == given
    assert len(jobs) == filled + 500 - given
    # Another one gets all of that, and nothing else.
    quick = await enter(node, transport)
    await work(quick)
    found = await consume(quick, lambda found: len(found) == filled + 500 - given)
    assert found == [b"%06d" % number for number in range(given, filled + 500)]
    await nothing_more(quick)
    # The slow one reads again: first what was meant for it all the time, then it has its turns as ever.
    assert await consume(slow, lambda found: len(found) == given) == [b"%06d" % number for number in range(given)]
    await until(lambda: jobs.acked == filled + 500)
    for number in range(4):
        node.publish("/queue/jobs", b"more %d" % number)
    assert sorted(await bodies(slow, 2) + await bodies(quick, 2)) == [b"more %d" % number for number in range(4)]


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_consumer_that_reads_again_gets_the_rest(start_node, enter, transport):
    node = await start_node({**BOTH, "limits.ping_seconds": 60.0})
    slow = await enter(node, transport, receive_buffer=4096)
    await slow.subscribe("/queue/jobs")  # settled by being sent
    jobs = node.registry.queues["/queue/jobs"]
    filled = await fill(node, slow)
    for number in range(filled, filled + 500):
        node.publish("/queue/jobs", b"%06d" % number + BODY)
    assert len(jobs) >= 500
    found = [(await message(slow)).body[:6] for _ in range(filled + 500)]
    assert found == [b"%06d" % number for number in range(filled + 500)]
    assert (len(jobs), jobs.acked, node.registry.memory.used) == (0, filled + 500, 0)


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_consumer_that_never_reads_loses_what_it_has_to_another(start_node, enter, transport):
    node = await start_node({**BOTH, "limits.ping_seconds": 0.1, "limits.linger_seconds": 0.1})
    slow = await enter(node, transport, receive_buffer=4096)
    await work(slow, prefetch_count="60000")
    filled = await fill(node, slow)
    await until(lambda: node.gateway.connections == 0)
    assert node.stats["errors_heartbeat-lost"] == 1
    quick = await enter(node, transport)
    await work(quick)
    assert await consume(quick, lambda found: len(found) == filled) == [b"%06d" % number for number in range(filled)]


@pytest.mark.one_thread("counts what each pass of the one loop leaves behind a blocked socket")
@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_short_memory_is_no_reason_to_end_a_slow_consumer(start_node, enter, transport):
    """What waits for it is bounded already, and it is the one who makes room."""
    node = await start_node(small(limits__ping_seconds=60.0))
    slow = await enter(node, transport, receive_buffer=4096)
    await work(slow, ack="auto")  # so that what is on its way is not in memory too
    connection, number = server_side(node, slow), 0
    while not connection._blocked:  # each message by itself, so that it has room for more when its socket has not
        node.publish("/queue/jobs", b"%06d" % number + BODY)
        number += 1
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    node.registry.hub.flush()
    node.publish("/queue/elsewhere", bytes(CEILING - node.registry.memory.used))
    assert node.registry.memory.full
    for _ in range(30):
        node.publish("/queue/jobs", b"%06d" % number + BODY)
        number += 1
    found = [(await message(slow)).body[:6] for _ in range(number)]
    assert found == [b"%06d" % each for each in range(number)]
    assert not [name for name in node.stats.snapshot() if name.startswith("errors_")]


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_a_subscriber_of_topics_that_does_not_read_is_ended_when_memory_is_short(start_node, enter, transport):
    node = await start_node(small(limits__ping_seconds=60.0))
    slow = await enter(node, transport, receive_buffer=4096)
    await slow.subscribe("/topic/news", max_messages="100000", max_bytes="16000000")
    publisher = await enter(node, transport)
    count = 6000
    async with publishing(publisher, transport, count, "/topic/news") as task:
        await asyncio.wait_for(task, 20)  # it was not stopped for good
    assert (await publisher.frame()).headers == {"receipt-id": "last"}
    assert node.stats["errors_outbox-full"] == node.stats["connections_closed_outbox-full"] == 1
    frames = []
    while not frames or frames[-1].command == "MESSAGE":
        frames.append(await slow.frame())
    error = frames.pop()
    assert (error.command, error.headers["code"], error.headers["retry"]) == ("ERROR", "outbox-full", "true")
    assert b"the server is short of memory" in error.body
    assert [frame.body[:6] for frame in frames] == [b"%06d" % number for number in range(len(frames))]
    await until(lambda: node.registry.memory.used == 0)


@every_transport
@pytest.mark.gen_test(timeout=30)
async def test_subscribers_that_do_not_read_cannot_hold_publishers_up_with_what_waits_already(
    start_node, enter, transport
):
    """Memory becomes full by a queue. Nothing more comes for the subscriber, so that nothing looks at its bounds."""
    node = await start_node(small(limits__ping_seconds=0.2, limits__linger_seconds=0.1))
    slow = await enter(node, transport, receive_buffer=4096, **{"heart-beat": "2000,0"})
    await slow.subscribe("/topic/news", max_messages="100000", max_bytes="16000000")
    connection = narrow(server_side(node, slow))
    while connection.outbox.backlog_bytes < CEILING * 0.7:  # and not much more, on whatever thread it is
        node.publish("/topic/news", BODY)
        await caught_up(connection)

    async def beat():  # it lives, and does not read
        while True:
            await slow.send(b"\n" if transport == "stomp" else ws(b"\n"))
            await asyncio.sleep(0.05)

    publisher = await enter(node, transport)
    beating = asyncio.create_task(beat())
    try:
        async with publishing(publisher, transport, 120) as task:  # less than half of the ceiling
            await asyncio.wait_for(task, 20)
            assert (await publisher.frame()).headers == {"receipt-id": "last"}
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    assert node.stats["errors_outbox-full"] == 1
