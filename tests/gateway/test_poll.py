"""Sessions on `/poll`: everything once and in order, whatever is lost, repeated or cut; bounds; ends."""

import asyncio
import random

import pytest

from qmq.wire import stomp
from tests.gateway.poll_peer import CONNECT, Poller, problem
from tests.helpers import DEADLINE, connections_of, until


@pytest.fixture
def poll():
    """Opens sessions that have logged in: `poller = await poll(node)`."""
    pollers = []

    async def poll(node, **headers):
        poller = await Poller.open(node, **headers)
        pollers.append(poller)
        return await poller.login()

    yield poll
    for poller in pollers:
        poller.close()


def publish(node, start, stop):
    for number in range(start, stop):
        node.publish("/topic/a", str(number))


def numbers(start, stop):
    return [str(number) for number in range(start, stop)]


@pytest.mark.gen_test(timeout=20)
async def test_publish_and_subscribe(start_node, poll, join):
    node = await start_node()
    poller, peer = await poll(node), await join(node)
    await poller.subscribe("/topic/a")
    await peer.subscribe("/topic/a")
    await poller.tell("SEND", {"destination": "/topic/a", "content-length": "3"}, b"\0\xff\n")
    assert (await poller.frame())[2] == (await peer.frame()).body == b"\0\xff\n"
    publish(node, 0, 50)
    assert await poller.bodies(50) == numbers(0, 50)


@pytest.mark.gen_test(timeout=20)
async def test_frames_may_be_cut_anywhere(start_node, join):
    node = await start_node()
    poller = await Poller.open(node, body=b"")
    octets = CONNECT + stomp.encode("SUBSCRIBE", {"id": "0", "destination": "/topic/a", "receipt": "r"}, b"", "1.2")
    for start in range(0, len(octets), 7):
        assert await poller.send(octets[start : start + 7]) == (204, b"")
    assert [(await poller.frame())[0] for _ in range(2)] == ["CONNECTED", "RECEIPT"]
    poller.close()


