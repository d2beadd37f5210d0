"""TLS connections that come to nothing: silence, bad handshakes, wrong certificates, the wrong port."""

import json
import ssl

import pytest

from tests.authority import Authority
from tests.gateway.tls_peers import SECURE, TlsPeer, asked, hello, is_refused
from tests.helpers import plain, request, until

pytestmark = pytest.mark.one_thread("each thread has listeners of its own, all alike")

ALERT = 0x15

# Client certificates


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_is_required(tls_node, tls_join, tls_dial, authority, tmp_path, scheme):
    node = await tls_node(**asked(authority, "required"))
    mine = authority.trust(authority.certificate("me@example.org"))
    seen = await tls_join(node, scheme, context=mine)
    stranger = Authority(tmp_path / "stranger")
    for number, (context, words) in enumerate(
        {
            authority.trust(): "CERTIFICATE_REQUIRED",
            authority.trust(stranger.certificate("me@example.org")): "UNKNOWN_CA",
            authority.trust(authority.certificate("me@example.org", expired=True)): "CERTIFICATE_EXPIRED",
        }.items()
    ):
        await is_refused(await tls_dial(node, scheme, TlsPeer), context, words)
        assert node.stats["tls_certificates_refused"] == number + 1
    assert node.gateway.connections == 1
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_is_optional_but_not_any(tls_node, tls_join, tls_dial, authority, tmp_path):
    node = await tls_node(**asked(authority, "optional"))
    for context in (authority.trust(), authority.trust(authority.certificate("me@example.org"))):
        await (await tls_join(node, context=context)).publish("/topic/a")
    stranger = authority.trust(Authority(tmp_path / "stranger").certificate("me@example.org"))
    await is_refused(await tls_dial(node, kind=TlsPeer), stranger, "UNKNOWN_CA")
    assert node.stats["tls_certificates_refused"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_no_certificate_is_asked_for_by_default(tls_node, tls_join, authority, tmp_path):
    """One that has one, of whomever, is served like one that has none."""
    context = authority.trust(Authority(tmp_path / "stranger").certificate("me@example.org"))
    await (await tls_join(await tls_node(), context=context)).publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_clients_that_do_not_like_ours(tls_node, tls_dial, authority, tmp_path):
    """Expired, or of an authority that they do not know."""
    node = await tls_node(certificate=authority.certificate(expired=True))
    for number, context in enumerate((authority.trust(), Authority(tmp_path / "other").trust())):
        with pytest.raises(ssl.SSLCertVerificationError):
            await (await tls_dial(node, kind=TlsPeer)).shake(context)
        await until(lambda number=number: node.stats["tls_handshakes_failed"] == number + 1)


# Those that never get in


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_the_silent_and_the_half_done_are_closed_in_time(tls_node, tls_dial, tls_join, authority, scheme):
    node = await tls_node(limits__connect_seconds=0.3)
    seen = await tls_join(node, scheme)
    silent, half, one, gone = [await tls_dial(node, scheme) for _ in range(4)]
    await half.send(hello(authority.trust())[:100])
    await one.send(b"\x16")
    gone.close()
    for peer in (silent, half, one):
        assert await peer.end() == b""
    assert node.stats["connections_unfinished"] == 4
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_silence_after_the_handshake_is_silence_too(tls_node, tls_shake):
    node = await tls_node(limits__connect_seconds=0.3)
    page, back_end = await tls_shake(node), await tls_shake(node, "stomps")
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
async def test_handshakes_that_fail_get_an_alert_and_are_counted(tls_node, tls_dial, tls_join, scheme, name):
    octets, description = HANDSHAKES[name]
    node = await tls_node()
    seen = await tls_join(node, scheme)
    peer = await tls_dial(node, scheme)
    await peer.send(octets)
    answer = await peer.end()
    assert (answer[0], len(answer), answer[5]) == (ALERT, 7, 2)
    assert description in (None, answer[6])
    peer.close()
    assert node.stats["tls_handshakes_failed"] == 1
    await until(lambda: not node.branch.servers[scheme].arrivals, 2)
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_one_that_was_refused_and_stays_is_closed_after_the_linger_time(tls_node, tls_dial):
    node = await tls_node(limits__linger_seconds=0.2)
    peer = await tls_dial(node)
    await peer.send(old_hello())
    await until(lambda: node.stats["tls_handshakes_failed"] == 1, 2)
    await until(lambda: not node.branch.servers["https"].arrivals, 2)


# The wrong door


@pytest.mark.parametrize("path", ["/", "/stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_http_on_the_https_port(tls_node, tls_dial, tls_join, path):
    node = await tls_node()
    seen = await tls_join(node)
    peer = await tls_dial(node)
    answer = await peer.ask(request(path))
    assert answer.problem() == (400, "tls-required")
    assert "https://" in json.loads(answer.body)["detail"]
    assert await peer.end() == b""
    assert node.stats["errors_tls-required"] == 1
    await seen.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_a_body_is_read_before_it_is_refused(tls_node, tls_dial):
    node = await tls_node()
    peer = await tls_dial(node)
    body = b"x" * 500_000
    assert (await peer.ask(plain("/", "POST", Content_Length=str(len(body))), body)).problem() == (400, "tls-required")


@pytest.mark.parametrize("octets", [b"CONNECT\naccept-version:1.2\n\n\0", b"\r\n\r\n", b"\x80\x2e\x01\0\r\n\r\n"])
@pytest.mark.gen_test(timeout=20)
async def test_anything_else_on_the_https_port(tls_node, tls_dial, octets):
    node = await tls_node()
    peer = await tls_dial(node)
    await peer.send(octets)
    answer = await peer.end()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("octets", [b"CONNECT\naccept-version:1.2\n\n\0", b"GET / HTTP/1.1\r\n\r\n", b"\n", b"\xff"])
@pytest.mark.gen_test(timeout=20)
async def test_anything_else_on_the_stomps_port(tls_node, tls_dial, tls_join, octets):
    node = await tls_node()
    seen = await tls_join(node, "stomps")
    peer = await tls_dial(node, "stomps")
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
async def test_tls_on_a_plain_port(tls_node, tls_dial, tls_join, authority, scheme):
    node = await tls_node()
    seen = await tls_join(node)
    peer = await tls_dial(node, scheme, TlsPeer)
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        await peer.shake(authority.trust())
    peer.close()
    # The rest may come later; it does not make the kernel take the alert back.
    octets = hello(authority.trust())
    peer = await tls_dial(node, scheme)
    await peer.send(octets[:1])
    await until(lambda: node.stats["errors_tls-not-here"] == 2, 2)
    await peer.send(octets[1:] * 100, b"\n\n\0\r\n\r\n")
    assert await peer.end() == b"\x15\x03\x01\x00\x02\x02\x28"
    peer.close()
    await until(lambda: not node.branch.servers["http"]._connections and node.gateway.connections == 1, 2)
    errors = {name: count for name, count in node.stats.snapshot().items() if name.startswith("errors_")}
    assert errors == {"errors_tls-not-here": 2}
    await seen.publish("/topic/a")


@pytest.mark.parametrize("scheme", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_tls_on_a_plain_port_is_closed_in_time(tls_node, tls_dial, authority, scheme):
    node = await tls_node(limits__connect_seconds=0.2)
    peer = await tls_dial(node, scheme)
    await peer.send(hello(authority.trust()))
    await until(lambda: node.stats["connections_unfinished"] + node.stats["errors_connect-timeout"] == 1, 2)
    await until(lambda: node.gateway.connections == 0, 2)
