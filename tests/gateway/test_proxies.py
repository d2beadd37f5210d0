"""Whose request it is: what trusted proxies say counts, and what anybody else says does not."""

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qmq.gateway.proxies import Proxies
from tests.gateway.poll_peer import Http, Poller, problem
from tests.helpers import plain, request, until


def seen(peer, trusted=("10.0.0.0/8", "2001:db8::/32"), forwarded=None, protocol=None):
    """The address and the scheme that a request has in the end."""
    headers = HTTPHeaders({"Host": "x"})
    for line in forwarded or ():
        headers.add("X-Forwarded-For", line)
    if protocol is not None:
        headers.add("X-Forwarded-Proto", protocol)
    asked = HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=headers)
    asked.remote_ip, asked.protocol = peer, "http"
    Proxies(trusted).apply(asked)
    return asked.remote_ip, asked.protocol


# name: (peer, X-Forwarded-For, X-Forwarded-Proto, address, scheme)
REQUESTS = {
    "nobody in between": ("192.0.2.1", None, None, "192.0.2.1", "http"),
    "not trusted": ("192.0.2.1", ["198.51.100.9"], "https", "192.0.2.1", "http"),
    "trusted": ("10.0.0.1", ["198.51.100.9"], "https", "198.51.100.9", "https"),
    "trusted, by its IPv4 address within IPv6": ("::ffff:10.0.0.1", ["198.51.100.9"], None, "198.51.100.9", "http"),
    "trusted, IPv6": ("2001:db8::1", ["2001:dead::9"], None, "2001:dead::9", "http"),
    "trusted, but it says nothing": ("10.0.0.1", None, None, "10.0.0.1", "http"),
    "made up on the left": ("10.0.0.1", ["203.0.113.5, 198.51.100.9"], None, "198.51.100.9", "http"),
    "made up in a line of its own": ("10.0.0.1", ["203.0.113.5", "198.51.100.9"], None, "198.51.100.9", "http"),
    "a chain of trusted ones": ("10.0.0.1", ["203.0.113.5, 198.51.100.9, 10.0.0.2"], None, "198.51.100.9", "http"),
    "trusted all the way": ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], None, "10.0.0.3", "http"),
    "with a port": ("10.0.0.1", ["198.51.100.9:80"], None, "198.51.100.9", "http"),
    "a chain with ports": ("10.0.0.1", ["198.51.100.9:80, 10.0.0.2:443"], None, "198.51.100.9", "http"),
    "in brackets": ("10.0.0.1", ["[2001:dead::9]"], None, "2001:dead::9", "http"),
    "in brackets, with a port": ("10.0.0.1", ["[2001:dead::9]:4711"], None, "2001:dead::9", "http"),
    "in quotes": ("10.0.0.1", ['"198.51.100.9"'], None, "198.51.100.9", "http"),
    "in quotes and brackets": ("10.0.0.1", ['"[2001:dead::9]:4711"'], None, "2001:dead::9", "http"),
    "a proxy in brackets": ("10.0.0.1", ["198.51.100.9, [2001:db8::7]:80"], None, "198.51.100.9", "http"),
    "IPv4 within IPv6, with a port": ("10.0.0.1", ["[::ffff:198.51.100.9]:80"], None, "198.51.100.9", "http"),
    "hidden": ("10.0.0.1", ["198.51.100.9, _SEVKISEK"], None, "_SEVKISEK", "http"),
    "hidden, with a port": ("10.0.0.1", ["_hidden.1:_p"], None, "_hidden.1", "http"),
    "empty": ("10.0.0.1", [""], "", "10.0.0.1", "http"),
    "empty entries": ("10.0.0.1", ["198.51.100.9, ,"], "", "198.51.100.9", "http"),
    "scheme of the last proxy": ("10.0.0.1", None, "http, https", "10.0.0.1", "https"),
    "no scheme of ours": ("10.0.0.1", None, "gopher", "10.0.0.1", "http"),
    "very many": ("10.0.0.1", [",".join(["10.0.0.2"] * 5000)], None, "10.0.0.2", "http"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_who_it_is(name):
    peer, forwarded, protocol, address, scheme = REQUESTS[name]
    assert seen(peer, forwarded=forwarded, protocol=protocol) == (address, scheme)


# What cannot be read.
UNKNOWN = [
    "unknown", "198.51.100.9, unknown", "unknown, 10.0.0.2", "nonsense", '"', "[", "[]", "[::1", "198.51.100.9:80:80",
    "198.51.100.9:", "198.51.100.999", "_", "_" + "x" * 100, "unknown:80", "for=198.51.100.9", "[198.51.100.9",
]  # fmt: skip


@pytest.mark.parametrize("forwarded", UNKNOWN)
def test_what_cannot_be_read_is_no_address_that_others_share(forwarded):
    found = [seen("10.0.0.1", forwarded=[forwarded])[0] for _ in range(3)]
    assert len(set(found)) == 3
    assert not any(Proxies(("10.0.0.0/8", "0.0.0.0/0", "::/0")).trusts(each) for each in found)


@pytest.mark.parametrize("forwarded", ["unknown", "192.0.2.7:4711", "[2001:dead::9]:4711", "_a"])
@pytest.mark.gen_test(timeout=20)
async def test_who_fails_to_log_in_locks_nobody_else_out(guarded, dial, forwarded):
    """Five wrong passwords of one client behind a proxy; then another one, whose address is another."""
    node = await guarded(trusted_proxies=("127.0.0.1",), limits__login_failures=3)
    for _ in range(5):
        peer = await dial(node)
        await peer.ask(plain("/api/v1/queues", X_Forwarded_For=forwarded, Authorization="Basic YWRhOndyb25n"))
    other = forwarded if forwarded == "unknown" else "192.0.2.8:4711"
    answer = await (await dial(node)).ask(
        plain("/api/v1/queues", X_Forwarded_For=other, Authorization="Basic YWRhOndyb25n")
    )
    assert answer.problem() == (401, "bad-login")


def test_without_proxies_nobody_is_believed():
    assert seen("10.0.0.1", (), ["198.51.100.9"], "https") == ("10.0.0.1", "http")
    assert not Proxies().trusts("10.0.0.1")


@pytest.mark.parametrize(("trusted", "address"), [((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.7")])
@pytest.mark.gen_test(timeout=20)
async def test_connections_have_the_clients_address(start_node, dial, trusted, address):
    node = await start_node({"trusted_proxies": trusted})
    peer = await dial(node)
    await peer.ask(request(X_Forwarded_For="192.0.2.7"))
    http = await Http.open(node.listen[0]["port"])
    http.ask("/poll", X_Forwarded_For="192.0.2.7")
    assert (await http.answer())[0] == 200
    http.ask("/sockjs/000/abc/xhr", X_Forwarded_For="192.0.2.7")
    assert (await http.answer())[0] == 200
    await until(lambda: node.gateway.connections == 3)
    found = [(each["transport"], each["address"]) for each in node.gateway.describe()]
    assert sorted(found) == [(kind, address) for kind in ("poll", "sockjs", "websocket")]
    assert node.gateway.door.census.snapshot()[0] == {address: 3}
    http.close()


@pytest.mark.gen_test(timeout=20)
async def test_clients_behind_a_proxy_are_counted_one_by_one(start_node):
    node = await start_node({"trusted_proxies": ("127.0.0.1",), "limits.connections_per_address": 2})
    pollers = [await Poller.open(node, X_Forwarded_For=f"192.0.2.{number // 2}") for number in range(20)]
    http = await Http.open(node.listen[0]["port"])
    http.ask("/poll", X_Forwarded_For="192.0.2.0")
    status, _, body = await http.answer()
    assert (status, problem(body)) == (503, "too-many-connections")
    http.ask("/poll", X_Forwarded_For="192.0.2.99")
    assert (await http.answer())[0] == 200
    for each in (*pollers, http):
        each.close()
