"""Who gets in, on every transport, with every kind of credential, and what it may do there."""

import asyncio
import threading
import time

import pytest

from qmq.gateway import logins
from qmq.session.passwords import hashed
from qmq.wire import avro
from tests.gateway import avro_peer
from tests.gateway.entrances import OVER_HTTP, TRANSPORTS, Refused, Shown, basic, bearer, enter
from tests.gateway.poll_peer import problem
from tests.helpers import request, until
from tests.tokens import SECRET, token, with_header

pytestmark = pytest.mark.one_thread(
    "a login is looked at on its own thread; sessions across threads are in test_expiry"
)


def cookie(said, **headers):
    return Shown(headers={"Cookie": f"other=1; session={said}", **headers})


def credentials():
    """What is shown, who that is or which code is told, and which HTTP status if HTTP tells it. Anew: tokens age."""
    own, foreign = {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "cross-site"}
    return {
        "nothing": (Shown(), "login-required"),
        "password": (Shown("alice", "right"), "alice"),
        "wrong password": (Shown("alice", "wrong"), "bad-login"),
        "no password": (Shown("alice"), "bad-login"),
        "unknown user": (Shown("mallory", "right"), "bad-login"),
        "token": (Shown("token", token("bob", role="admin")), "bob"),
        "token with any login": (Shown("whoever", token("bob", role="admin")), "bob"),
        "token without a login": (Shown(None, token("bob", role="admin")), "bob"),
        "token as a user's password": (Shown("alice", token("alice")), "bad-login"),
        "expired": (Shown("token", token("bob", lasts=-60)), "token-expired"),
        "not yet": (Shown("token", token("bob", nbf=time.time() + 600)), "bad-token"),
        "for others": (Shown("token", token("bob", aud="them")), "bad-token"),
        "none": (Shown("token", with_header(token("bob"), alg="none")), "bad-token"),
        "another key": (Shown("token", token("bob", key=SECRET[::-1])), "bad-token"),
        "cut off": (Shown("token", token("bob")[:-8]), "bad-token"),
        "no token": (Shown("token", "x"), "bad-token"),
        "bearer": (bearer(token("bob", role="admin")), "bob"),
        "bearer expired": (bearer(token("bob", lasts=-60)), "token-expired", 401),
        "bearer that is none": (bearer("x"), "bad-token", 401),
        "basic": (basic("alice:right"), "alice"),
        "basic, wrong": (basic("alice:wrong"), "bad-login", 401),
        "basic, no colon": (basic("alice"), "bad-request", 400),
        "basic, no base64": (Shown(headers={"Authorization": "Basic ="}), "bad-request", 400),
        "digest": (Shown(headers={"Authorization": "Digest x"}), "bad-request", 400),
        "query": (Shown(query=f"access_token={token('bob', role='admin')}"), "bob"),
        "bad query": (Shown(query="access_token=x"), "bad-token", 401),
        "cookie of an own page": (cookie(token("bob", role="admin"), **own), "bob"),
        "cookie of a foreign page": (cookie(token("bob", role="admin"), **foreign), "bad-origin", 403),
        "cookie of nobody knows which page": (cookie(token("bob", role="admin")), "login-required"),
        "CONNECT beats HTTP": (Shown("alice", "right", bearer(token("bob")).headers), "alice"),
        "bad CONNECT, good HTTP": (Shown("alice", "wrong", bearer(token("bob")).headers), "bad-login"),
        "good CONNECT, bad HTTP": (Shown("alice", "right", bearer("x").headers), "bad-token", 401),
    }


CASES = [
    (transport, name)
    for transport in TRANSPORTS
    for name, (shown, *_) in credentials().items()
    if transport in OVER_HTTP or not (shown.headers or shown.query)
]


@pytest.mark.parametrize(("transport", "name"), CASES)
@pytest.mark.gen_test(timeout=20)
async def test_who_gets_in(guarded, transport, name):
    shown, outcome, *status = credentials()[name]
    node = await guarded()
    if outcome in ("alice", "bob"):
        client = await enter(node, transport, shown)
        (described,) = node.gateway.describe()
        assert repr(outcome) in described["principal"]
        client.close()
        return
    with pytest.raises(Refused) as refused:
        await enter(node, transport, shown)
    assert (refused.value.code, refused.value.status) == (outcome, status[0] if status else None)
    assert node.stats[f"errors_{outcome}"] == 1
    if status:
        assert node.gateway.connections == 0  # nothing was made for it


