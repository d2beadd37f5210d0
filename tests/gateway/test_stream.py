"""A connection in time: heart-beats, pings, time limits, last words, and sockets that do not take all at once."""

import asyncio
import time

import pytest

from qmq.wire.websocket import PING, PONG
from tests.helpers import Closed, caught_up, flooding, request, server_side, until, ws


@pytest.mark.gen_test(timeout=20)
async def test_heartbeats_of_100_ms_both_ways(start_node, join):
    node = await start_node()
    peer = await join(node, heart_beat="100,100")

    async def beat():
        while True:
            await peer.send(ws(b"\n"))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(beat())
    begin = time.monotonic()
    while len(peer.beats) < 10:
        opcode, payload = await peer.event()
        assert (opcode, payload) == (1, b"\n")
        peer.beats.append(time.monotonic())
    took = time.monotonic() - begin
    # What is owed is one in 100 ms; a busy machine may be late for some of them.
    assert took < 10 * 0.1 + 0.5
    await peer.publish("/topic/a")
    task.cancel()
    assert node.stats["errors_heartbeat-lost"] == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_stops_its_heartbeats_is_dismissed_within_three_periods(start_node, join, witness):
    node = await start_node({"limits.linger_seconds": 0.1})
    seen = await witness(node)
    peer = await join(node, heart_beat="100,0")
    begin = time.monotonic()
    code, error = await peer.dismissed()
    took = time.monotonic() - begin
    assert code == "heartbeat-lost"
    assert error.body.startswith(b"nothing came for 0.")
    assert 0.15 < took < 0.3 + 0.1 + 0.5  # three periods, the linger time, and some for a busy machine
    assert (node.stats["errors_heartbeat-lost"], node.stats["connections_closed_heartbeat-lost"]) == (1, 1)
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_any_octet_is_a_sign_of_life(start_node, join):
    peer = await join(await start_node(), heart_beat="100,0")
    begin = time.monotonic()
    number = 0
    while time.monotonic() - begin < 0.6:
        number += 1
        await peer.send((ws(b"", PONG), ws(b"\n"), ws(b"p", PING))[number % 3])
        await asyncio.sleep(0.02)
    frames = []
    while len(frames) < (number + 1) // 3:
        frames.append(await peer.event())
    assert set(frames) == {(PONG, b"p")}


@pytest.mark.parametrize("asked", ["0,0", "0,60000", None])
@pytest.mark.gen_test(timeout=20)
async def test_no_heartbeat_is_sent_that_was_not_asked_for(start_node, join, asked):
    peer = await join(await start_node(), **({"heart_beat": asked} if asked else {}))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await peer.event()


