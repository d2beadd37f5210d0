"""New tokens in time, on the connection that there is."""

import pytest

from qmq.client import connect
from qmq.client.refresh import DESTINATION, time_left
from qmq.wire import stomp
from tests.client.strangers import Stranger
from tests.helpers import until
from tests.tokens import key_file, token


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr("qmq.client.refresh._PAUSE", 0.02)


def lasting(milliseconds):
    """A server whose tokens last so long."""

    def answer(head):
        if head.command == "CONNECT":
            return stomp.encode("CONNECTED", {"version": "1.2", "expires-in": milliseconds})
        return stomp.encode("RECEIPT", {"receipt-id": head.headers["receipt"], "expires-in": milliseconds})

    return answer


def shown(server):
    """The tokens that a server was shown after the login."""
    return [body for command, headers, body in server.frames if headers.get("destination") == DESTINATION]


@pytest.mark.gen_test(timeout=20)
async def test_a_connection_outlives_its_tokens(gateway, tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(key_file("HS256"))
    node, url = await gateway({
        "tokens.keys": (str(file),), "tokens.grace": 0.0, "tokens.leeway": 0.0,
        "rules": ({"who": "alice", "allow": ["publish", "subscribe"], "on": "/topic/#"},),
    })  # fmt: skip
    asked, errors = [], []

    async def fetch():
        asked.append(len(asked))
        return token("alice", lasts=1.0)

    async with await connect(url, token=fetch, on_error=errors.append) as client:
        reader = await client.subscribe("/topic/a")
        await until(lambda: len(asked) == 4)  # each is of use for a second at most
        await client.publish("/topic/a", "x")
        assert (await reader.next()).text() == "x"
        assert (client.generation, errors) == (1, [])
    assert node.stats["errors_token-expired"] == 0


@pytest.mark.parametrize("shown", [lambda text: {"token": text}, lambda text: {"passcode": text, "login": "token"}])
@pytest.mark.gen_test(timeout=20)
async def test_a_text_that_has_expired_is_the_end(gateway, tmp_path, shown):
    file = tmp_path / "secret"
    file.write_bytes(key_file("HS256"))
    _, url = await gateway({"tokens.keys": (str(file),), "tokens.grace": 0.0, "tokens.leeway": 0.0})
    errors = []
    async with await connect(url, **shown(token("alice", lasts=2.0)), on_error=errors.append) as client:
        assert (await client.wait_closed()).code.name == "token-expired"
        assert (client.state, client.generation, len(errors)) == ("closed", 1, 1)


@pytest.mark.gen_test(timeout=20)
async def test_new_tokens_are_shown_before_the_old_ones_expire():
    asked, errors = [], []

    async def fetch():
        asked.append(len(asked))
        if len(asked) == 3:
            raise OSError("away")
        return f"token {len(asked)}"

    async with (
        Stranger.serving(lasting("200")) as server,
        await connect(server.url, token=fetch, on_error=errors.append) as client,
    ):
        await until(lambda: len(shown(server)) == 3)
        assert shown(server) == [b"token 2", b"token 4", b"token 5"]
        assert (client.generation, len(errors), errors[0].code.name) == (1, 1, "connect-failed")


@pytest.mark.gen_test(timeout=20)
async def test_a_refusal_ends_it_and_the_next_login_has_a_new_token():
    number = 0

    def fetch():
        nonlocal number
        number += 1
        return str(number)

    def answer(head):
        if head.headers.get("destination") == DESTINATION:
            return stomp.encode("ERROR", {"code": "shutting-down", "receipt-id": head.headers["receipt"]})
        return lasting("100" if number == 1 else "100000")(head)

    async with Stranger.serving(answer) as server, await connect(server.url, token=fetch) as client:
        await until(lambda: client.generation == 2)
        assert [headers["passcode"] for command, headers, _ in server.frames if command == "CONNECT"] == ["1", "3"]


@pytest.mark.gen_test(timeout=20)
async def test_a_token_that_is_text_cannot_be_refreshed():
    async with Stranger.serving(lasting("1")) as server, await connect(server.url, token="text") as client:
        await client.publish("/topic/a", "x")
        assert not client._talk.program.tasks
        assert not shown(server)


def test_how_long_there_is():
    assert time_left({}) is None
    assert time_left({"expires-in": "1500"}) == 1.5
    for nonsense in ("", "-1", "x", "1.5", "9" * 30, "²"):
        assert time_left({"expires-in": nonsense}) is None