# Who, an action, and whether it is allowed.
ACTIONS = [
    ("alice", "publish", "/topic/a.b", True),
    ("alice", "subscribe", "/topic/a.#", True),
    ("alice", "subscribe", "/topic/#", False),
    ("alice", "subscribe", "/topic/b", False),
    ("alice", "publish", "/queue/a", False),
    ("alice", "publish", "/topic/system.peers", False),
    ("alice", "subscribe", "/topic/public", False),
    ("bob", "subscribe", "/topic/b", True),
    ("bob", "publish", "/topic/b", False),
    ("bob", "publish", "/topic/own", True),  # the token says so
    ("nobody", "subscribe", "/topic/public", True),
    ("nobody", "subscribe", "/topic/a.b", False),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=30)
async def test_who_may_do_what(guarded, transport):
    node = await guarded(allow_anonymous=True)
    shown = {
        "alice": Shown("alice", "right"),
        "bob": Shown("token", token("bob", role="admin", qmq={"publish": ["/topic/own"]})),
        "nobody": Shown(),
    }
    for who, action, destination, allowed in ACTIONS:
        client = await enter(node, transport, shown[who])
        try:
            await getattr(client, action)(destination)
        except Refused as refused:
            assert (refused.code, allowed) == ("forbidden", False), (who, action, destination)
            assert f"may not {action} {destination}" in refused.detail
        else:
            assert allowed, (who, action, destination)
        client.close()


@pytest.mark.parametrize("transport", ["poll", "sockjs"])
@pytest.mark.parametrize(
    ("opened", "later"),
    [
        (bearer(token("alice")), bearer(token("bob"))),
        (bearer(token("alice")), Shown()),
        (bearer(token("alice")), basic("alice:right")),
        (Shown("alice", "right"), bearer(token("bob"))),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_a_session_belongs_to_who_opened_it(guarded, transport, opened, later):
    node = await guarded()
    client = await enter(node, transport, opened)
    holder = client.poller if transport == "poll" else client
    holder.headers = later.headers
    for step in (client.receive, lambda: client.send(b"\n")):
        with pytest.raises(Refused) as refused:
            await step()
        assert refused.value.code in ("unknown-session", "not-found")  # SockJS knows no such answer to what sends
        assert refused.value.status == 404
    holder.headers = opened.headers
    await client.send(b"\n")
    client.close()


@pytest.mark.parametrize("transport", ["poll", "sockjs"])
@pytest.mark.gen_test(timeout=20)
async def test_a_newer_token_of_the_same_holder_goes_on_with_a_session(guarded, transport):
    node = await guarded()
    client = await enter(node, transport, bearer(token("alice")))
    holder = client.poller if transport == "poll" else client
    holder.headers = bearer(token("alice", lasts=900)).headers
    await client.subscribe("/topic/a.b")
    holder.headers = bearer(token("alice", lasts=-60)).headers
    with pytest.raises(Refused) as refused:
        await client.send(b"\n")
    assert (refused.value.code, refused.value.status) == ("token-expired", 401)
    client.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=20)
async def test_what_a_client_says_while_its_password_is_tried_is_taken_after_it(guarded, transport):
    node = await guarded()
    client = await enter(node, transport, Shown("alice", "right"), connect=False)
    if transport != "poll":
        await client.tell("CONNECT", Shown("alice", "right").connect)
    for number in range(5):
        await client.tell("SEND", {"destination": "/topic/a.b", "receipt": str(number)}, b"x")
    frames = [await client.frame() for _ in range(6)]
    assert [command for command, *_ in frames] == ["CONNECTED"] + ["RECEIPT"] * 5
    assert [headers["receipt-id"] for _, headers, _ in frames[1:]] == list("01234")
    client.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=20)
async def test_who_is_refused_has_done_nothing(guarded, transport):
    node = await guarded()
    client = await enter(node, transport, Shown("alice", "wrong"), connect=False)
    if transport != "poll":
        await client.tell("CONNECT", Shown("alice", "wrong").connect)
    await client.tell("SEND", {"destination": "/topic/a.b"}, b"x")
    assert await client.sent_away() == "bad-login"
    assert node.hub.offset == 0
    client.close()


