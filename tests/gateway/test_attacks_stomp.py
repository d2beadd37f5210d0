"""What somebody may try in STOMP: to log in slowly, and to forge frames, headers and log lines for others."""

import asyncio
import json
import logging
import time

import pytest

from qmq.errors import QmqError
from qmq.gateway.lockout import _AT_ONCE, _TRIALS
from qmq.logs import OneLine
from qmq.session.passwords import hashed
from qmq.wire import stomp
from tests.gateway.api_peer import Listener
from tests.gateway.poll_peer import Poller
from tests.gateway.queue_peers import BOTH, open_peer
from tests.gateway.sockjs_peer import SockJs
from tests.gateway.tls_peers import TlsPeer
from tests.helpers import Witness, logging_to, until, ws

pytestmark = pytest.mark.one_thread("what is wrong is refused by the thread that reads it, all alike")

SLOW = {"a login": b"CONNECT\nx:", "a login with a body": b"CONNECT\ncontent-length:1000\n\n", "nothing": b"\n"}


@pytest.mark.parametrize("scheme", ["http", "https", "stomp", "stomps"])
@pytest.mark.gen_test(timeout=30)
async def test_a_login_that_never_ends_is_ended(tls_node, tls_dial, tls_shake, tls_join, scheme):
    node = await tls_node(limits__connect_seconds=0.4, limits__linger_seconds=0.1)
    seen = Witness(await tls_join(node))
    await seen.peer.subscribe("/topic/witness")
    tasks = []

    async def drip(peer, octets, wrap):
        await peer.send(wrap(octets))
        while True:
            await peer.send(wrap(octets[-1:]))
            await asyncio.sleep(0.02)

    begin = time.monotonic()
    for octets in SLOW.values():
        peer = await (tls_shake if scheme.endswith("s") else tls_dial)(node, scheme)
        if scheme.startswith("http"):
            await peer.upgrade()
        tasks.append(asyncio.create_task(drip(peer, octets, ws if scheme.startswith("http") else bytes)))
    await until(lambda: node.stats["errors_connect-timeout"] == len(SLOW))
    assert time.monotonic() - begin < 5
    assert await seen.well() < 1
    await until(lambda: node.gateway.connections == 1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("scheme", ["https", "stomps"])
@pytest.mark.gen_test(timeout=30)
async def test_a_handshake_that_never_ends_is_ended(tls_node, tls_dial, tls_join, scheme):
    """Each octet of the hello comes in time, and all of them never."""
    node = await tls_node(limits__connect_seconds=0.4)
    seen = Witness(await tls_join(node))
    await seen.peer.subscribe("/topic/witness")
    hello = bytes.fromhex("16030140000100 3ffc 0303") + bytes(1 << 14)

    async def drip(peer):
        for octet in hello:
            await peer.send_undeciphered(bytes((octet,)))
            await asyncio.sleep(0.01)

    begin = time.monotonic()
    tasks = [asyncio.create_task(drip(await tls_dial(node, scheme, TlsPeer))) for _ in range(20)]
    await until(lambda: node.stats["connections_unfinished"] == len(tasks))
    assert 0.35 < time.monotonic() - begin < 5
    assert await seen.well() < 1
    assert all(isinstance(each, OSError) for each in await asyncio.gather(*tasks, return_exceptions=True))
    assert node.door._beginning.total == 0  # the witness counts as a client


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=30)
async def test_many_guesses_at_once_are_no_way_around_the_lockout(start_node, enter, monkeypatch, transport):
    """From one address so many passwords are tried, and no more; who is logged in is served meanwhile."""
    user = {"name": "alice", "password": hashed("right", cost=4)}
    rule = {"allow": ["publish", "subscribe"], "on": "/topic/#"}
    limits = {"limits.login_failures": 5, "limits.linger_seconds": 0.1}
    node = await start_node({**BOTH, "users": (user,), "rules": (rule,), **limits})
    seen = Witness(await enter(node, "http", login="alice", passcode="right"))
    await seen.peer.subscribe("/topic/witness")
    tried, really = [], node.door.try_password
    monkeypatch.setattr(node.door, "try_password", lambda *said: tried.append(said) or really(*said))

    async def guess(number):
        with pytest.raises(AssertionError) as refused:
            await open_peer(node, transport, login="alice", passcode=f"guess {number}")
        return str(refused.value)

    told = await asyncio.gather(*map(guess, range(300)))
    assert await seen.well() < 1
    assert all("'bad-login'" in each or "'too-many-logins'" in each for each in told)
    assert 5 <= sum("'bad-login'" in each for each in told) <= len(tried) <= 5 + _AT_ONCE + _TRIALS + 1
    assert "'too-many-logins'" in await guess("at last")


NASTY = "v\r\nforged:yes\n\nMESSAGE\nforged:frame\n\nbody\x1b[2J\u2028:\\c\r"


async def subscriber(node, kind):
    """Who subscribes to `/topic/a` there; `kind` is a transport, or a version of STOMP over WebSocket."""
    if kind == "poll":
        poller = await (await Poller.open(node)).login()
        await poller.subscribe("/topic/a")
        return poller.frame, poller.close
    if kind == "sockjs":
        peer = await SockJs.open(node)
        await peer.login("SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\0")

        decoded = []

        async def frame():
            while not decoded:
                decoded.extend(stomp.Decoder().feed("".join(await peer.frames()).encode()))
            head, body = decoded.pop(0)
            return head.command, head.headers, body

        return frame, peer.close
    peer = await open_peer(node, "stomp" if kind == "stomp" else "http", accept_version=kind if "." in kind else "1.2")
    await peer.subscribe("/topic/a")

    async def of_peer():
        found = await peer.frame()
        return found.command, found.headers, found.body

    return of_peer, peer.close


