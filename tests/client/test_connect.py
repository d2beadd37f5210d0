"""How a program gets a client: where to, as whom, and what it is told when there is none."""

import asyncio

import pytest

from qmq.client import connect
from qmq.errors import QmqError
from qmq.session.passwords import hashed
from tests.client.failing import fails
from tests.client.strangers import Stranger, polite
from tests.gateway.tls_peers import LISTEN as TLS_LISTEN
from tests.tokens import key_file, token


def credentials(server):
    """What the last CONNECT said."""
    headers = [headers for command, headers, _ in server.frames if command == "CONNECT"][-1]
    return headers.get("login"), headers.get("passcode")


@pytest.mark.gen_test(timeout=20)
async def test_who_logs_in():
    async def later():
        return "later"

    ways = {
        (): (None, None),
        ("me", "secret"): ("me", "secret"),
        ("", "token only"): ("", "token only"),
    }
    async with Stranger.serving(polite) as server:
        for arguments, found in ways.items():
            async with await connect(server.url, *arguments):
                assert credentials(server) == found
        in_url = server.url.replace("//", "//you:p%3Aw@")
        for url, options, found in (
            (in_url, {}, ("you", "p:w")),
            (in_url, {"login": "me", "passcode": "x"}, ("me", "x")),
            (in_url, {"token": "text"}, ("token", "text")),
            (server.url, {"token": lambda: "now"}, ("token", "now")),
            (server.url, {"token": later, "login": "me"}, ("me", "later")),
        ):
            async with await connect(url, **options):
                assert credentials(server) == found
        heads = [headers for command, headers, _ in server.frames if command == "CONNECT"]
        assert heads[0]["accept-version"] == "1.2"
        assert (heads[0]["host"], heads[0]["heart-beat"]) == ("127.0.0.1", "10000,10000")


@pytest.mark.gen_test(timeout=20)
async def test_who_is_let_in(gateway, tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(key_file("HS256"))
    users = ({"name": "alice", "password": hashed("right", cost=4)},)
    rules = ({"who": "alice", "allow": ["publish"], "on": "/topic/a"},)
    _, url = await gateway({"users": users, "rules": rules, "tokens.keys": (str(file),)})
    for ways in (
        {"login": "alice", "passcode": "right"},
        {"passcode": token("alice")},
        {"token": token("alice")},
        {"token": lambda: token("alice")},
    ):
        async with await connect(url, **ways) as client:
            await client.publish("/topic/a", "x")
            async with fails("forbidden"):
                await client.publish("/topic/b", "x")
            assert client.state == "open"
    for code, ways in {
        "login-required": {},
        "bad-login": {"login": "alice", "passcode": "wrong"},
        "bad-token": {"token": "x"},
        "token-expired": {"token": token("alice", lasts=-60)},
    }.items():
        async with fails(code):
            await connect(url, **ways)
    if url.startswith("ws"):
        async with await connect(f"{url}/stomp?access_token={token('alice')}") as client:
            await client.publish("/topic/a", "x")
        async with fails("bad-token"):
            await connect(f"{url}/stomp?access_token=x", patient=True)


@pytest.mark.gen_test(timeout=20)
async def test_a_token_that_cannot_be_had():
    def fail():
        raise OSError("the key store is away")

    async with Stranger.serving(polite) as server:
        async with fails("connect-failed", "the key store is away"):
            await connect(server.url, token=fail)
        async with fails("bad-header"):
            await connect(server.url, "two\nlines")
        assert not server.frames


@pytest.mark.gen_test(timeout=20)
async def test_a_server_that_does_not_answer():
    async with Stranger.serving(lambda head: b"") as server:
        async with fails("connect-failed", "no answer within 0.1 seconds"):
            await connect(server.url, seconds=0.1)
        connecting = asyncio.create_task(connect(server.url))
        await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_is_none():
    url = f"stomp://{'x' * 64}.x"
    async with fails("connect-failed", url):
        await connect(url)


@pytest.mark.parametrize("scheme", ["stomps", "wss", "https"])
@pytest.mark.gen_test(timeout=20)
async def test_tls(start_node, authority, scheme):
    node = await start_node({
        "listen": TLS_LISTEN, "tls.certificate": authority.certificate(),
        "tls.client_ca": authority.file, "tls.client_certificates": "required",
    })  # fmt: skip
    places = {one["scheme"]: one["port"] for one in node.listen}
    url = f"{scheme}://127.0.0.1:{places['stomps' if scheme == 'stomps' else 'https']}"
    context = authority.trust()
    context.load_cert_chain(*authority.pair("me@example.org"))
    async with await connect(url, tls=context) as client:
        await client.publish("/topic/a", "x")
    async with fails("connect-failed", "the server's certificate is not believed: "):
        await connect(url)
    with pytest.raises(QmqError, match="certificate required"):
        await connect(url, tls=authority.trust())
    plain = places["stomp" if scheme == "stomps" else "http"]
    async with fails("connect-failed", "TLS failed: "):
        await connect(f"{scheme}://127.0.0.1:{plain}", tls=context)


@pytest.mark.gen_test(timeout=20)
async def test_what_is_secret_stays_out_of_errors(gateway):
    _, url = await gateway()
    scheme = url.partition(":")[0]
    with pytest.raises(QmqError) as error:
        await connect(f"{scheme}://me:hidden@127.0.0.1:1/x?token=hidden")
    assert "127.0.0.1:1/x: " in str(error.value)
    assert "hidden" not in str(error.value)