@pytest.mark.gen_test(timeout=20)
async def test_no_loop_waits_for_a_password(guarded, enter_all):
    node = await guarded(users=({"name": "alice", "password": hashed("right", cost=17)},))  # a third of a second
    alice = await enter_all(node, "tcp", Shown("token", token("alice")))
    slow = await enter_all(node, "tcp", Shown("alice", "right"), connect=False)
    await slow.tell("CONNECT", Shown("alice", "right").connect)
    count = 0
    while node.stats["logins"] < 2:
        await alice.publish("/topic/a.b")
        count += 1
    assert count > 10
    assert (await slow.frame())[0] == "CONNECTED"


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_a_password_that_was_right_is_remembered_for_a_while_and_only_that(guarded, enter_all, monkeypatch):
    node = await guarded()
    tried = []
    try_password = node.door.try_password
    monkeypatch.setattr(node.door, "try_password", lambda *said: tried.append(said) or try_password(*said))
    for _ in range(3):
        await enter_all(node, "tcp", Shown("alice", "right"))
    assert tried == [("alice", "right")]
    for _ in range(2):
        with pytest.raises(Refused):
            await enter_all(node, "tcp", Shown("alice", "wrong"))
    assert tried[1:] == [("alice", "wrong")] * 2
    monkeypatch.setattr(logins, "_REMEMBERED_SECONDS", -1.0)
    node.gateway.logins._verified.clear()
    for _ in range(2):
        await enter_all(node, "tcp", Shown("alice", "right"))
    assert len(tried) == 5
    assert "right" not in repr(node.gateway.logins._verified)


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_a_token_is_remembered_for_a_minute_at_most_and_not_beyond_its_end(guarded, enter_all):
    node = await guarded()
    logins = node.gateway.logins
    for lasts, remembered in ((600, 60), (5, 5), (-2, -2)):  # the last is within the leeway
        logins._verified.clear()
        said = token("alice", lasts=lasts)
        await enter_all(node, "tcp", Shown("token", said))
        ((until, principal),) = logins._verified.values()
        assert remembered - 1.5 < until - time.monotonic() <= remembered
        assert principal.name == "alice"
        assert said not in repr(logins._verified)
        await enter_all(node, "tcp", Shown("token", said))
    with pytest.raises(Refused, match="bad-token"):
        await enter_all(node, "tcp", Shown("token", said[:-1] + ("A" if said[-1] != "A" else "B")))


@pytest.mark.parametrize("shown", [Shown("alice", "wrong"), Shown("token", "x"), basic("alice:wrong")])
@pytest.mark.gen_test(timeout=20)
async def test_guessing_is_slowed_down_wherever_it_is_done(guarded, enter_all, shown):
    node = await guarded(limits__login_failures=2)
    told = "bad-token" if shown.login == "token" else "bad-login"
    for code in (told, told, "too-many-logins"):
        with pytest.raises(Refused) as refused:
            await enter_all(node, "websocket", shown)
        assert refused.value.code == code
    for good in (Shown("token", token("alice")), Shown("alice", "right"), basic("alice:right")):
        await enter_all(node, "poll", good)  # nobody is locked out by what others at this address do


@pytest.mark.gen_test(timeout=20)
async def test_one_broken_script_does_not_lock_an_office_out(guarded, enter_all, monkeypatch):
    """It shows the same wrong password again and again: after some failures that costs nothing any more."""
    node = await guarded(limits__login_failures=3)
    tried, really = [], node.door.try_password
    monkeypatch.setattr(node.door, "try_password", lambda *said: tried.append(said) or really(*said))
    for _ in range(30):
        with pytest.raises(Refused):
            await enter_all(node, "tcp", Shown("alice", "old"))
    assert len(tried) == 3
    await enter_all(node, "tcp", Shown("alice", "right"))
    for number in range(30):  # and guesses that are new each time are looked at seldom
        with pytest.raises(Refused, match="too-many-logins"):
            await enter_all(node, "tcp", Shown("alice", f"guess {number}"))
    assert len(tried) <= 3 + 1 + 11
    await enter_all(node, "tcp", Shown("alice", "right"))  # is known by now
    await enter_all(node, "tcp", Shown("token", token("bob")))  # a token is always looked at


@pytest.mark.gen_test(timeout=30)
async def test_a_whole_office_logs_in_although_one_of_it_guesses(guarded, enter_all):
    many = {f"user{number}": hashed(f"right{number}", cost=4) for number in range(40)}
    users = tuple({"name": name, "password": password} for name, password in many.items())
    node = await guarded(limits__login_failures=1, users=users)
    for number in range(3):
        with pytest.raises(Refused):
            await enter_all(node, "tcp", Shown("user0", f"guess {number}"))
    await asyncio.gather(*[enter_all(node, "tcp", Shown(f"user{number}", f"right{number}")) for number in range(40)])


