"""Tokens expire on live connections, whatever carries them, unless their holders show new ones in time."""

import time

import pytest

from tests.gateway.entrances import TRANSPORTS, Refused, Shown, bearer
from tests.gateway.poll_peer import Http
from tests.helpers import until
from tests.tokens import token


def shown(name="alice", **more):
    return Shown("token", token(name, **more))


@pytest.mark.parametrize("over_http", [False, True])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=20)
async def test_a_connection_ends_with_its_token_and_the_grace_time(guarded, enter_all, transport, over_http):
    if over_http and transport == "tcp":
        return
    node = await guarded(tokens__grace=0.3)
    end = time.time() + 1.0
    said = token("alice", exp=end)
    client = await enter_all(node, transport, bearer(said) if over_http else Shown("token", said))
    assert 0 < int(client.connected["expires-in"]) <= 1000
    await client.subscribe("/topic/a.b")
    with pytest.raises(Refused) as refused:
        while True:
            await client.frame() if transport != "poll" or not over_http else await _frame_with(client, "alice")
    assert refused.value.code == "token-expired"
    assert end + 0.3 <= time.time() < end + 5
    assert node.stats["errors_token-expired"] == 1


async def _frame_with(client, name):
    """A client whose requests show a token must have one that lasts; that of its session counts all the same."""
    client.poller.headers = bearer(token(name)).headers
    return await client.frame()


@pytest.mark.gen_test(timeout=20)
async def test_an_event_stream_ends_with_its_token(guarded):
    node = await guarded(tokens__grace=0.0)
    http = await Http.open(node.listen[0]["port"])
    http.ask("/api/v1/stream?destination=/topic/a.b", method="GET", **bearer(token("alice", lasts=1.0)).headers)
    said = (await http.reader.read()).decode()
    http.close()
    assert said.startswith("HTTP/1.1 200 ")
    assert '"code":"token-expired"' in said.rpartition("event: error")[2]


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_who_comes_without_a_token_stays(guarded, enter_all):
    node = await guarded(tokens__grace=0.0)
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    assert "expires-in" not in client.connected
    (connection,) = node.gateway._connections
    assert connection.expiry is None


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=20)
async def test_a_new_token_in_time_and_the_connection_goes_on(guarded, enter_all, transport):
    node = await guarded(tokens__grace=0.0, manage=False)
    end = time.time() + 1.0
    client = await enter_all(node, transport, shown(exp=end))
    told = await client.receipt("SEND", {"destination": "/manage/refresh"}, token("alice", lasts=600).encode())
    assert 500_000 < int(told["expires-in"]) <= 600_000
    await client.tell("SEND", {"destination": "/manage/refresh"}, token("alice").encode())  # nobody has to ask back
    await until(lambda: time.time() > end + 0.2)
    await client.publish("/topic/a.b")
    assert node.stats["tokens_refreshed"] == 2


REFUSALS = {
    "expired": (lambda: token("alice", lasts=-60), "token-expired"),
    "another holder": (lambda: token("bob"), "bad-token"),
    "none": (lambda: "", "bad-token"),
    "no token": (lambda: "\xff\0nonsense", "bad-token"),
    "fewer rights": (lambda: token("alice", role="none"), "forbidden"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.gen_test(timeout=20)
async def test_new_tokens_that_are_not_taken(guarded, enter_all, name):
    said, code = REFUSALS[name]
    node = await guarded(rules=({"claims": {"role": "user"}, "allow": "subscribe", "on": "/topic/a"},))
    client = await enter_all(node, "tcp", shown(role="user"))
    await client.subscribe("/topic/a")
    with pytest.raises(Refused) as refused:
        await client.receipt("SEND", {"destination": "/manage/refresh"}, said().encode("latin-1"))
    assert refused.value.code == code


@pytest.mark.gen_test(timeout=20)
async def test_a_new_token_may_carry_more_rights_or_fewer(guarded, enter_all):
    node = await guarded(rules=())
    client = await enter_all(node, "tcp", shown(qmq={"publish": ["/topic/x"]}))
    for _ in range(3):  # the header block is known then
        await client.tell("SEND", {"destination": "/topic/x"}, b"1")
    said = token("alice", qmq={"publish": ["/topic/y"], "subscribe": ["/topic/#"]})
    await client.receipt("SEND", {"destination": "/manage/refresh"}, said.encode())
    await client.publish("/topic/y")
    await client.tell("SEND", {"destination": "/topic/x"}, b"1")
    assert await client.sent_away() == "forbidden"
    assert node.hub.offset == 4


@pytest.mark.gen_test(timeout=20)
async def test_who_has_no_token_has_none_to_renew(guarded, enter_all, start_node):
    node = await guarded()
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    with pytest.raises(Refused, match="bad-token"):
        await client.receipt("SEND", {"destination": "/manage/refresh"}, token("alice").encode())
    everybody = await start_node({"listen": ("stomp://127.0.0.1:0",)})
    with pytest.raises(Refused, match="bad-token"):
        await (await enter_all(everybody, "tcp", Shown())).receipt("SEND", {"destination": "/manage/refresh"}, b"x")


@pytest.mark.gen_test(timeout=20)
async def test_a_timer_that_rings_early_is_set_again(guarded, enter_all, monkeypatch):
    monkeypatch.setattr("qmq.gateway.logins._LONGEST", 0.05)
    node = await guarded(tokens__grace=0.0)
    client = await enter_all(node, "tcp", shown(lasts=1.0))
    assert await client.sent_away() == "token-expired"
