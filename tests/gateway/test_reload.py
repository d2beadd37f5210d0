"""A reload takes effect at once: who has lost a right is sent away, everybody else notices nothing."""

import asyncio
import os
import threading

import pytest

from qmq.config import load, make
from qmq.session.passwords import hashed
from tests.gateway.entrances import TRANSPORTS, Refused, Shown, bearer
from tests.gateway.poll_peer import Http, problem
from tests.helpers import until
from tests.tokens import token

BOB = {"name": "bob", "password": hashed("bob", cost=4)}
CAROL = {"name": "carol", "password": hashed("carol", cost=4)}
NOTHING = ({"who": "nobody", "allow": ["publish"], "on": "/topic/none"},)
ALL = ({"allow": ["publish", "subscribe", "consume", "manage"], "on": "#"},)


@pytest.fixture
def changing(guarded, threads):
    """Starts a node whose configuration can change: `node, change = await changing()`, `change(users=())`."""

    async def changing(**values):
        said = {**guarded.values, "name": "test", "threads": threads, "drain": 0.1}
        said |= {name.replace("__", "."): value for name, value in values.items()}

        async def change(**values):
            said.update({name.replace("__", "."): value for name, value in values.items()})
            await node.reload()

        node = await guarded(lambda: make(said), **values)
        return node, change

    return changing


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.gen_test(timeout=20)
async def test_a_user_who_is_gone_is_sent_away_and_others_stay(changing, enter_all, transport):
    users = ({"name": "alice", "password": hashed("right", cost=4)}, BOB)
    node, change = await changing(users=users, rules=ALL)
    alice = await enter_all(node, transport, Shown("alice", "right"))
    bob = await enter_all(node, transport, Shown("bob", "bob"))
    holder = await enter_all(node, transport, Shown("token", token("alice")))
    await change(users=(BOB,))
    assert await alice.sent_away() == "forbidden"
    with pytest.raises(Refused, match="bad-login"):
        await enter_all(node, transport, Shown("alice", "right"))
    for client in (bob, holder):
        await client.publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_another_password_or_key_ends_what_the_old_one_began(changing, enter_all, tmp_path):
    node, change = await changing(rules=ALL)
    alice = await enter_all(node, "tcp", Shown("alice", "right"))
    holder = await enter_all(node, "tcp", Shown("token", token("alice")))
    await change(users=({"name": "alice", "password": hashed("right", cost=4)},))  # the same, but made anew
    assert await alice.sent_away() == "forbidden"
    await holder.publish("/topic/a")
    (tmp_path / "secret").write_text("another secret of thirty-two octets")
    await change()
    assert await holder.sent_away() == "forbidden"