@pytest.mark.gen_test(timeout=20)
async def test_what_was_wrong_may_be_right_after_a_reload(guarded, enter_all):
    node = await guarded(limits__login_failures=1)
    for _ in range(2):
        with pytest.raises(Refused):
            await enter_all(node, "tcp", Shown("alice", "new"))
    node.door.reload(node.config, node.door.policy)
    with pytest.raises(Refused, match="too-many-logins"):
        await enter_all(node, "tcp", Shown("alice", "new"))
    assert node.door.lockout._failures["127.0.0.1"].trials < 10  # it was looked at


@pytest.mark.gen_test(timeout=20)
async def test_an_expired_token_is_no_guess(guarded, enter_all):
    node = await guarded(limits__login_failures=1)
    for _ in range(3):
        with pytest.raises(Refused, match="token-expired"):
            await enter_all(node, "tcp", Shown("token", token("bob", lasts=-60)))
    await enter_all(node, "tcp", Shown("alice", "right"))


@pytest.mark.gen_test(timeout=20)
async def test_connections_are_counted_by_principal(guarded, enter_all):
    node = await guarded(limits__connections_per_principal=2)
    first = await enter_all(node, "tcp", Shown("alice", "right"))
    await enter_all(node, "websocket", Shown("alice", "right"))
    with pytest.raises(Refused, match="too-many-connections"):
        await enter_all(node, "poll", Shown("alice", "right"))
    await enter_all(node, "tcp", Shown("token", token("bob")))
    first.close()
    await until(lambda: node.door.census.snapshot()[1]["user 'alice'"] == 1)
    await enter_all(node, "poll", Shown("alice", "right"))


@pytest.mark.gen_test(timeout=20)
async def test_a_node_without_logins_looks_at_none(start_node, enter_all):
    node = await start_node({"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0")})
    for transport in TRANSPORTS:
        await enter_all(node, transport, Shown("guest", "guest", bearer("x").headers))
    assert {each["principal"] for each in node.gateway.describe()} == {"anonymous"}


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_a_node_that_stops_leaves_no_password_behind(guarded, enter_all, dial):
    node = await guarded(users=({"name": "alice", "password": hashed("right", cost=17)},))
    for _ in range(4):
        slow = await enter_all(node, "tcp", Shown("alice", "right"), connect=False)
        await slow.tell("CONNECT", Shown("alice", "right").connect)
    peer = await dial(node)
    await peer.send(request("/stomp", **basic("alice:right").headers))
    await until(lambda: len(node.gateway.logins._trying) == 5)
    await node.stop()
    assert not node.gateway.logins._trying
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("qmq-password")]


# Requests: JSON and Avro

PUBLISH = b'{"destination":"/topic/a.b","body":"x"}'
REQUESTS = [
    (Shown(), 401, "login-required"),
    (basic("alice:right"), 200, ""),
    (basic("alice:wrong"), 401, "bad-login"),
    (bearer("x"), 401, "bad-token"),
    (Shown(headers={"Authorization": "Digest x"}), 400, "bad-request"),
    (Shown(query="access_token=x"), 401, "bad-token"),
]


@pytest.mark.parametrize(("shown", "status", "code"), REQUESTS)
@pytest.mark.gen_test(timeout=20)
async def test_requests_of_json(guarded, http, shown, status, code):
    node = await guarded()
    peer = await http(node)
    peer.ask(f"/api/v1/publish?{shown.query}", PUBLISH, Content_Type="application/json", **shown.headers)
    found, headers, body = await peer.answer()
    assert (found, problem(body) if code else "") == (status, code)
    assert ("www-authenticate" in headers) == (status == 401)
    assert node.hub.offset == (status == 200)


@pytest.mark.gen_test(timeout=20)
async def test_rules_are_the_same_for_json(guarded, http):
    node = await guarded()
    peer = await http(node)
    for name, status in (("alice", 200), ("bob", 403)):
        peer.ask("/api/v1/publish", PUBLISH, Content_Type="application/json", **bearer(token(name)).headers)
        found, _, body = await peer.answer()
        assert found == status
        assert status == 200 or problem(body) == "forbidden"


@pytest.mark.parametrize(("shown", "status", "code"), REQUESTS)
@pytest.mark.gen_test(timeout=20)
async def test_requests_of_avro(guarded, shown, status, code):
    node = await guarded()
    peer = await avro_peer.AvroPeer.open(node.listen[0]["port"])
    octets = avro.encode(avro_peer.publish(avro_peer.posting("/topic/a.b")))
    peer.ask(f"/avro?{shown.query}", octets, Content_Type="avro/binary", **shown.headers)
    found, _, body = await peer.answer()
    assert (found, problem(body) if code else "") == (status, code)
    assert node.hub.offset == (status == 200)
    peer.close()