@pytest.mark.parametrize("kind", ["1.2", "1.1", "1.0", "stomp", "poll", "sockjs"])
@pytest.mark.gen_test(timeout=20)
async def test_what_one_client_puts_into_headers_stays_in_them(start_node, join, kind):
    """One message stays one frame, with the headers that it had and no others, in every version and transport."""
    node = await start_node(BOTH)
    frame, close = await subscriber(node, kind)
    publisher = await join(node)
    await publisher.publish("/topic/a", b"nasty", **{"nasty": NASTY, "na\nme:": "x"})
    await publisher.publish("/topic/a", b"next")
    command, headers, body = await frame()
    assert (command, body) == ("MESSAGE", b"nasty")
    assert not {name for name in headers if "forged" in name}
    if kind not in ("1.0", "1.1"):  # older versions have no words for some of it
        assert (headers["nasty"], headers["na\nme:"]) == (NASTY, "x")
    command, headers, body = await frame()
    assert (command, body) == ("MESSAGE", b"next")
    close()


@pytest.mark.gen_test(timeout=20)
async def test_nor_does_it_forge_events(start_node, join):
    """What comes over STOMP stays one event of a stream, whatever line ends it has; and its id stays what it was."""
    node = await start_node(BOTH)
    listener = await Listener.open(node.listen[0]["port"])
    await listener.listen("destination=/topic/a")
    assert (await listener.block()).split("\n")[1] == "event: subscribed"
    publisher = await join(node)
    forged = b"x\n\nevent: forged\nid: test.x.9\ndata: {}\n\n\r\r\xe2\x80\xa8"
    await publisher.publish("/topic/a", forged, nasty=NASTY, **{"na\nme:": "x", "content-type": "text/plain\nid: 7"})
    await publisher.publish("/topic/a", b"next")
    told = [await listener.block() for _ in range(2)]
    for block, body in zip(told, (forged.decode(), "next"), strict=True):
        fields = [line.partition(": ")[0] for line in block.split("\n")]
        assert sorted(fields) == ["data", "id"] and "\r" not in block
        data = json.loads(block.partition("data: ")[2].partition("\n")[0])
        assert (data["body"], data["id"]) == (body, block.partition("id: ")[2].partition("\n")[0])
    assert json.loads(told[0].partition("data: ")[2])["headers"]["nasty"] == NASTY
    listener.close()


@pytest.mark.gen_test(timeout=20)
async def test_what_a_client_says_comes_back_to_itself_only_as_a_value(start_node, join):
    node = await start_node()
    peer = await join(node)
    await peer.tell("SUBSCRIBE", {"id": NASTY, "destination": "/topic/a", "receipt": NASTY})
    assert (await peer.frame()).headers == {"receipt-id": NASTY}
    await peer.tell("SEND", {"destination": "/topic/a"}, b"x")
    assert (await peer.frame()).headers["subscription"] == NASTY
    await peer.tell("ABORT", {"transaction": NASTY, "receipt": NASTY})
    frames, _, _ = await peer.ended()
    assert [frame.command for frame in frames] == ["ERROR"]
    assert frames[0].headers["receipt-id"] == NASTY


@pytest.mark.parametrize("transport", ["http", "stomp"])
@pytest.mark.gen_test(timeout=20)
async def test_the_octet_that_ends_frames_cannot_be_in_a_header(start_node, enter, transport):
    peer = await enter(await start_node(BOTH), transport)
    await peer.tell("SEND", {"destination": "/topic/a", "x": "a\0MESSAGE"})
    frames, _, _ = await peer.ended()
    assert [frame.headers["code"] for frame in frames] == ["bad-frame"]


class Lines(logging.Handler):
    """Keeps what is logged, as `qmq serve` would write it."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def lines():
    """All that is logged, from `debug` on."""
    with logging_to(Lines()) as handler:
        yield handler.lines


@pytest.mark.gen_test(timeout=20)
async def test_nobody_forges_a_line_in_the_log(start_node, join, dial, lines):
    node = await start_node({"limits.linger_seconds": 0.1})
    peer = await join(node, receive_buffer=4096)
    await peer.subscribe("/topic/a", id=NASTY, max_messages="1")
    while node.gateway.connections:
        node.publish("/topic/a", b"x" * 100_000, {"a": NASTY})
        await asyncio.sleep(0.001)
    other = await dial(node)
    await other.send(b"GET /\x9b31m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x9b31m\r\n\r\n")
    await other.end()
    assert any(" ended: slow-consumer: " in line for line in lines)
    assert any("Transfer-Encoding is chunked, not '\\x9b31m'" in line for line in lines)
    for line in lines:
        assert line.isprintable() and line.count("INFO") + line.count("DEBUG") == 1, line


def test_an_error_is_one_line_wherever_it_is_written():
    assert str(QmqError("bad-frame", NASTY)).isprintable()
    assert json.loads(json.dumps(QmqError("bad-frame", NASTY).detail)) == NASTY  # the client hears what it said