# What a client does, which right it needs for that, and how that is done.
USES = {
    "topic": ("subscribe", "/topic/x.#", {}),
    "topic with acknowledgements": ("subscribe", "/topic/x.#", {"ack": "client"}),
    "past": ("subscribe", "/topic/x.y", {"from": "earliest"}),
    "exchange": ("subscribe", "/exchange/amq.direct/k", {}),
    "queue": ("consume", "/queue/x", {}),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.gen_test(timeout=20)
async def test_a_subscription_ends_with_its_right(changing, enter_all, use):
    action, destination, headers = USES[use]
    rules = ({"allow": "publish", "on": "#"}, {"allow": action, "on": destination})
    node, change = await changing(rules=rules)
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    await client.subscribe(destination, **headers)
    await change(rules=(rules[0], {"allow": action, "on": destination}, {"allow": "manage", "on": "#"}))
    await client.publish("/topic/other")  # nothing has changed for it
    await change(rules=rules[:1])
    assert await client.sent_away() == "forbidden"
    assert "/queue/x" not in node.registry.queues or not node.registry.queues["/queue/x"].consumers


@pytest.mark.gen_test(timeout=20)
async def test_own_replies_need_no_right_that_could_go(changing, enter_all):
    node, change = await changing(rules=({"allow": "publish", "on": "/queue/x"},))
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    await client.receipt("SEND", {"destination": "/queue/x", "reply-to": "/temp-queue/r"})
    await change(rules=NOTHING)
    await client.tell("SEND", {"destination": "/temp-queue/r"}, b"reply")
    assert (await client.frame())[2] == b"reply"


@pytest.mark.gen_test(timeout=20)
async def test_a_header_block_that_is_known_is_looked_at_again(changing, enter_all):
    node, change = await changing(rules=({"allow": "publish", "on": "/topic/x"},))
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    for _ in range(3):
        await client.tell("SEND", {"destination": "/topic/x"}, b"1")
    await until(lambda: node.hub.offset == 3)
    await change(rules=NOTHING)
    await client.tell("SEND", {"destination": "/topic/x"}, b"1")
    assert await client.sent_away() == "forbidden"
    assert node.hub.offset == 3


@pytest.mark.gen_test(timeout=20)
async def test_what_waits_in_a_transaction_is_looked_at_again(changing, enter_all):
    node, change = await changing(rules=({"allow": "publish", "on": "/topic/x"},))
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    await client.tell("BEGIN", {"transaction": "t"})
    await client.receipt("SEND", {"destination": "/topic/x", "transaction": "t"}, b"1")
    await change(rules=NOTHING)
    assert await client.sent_away() == "forbidden"
    assert node.hub.offset == 0


@pytest.mark.gen_test(timeout=20)
async def test_an_event_stream_ends_with_its_right(changing):
    node, change = await changing()
    http = await Http.open(node.listen[0]["port"])
    http.ask("/api/v1/stream?destination=/topic/a.b", method="GET", **bearer(token("alice")).headers)
    assert (await http.head())[0] == 200
    await change(rules=NOTHING)
    assert b'"code":"forbidden"' in await http.reader.read()
    http.close()


@pytest.mark.gen_test(timeout=20)
async def test_users_where_there_were_none(changing, enter_all):
    node, change = await changing(users=(), rules=(), tokens__keys=())
    client = await enter_all(node, "tcp", Shown())
    await client.publish("/topic/anything")
    await change(users=(BOB,))
    assert await client.sent_away() == "login-required"
    with pytest.raises(Refused, match="login-required"):
        await enter_all(node, "tcp", Shown())


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_who_is_on_the_way_in_is_looked_at_too(changing, enter_all, tmp_path):
    slow = {"name": "alice", "password": hashed("right", cost=17)}  # a third of a second
    node, change = await changing(users=(slow,), rules=ALL)
    trying = await enter_all(node, "tcp", Shown("alice", "right"), connect=False)
    await trying.tell("CONNECT", Shown("alice", "right").connect)
    await until(lambda: node.gateway.logins._trying)
    upgraded = await enter_all(node, "websocket", bearer(token("alice")), connect=False)
    (tmp_path / "secret").write_text("another secret of thirty-two octets")
    await change(users=(BOB,))
    await upgraded.tell("CONNECT", {"accept-version": "1.2", "host": "x"})
    assert await upgraded.sent_away() == "forbidden"
    assert await trying.sent_away() in ("forbidden", "bad-login")


@pytest.mark.one_thread("it looks into one loop")
@pytest.mark.gen_test(timeout=20)
async def test_requests_that_wait_come_again_and_are_looked_at(changing, http):
    node, change = await changing()
    peer = await http(node)
    peer.ask("/api/v1/messages?destination=/topic/a.b&wait=15", method="GET", **bearer(token("alice")).headers)
    await until(lambda: node.gateway.operations.waiting)
    await change(rules=NOTHING)
    assert (await peer.answer())[0] == 200
    peer.ask("/api/v1/messages?destination=/topic/a.b&wait=15", method="GET", **bearer(token("alice")).headers)
    assert (await peer.answer())[0] == 403


@pytest.mark.gen_test(timeout=20)
async def test_limits_are_for_connections_that_come(changing, enter_all):
    node, change = await changing(rules=ALL)
    old = await enter_all(node, "tcp", Shown("alice", "right"))
    await change(limits__body=10, limits__connections_per_principal=1)
    await old.publish("/topic/a", b"x" * 100)
    with pytest.raises(Refused, match="too-many-connections"):
        await enter_all(node, "tcp", Shown("alice", "right"))
    new = await enter_all(node, "tcp", Shown("token", token("carol")))
    with pytest.raises(Refused, match="frame-too-large"):
        await new.publish("/topic/a", b"x" * 100)


@pytest.mark.parametrize(
    "text", ["users = 1", "[[users]]\nname = 'a'\npassword = 'SECRET'", "nonsense", "[tokens]\nkeys = ['/nowhere/x']"]
)
@pytest.mark.gen_test(timeout=20)
async def test_a_broken_file_changes_nothing_and_the_log_says_why(guarded, enter_all, tmp_path, text, logged, caplog):
    file = tmp_path / "qmq.toml"
    node = await guarded(lambda: load(file=str(file), environ={}))
    client = await enter_all(node, "tcp", Shown("alice", "right"))
    before = node.config, node.door.policy
    file.write_text(text)
    logged.expect("the configuration stays as it was: ")
    await node.reload()
    assert (node.config, node.door.policy) == before
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "\n" not in line
    assert "SECRET" not in line
    await client.publish("/topic/a.b")


@pytest.mark.gen_test(timeout=20)
async def test_the_log_names_what_needs_a_restart(guarded, threads, logged, caplog):
    node = await guarded(lambda: make({**guarded.values, "name": "other", "threads": threads}))
    logged.expect("only a restart changes name, drain")
    await node.reload()
    assert node.config.name == "test"
    assert "only a restart" in caplog.text


@pytest.mark.gen_test(timeout=20)
async def test_a_reload_reaches_every_loop(start_node, enter_all, tmp_path):
    said = {"listen": ("stomp://127.0.0.1:0",), "threads": 3, "name": "test", "drain": 0.1, "users": (BOB,)}
    node = await start_node(said, lambda: make({**said, "users": (CAROL,)}))
    clients = [await enter_all(node, "tcp", Shown("bob", "bob")) for _ in range(12)]
    assert sum(branch.gateway.connections > 0 for branch in node.branches) > 1
    await node.reload()
    for client in clients:
        assert await client.sent_away() == "forbidden"


GUARDED = """
[[users]]
name = "root"
password = "PASSWORD"
[[rules]]
allow = ["publish", "subscribe", "manage"]
on = "#"
"""
CUT = {
    "empty": "",
    "behind a comment": "# users and rules",
    "behind the users": GUARDED[: GUARDED.index("[[rules]]")],
    "before the users": GUARDED[GUARDED.index("[[rules]]") :],
    **{f"at {at}": GUARDED[:at] for at in range(4, len(GUARDED), 9)},
}


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.gen_test(timeout=20)
async def test_file_that_is_empty_or_cut_off_lets_nobody_in(start_node, enter_all, tmp_path, threads, logged, cut):
    file, listen = tmp_path / "qmq.toml", {"listen": ("stomp://127.0.0.1:0",), "threads": threads, "drain": 0.1}

    def write(text):
        file.write_text(text.replace("PASSWORD", hashed("right", cost=4)))

    def read():
        return load(listen, str(file), {})

    write(GUARDED)
    config = read()
    node = await start_node({**listen, "users": config.users, "rules": config.rules}, read)
    write(CUT[cut])
    logged.expect("the configuration stays as it was: ")
    await node.reload()
    with pytest.raises(Refused, match="login-required"):
        await enter_all(node, "tcp", Shown())
    await (await enter_all(node, "tcp", Shown("root", "right"))).publish("/topic/a")
    assert logged.expected and node.config.users and node.config.rules


@pytest.mark.gen_test(timeout=20)
async def test_what_keeps_people_out_goes_if_that_is_said_to_be_wanted(changing, enter_all):
    node, change = await changing()
    await change(users=(), rules=(), tokens__keys=(), allow_anonymous=True)
    await (await enter_all(node, "tcp", Shown())).publish("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_reload_reads_no_pipe_and_keeps_nobody_waiting(guarded, enter_all, tmp_path, logged):
    os.mkfifo(tmp_path / "pipe")
    node = await guarded(lambda: load(file=str(tmp_path / "pipe"), environ={}))
    logged.expect("the configuration stays as it was: cannot read .*pipe: Is no regular file")
    await node.reload()
    await (await enter_all(node, "tcp", Shown("alice", "right"))).publish("/topic/a.b")


@pytest.mark.gen_test(timeout=20)
async def test_reload_that_takes_long_keeps_nobody_waiting(guarded, enter_all, threads):
    go_on = threading.Event()

    def read():
        assert go_on.wait(10)
        return make({**guarded.values, "name": "test", "threads": threads, "drain": 0.1})

    node = await guarded(read)
    reloading = asyncio.ensure_future(node.reload())
    await (await enter_all(node, "tcp", Shown("alice", "right"))).publish("/topic/a.b")
    assert not reloading.done()
    go_on.set()
    await reloading


@pytest.mark.gen_test(timeout=20)
async def test_limits_of_requests_are_for_those_that_come(changing):
    node, change = await changing()
    await change(limits__body=1000)
    for _ in range(4):  # with several threads, some of them
        http = await Http.open(node.listen[0]["port"])
        http.ask("/poll", b"x" * 500_000)
        status, _, body = await http.answer()
        assert (status, problem(body)) == (413, "frame-too-large")
        http.close()