@pytest.mark.gen_test(timeout=20)
async def test_heartbeats_are_no_shorter_than_the_limit(start_node, join):
    peer = await join(await start_node({"limits.heartbeat_ms": 60_000}), heart_beat="1,1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await peer.event()


@pytest.mark.parametrize("beats", ["0,0", "25000,25000"])
@pytest.mark.gen_test(timeout=20)
async def test_a_half_open_peer_is_pinged_and_given_up(start_node, join, witness, beats):
    node = await start_node({"limits.ping_seconds": 0.2, "limits.linger_seconds": 0.1})
    seen = await witness(node)
    good, bad = await join(node, heart_beat=beats), await join(node, heart_beat=beats)
    bad.pongs = False

    async def read():
        await good.frame()

    reading = asyncio.create_task(read())
    watching = asyncio.create_task(bad.dismissed())
    while not watching.done():  # the witness keeps itself alive with this
        await seen.well()
        await asyncio.sleep(0.02)
    assert (await watching)[0] == "heartbeat-lost"
    assert bad.pings >= 1
    assert not reading.done()
    assert good.pings >= 1
    reading.cancel()
    assert node.stats["errors_heartbeat-lost"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_does_not_log_in_in_time(start_node, dial, witness):
    node = await start_node({"limits.connect_seconds": 0.3, "limits.linger_seconds": 0.1})
    seen = await witness(node)
    peer = await dial(node)
    await peer.upgrade()
    await peer.send(ws(b"\n"), ws(b"CONN"))
    code, error = await peer.dismissed()
    assert (code, error.body) == ("connect-timeout", b"0.3 seconds are allowed")
    assert (node.stats["errors_connect-timeout"], node.stats["connections_closed_connect-timeout"]) == (1, 1)
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_goes_without_a_word_is_counted_and_forgotten(start_node, join, witness):
    node = await start_node()
    seen = await witness(node)
    half = ws(b"SEND\ndestination:/topic/a\ncontent-length:1000\n\nhalf a b")
    for octets in (b"", ws(b"SEND\ndest"), half, b"\x81\xfe"):
        peer = await join(node)
        await peer.subscribe("/topic/a")
        if octets:
            await peer.send(octets)
        peer.close()
    await until(lambda: node.gateway.connections == 1)
    assert node.stats["connections_lost"] == 4
    node.publish("/topic/a", "nobody is there")
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_goes_before_its_101_is_counted_and_forgotten(start_node, dial):
    node = await start_node()
    for _ in range(5):
        peer = await dial(node)
        await peer.send(request())
        peer.close()
    await until(lambda: node.stats["connections_lost"] + node.stats["connections_unfinished"] == 5, 3)
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_last_words_are_lingered_over(start_node, join):
    """The client goes on sending while it is dismissed; no reset may destroy the ERROR that lies in its buffer."""
    node = await start_node({"limits.linger_seconds": 0.3})
    peer = await join(node)
    await peer.tell("NONSENSE")
    for _ in range(20):
        await peer.send(ws(b"x" * 10_000, 2))
        await asyncio.sleep(0.005)
    assert (await peer.dismissed())[0] == "unknown-command"
    await until(lambda: node.gateway.connections == 0)


@pytest.mark.gen_test(timeout=20)
async def test_a_write_that_the_socket_takes_in_parts_stays_in_order(start_node, join):
    """Messages, receipts and pongs, many times the size of the socket's buffers, to a reader that comes late."""
    node = await start_node({"limits.default_bytes": 16 << 20, "limits.ping_seconds": 60.0})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/#")
    for number in range(60):
        node.publish("/topic/a", b"%d " % number * 40_000)
        await asyncio.sleep(0)
    await caught_up(server_side(node, peer))  # a receipt waits for nothing that is on its way from another thread
    await peer.tell("SEND", {"destination": "/topic/b", "receipt": "last"}, b"own")
    for number in range(60):
        assert (await peer.frame()).body == b"%d " % number * 40_000
    assert {(await peer.frame()).command, (await peer.frame()).command} == {"MESSAGE", "RECEIPT"}
    assert node.stats["connections_opened"] == 1


FLOOD = ws(b"".join(b"SEND\ndestination:/topic/flood\nreceipt:%0200d\n\n\0" % number for number in range(250)))


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_floods_and_never_reads_is_slowed_and_nobody_else(start_node, join, witness):
    """It asks for a receipt with every frame. We stop reading; what waits for it stays small."""
    node = await start_node({"limits.ping_seconds": 60.0})
    seen = await witness(node)
    peer = await join(node, receive_buffer=4096)
    outbox = server_side(node, peer).outbox
    async with flooding(peer, FLOOD) as task:
        most, before, same = 0, -1, 0
        while same < 20:  # until nothing more of it has been read for a while
            same = same + 1 if node.hub.offset == before else 0
            before = node.hub.offset + 1  # the witness's own
            most = max(most, outbox.backlog_bytes)
            assert await seen.well() < 1
            await asyncio.sleep(0.005)
        assert not task.done()
    assert 64 << 10 <= most < 256 << 10
    # Once it reads, it gets all its receipts, in order.
    for number in range(1000):
        assert (await peer.frame()).headers["receipt-id"] == f"{number % 250:0200d}"


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_floods_and_never_reads_is_given_up_at_last(start_node, join):
    """It is not read any more, so that its silence is ours; but that it takes nothing is its own."""
    node = await start_node({"limits.ping_seconds": 0.1, "limits.linger_seconds": 0.1})
    peer = await join(node, receive_buffer=4096)
    async with flooding(peer, FLOOD):
        await until(lambda: node.gateway.connections == 0, 3)


@pytest.mark.gen_test(timeout=20)
async def test_pongs_pile_up_no_more_than_receipts(start_node, join, witness):
    node = await start_node({"limits.ping_seconds": 60.0})
    seen = await witness(node)
    peer = await join(node, receive_buffer=4096)
    connection = server_side(node, peer)
    async with flooding(peer, ws(b"x" * 125, PING) * 500):
        await until(lambda: connection._paused)
        assert connection.outbox.backlog_bytes < 256 << 10
        await seen.well()
    for _ in range(500):
        assert await peer.event() == (PONG, b"x" * 125)


@pytest.mark.gen_test(timeout=20)
async def test_an_error_of_our_own_is_logged_and_told_without_its_cause(start_node, join, witness, logged):
    node = await start_node({"limits.linger_seconds": 0.1})
    seen = await witness(node)
    peer = await join(node)
    server_side(node, peer).conversation._decoder = "a secret"  # which has nothing that a decoder has
    logged.expect("session .* failed")
    await peer.tell("SEND", {"destination": "/topic/a"})
    code, error = await peer.dismissed()
    assert code == "internal-error"
    assert error.body == b""
    assert node.stats["errors_internal-error"] == 1
    await seen.well()


@pytest.mark.one_thread("reaches into the loop of the peer's connection")
@pytest.mark.gen_test(timeout=20)
async def test_closed_is_raised_by_a_peer_whose_server_just_goes(start_node, join):
    node = await start_node()
    peer = await join(node)
    node.gateway.abort()
    with pytest.raises(Closed) as closed:
        await peer.frame()
    assert closed.value.code == 1006


@pytest.mark.one_thread("closes a socket of the node's own loop")
@pytest.mark.gen_test(timeout=20)
async def test_a_socket_that_has_just_been_closed_takes_nothing(start_node, join):
    """Its close callback comes in a later pass; a tick may come before."""
    node = await start_node()
    peer = await join(node)
    connection = server_side(node, peer)
    connection._blocked = True
    connection._stream.close()
    assert not connection._is_taking()
    connection._tick()
    await until(lambda: node.gateway.connections == 0)
