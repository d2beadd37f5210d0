"""Who may do what over the JSON API: the same users, tokens and rules as everywhere, and the same codes."""

import asyncio
import base64
import dataclasses
import time

import pytest

from qmq.session.passwords import hashed
from tests.gateway.api_peer import ApiPeer, Listener
from tests.helpers import until
from tests.tokens import SECRET, token

RULES = (
    {"who": "alice", "allow": ["publish", "subscribe"], "on": "/topic/a.#"},
    {"who": "bob", "allow": ["publish", "consume", "manage"], "on": "/queue/b.#"},
    {"who": "root", "allow": "manage", "on": "#"},
)
ALICE = {"Authorization": "Basic " + base64.b64encode(b"alice:right").decode()}


def bearer(name, **more):
    return {"Authorization": f"Bearer {token(name, **more)}"}


@pytest.fixture
def guarded(api, tmp_path):
    """Connections to a node with a user, a key and rules: `peer = await guarded()`."""
    (tmp_path / "secret").write_text(SECRET)
    users = ({"name": "alice", "password": hashed("right", cost=4)},)
    fixed = {"users": users, "rules": RULES, "tokens.keys": (str(tmp_path / "secret"),), "tokens.cookie": "session"}

    async def guarded(kind=ApiPeer, **values):
        more = {name.replace("__", "."): value for name, value in values.items()}
        return await api({**fixed, **more}, kind)

    return guarded


