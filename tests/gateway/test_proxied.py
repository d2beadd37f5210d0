"""Connections that a proxy passes on, with a header of the PROXY protocol before them, TLS or not."""

import asyncio
import contextlib

import pytest

from qmq.wire import proxy
from tests.gateway.queue_peers import TcpPeer
from tests.gateway.tls_peers import LISTEN, StompsPeer, TlsPeer
from tests.helpers import until

pytestmark = pytest.mark.one_thread("each thread has listeners of its own, all alike")

ALL = ("http", "https", "stomp", "stomps")
FROM = ("192.0.2.7", 4711)
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"


@pytest.fixture
def proxied(start_node, authority):
    async def start(**values):
        more = {name.replace("__", "."): value for name, value in values.items()}
        certificate = {"listen": LISTEN, "tls.certificate": authority.certificate()}
        return await start_node({"trusted_proxies": ("127.0.0.1",), "proxy_protocol": ALL, **certificate, **more})

    return start


KINDS = {"stomp": TcpPeer, "stomps": StompsPeer, "https": TlsPeer}


@pytest.mark.parametrize("header", [proxy.encode(FROM), LINE], ids=["octets", "line"])
@pytest.mark.parametrize("scheme", ALL)
@pytest.mark.gen_test(timeout=20)
async def test_a_client_behind_a_proxy(proxied, tls_dial, authority, scheme, header):
    node = await proxied()
    peer = await tls_dial(node, scheme, *([KINDS[scheme]] if scheme in KINDS else []))
    plain = getattr(peer, "send_undeciphered", peer.send)
    for octet in header:  # however it comes
        await plain(bytes((octet,)))
        await asyncio.sleep(0)
    if scheme.endswith("s"):
        await peer.shake(authority.trust())
    if scheme.startswith("http"):
        await peer.upgrade()
    await peer.login()
    (found,) = node.gateway.describe()
    assert (found["address"], found["tls"]) == (FROM[0], scheme.endswith("s"))
    await peer.subscribe("/topic/a")
    await peer.tell("SEND", {"destination": "/topic/a"}, b"x")
    assert (await peer.frame()).body == b"x"


@pytest.mark.gen_test(timeout=20)
async def test_the_header_may_come_with_what_follows_it(proxied, tls_dial):
    node = await proxied()
    six = ("2001:db8::1", 1)
    headers = {proxy.encode(FROM): FROM[0], proxy.encode(six): six[0], proxy.encode(None): "127.0.0.1"}
    lines = {LINE: FROM[0], b"PROXY UNKNOWN\r\n": "127.0.0.1"}
    for header, address in (headers | lines).items():
        peer = await tls_dial(node, "stomp", TcpPeer)
        await peer.send(header, b"CONNECT\naccept-version:1.2\nhost:h\n\n\0")
        assert (await peer.frame()).command == "CONNECTED"
        assert [each["address"] for each in node.gateway.describe()] == [address]
        peer.close()
        await until(lambda: node.gateway.connections == 0)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"CONNECT\n\n\0" + bytes(9),
        proxy.SIGNATURE + b"\x31\0\0\0",
        b"PROXY UDP4\r\n" + bytes(9),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_a_proxy_that_does_not_say_whose_it_is(proxied, tls_dial, octets):
    node = await proxied()
    for number, scheme in enumerate(ALL, 1):
        peer = await tls_dial(node, scheme)
        await peer.send(octets)
        with contextlib.suppress(ConnectionResetError):  # for octets that were not read
            assert await peer.end() == b""
        assert node.stats["errors_bad-proxy-header"] == number
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_proxy_that_says_nothing_is_not_waited_for(proxied, tls_dial):
    node = await proxied(limits__connect_seconds=0.1)
    silent, half, gone = [await tls_dial(node, "stomp") for _ in range(3)]
    await half.send(proxy.encode(FROM)[:20])
    gone.close()
    for peer in (silent, half):
        assert await peer.end() == b""
    assert node.stats["connections_unfinished"] == 3


@pytest.mark.gen_test(timeout=20)
async def test_nobody_else_is_believed(start_node, dial):
    node = await start_node({"trusted_proxies": ("192.0.2.0/24",), "proxy_protocol": ALL})
    peer = await dial(node)
    await peer.send(proxy.encode(FROM), b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" not in await peer.end()
    assert node.gateway.connections == 0
    honest = await dial(node)
    await honest.upgrade()
    await honest.login()
    assert [each["address"] for each in node.gateway.describe()] == ["127.0.0.1"]


@pytest.mark.gen_test(timeout=20)
async def test_stopping_closes_those_who_have_not_spoken(proxied, tls_dial):
    node = await proxied()
    peer = await tls_dial(node, "stomp")
    await until(lambda: any(branch.proxied["stomp"].arrivals for branch in node.branches))
    await node.stop()
    assert await peer.end() == b""
