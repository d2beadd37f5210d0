"""Who may call at `/avro`: credentials as everywhere, shown by Apache's own client; rights as in all protocols."""

import asyncio
import contextlib

import pytest

from qmq.session.passwords import hashed
from tests.avro_client import Client, OverHttp, Refused, basic
from tests.gateway.avro_peer import AvroPeer, poll, publish
from tests.helpers import until
from tests.tokens import SECRET, token

RULES = (
    {"who": "alice", "allow": ["publish", "subscribe", "consume", "manage"], "on": ["/topic/a.#", "/queue/a"]},
    {"who": "cleo", "kind": "certificate", "allow": "publish", "on": "/topic/c"},
)


@pytest.fixture
def guarded(start_node, tmp_path):
    """Starts a node with a user, a key and some rules: `node = await guarded()`."""
    (tmp_path / "secret").write_text(SECRET)

    async def guarded(**values):
        users = ({"name": "alice", "password": hashed("right", cost=4)},)
        keys = {"tokens.keys": (str(tmp_path / "secret"),)}
        more = {name.replace("__", "."): value for name, value in values.items()}
        return await start_node({"users": users, "rules": RULES, **keys, **more})

    return guarded


def port(node, scheme="http"):
    return next(at["port"] for at in node.listen if at["scheme"] == scheme)


async def talk(node, function, **headers):
    """Lets a client that shows these headers call, in a thread."""

    def run():
        with contextlib.closing(Client(OverHttp(port(node), **headers))) as client:
            return function(client)

    return await asyncio.to_thread(run)


def everything(client):
    """All that alice may do; what it came to."""
    client("publish", messages=[{"destination": "/topic/a.b", "body": b"x"}, {"destination": "/queue/a"}])
    [message] = client("poll", destination="/topic/a.*", **{"from": "earliest"})["messages"]
    [delivery] = client("consume", destination="/queue/a")
    settled = client("settle", ack=[delivery["token"]])["settled"]
    return message["body"], settled, client("inspect", destination="/queue/a")["messages"]


@pytest.mark.parametrize("way", ["basic", "bearer"])
@pytest.mark.gen_test(timeout=30)
async def test_a_client_with_credentials_does_what_it_may(guarded, way):
    shown = basic("alice", "right") if way == "basic" else f"Bearer {token('alice')}"
    assert await talk(await guarded(), everything, Authorization=shown) == (b"x", 1, 0)


@pytest.mark.gen_test(timeout=30)
async def test_what_is_not_allowed_is_an_error_of_the_call(guarded):
    calls = {
        "publish": {"messages": [{"destination": "/topic/b"}]},
        "poll": {"destination": "/topic/#"},
        "consume": {"destination": "/queue/b"},
        "declare": {"destination": "/queue/b"},
        "manage": {"operation": "connections"},
    }

    def try_all(client):
        codes = set()
        for name, parameters in calls.items():
            with pytest.raises(Refused) as refused:
                client(name, **parameters)
            codes.add(refused.value.code)
        return codes

    node = await guarded()
    assert await talk(node, try_all, Authorization=basic("alice", "right")) == {"forbidden"}
    assert node.stats["errors_forbidden"] == len(calls)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("login-required", dict),
        ("bad-login", lambda: {"Authorization": basic("alice", "wrong")}),
        ("bad-token", lambda: {"Authorization": f"Bearer {token('alice')[:-4]}"}),
        ("token-expired", lambda: {"Authorization": f"Bearer {token('alice', lasts=-60)}"}),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_who_is_not_let_in_is_told_by_http(guarded, code, shown):
    node = await guarded()
    with contextlib.closing(await AvroPeer.open(port(node))) as peer:
        peer.tell(publish(), **shown())
        assert (await peer.problem())[:2] == (401, code)
        peer.tell(b"no call at all", **shown())
        assert (await peer.problem())[:2] == (401, code)  # and hears nothing else
        peer.tell(publish(), Authorization=basic("alice", "right"))
        assert (await peer.hear())[1].startswith(b"\0\0")


@pytest.mark.gen_test(timeout=20)
async def test_tokens_of_deliveries_are_of_no_use_to_others(guarded):
    node = await guarded(rules=({"who": "*", "allow": ["publish", "consume"], "on": "/queue/#"},))

    def consume(client):
        client("publish", messages=[{"destination": "/queue/a"}])
        return client("consume", destination="/queue/a")[0]["token"]

    secret = await talk(node, consume, Authorization=f"Bearer {token('alice')}")
    for name, settled in (("bob", 0), ("alice", 1)):
        found = await talk(node, lambda client: client("settle", ack=[secret]), Authorization=f"Bearer {token(name)}")
        assert found["settled"] == settled


@pytest.mark.one_thread("tells the one gateway")
@pytest.mark.gen_test(timeout=20)
async def test_who_waits_while_the_policy_changes_is_answered_and_looked_at_again(guarded):
    node = await guarded()
    with contextlib.closing(await AvroPeer.open(port(node))) as peer:
        peer.tell(poll("/topic/a.b", wait=20), Authorization=basic("alice", "right"))
        await until(lambda: node.gateway.operations.waiting == 1)
        node.gateway.review()
        assert (await peer.hear())[1].startswith(b"\0\0\0")  # no messages
        assert node.gateway.operations.waiting == 0


@pytest.mark.gen_test(timeout=20)
async def test_a_certificate_says_who_it_is(guarded, authority):
    node = await guarded(
        listen=("https://127.0.0.1:0",),
        tls__certificate=authority.certificate(),
        tls__client_ca=authority.file,
        tls__client_certificates="required",
    )
    context = authority.trust(authority.certificate(holder="cleo"))

    def run():
        with contextlib.closing(Client(OverHttp(port(node, "https"), context))) as client:
            with pytest.raises(Refused) as refused:
                client("publish", messages=[{"destination": "/topic/a.b"}])
            return refused.value.code, len(client("publish", messages=[{"destination": "/topic/c"}]))

    assert await asyncio.to_thread(run) == ("forbidden", 1)
