"""Who sends too much is read from more slowly, or sent away; and who sends nothing for too long."""

import asyncio
import time

import pytest

from qmq.config import make
from qmq.gateway.meter import _ADDRESSES, Bucket, Meter, Meters
from qmq.wire import stomp
from qmq.wire.stomp import CountingDecoder
from tests.gateway.api_peer import ApiPeer
from tests.gateway.avro_peer import AvroPeer, posting, publish
from tests.gateway.poll_peer import Poller
from tests.gateway.queue_peers import BOTH
from tests.gateway.sockjs_peer import SockJs
from tests.helpers import connections_of, until, ws

SEND = stomp.encode("SEND", {"destination": "/topic/a"}, b"x")
LAST = stomp.encode("SEND", {"destination": "/topic/a", "receipt": "r"}, b"last")


class Clock:
    now = 50.0

    def __call__(self):
        return self.now


def test_a_bucket_holds_what_one_second_earns():
    bucket = Bucket(10, 0.0)
    assert [bucket.take(5, 0.0), bucket.take(5, 0.0)] == [0, 0]
    assert bucket.take(5, 0.0) == 0.5
    assert bucket.take(0, 0.5) == 0
    assert bucket.take(1, 0.5) == pytest.approx(0.1)
    assert bucket.take(10, 100.0) == 0
    assert bucket.lacks(5, 100.5) == 0
    assert bucket.lacks(8, 100.5) == pytest.approx(0.3)
    assert bucket.lacks(1000, 100.5) == pytest.approx(0.5)  # more than it holds can be had when it is full
    assert bucket.take(25, 101.0) == 1.5


def test_a_slow_rate_gives_one_message_at_least():
    bucket = Bucket(0.1, 0.0)
    assert bucket.take(1, 0.0) == 0
    assert bucket.take(1, 5.0) == pytest.approx(5.0)


def test_the_slower_of_two_rates_counts():
    clock = Clock()
    meter = Meter(make({"limits.publish_rate": 10.0, "limits.octet_rate": 100}).limits, clock)
    assert meter.charge(100, 10) == 0
    assert meter.charge(50, 11) == pytest.approx(0.5)
    clock.now += 10
    assert meter.charge(0, 31) == pytest.approx(1.0)
    assert meter.period is None


def test_idleness_begins_with_the_last_frame():
    meter = Meter(make({"limits.idle_seconds": 3.0}).limits, Clock())
    assert meter.charge(1 << 30, 1 << 30) == 0
    assert [meter.watch(2, 1, False), meter.watch(2, 1, False)] == [None, None]
    assert meter.watch(2, 2, False) is None
    assert meter.watch(2, 2, False) is None
    assert meter.watch(2, 2, True) is None
    assert meter.watch(2, 2, False) is None
    assert meter.watch(2, 2, False).code.name == "idle-timeout"


@pytest.mark.gen_test(timeout=20)
async def test_without_such_limits_nothing_is_counted(start_node, join):
    """So they cost nothing: no meter, and the very decoder that counts nothing."""
    node = await start_node()
    await join(node)
    (connection,) = connections_of(node)
    assert connection.meter is None
    assert type(connection.conversation._decoder) is stomp.Decoder
    assert connection.conversation.counts == (0, 0)


def test_a_decoder_counts_the_same_frames_that_it_returns():
    decoder = CountingDecoder()
    frames = decoder.feed(SEND * 3 + b"\n\n" + stomp.encode("BEGIN", {"transaction": "t"}) + SEND[:-1])
    assert (len(frames), decoder.frames, decoder.sends) == (4, 4, 3)
    decoder.feed(b"\0")
    assert (decoder.frames, decoder.sends) == (5, 4)


RATES = {
    "messages": ({"limits.publish_rate": 200.0}, SEND * 300 + LAST),  # half a second too many
    "octets": ({"limits.octet_rate": 20_000}, SEND * 15 + b"\n" * (30_000 - 15 * len(SEND) - len(LAST)) + LAST),
}


@pytest.mark.parametrize("kind", RATES)
@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_who_is_too_fast_is_slowed_down_and_nobody_else(start_node, enter, witness, transport, kind):
    limits, octets = RATES[kind]
    node = await start_node({**BOTH, **limits, "limits.ping_seconds": 0.1})
    seen = await witness(node)
    peer = await enter(node, transport)
    begin = time.monotonic()
    wrap = ws if transport == "http" else bytes
    await peer.send(wrap(octets))
    await until(lambda: node.stats["clients_too_fast"] >= 1)
    assert await seen.well() < 0.3
    await peer.send(wrap(LAST))  # not read before its time has come, nor are answers to pings
    receipts = [await peer.frame() for _ in range(2)]
    assert [frame.command for frame in receipts] == ["RECEIPT"] * 2
    assert 0.35 < time.monotonic() - begin < 5


@pytest.mark.gen_test(timeout=20)
async def test_requests_that_send_are_answered_later(start_node):
    node = await start_node({"limits.publish_rate": 100.0})
    poller = await (await Poller.open(node)).login()
    begin = time.monotonic()
    assert await poller.send(SEND * 150) == (204, b"")
    assert time.monotonic() - begin > 0.35
    sockjs = await SockJs.open(node)
    await sockjs.login()
    begin = time.monotonic()
    assert await sockjs.send(*[SEND.decode()] * 150) == 204
    assert time.monotonic() - begin > 0.35
    poller.close()
    sockjs.close()