SHOWN = {
    "nothing": ({}, "", "login-required"),
    "password": (ALICE, "", None),
    "wrong password": ({"Authorization": "Basic " + base64.b64encode(b"alice:x").decode()}, "", "bad-login"),
    "token": (bearer("alice"), "", None),
    "token in the query": ({}, f"?access_token={token('alice')}", None),
    "no token": ({"Authorization": "Bearer x"}, "", "bad-token"),
    "expired": (bearer("alice", lasts=-60), "", "token-expired"),
    "neither": ({"Authorization": "Digest x"}, "", "bad-request"),
    "cookie of an own page": ({"Cookie": f"session={token('alice')}", "Sec-Fetch-Site": "same-origin"}, "", None),
    "cookie of who knows which page": ({"Cookie": f"session={token('alice')}"}, "", "login-required"),
    "cookie of a foreign page": (
        {"Cookie": f"session={token('alice')}", "Origin": "http://evil.example"}, "", "bad-origin",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.gen_test(timeout=20)
async def test_who_gets_in(guarded, name):
    peer = await guarded()
    headers, query, code = SHOWN[name]
    message = {"destination": "/topic/a.b", "body": "x"}
    if code is None:
        assert (await peer.done("POST", f"/publish{query}", message, **headers))["ids"]
        return
    status, told_headers, told = await peer.call("POST", f"/publish{query}", message, **headers)
    assert told["code"] == code and peer.node.hub.offset == 0
    assert ("www-authenticate" in told_headers) == (status == 401)


REQUESTS = [
    ("alice", "POST", "/publish", {"destination": "/topic/a.b"}, True),
    ("alice", "POST", "/publish", [{"destination": "/topic/a.b"}, {"destination": "/topic/b"}], False),
    ("alice", "POST", "/publish", {"destination": "/topic/system.peers"}, False),
    ("alice", "GET", "/messages?destination=/topic/a.%23", None, True),
    ("alice", "GET", "/messages?destination=/topic/%23&wait=5", None, False),
    ("alice", "GET", "/stream?destination=/topic/b", None, False),
    ("alice", "POST", "/consume", {"destination": "/queue/b.1"}, False),
    ("alice", "GET", "/stats", None, False),
    ("alice", "GET", "/connections", None, False),
    ("alice", "PUT", "/queues/b.1", {}, False),
    ("bob", "POST", "/consume", {"destination": "/queue/b.1"}, True),
    ("bob", "POST", "/consume", {"destination": "/queue/c"}, False),
    ("bob", "PUT", "/queues/b.3", {"max-length": 9}, True),
    ("bob", "PUT", "/queues/b.2", {"dead-letter": "/queue/c"}, False),
    ("bob", "POST", "/bindings", {"source": "amq.topic", "destination": "/queue/b.1", "key": "#"}, False),
    ("bob", "DELETE", "/connections/x", None, False),
    ("root", "GET", "/stats", None, True),
    ("root", "POST", "/publish", {"destination": "/topic/a.b"}, False),
]


@pytest.mark.gen_test(timeout=20)
async def test_who_may_do_what(guarded):
    peer = await guarded()
    shown = {name: bearer(name) for name in ("alice", "bob", "root")}
    for who, method, path, value, allowed in REQUESTS:
        status, _, told = await peer.call(method, path, value, **shown[who])
        if allowed:
            assert status == 200, (who, method, path, told)
        else:
            assert (status, told["code"]) == (403, "forbidden"), (who, method, path)
    queues = (await peer.done("GET", "/queues", **shown["bob"]))["queues"]
    assert [each["destination"] for each in queues] == ["/queue/b.1", "/queue/b.3"]
    assert (await peer.done("GET", "/queues", **shown["alice"]))["queues"] == []


@pytest.mark.gen_test(timeout=20)
async def test_who_goes_while_its_password_is_tried_takes_nothing(guarded):
    users = ({"name": "alice", "password": hashed("right", cost=16)},)  # takes a while
    rules = ({"who": "alice", "allow": ["publish", "consume"], "on": "/queue/#"},)
    peer = await guarded(users=users, rules=rules)
    await peer.done("POST", "/publish", {"destination": "/queue/a", "body": "x"}, **bearer("alice"))
    hasty = await guarded()
    body = b'{"destination":"/queue/a"}'
    hasty.ask("/api/v1/consume", body, Content_Type="application/json", Authorization=ALICE["Authorization"])
    await until(lambda: any(gateway.logins._trying for gateway in peer.node.gateway.family))
    hasty.cut()
    await until(lambda: not any(gateway.logins._trying for gateway in peer.node.gateway.family))
    told = await peer.done("POST", "/consume", {"destination": "/queue/a", "wait": 5}, **bearer("alice"))
    assert [each["body"] for each in told["deliveries"]] == ["x"]


@pytest.mark.gen_test(timeout=20)
async def test_tokens_of_deliveries_are_good_for_who_got_them(guarded):
    peer, bob = await guarded(), bearer("bob")
    await peer.done("POST", "/publish", {"destination": "/queue/b.1", "body": "x"}, **bob)
    told = await peer.done("POST", "/consume", {"destination": "/queue/b.1"}, **bob)
    settled = {"ack": [told["deliveries"][0]["token"]]}
    for other in (bearer("alice"), bearer("root"), ALICE):
        assert (await peer.done("POST", "/settle", settled, **other))["settled"] == 0
    assert (await peer.done("POST", "/settle", settled, **bearer("bob", lasts=900)))["settled"] == 1  # a newer token


@pytest.mark.gen_test(timeout=20)
async def test_a_stream_ends_with_its_token(guarded, listen):
    await guarded(tokens__grace=0.0)
    listener = await listen("destination=/topic/a.b", **bearer("alice", lasts=1.2))
    begin = time.monotonic()
    name, told = await listener.event()
    assert (name, told["code"], told["retry"]) == ("error", "token-expired", True)
    assert await listener.event() is None and time.monotonic() - begin < 5
    back = await listen("destination=/topic/a.b", **bearer("alice"), Last_Event_ID=listener.last)
    assert back.granted["recovered"]


@pytest.mark.gen_test(timeout=20)
async def test_streams_count_for_their_principal(guarded, listen):
    peer = await guarded(limits__connections_per_principal=1)
    await listen("destination=/topic/a.b", **bearer("alice"))
    [seen] = peer.node.gateway.describe()
    assert seen["principal"] == "token 'alice'"
    another = await guarded(Listener)
    assert (await another.listen("destination=/topic/a.c", **bearer("alice")))[0] == 200
    name, told = await another.event()
    assert (name, told["code"]) == ("error", "too-many-connections")


@pytest.mark.gen_test(timeout=20)
async def test_who_loses_a_right_loses_its_stream(guarded, listen):
    peer = await guarded()
    listener = await listen("destination=/topic/a.b", **bearer("alice"))
    node = peer.node
    node._reread = lambda: dataclasses.replace(node.config, rules=RULES[1:])
    await node.reload()
    name, told = await listener.event()
    assert (name, told["code"], told["retry"]) == ("error", "forbidden", False)
    await peer.refused("forbidden", "GET", "/stream?destination=/topic/a.b", **bearer("alice"))


@pytest.mark.gen_test(timeout=20)
async def test_the_certificate_of_a_client_is_its_login(tls_node, authority, tmp_path):
    rules = ({"kind": "certificate", "who": "device-7", "allow": "publish", "on": "/topic/a"},)
    node = await tls_node(tls__client_ca=authority.file, tls__client_certificates="optional", rules=rules)
    port = next(each["port"] for each in node.listen if each["scheme"] == "https")

    def device(name):
        file = tmp_path / name
        authority._ca.issue_cert(common_name=name).private_key_and_cert_chain_pem.write_to_path(file)
        return authority.trust(file)

    for context, code in ((device("device-7"), None), (device("device-8"), "forbidden")):
        peer = ApiPeer(*await asyncio.open_connection("127.0.0.1", port, ssl=context))
        if code is None:
            assert await peer.done("POST", "/publish", {"destination": "/topic/a"})
        else:
            await peer.refused(code, "POST", "/publish", {"destination": "/topic/a"})
        peer.close()
    await until(lambda: node.hub.offset == 1)