@pytest.mark.gen_test(timeout=20)
async def test_an_answer_that_was_lost_is_given_again_until_it_is_acknowledged(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a")
    publish(node, 0, 3)
    ack = poller.ack
    first = await poller.receive()
    poller.down.ask(f"{poller.path}/receive?ack={ack}")
    assert (await poller.down.answer())[2] == first
    publish(node, 3, 5)
    poller.down.ask(f"{poller.path}/receive?ack={ack}")
    assert (await poller.down.answer())[2] == first  # and the rest only after that
    assert await poller.bodies(5) == numbers(0, 5)


@pytest.mark.gen_test(timeout=20)
async def test_a_request_that_is_repeated_is_applied_once(start_node, poll, join):
    node = await start_node()
    poller, peer = await poll(node), await join(node)
    await peer.subscribe("/topic/a")
    for number in range(3):
        octets = stomp.encode("SEND", {"destination": "/topic/a"}, str(number).encode(), "1.2")
        assert await poller.send(octets) == (204, b"")
        assert await poller.send(octets, seq=poller.seq) == (204, b"")
    assert [(await peer.frame()).body for _ in range(3)] == [b"0", b"1", b"2"]
    assert node.hub.offset == 3


@pytest.mark.gen_test(timeout=20)
async def test_requests_and_acknowledgements_that_cannot_be(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    octets = stomp.encode("SEND", {"destination": "/topic/a"}, b"x", "1.2")
    for seq in (2, 5):
        status, body = await poller.send(octets, seq=seq)
        assert (status, problem(body)) == (409, "bad-sequence")
    poller.down.ask(f"{poller.path}/receive?ack=99")
    status, _, body = await poller.down.answer()
    assert (status, problem(body)) == (409, "bad-sequence")
    assert node.hub.offset == 0
    await poller.subscribe("/topic/a")  # it has disturbed nothing


@pytest.mark.gen_test(timeout=20)
async def test_a_newer_receive_takes_the_place_of_the_one_before(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a")
    poller.ask()
    [connection] = connections_of(node)
    await until(lambda: connection._held)
    old, poller.down = poller.down, await type(poller.down).open(poller.port)
    poller.ask()
    status, _, body = await old.answer()
    assert (status, body) == (200, b"")
    old.close()
    publish(node, 0, 1)
    status, _, body = await poller.down.answer()
    poller.take(body)
    assert await poller.bodies(1) == ["0"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.gen_test(timeout=60)
async def test_cut_at_any_moment_every_message_comes_once_and_in_order(start_node, poll, stream):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a", **{"max-messages": "10000"})
    chance, published, had = random.Random(7), 0, []
    while len(had) < 300:
        if published < 300:
            count = chance.randint(0, 20)
            publish(node, published, min(published + count, 300))
            published = min(published + count, 300)
        poller.down.cut()
        poller.down = await type(poller.down).open(poller.port)
        poller.ask(stream)
        if published < 300 and chance.random() < 0.5:
            publish(node, published, published + 1)
            published += 1
        try:
            async with asyncio.timeout(0.05 * chance.random()):
                if stream:
                    await poller.down.head()
                    rest = b""
                    while (chunk := await poller.down.chunk()) is not None:
                        rest = poller.take(rest + chunk)
                else:
                    poller.take((await poller.down.answer())[2])
        except TimeoutError:
            pass
        had += [body.decode() for _, body in poller._frames]
        poller._frames.clear()
    assert had == numbers(0, 300)


@pytest.mark.gen_test(timeout=20)
async def test_a_receive_waits_and_then_ends_empty(start_node, poll):
    node = await start_node({"limits.poll_hold_seconds": 0.1})
    poller = await poll(node)
    assert await poller.receive() == b""
    await poller.subscribe("/topic/a")  # and all goes on


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_nobody_receives_is_given_up(start_node, poll):
    node = await start_node({"limits.poll_gone_seconds": 0.2})
    poller = await poll(node)
    await poller.subscribe("/queue/a", ack="client-individual")
    node.publish("/queue/a", "1")
    assert await poller.bodies(1) == ["1"]
    assert len(node.registry.queues["/queue/a"]) == 0
    await until(lambda: node.gateway.connections == 0)
    assert len(node.registry.queues["/queue/a"]) == 1
    assert node.stats["connections_lost"] == 1
    poller.ask()
    status, _, body = await poller.down.answer()
    assert (status, problem(body)) == (404, "unknown-session")


@pytest.mark.gen_test(timeout=20)
async def test_streaming(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a")
    poller.ask(stream=True)
    status, headers = await poller.down.head()
    assert (status, headers["transfer-encoding"], headers["x-accel-buffering"]) == (200, "chunked", "no")
    assert await poller.down.chunk() == b"\n"
    for number in range(5):
        publish(node, number, number + 1)
        assert poller.take(await poller.down.chunk()) == b""
    assert [body for _, body in poller._frames] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.gen_test(timeout=30)
async def test_a_streamed_answer_ends_when_too_much_is_not_acknowledged_and_the_next_goes_on(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a", **{"max-bytes": "16000000", "max-messages": "10000"})
    had, answers, padding = 0, 0, "x" * 20_000
    for number in range(100):
        node.publish("/topic/a", f"{number}:{padding}")
    while had < 100:
        poller.ask(stream=True)
        body = b""
        _, _ = await poller.down.head()
        answers += 1
        while had < 100 and (chunk := await poller.down.chunk()) is not None:
            body = poller.take(body + chunk)
            for _, octets in poller._frames:
                assert octets.startswith(b"%d:" % had)
                had += 1
            poller._frames.clear()
        assert body == b""
    assert answers > 4


@pytest.mark.gen_test(timeout=20)
async def test_http_1_0_has_no_chunks_and_ends_with_the_connection(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a")
    publish(node, 0, 1)
    for extra in ("", "&stream=1"):
        http = await type(poller.down).open(poller.port)
        http.ask(f"{poller.path}/receive?ack={poller.ack}{extra}", version="1.0")
        status, headers = await http.head()
        assert (status, headers["connection"], "transfer-encoding" in headers) == (200, "close", False)
        async with asyncio.timeout(DEADLINE):
            assert b"MESSAGE" in await http.reader.readuntil(b"\0")
            if not extra:
                assert await http.reader.read() == b""
        http.close()


@pytest.mark.gen_test(timeout=20)
async def test_an_error_comes_before_the_end_which_names_it(start_node, poll, witness):
    node = await start_node()
    seen, poller = await witness(node), await poll(node)
    await poller.tell("NONSENSE")
    command, headers, _ = await poller.frame()
    assert (command, headers["code"]) == ("ERROR", "unknown-command")
    while poller.end is None:
        await poller.receive()
    assert poller.end == (4500, "unknown-command")
    await until(lambda: node.gateway.connections == 1)
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_disconnect_is_answered_and_then_closed(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.tell("DISCONNECT", {"receipt": "bye"})
    assert (await poller.frame())[1]["receipt-id"] == "bye"
    while poller.end is None:
        await poller.receive()
    assert poller.end == (1000, "closed")


@pytest.mark.gen_test(timeout=20)
async def test_who_says_goodbye_is_forgotten_at_once(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    poller.ask()
    [connection] = connections_of(node)
    await until(lambda: connection._held)
    poller.up.ask(f"{poller.path}/close")
    assert (await poller.up.answer())[0] == 204
    assert (await poller.down.answer())[2] == b""
    assert node.gateway.connections == 0
    assert node.stats["connections_closed_by_client"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_never_receives_passes_its_bounds_and_is_told_if_it_comes(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    await poller.subscribe("/topic/a", **{"max-messages": "10"})
    publish(node, 0, 1)
    await poller.bodies(1)
    for start in range(1, 30):
        publish(node, start, start + 1)
        await asyncio.sleep(0)
    await until(lambda: node.stats["errors_slow-consumer"])
    command, headers, _ = await poller.frame()
    assert (command, headers["code"]) == ("ERROR", "slow-consumer")
    while poller.end is None:
        await poller.receive()
    assert poller.end == (4000, "slow-consumer")


@pytest.mark.gen_test(timeout=20)
async def test_stopping_tells_everybody_and_leaves_nothing_behind(start_node, poll):
    node = await start_node({"drain": 1.0})
    held, away = await poll(node), await poll(node)
    held.ask()
    await until(lambda: any(connection._held for connection in connections_of(node)))
    stopping = asyncio.ensure_future(node.stop())
    _, _, body = await held.down.answer()
    assert b"code:shutting-down" in body
    assert body.endswith(b"end 1012 shutting-down\n")
    await stopping
    assert node.gateway.connections == 0
    assert away.end is None


@pytest.mark.gen_test(timeout=20)
async def test_a_publisher_is_answered_when_there_is_memory_again(start_node, poll, join):
    node = await start_node({"limits.memory": 1 << 20})
    poller, peer = await poll(node), await join(node)
    body = bytes(100_000)
    octets = stomp.encode("SEND", {"destination": "/queue/a", "content-length": str(len(body))}, body, "1.2")
    sent = 0
    while not node.registry.memory.full:
        assert (await poller.send(octets))[0] == 204
        sent += 1
        if node.registry.memory.used >= node.registry.memory.ceiling - 100_000:
            break
    waiting = asyncio.ensure_future(poller.send(octets))
    await until(lambda: node.stats["publishers_slowed"])
    assert not waiting.done()
    await peer.tell("SUBSCRIBE", {"id": "1", "destination": "/queue/a"})
    for _ in range(sent + 1):
        await peer.frame()
    assert (await waiting)[0] == 204


@pytest.mark.gen_test(timeout=20)
async def test_what_an_operator_sees(start_node, poll):
    node = await start_node()
    poller = await poll(node)
    [seen] = node.gateway.describe()
    assert (seen["transport"], seen["tls"], seen["state"]) == ("poll", False, "open")
    assert poller.path.endswith(next(iter(connections_of(node))).id)
