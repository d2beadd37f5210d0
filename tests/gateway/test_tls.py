"""TLS on real sockets: who gets in, how it ends, much at a time, and slow readers."""

import gc
import json
import ssl

import pytest

import qmq
from qmq.wire import websocket
from tests.gateway.test_cycles import alive
from tests.gateway.tls_peers import SCHEMES, SECURE, hello, port
from tests.helpers import Closed, plain, server_side, until, ws

# Those that get in


@pytest.mark.gen_test(timeout=20)
async def test_all_four_ways_meet_on_a_topic(tls_node, tls_join, tls_dial, tmp_path):
    node = await tls_node(ready_file=str(tmp_path / "ready"))
    assert [at["scheme"] for at in json.loads((tmp_path / "ready").read_text())["listen"]] == list(SCHEMES)
    wss, stomps, plain_ws = await tls_join(node), await tls_join(node, "stomps"), await tls_dial(node, "http")
    await plain_ws.upgrade()
    await plain_ws.login()
    for peer in (wss, stomps, plain_ws):
        await peer.subscribe("/topic/a")
    for sender in (wss, stomps):
        await sender.tell("SEND", {"destination": "/topic/a"}, b"\xff\0\n")
        for peer in (wss, stomps, plain_ws):
            assert (await peer.frame()).body == b"\xff\0\n"


@pytest.mark.gen_test(timeout=20)
async def test_the_python_client_over_wss(tls_node, authority):
    node = await tls_node()
    url = f"wss://127.0.0.1:{port(node, 'https')}/stomp?x=y"
    async with await qmq.connect(url, tls=authority.trust()) as client:
        messages = await client.subscribe("/topic/#")
        await client.publish("/topic/a", "tëxt")
        assert (await messages.next()).text() == "tëxt"
    await until(lambda: node.gateway.connections == 0)
    assert (node.stats["connections_closed_closed"], node.stats["connections_lost"]) == (1, 0)


@pytest.mark.gen_test(timeout=20)
async def test_pages_over_https_and_what_is_agreed_on(tls_node, tls_shake, authority):
    node = await tls_node()
    context = authority.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    peer = await tls_shake(node, context=context)
    assert peer.tls.selected_alpn_protocol() == "http/1.1"
    assert (peer.tls.version(), peer.tls.compression()) == ("TLSv1.3", None)
    assert (await peer.ask(plain("/health/live"))).status == 200
    assert (await peer.ask(plain("/nothing"))).problem() == (404, "not-found")
    assert (await tls_shake(node, "stomps", context)).tls.selected_alpn_protocol() is None


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_tls_1_2_is_spoken_with_keys_that_are_forgotten(tls_node, tls_join, authority, scheme):
    node = await tls_node()
    context = authority.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    peer = await tls_join(node, scheme, context=context)
    cipher, version, _ = peer.tls.cipher()
    assert version == "TLSv1.2"
    assert cipher.startswith("ECDHE-")
    await peer.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_handshake_in_small_pieces(tls_node, tls_dial, authority):
    node = await tls_node()
    peer = await tls_dial(node)
    for octet in hello(authority.trust()):
        await peer.send(bytes((octet,)))
    assert (await peer.octets())[0] == 0x16  # the server's own hello


# How it ends