async def publish_json(node, count):
    """Publishes so many at once; status and headers of the answer."""
    peer = await ApiPeer.open(node.listen[0]["port"])
    status, headers, _ = await peer.call("POST", "/publish", [{"destination": "/topic/a", "body": "x"}] * count)
    peer.close()
    return status, headers


async def publish_avro(node, count):
    peer = await AvroPeer.open(node.listen[0]["port"])
    peer.tell(publish(*[posting("/topic/a")] * count))
    status, headers, _ = await peer.answer()
    peer.close()
    return status, headers


@pytest.mark.parametrize("ask", [publish_json, publish_avro])
@pytest.mark.gen_test(timeout=20)
async def test_requests_count_by_address_whatever_connection_they_use(start_node, ask):
    node = await start_node({"limits.publish_rate": 100.0})
    begin = time.monotonic()
    assert (await ask(node, 100))[0] == 200
    assert node.stats["clients_too_fast"] == 0
    assert (await ask(node, 50))[0] == 200
    assert 0.35 < time.monotonic() - begin < 5
    assert node.stats["clients_too_fast"] == 1


@pytest.mark.parametrize("ask", [publish_json, publish_avro])
@pytest.mark.gen_test(timeout=20)
async def test_requests_that_are_too_fast_may_be_refused(start_node, ask):
    node = await start_node({"limits.publish_rate": 100.0, "limits.refuse_too_fast": True})
    assert (await ask(node, 250))[0] == 200
    status, headers = await ask(node, 1)
    assert (status, headers["retry-after"]) == (429, "2")
    assert node.stats["errors_too-fast"] == 1


def test_meters_by_address_are_bounded():
    meters = Meters(make({"limits.publish_rate": 1.0}).limits, Clock())
    assert meters.take("2001:db8::1", 0, 2) == meters.take("2001:db8::2", 0, 0) == 1.0
    for number in range(_ADDRESSES + 10):
        assert meters.take(str(number), 0, 1) == 0
    assert len(meters._known) == _ADDRESSES
    meters.check("2001:db8::1", 1, 1)


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_who_is_too_fast_may_be_sent_away(start_node, enter, transport):
    node = await start_node({**BOTH, "limits.publish_rate": 100.0, "limits.refuse_too_fast": True})
    peer = await enter(node, transport)
    await peer.subscribe("/topic/a")
    await peer.send((ws if transport == "http" else bytes)(SEND * 300))
    while (frame := await peer.frame()).command == "MESSAGE":
        pass
    assert (frame.command, frame.headers["code"], frame.headers["retry"]) == ("ERROR", "too-fast", "true")
    assert 1000 < int(frame.headers["retry-after"]) < 3000
    assert node.stats["errors_too-fast"] == 1


@pytest.mark.one_thread("drains and aborts one gateway by hand")
@pytest.mark.parametrize("how", ["go", "drain", "abort"])
@pytest.mark.gen_test(timeout=20)
async def test_it_may_end_while_it_is_slowed_down(start_node, enter, how):
    node = await start_node({**BOTH, "limits.publish_rate": 1.0, "limits.linger_seconds": 0.1})
    peers = [await enter(node, transport) for transport in ("http", "stomp")]
    for peer, wrap in zip(peers, (ws, bytes), strict=True):
        await peer.send(wrap(SEND * 100))
    await until(lambda: node.stats["clients_too_fast"] == 2)
    connections = list(node.gateway._connections)
    if how == "go":
        for peer in peers:
            peer.close()
    elif how == "drain":
        await node.gateway.drain(0.1)
    else:
        node.gateway.abort()
    await until(lambda: node.gateway.connections == 0)
    assert [each.meter.timer for each in connections] == [None, None]
    assert node.gateway.door.census.total == 0


IDLE = {**BOTH, "limits.idle_seconds": 0.3, "limits.linger_seconds": 0.1}


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_who_is_there_for_nothing_is_sent_away(start_node, enter, transport):
    node = await start_node(IDLE)
    idle = await enter(node, transport, heart_beat="100,100")
    subscriber, worker, publisher = [await enter(node, transport, heart_beat="0,0") for _ in range(3)]
    await subscriber.subscribe("/topic/b")
    await worker.subscribe("/queue/a")
    begin = time.monotonic()

    async def publish():
        while True:
            await publisher.publish("/topic/a", b"x")
            await asyncio.sleep(0.05)

    async def beat():
        while True:
            await idle.send(ws(b"\n") if transport == "http" else b"\n")
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(each()) for each in (publish, beat)]
    frame = await idle.frame()
    assert (frame.headers["code"], frame.headers["retry"]) == ("idle-timeout", "true")
    assert time.monotonic() - begin > 0.25
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert node.stats["errors_idle-timeout"] == 1
    for peer in (subscriber, worker):  # they have waited all the time, which is something
        await peer.receipt("UNSUBSCRIBE", {"id": "1"})


@pytest.mark.gen_test(timeout=20)
async def test_a_session_of_requests_may_be_idle_too(start_node):
    node = await start_node(IDLE)
    poller = await (await Poller.open(node)).login()
    command, headers, _ = await poller.frame()
    assert (command, headers["code"]) == ("ERROR", "idle-timeout")
    poller.close()
