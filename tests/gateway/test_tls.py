"""TLS on real sockets: who gets in, who does not and is told, how it ends, and new certificates without a break."""

import gc
import json
import ssl

import pytest

import qmq
from qmq.wire import websocket
from tests.authority import Authority
from tests.gateway.test_cycles import alive
from tests.gateway.tls_peers import StompsPeer, TlsPeer
from tests.helpers import Closed, Peer, plain, request, server_side, until, ws

SCHEMES = ("https", "stomps", "http", "stomp")
LISTEN = tuple(f"{scheme}://127.0.0.1:0" for scheme in SCHEMES)
SECURE = ("https", "stomps")
ALERT = 0x15


def port(node, scheme):
    return next(at["port"] for at in node.listen if at["scheme"] == scheme)


def hello(context):
    """The first octets of a client."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


@pytest.fixture
def start(start_node, authority):
    """Starts a node that listens in all four ways: `node = await start()`."""

    async def start(**values):
        certificate = {"tls.certificate": values.pop("certificate", None) or authority.certificate()}
        more = {name.replace("__", "."): value for name, value in values.items()}
        return await start_node({"listen": LISTEN, **certificate, **more})

    return start


@pytest.fixture
def dial():
    """Opens connections without a word: `peer = await dial(node, "https")`."""
    peers = []

    async def dial(node, scheme="https", kind=Peer, receive_buffer=None):
        peer = await kind.open(port(node, scheme), receive_buffer)
        peers.append(peer)
        return peer

    yield dial
    for peer in peers:
        peer.close()


@pytest.fixture
def shake(dial, authority):
    """Opens TLS connections: `peer = await shake(node, "stomps")`."""

    async def shake(node, scheme="https", context=None, **more):
        peer = await dial(node, scheme, StompsPeer if scheme == "stomps" else TlsPeer, **more)
        return await peer.shake(context or authority.trust())

    return shake


@pytest.fixture
def join(shake):
    """Opens TLS connections that are logged in, over WebSocket or not: `peer = await join(node, "stomps")`."""

    async def join(node, scheme="https", **more):
        peer = await shake(node, scheme, **more)
        if scheme == "https":
            await peer.upgrade()
        await peer.login()
        return peer

    return join


# Those that get in


@pytest.mark.gen_test(timeout=20)
async def test_all_four_ways_meet_on_a_topic(start, join, dial, tmp_path):
    node = await start(ready_file=str(tmp_path / "ready"))
    assert [at["scheme"] for at in json.loads((tmp_path / "ready").read_text())["listen"]] == list(SCHEMES)
    wss, stomps, plain_ws = await join(node), await join(node, "stomps"), await dial(node, "http")
    await plain_ws.upgrade()
    await plain_ws.login()
    for peer in (wss, stomps, plain_ws):
        await peer.subscribe("/topic/a")
    for sender in (wss, stomps):
        await sender.tell("SEND", {"destination": "/topic/a"}, b"\xff\0\n")
        for peer in (wss, stomps, plain_ws):
            assert (await peer.frame()).body == b"\xff\0\n"


@pytest.mark.gen_test(timeout=20)
async def test_the_python_client_over_wss(start, authority):
    node = await start()
    url = f"wss://127.0.0.1:{port(node, 'https')}/stomp?x=y"
    async with await qmq.connect(url, tls=authority.trust()) as client:
        messages = await client.subscribe("/topic/#")
        await client.publish("/topic/a", "tëxt")
        assert (await messages.next()).text() == "tëxt"
    await until(lambda: node.gateway.connections == 0)
    assert (node.stats["connections_closed_closed"], node.stats["connections_lost"]) == (1, 0)


@pytest.mark.gen_test(timeout=20)
async def test_pages_over_https_and_what_is_agreed_on(start, shake, authority):
    node = await start()
    context = authority.trust()
    context.set_alpn_protocols(["h2", "http/1.1"])
    peer = await shake(node, context=context)
    assert peer.tls.selected_alpn_protocol() == "http/1.1"
    assert (peer.tls.version(), peer.tls.compression()) == ("TLSv1.3", None)
    assert (await peer.ask(plain("/health/live"))).status == 200
    assert (await peer.ask(plain("/nothing"))).problem() == (404, "not-found")
    assert (await shake(node, "stomps", context)).tls.selected_alpn_protocol() is None


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_tls_1_2_is_spoken_with_keys_that_are_forgotten(start, join, authority, scheme):
    node = await start()
    context = authority.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    peer = await join(node, scheme, context=context)
    cipher, version, _ = peer.tls.cipher()
    assert version == "TLSv1.2"
    assert cipher.startswith("ECDHE-")
    await peer.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_handshake_in_small_pieces(start, dial, authority):
    node = await start()
    peer = await dial(node)
    for octet in hello(authority.trust()):
        await peer.send(bytes((octet,)))
    assert (await peer.octets())[0] == 0x16  # the server's own hello


# Client certificates


def asked(authority, how, client_ca=None):
    return {"tls__client_ca": client_ca or authority.file, "tls__client_certificates": how}


async def is_refused(peer, context, words):
    """In TLS 1.3 the client has done its part before it hears; what it says already is not to hinder its hearing."""
    with pytest.raises(ssl.SSLError, match=words):
        await peer.shake(context)
        await peer.send(b"x" * 5_000_000)
        await peer.octets()


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_is_required(start, join, dial, authority, tmp_path, scheme):
    node = await start(**asked(authority, "required"))
    mine = authority.trust(authority.certificate("me@example.org"))
    seen = await join(node, scheme, context=mine)
    stranger = Authority(tmp_path / "stranger")
    for number, (context, words) in enumerate(
        {
            authority.trust(): "CERTIFICATE_REQUIRED",
            authority.trust(stranger.certificate("me@example.org")): "UNKNOWN_CA",
            authority.trust(authority.certificate("me@example.org", expired=True)): "CERTIFICATE_EXPIRED",
        }.items()
    ):
        await is_refused(await dial(node, scheme, TlsPeer), context, words)
        assert node.stats["tls_certificates_refused"] == number + 1
    assert node.gateway.connections == 1
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_is_optional_but_not_any(start, join, dial, authority, tmp_path):
    node = await start(**asked(authority, "optional"))
    for context in (authority.trust(), authority.trust(authority.certificate("me@example.org"))):
        await (await join(node, context=context)).publish("/topic/a")
    stranger = authority.trust(Authority(tmp_path / "stranger").certificate("me@example.org"))
    await is_refused(await dial(node, kind=TlsPeer), stranger, "UNKNOWN_CA")
    assert node.stats["tls_certificates_refused"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_no_certificate_is_asked_for_by_default(start, join, authority, tmp_path):
    """One that has one, of whomever, is served like one that has none."""
    context = authority.trust(Authority(tmp_path / "stranger").certificate("me@example.org"))
    await (await join(await start(), context=context)).publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_clients_that_do_not_like_ours(start, dial, authority, tmp_path):
    """Expired, or of an authority that they do not know."""
    node = await start(certificate=authority.certificate(expired=True))
    for number, context in enumerate((authority.trust(), Authority(tmp_path / "other").trust())):
        with pytest.raises(ssl.SSLCertVerificationError):
            await (await dial(node, kind=TlsPeer)).shake(context)
        await until(lambda number=number: node.stats["tls_handshakes_failed"] == number + 1)


# How it ends


@pytest.mark.gen_test(timeout=20)
async def test_an_error_can_be_read_and_then_all_is_over(start, join):
    node = await start()
    peer = await join(node, "stomps")
    await peer.tell("SEND", {"destination": "/nowhere"})
    frames, _, _ = await peer.ended()  # by close_notify, or this would raise
    assert [frame.headers["code"] for frame in frames] == ["bad-destination"]
    peer.close()
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_one_that_floods_reads_its_error_too(start, join, scheme):
    """What comes after the end is thrown away, so that no reset takes back what was said."""
    node = await start()
    peer = await join(node, scheme)
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
async def test_one_that_never_ends_its_side_is_closed_after_the_linger_time(start, join, scheme):
    node = await start(limits__linger_seconds=0.2)
    peer = await join(node, scheme)
    await peer.send(b"\xff\n\n\0")  # neither WebSocket nor STOMP
    await peer.ended()
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.gen_test(timeout=20)
async def test_closing_a_websocket_says_close_notify_too(start, join):
    node = await start()
    peer = await join(node)
    await peer.send(websocket.encode_masked(websocket.CLOSE, b"\x03\xe8", b"mask"))
    assert (await peer.ended())[1] == 1000
    assert await peer.octets() == b""
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_one_that_breaks_tls_is_gone_and_nothing_is_logged(start, join, scheme):
    node = await start()
    peer = await join(node, scheme)
    await peer.send_undeciphered(b"not deciphered at all" * 10)
    await until(lambda: node.gateway.connections == 0, 2)
    assert node.stats["connections_lost"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_one_that_does_not_answer_pings_is_gone(start, join):
    """That TLS has taken the ping is no sign of life."""
    node = await start(limits__ping_seconds=0.05, limits__linger_seconds=0.05)
    await join(node)
    await until(lambda: node.stats["errors_heartbeat-lost"] == 1, 2)
    await until(lambda: node.gateway.connections == 0, 2)


@pytest.mark.gen_test(timeout=20)
async def test_one_too_many(start, join, shake):
    node = await start(limits__connections=1)
    first = await join(node, "stomps")
    second = await shake(node, "stomps")
    frames, _, _ = await second.ended()
    assert [frame.headers["code"] for frame in frames] == ["too-many-connections"]
    await first.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_stops_leaves_nothing_half_open(start, dial, join, authority):
    node = await start()
    peers = [await join(node), await join(node, "stomps")]
    silent, half = await dial(node), await dial(node, "stomps")
    await half.send(hello(authority.trust())[:50])
    listeners = [node._servers[scheme] for scheme in SECURE]
    await until(lambda: all(listener.arrivals for listener in listeners))
    (shaking,) = listeners[1].arrivals
    await until(lambda: isinstance(shaking._sock, ssl.SSLSocket))
    await node.stop()
    for peer in peers:
        assert (await peer.ended())[0][-1].headers["code"] == "shutting-down"
    assert await silent.end() == await half.end() == b""
    assert not any(listener.arrivals for listener in listeners)


@pytest.mark.gen_test(timeout=20)
async def test_ended_connections_are_freed_without_the_collector(start, dial, join):
    node = await start()
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for scheme in SECURE:
            for peer in (await join(node, scheme), await dial(node, scheme)):
                peer.close()
        await until(lambda: node.gateway.connections == 0)
        await until(lambda: len(alive()) == len(before), 2)
    finally:
        gc.enable()


# Much, and slow readers


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=30)
async def test_megabytes_both_ways_and_a_slow_reader(start, join, scheme):
    mega = 1 << 20
    node = await start(limits__body=8 * mega, limits__bytes=64 * mega, limits__outbox_bytes=64 * mega)
    reader = await join(node, scheme, receive_buffer=4096)
    await reader.subscribe("/topic/large", max_bytes=str(64 * mega))
    writer = await join(node, scheme)
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
async def test_a_slow_reader_is_dropped_by_its_bound_and_others_get_everything(start, join, scheme):
    node = await start()
    slow, good = await join(node, scheme, receive_buffer=4096), await join(node, scheme)
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


# Those that never get in


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_the_silent_and_the_half_done_are_closed_in_time_and_counted(start, dial, join, authority, scheme):
    node = await start(limits__connect_seconds=0.3)
    seen = await join(node, scheme)
    silent, half, one, gone = [await dial(node, scheme) for _ in range(4)]
    await half.send(hello(authority.trust())[:100])
    await one.send(b"\x16")
    gone.close()
    for peer in (silent, half, one):
        assert await peer.end() == b""
    assert node.stats["connections_unfinished"] == 4
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_silence_after_the_handshake_is_silence_too(start, shake):
    node = await start(limits__connect_seconds=0.3)
    page, back_end = await shake(node), await shake(node, "stomps")
    assert await page.octets() == b""
    frames, _, _ = await back_end.ended()
    assert frames[0].headers["code"] == "connect-timeout"
    assert node.stats["connections_unfinished"] == 1


def old_hello():
    """What a client says that speaks TLS 1.1 at most."""
    body = b"\x03\x02" + bytes(32) + b"\0" + b"\0\4\xc0\x13\0\x2f" + b"\1\0"
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


HANDSHAKES = {
    "TLS 1.1": (old_hello(), 70),  # protocol_version
    "no hello": (b"\x16\x03\x01\x00\x05hello", None),
    "an impossible length": (b"\x16\x03\x01\xff\xff" + b"x" * 100, None),
}


@pytest.mark.parametrize("name", HANDSHAKES)
@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_handshakes_that_fail_get_an_alert_and_are_counted(start, dial, join, scheme, name):
    octets, description = HANDSHAKES[name]
    node = await start()
    seen = await join(node, scheme)
    peer = await dial(node, scheme)
    await peer.send(octets)
    answer = await peer.end()
    assert (answer[0], len(answer), answer[5]) == (ALERT, 7, 2)
    assert description in (None, answer[6])
    peer.close()
    assert node.stats["tls_handshakes_failed"] == 1
    await until(lambda: not node._servers[scheme].arrivals, 2)
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_one_that_was_refused_and_stays_is_closed_after_the_linger_time(start, dial):
    node = await start(limits__linger_seconds=0.2)
    peer = await dial(node)
    await peer.send(old_hello())
    await until(lambda: node.stats["tls_handshakes_failed"] == 1, 2)
    await until(lambda: not node._servers["https"].arrivals, 2)


# The wrong door


@pytest.mark.parametrize("path", ["/", "/stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_http_on_the_https_port(start, dial, join, path):
    node = await start()
    seen = await join(node)
    peer = await dial(node)
    answer = await peer.ask(request(path))
    assert answer.problem() == (400, "tls-required")
    assert "https://" in json.loads(answer.body)["detail"]
    assert await peer.end() == b""
    assert node.stats["errors_tls-required"] == 1
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_body_is_read_before_it_is_refused(start, dial):
    node = await start()
    peer = await dial(node)
    body = b"x" * 500_000
    assert (await peer.ask(plain("/", "POST", Content_Length=str(len(body))), body)).problem() == (400, "tls-required")


@pytest.mark.parametrize("octets", [b"CONNECT\naccept-version:1.2\n\n\0", b"\r\n\r\n", b"\x80\x2e\x01\0\r\n\r\n"])
@pytest.mark.gen_test(timeout=20)
async def test_anything_else_on_the_https_port(start, dial, octets):
    node = await start()
    peer = await dial(node)
    await peer.send(octets)
    answer = await peer.end()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("octets", [b"CONNECT\naccept-version:1.2\n\n\0", b"GET / HTTP/1.1\r\n\r\n", b"\n", b"\xff"])
@pytest.mark.gen_test(timeout=20)
async def test_anything_else_on_the_stomps_port(start, dial, join, octets):
    node = await start()
    seen = await join(node, "stomps")
    peer = await dial(node, "stomps")
    await peer.send(octets)
    answer = await peer.end()
    assert answer.startswith(b"ERROR\ncode:tls-required\n")
    assert answer.count(b"\0") == 1
    assert node.stats["errors_tls-required"] == 1
    peer.close()
    await until(lambda: node.gateway.connections == 1, 2)
    await seen.publish("/topic/a")


@pytest.mark.parametrize("scheme", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_tls_on_a_plain_port(start, dial, join, authority, scheme):
    node = await start()
    seen = await join(node)
    peer = await dial(node, scheme, TlsPeer)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await peer.shake(authority.trust())
    peer.close()
    # The rest may come later; it does not make the kernel take the alert back.
    octets = hello(authority.trust())
    peer = await dial(node, scheme)
    await peer.send(octets[:1])
    await until(lambda: node.stats["errors_tls-not-here"] == 2, 2)
    await peer.send(octets[1:] * 100, b"\n\n\0\r\n\r\n")
    assert await peer.end() == b"\x15\x03\x01\x00\x02\x02\x28"
    peer.close()
    await until(lambda: not node._servers["http"]._connections and node.gateway.connections == 1, 2)
    errors = {name: count for name, count in node.stats.snapshot().items() if name.startswith("errors_")}
    assert errors == {"errors_tls-not-here": 2}
    await seen.publish("/topic/a")


@pytest.mark.parametrize("scheme", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_tls_on_a_plain_port_is_closed_in_time(start, dial, authority, scheme):
    node = await start(limits__connect_seconds=0.2)
    peer = await dial(node, scheme)
    await peer.send(hello(authority.trust()))
    await until(lambda: node.stats["connections_unfinished"] + node.stats["errors_connect-timeout"] == 1, 2)
    await until(lambda: node.gateway.connections == 0, 2)


# New certificates


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_new_certificate_is_for_new_connections_and_old_ones_go_on(start, join, authority, scheme):
    file = authority.certificate()
    node = await start(certificate=file)
    old = await join(node, scheme)
    await old.subscribe("/topic/a")
    authority.certificate(file=file)
    assert (await join(node, scheme)).serial == old.serial
    node.reload()
    new = await join(node, scheme)
    assert new.serial != old.serial
    await new.publish("/topic/a", b"x")
    assert (await old.frame()).body == b"x"


@pytest.mark.gen_test(timeout=20)
async def test_a_broken_file_changes_nothing_and_the_log_says_why(start, join, authority, logged, caplog):
    logged.expect("certificates stay as they were")
    file, key = authority.pair()
    node = await start(certificate=file, tls__key=key)
    old = await join(node)
    authority.certificate(file=file)  # another certificate, and still the old key
    node.reload()
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    told = f"certificates stay as they were: tls.certificate {file}: the key does not belong to the certificate"
    assert (record.name, record.getMessage()) == ("qmq", told)
    assert (await join(node)).serial == old.serial


@pytest.mark.gen_test(timeout=20)
async def test_other_client_authorities_after_a_reload(start, join, dial, authority, tmp_path):
    file = tmp_path / "client-ca.pem"
    file.write_bytes((tmp_path / authority.file).read_bytes())
    node = await start(**asked(authority, "required", str(file)))
    mine = authority.trust(authority.certificate("me@example.org"))
    old = await join(node, context=mine)
    other = Authority(tmp_path / "other")
    file.write_bytes((tmp_path / other.file).read_bytes())
    node.reload()
    await is_refused(await dial(node, kind=TlsPeer), mine, "UNKNOWN_CA")
    await join(node, context=authority.trust(other.certificate("me@example.org")))
    await old.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_there_may_be_nothing_to_read_again(start_node, caplog):
    node = await start_node()
    with caplog.at_level("INFO"):
        node.reload()
    assert "no certificates to read again" in caplog.text
