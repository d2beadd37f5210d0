"""Client certificates as logins, over https and stomps: who their holders are, and what they may do."""

import asyncio
import json
import ssl

import pytest

from qmq.session.passwords import hashed
from tests.gateway.poll_peer import CONNECT, Http, problem
from tests.gateway.tls_peers import SECURE, asked, port
from tests.tokens import SECRET, token

RULES = (
    {"kind": "certificate", "who": "svc-*", "allow": ["publish", "subscribe"], "on": "/topic/{name}"},
    {"kind": "certificate", "who": "urn:*", "allow": "publish", "on": "/topic/urn"},
    {"who": "alice", "allow": "publish", "on": "/topic/alice"},
)


@pytest.fixture
def node_of(tls_node, authority):
    """Starts a node that asks for certificates: `node = await node_of("optional")`."""

    async def node_of(how, **values):
        return await tls_node(**{**asked(authority, how), "rules": RULES, **values})

    return node_of


async def join(tls_shake, node, scheme, context, **headers):
    """Connects and sends CONNECT; the peer, and the answer."""
    peer = await tls_shake(node, scheme, context=context)
    if scheme == "https":
        await peer.upgrade()
    await peer.tell("CONNECT", {"accept-version": "1.2", "host": "x", **headers})
    return peer, await peer.frame()


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_is_a_login(node_of, tls_shake, authority, scheme):
    node = await node_of("required")
    peer, answer = await join(tls_shake, node, scheme, authority.trust(authority.holder("svc-a")))
    assert answer.command == "CONNECTED"
    assert [each["principal"] for each in node.gateway.describe()] == ["certificate 'svc-a'"]
    await peer.publish("/topic/svc-a")
    await peer.tell("SEND", {"destination": "/topic/svc-b"})
    error = await peer.frame()
    assert (error.command, error.headers["code"]) == ("ERROR", "forbidden")


@pytest.mark.gen_test(timeout=20)
async def test_connections_and_requests_end_with_their_certificate(node_of, tls_shake, authority):
    node = await node_of("required", **{"tokens.grace": 0.0})
    context = authority.trust(authority.holder("svc-a", lasts=3))
    peer, answer = await join(tls_shake, node, "stomps", context)
    assert 0 < int(answer.headers["expires-in"]) <= 3000
    http = Http(*await asyncio.open_connection("127.0.0.1", port(node, "https"), ssl=context))
    http.ask("/poll", CONNECT)
    assert (await http.answer())[0] == 200
    error = await peer.frame()
    assert (error.command, error.headers["code"], error.body) == ("ERROR", "token-expired", b"it was a certificate")
    http.ask("/poll", CONNECT)
    status, _, body = await http.answer()
    assert (status, problem(body)) == (401, "token-expired")
    http.close()


@pytest.mark.parametrize("scheme", SECURE)
@pytest.mark.gen_test(timeout=20)
async def test_without_one_and_without_a_login_nobody_comes_in(node_of, tls_shake, authority, scheme):
    node = await node_of("optional")
    _, error = await join(tls_shake, node, scheme, authority.trust())
    assert (error.command, error.headers["code"]) == ("ERROR", "login-required")


@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_without_a_name_names_nobody(node_of, tls_shake, authority):
    node = await node_of("optional")
    _, error = await join(tls_shake, node, "stomps", authority.trust(authority.holder(uri="urn:x")))
    assert error.headers["code"] == "login-required"


@pytest.mark.gen_test(timeout=20)
async def test_the_name_may_be_a_uri(node_of, tls_shake, authority):
    node = await node_of("required", tls__client_name="uri")
    peer, _ = await join(tls_shake, node, "stomps", authority.trust(authority.holder("svc-a", "urn:svc:b")))
    assert [each["principal"] for each in node.gateway.describe()] == ["certificate 'urn:svc:b'"]
    await peer.publish("/topic/urn")


@pytest.mark.gen_test(timeout=20)
async def test_a_login_beats_the_certificate_if_it_is_good(node_of, tls_shake, authority, tmp_path):
    (tmp_path / "secret").write_text(SECRET)
    users = ({"name": "alice", "password": hashed("right", cost=4)},)
    node = await node_of("optional", users=users, tokens__keys=(str(tmp_path / "secret"),))
    context = authority.trust(authority.holder("svc-a"))
    for login, passcode, principal in (
        ("alice", "right", "user 'alice'"),
        ("token", token("bob"), "token 'bob'"),
        ("", "", "certificate 'svc-a'"),
    ):
        _, answer = await join(tls_shake, node, "stomps", context, login=login, passcode=passcode)
        assert answer.command == "CONNECTED"
        assert principal in [each["principal"] for each in node.gateway.describe()]
    _, error = await join(tls_shake, node, "stomps", context, login="alice", passcode="wrong")
    assert error.headers["code"] == "bad-login"


@pytest.mark.gen_test(timeout=20)
async def test_the_same_for_json(node_of, authority):
    node = await node_of("optional")
    for file, destination, status, code in (
        (authority.holder("svc-a"), "/topic/svc-a", 200, ""),
        (authority.holder("svc-a"), "/topic/svc-b", 403, "forbidden"),
        (None, "/topic/svc-a", 401, "login-required"),
    ):
        context: ssl.SSLContext = authority.trust(file)
        http = Http(*await asyncio.open_connection("127.0.0.1", port(node, "https"), ssl=context))
        body = b'{"destination":"%b","body":"x"}' % destination.encode()
        http.ask("/api/v1/publish", body, Content_Type="application/json")
        found, _, answer = await http.answer()
        assert (found, problem(answer) if code else "") == (status, code)
        http.close()


@pytest.mark.gen_test(timeout=20)
async def test_without_rules_a_certificate_opens_what_is_open_to_all(tls_node, tls_shake, authority):
    node = await tls_node(**asked(authority, "optional"))
    for file in (authority.holder("svc-a"), None):
        peer, _ = await join(tls_shake, node, "stomps", authority.trust(file))
        await peer.publish("/topic/anything")


@pytest.mark.gen_test(timeout=20)
async def test_a_polling_session_belongs_to_its_certificate(node_of, authority):
    node = await node_of("optional")
    mine, others, none = authority.holder("svc-a"), authority.holder("svc-b"), None

    async def ask(file, path, body=b""):
        context = authority.trust(file)
        http = Http(*await asyncio.open_connection("127.0.0.1", port(node, "https"), ssl=context))
        http.ask(path, body)
        found, _, answer = await http.answer()
        http.close()
        return found, answer

    status, body = await ask(mine, "/poll", CONNECT)
    assert status == 200
    path = f"/poll/{json.loads(body)['session']}"
    for file in (others, none):
        status, body = await ask(file, f"{path}/receive?ack=0")
        assert (status, problem(body)) == (404, "unknown-session")
    for _ in range(8):  # wherever the request arrives
        status, body = await ask(mine, f"{path}/receive?ack=0")
        assert status == 200
        assert b"CONNECTED" in body
