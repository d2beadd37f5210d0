"""What is wrong with one frame is over with that frame, on every transport, however large it is."""

import pytest

from qmq.wire import stomp
from qmq.wire.websocket import BINARY, CONTINUATION, TEXT
from tests.gateway.poll_peer import CONNECT, Poller
from tests.gateway.queue_peers import BOTH
from tests.helpers import ws

LIMITS = {**BOTH, "limits.body": 10_000, "limits.linger_seconds": 0.03}


def large(size, **headers):
    return stomp.encode("SEND", {"destination": "/topic/a", "receipt": "big", **headers}, b"x" * size)


async def is_refused(peer, code):
    frame = await peer.frame()
    told = {name: frame.headers.get(name) for name in ("code", "fatal", "receipt-id", "retry")}
    assert (frame.command, told) == (
        "ERROR", {"code": code, "fatal": "false", "receipt-id": "big", "retry": "false"},
    )  # fmt: skip


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_frame_that_is_too_large_is_refused_alone(start_node, enter, transport):
    node = await start_node(LIMITS)
    peer = await enter(node, transport, refusals="true")
    await peer.subscribe("/topic/#")
    for size in (10_001, 30_000, 3_000_000):
        await peer.tell("SEND", {"destination": "/topic/a", "receipt": "big"}, b"x" * size)
        await is_refused(peer, "frame-too-large")
    await peer.tell("SEND", {"destination": "/topic/a", "receipt": "big", "x": "y" * 300_000}, b"x")
    await is_refused(peer, "headers-too-large")
    await peer.tell("SEND", {"destination": "/topic/a"}, b"good")
    assert (await peer.frame()).body == b"good"
    assert node.stats["frames_refused"] == 4


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.gen_test(timeout=20)
async def test_websocket_message_beyond_the_limit_may_come_in_fragments(start_node, enter, opcode):
    node = await start_node(LIMITS)
    peer = await enter(node, "http", refusals="true")
    await peer.subscribe("/topic/#")
    good = stomp.encode("SEND", {"destination": "/topic/a"}, "ä€😀".encode())
    data = large(50_000) + good
    pieces = [data[at : at + 7001] for at in range(0, len(data), 7001)]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        await peer.send(ws(piece, CONTINUATION if number else opcode, fin=last))
    await is_refused(peer, "frame-too-large")
    assert (await peer.frame()).body == "ä€😀".encode()
    # Many small frames may be one large message, too.
    await peer.send(ws(good * 1000, opcode))
    for _ in range(1000):
        assert (await peer.frame()).body == "ä€😀".encode()


@pytest.mark.gen_test(timeout=20)
async def test_stock_client_with_a_large_message_is_sent_away(start_node, enter):
    node = await start_node(LIMITS)
    for transport in ("http", "stomp"):
        peer = await enter(node, transport)
        await peer.tell("SEND", {"destination": "/topic/a", "receipt": "big"}, b"x" * 30_000)
        frame = await peer.frame()
        assert (frame.command, frame.headers["code"]) == ("ERROR", "frame-too-large")
        assert "fatal" not in frame.headers


@pytest.mark.gen_test(timeout=20)
async def test_polling_client_may_send_a_large_frame_in_pieces(start_node):
    node = await start_node(LIMITS)
    poller = await Poller.open(node, CONNECT.replace(b"\n\n", b"\nrefusals:true\n\n", 1))
    try:
        assert (await poller.frame())[1]["refusals"] == "true"
        data = large(25_000) + stomp.encode("SEND", {"destination": "/topic/a", "receipt": "next"}, b"x")
        for at in range(0, len(data), 9000):
            status, _ = await poller.send(data[at : at + 9000])
            assert status == 204
        told = [(await poller.frame())[1] for _ in range(2)]
        assert (told[0]["code"], told[0]["receipt-id"], told[0]["fatal"]) == ("frame-too-large", "big", "false")
        assert told[1] == {"receipt-id": "next"}
    finally:
        poller.close()