@pytest.mark.gen_test(timeout=20)
async def test_an_error_can_be_read_and_then_all_is_over(tls_node, tls_join):
    node = await tls_node()
    peer = await tls_join(node, "stomps")
    await peer.tell("SEND", {"destination": "/nowhere"})
    frames, _, _ = await peer.ended()  # by close_notify, or this would raise
    assert [frame.headers["code"] for frame in frames] == ["bad-destination"]
    peer.close()
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_one_that_floods_reads_its_error_too(tls_node, tls_join, scheme):
    """What comes after the end is thrown away, so that no reset takes back what was said."""
    node = await tls_node()
    peer = await tls_join(node, scheme)
    await peer.tell("HELLO")
    for _ in range(50):
        await peer.send(ws(b"x" * 60_000) if scheme == "https" else b"x" * 60_000)
    assert (await peer.frame()).headers["code"] == "unknown-command"
    with pytest.raises(Closed):
        await peer.frame()
    peer.close()
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_one_that_never_ends_its_side_is_closed_after_the_linger_time(tls_node, tls_join, scheme):
    node = await tls_node(limits__linger_seconds=0.2)
    peer = await tls_join(node, scheme)
    await peer.send(b"\xff\n\n\0")  # neither WebSocket nor STOMP
    await peer.ended()
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.gen_test(timeout=20)
async def test_closing_a_websocket_says_close_notify_too(tls_node, tls_join):
    node = await tls_node()
    peer = await tls_join(node)
    await peer.send(websocket.encode_masked(websocket.CLOSE, b"\x03\xe8", b"mask"))
    assert (await peer.ended())[1] == 1000
    assert await peer.octets() == b""
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_one_that_breaks_tls_is_gone_and_nothing_is_logged(tls_node, tls_join, scheme):
    node = await tls_node()
    peer = await tls_join(node, scheme)
    await peer.send_undeciphered(b"not deciphered at all" * 10)
    await until(lambda: node.gateway.connections == 0, 2)
    assert node.stats["connections_lost"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_one_that_does_not_answer_pings_is_gone(tls_node, tls_join):
    """That TLS has taken the ping is no sign of life."""
    node = await tls_node(limits__ping_seconds=0.05, limits__linger_seconds=0.05)
    await tls_join(node)
    await until(lambda: node.stats["errors_heartbeat-lost"] == 1, 2)
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.gen_test(timeout=20)
async def test_one_too_many(tls_node, tls_join, tls_shake):
    node = await tls_node(limits__connections=1)
    first = await tls_join(node, "stomps")
    second = await tls_shake(node, "stomps")
    frames, _, _ = await second.ended()
    assert [frame.headers["code"] for frame in frames] == ["too-many-connections"]
    await first.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_stops_leaves_nothing_half_open(tls_node, tls_dial, tls_join, authority):
    node = await tls_node()
    peers = [await tls_join(node), await tls_join(node, "stomps")]
    silent, half = await tls_dial(node), await tls_dial(node, "stomps")
    await half.send(hello(authority.trust())[:50])

    def arrivals(scheme):
        return [arrival for branch in node.branches for arrival in branch.servers[scheme].arrivals]

    await until(lambda: all(map(arrivals, SECURE)))
    (shaking,) = arrivals("stomps")
    await until(lambda: isinstance(shaking._sock, ssl.SSLSocket))
    await node.stop()
    for peer in peers:
        assert (await peer.ended())[0][-1].headers["code"] == "shutting-down"
    assert await silent.end() == await half.end() == b""
    assert not any(map(arrivals, SECURE))


@pytest.mark.gen_test(timeout=20)
async def test_ended_connections_are_freed_without_the_collector(tls_node, tls_dial, tls_join):
    node = await tls_node()
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for scheme in SECURE:
            for peer in (await tls_join(node, scheme), await tls_dial(node, scheme)):
                peer.close()
        await until(lambda: node.gateway.connections == 0)
        await until(lambda: len(alive()) == len(before), 2)
    finally:
        gc.enable()


# Much, and slow readers


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=30)
async def test_megabytes_both_ways_and_a_slow_reader(tls_node, tls_join, scheme):
    mega = 1 << 20
    node = await tls_node(limits__body=8 * mega, limits__bytes=64 * mega, limits__outbox_bytes=64 * mega)
    reader = await tls_join(node, scheme, receive_buffer=4096)
    await reader.subscribe("/topic/large", max_bytes=str(64 * mega))
    writer = await tls_join(node, scheme)
    bodies = [bytes((number,)) * (number * mega + number) for number in range(1, 6)]
    for body in bodies:
        await writer.publish("/topic/large", body)
    assert server_side(node, reader).outbox.backlog_bytes > mega
    for body in bodies:
        assert (await reader.frame()).body == body
    await until(lambda: not server_side(node, reader).outbox.backlog_bytes)
    await reader.publish("/topic/other", bodies[-1])


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_slow_reader_is_dropped_by_its_bound_and_others_get_everything(tls_node, tls_join, scheme):
    node = await tls_node()
    slow, good = await tls_join(node, scheme, receive_buffer=4096), await tls_join(node, scheme)
    await slow.subscribe("/topic/a", max_messages="5")
    await good.subscribe("/topic/a")
    sent = 0
    while not node.stats["errors_slow-consumer"]:
        sent += 1
        assert sent < 10_000
        node.publish("/topic/a", b"%06d" % sent + b"x" * 20_000)
        assert (await good.frame()).body.startswith(b"%06d" % sent)
    frames, _, _ = await slow.ended()
    assert (frames[-1].headers["code"], frames[-1].command) == ("slow-consumer", "ERROR")
    assert b"max-messages" in frames[-1].body
    node.publish("/topic/a", b"last")
    assert (await good.frame()).body == b"last"
