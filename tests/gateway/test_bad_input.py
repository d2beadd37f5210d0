"""Bad input after the handshake: a clear answer, a counter, and no effect on anybody else.

Each case is said to a node on which a witness is connected throughout. What is wrong
before the handshake is in test_handlers.py, test_websocket.py and test_server.py.
"""

import asyncio
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmq.wire import stomp
from qmq.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT
from tests.helpers import Closed, until, ws

pytestmark = pytest.mark.one_thread("what is wrong is refused by the thread that reads it, all alike")

LIMITS = {
    "limits.linger_seconds": 0.03,
    "limits.body": 1000,
    "limits.headers": 10,
    "limits.header_bytes": 500,
    "limits.subscriptions": 3,
    "limits.transactions": 1,
    "limits.transaction_messages": 2,
}


def frame(text):
    """One STOMP frame, written as it stands, in a WebSocket message."""
    return ws(text.encode() + b"\0")


def subscribe(number, destination="/topic/a", more=""):
    return frame(f"SUBSCRIBE\nid:{number}\ndestination:{destination}\n{more}\n")


# name: (octets, code, a part of the ERROR's body)
STOMP = {
    "unknown command": (frame("NONSENSE\n\n"), "unknown-command", "NONSENSE"),
    "server's command": (frame("MESSAGE\n\n"), "unknown-command", "MESSAGE"),
    "ACK of nothing": (frame("ACK\nid:1\n\n"), "unknown-delivery", "1"),
    "second CONNECT": (frame("CONNECT\naccept-version:1.2\n\n"), "not-now", "CONNECT while open"),
    "SEND without destination": (frame("SEND\n\n"), "missing-header", "SEND needs destination"),
    "SEND with an empty destination": (frame("SEND\ndestination:\n\n"), "missing-header", "SEND needs destination"),
    "SUBSCRIBE without destination": (frame("SUBSCRIBE\nid:1\n\n"), "missing-header", "SUBSCRIBE needs destination"),
    "SUBSCRIBE without id": (frame("SUBSCRIBE\ndestination:/topic/a\n\n"), "missing-header", "SUBSCRIBE needs id"),
    "UNSUBSCRIBE without id": (frame("UNSUBSCRIBE\n\n"), "missing-header", "UNSUBSCRIBE needs id"),
    "the same id twice": (subscribe(1) + subscribe(1, "/topic/b"), "duplicate-id", "1"),
    "too many subscriptions": (b"".join(map(subscribe, range(4))), "too-many-subscriptions", "3 are allowed"),
    "body of SUBSCRIBE": (frame("SUBSCRIBE\nid:1\ndestination:/topic/a\n\nbody"), "unexpected-body", "SUBSCRIBE"),
    "body of DISCONNECT": (frame("DISCONNECT\n\nbody"), "unexpected-body", "DISCONNECT"),
    "unknown kind": (frame("SEND\ndestination:/nowhere/a\n\n"), "bad-destination", "/nowhere/a"),
    "no kind": (frame("SEND\ndestination:topic\n\n"), "bad-destination", "'topic'"),
    "wildcard in SEND": (frame("SEND\ndestination:/topic/a.*\n\n"), "bad-pattern", "wildcards are for subscriptions"),
    "part of a word": (frame("SUBSCRIBE\nid:1\ndestination:/topic/a*\n\n"), "bad-pattern", "whole words"),
    "empty word": (frame("SUBSCRIBE\nid:1\ndestination:/topic/a..b\n\n"), "bad-pattern", "words joined by dots"),
    "no name": (frame("SUBSCRIBE\nid:1\ndestination:/topic/\n\n"), "bad-pattern", "words joined by dots"),
    "blank in a name": (frame("SEND\ndestination:/topic/a b\n\n"), "bad-pattern", "has blanks"),
    "too many words": (frame(f"SEND\ndestination:/topic/{'a.' * 32}a\n\n"), "bad-pattern", "1 to 32 words"),
    "name too long": (frame(f"SEND\ndestination:/topic/{'a' * 250}\n\n"), "bad-pattern", "longer than 255"),
    "message-id": (frame("SEND\ndestination:/topic/a\nmessage-id:t\n\n"), "bad-header", "message-id"),
    "ack:perhaps": (subscribe(1, more="ack:perhaps\n"), "bad-header", "ack"),
    "unknown overflow": (subscribe(1, more="overflow:x\n"), "bad-header", "overflow"),
    "max-messages of 0": (subscribe(1, more="max-messages:0\n"), "bad-header", "max-messages"),
    "max-bytes of -1": (subscribe(1, more="max-bytes:-1\n"), "bad-header", "max-bytes"),
    "max-bytes in arabic digits": (subscribe(1, more="max-bytes:٣\n"), "bad-header", "max-bytes"),
    "from of yore": (subscribe(1, more="from:yore\n"), "bad-header", "from"),
    "escape": (frame("SEND\ndestination:/topic/a\nx:\\t\n\n"), "bad-escape", "\\t"),
    "backslash at the end": (frame("SEND\ndestination:/topic/a\nx:\\\n\n"), "bad-escape", "\\"),
    "header without colon": (frame("SEND\ndestination\n\n"), "bad-frame", "destination"),
    "header without name": (frame("SEND\n:v\n\n"), "bad-frame", ":v"),
    "no blank line": (frame("SEND\ndestination:/topic/a\n"), "bad-frame", "blank line"),
    "command in small letters": (frame("send\ndestination:/topic/a\n\n"), "bad-frame", "send"),
    "JSON": (frame('{"op": "subscribe"}\n\n'), "bad-frame", "op"),
    "content-length of x": (frame("SEND\ndestination:/topic/a\ncontent-length:x\n\n"), "bad-frame", "no number"),
    "content-length too short": (frame("SEND\ndestination:/topic/a\ncontent-length:1\n\nabc"), "bad-frame", "no NUL"),
    "content-length too large": (
        frame("SEND\ndestination:/topic/a\ncontent-length:1001\n\n"), "frame-too-large", "1000"
    ),
    "body too large, in one message": (frame("SEND\ndestination:/topic/a\n\n" + "x" * 1001), "frame-too-large", "1000"),
    "body too large, in several": (
        ws(b"SEND\ndestination:/topic/a\n\n") + ws(b"x" * 600) * 2, "frame-too-large", "1000"
    ),
    "too many headers": (frame("SEND\n" + "x:y\n" * 11 + "\n"), "headers-too-large", "10 headers"),
    "headers too long": (frame("SEND\ndestination:/topic/a\nx:" + "x" * 500 + "\n\n"), "headers-too-large", "500"),
    "headers without end": (ws(b"SEND\n" + b"x:y\n" * 200), "headers-too-large", "500 octets"),
    "command without end": (ws(b"A" * 600), "headers-too-large", "500 octets"),
    "octets in a header": (ws(b"SEND\ndestination:/topic/a\nx:\xff\n\n\0", BINARY), "bad-utf8", "headers"),
}  # fmt: skip


def send(destination, more="", body=""):
    return frame(f"SEND\ndestination:{destination}\n{more}\n{body}")


def ack(more, command="ACK"):
    """Settles something while there is one message that waits for its ACK: its id is 1.1."""
    return (
        subscribe(1, "/queue/acks", "ack:client-individual\nauto-delete:true\n")
        + send("/queue/acks")
        + frame(f"{command}\n{more}\n\n")
    )


def transaction(*frames, command="COMMIT"):
    return frame("BEGIN\ntransaction:t\n\n") + b"".join(frames) + frame(f"{command}\ntransaction:t\n\n")


IN_T = "transaction:t\n"
QUEUES = {
    "pattern of queues": (subscribe(1, "/queue/*"), "bad-pattern", "only topics have patterns"),
    "pattern of queues, in SEND": (send("/queue/a.#"), "bad-pattern", "/queue/a.#"),
    "queue without a name": (send("/queue/"), "bad-pattern", "words joined by dots"),
    "name of a queue too long": (send("/queue/" + "a" * 250), "bad-pattern", "longer than 255"),
    "exchange without a name": (send("/exchange//k"), "bad-pattern", "name of an exchange"),
    "unknown exchange": (send("/exchange/none/k"), "not-found", "none"),
    "unknown exchange to subscribe to": (subscribe(1, "/exchange/none/k"), "not-found", "none"),
    "bad name for a queue": (subscribe(1, "/exchange/amq.fanout", "x-queue-name:a b\n"), "bad-pattern", "blanks"),
    "unknown x-match": (subscribe(1, "/exchange/amq.headers", "x-match:some\n"), "bad-header", "x-match"),
    "the same id for a queue": (subscribe(1) + subscribe(1, "/queue/a"), "duplicate-id", "1"),
    "prefetch of x": (subscribe(1, "/queue/a", "prefetch-count:x\n"), "bad-header", "prefetch-count"),
    "prefetch of -1": (subscribe(1, "/topic/a", "prefetch-count:-1\n"), "bad-header", "prefetch-count"),
    "max-length of 0": (subscribe(1, "/queue/new", "max-length:0\n"), "bad-header", "max-length"),
    "max-length in arabic digits": (send("/queue/new", "x-max-length:٣\n"), "bad-header", "max-length"),
    "overflow of topics": (subscribe(1, "/queue/new", "overflow:conflate\n"), "bad-header", "drop-head"),
    "priority of ²": (send("/queue/a", "priority:²\n"), "bad-header", "priority"),
    "expiration of -1": (send("/queue/a", "expiration:-1\n"), "bad-header", "expiration"),
    "other properties": (
        send("/queue/props", "x-max-length:5\n") + subscribe(1, "/queue/props", "max-length:6\n"),
        "conflict", "max-length of /queue/props is 5, 6 was asked for",
    ),
    "full queue": (send("/queue/full", "x-max-length:1\n") + send("/queue/full"), "queue-full", "max-length is 1"),
    "name for replies too long": (subscribe(1, "/temp-queue/" + "a.b" * 90), "bad-pattern", "longer than 255"),
    "ACK of a number never given": (ack("id:1.2"), "unknown-delivery", "number 2"),
    "ACK of a huge number": (ack("id:1.99999999999999999999"), "unknown-delivery", "1.9999"),
    "ACK of ²": (ack("id:1.²"), "unknown-delivery", "1.²"),
    "ACK of an arabic digit": (ack("id:1.١"), "unknown-delivery", "1.١"),
    "ACK of another subscription": (ack("id:2.1"), "unknown-delivery", "2.1"),
    "ACK twice": (ack("id:1.1") + frame("ACK\nid:1.1\n\n"), "unknown-delivery", "settled"),
    "ACK in auto": (subscribe(1, "/queue/b") + send("/queue/b") + frame("ACK\nid:1.1\n\n"), "unknown-delivery", ""),
    "ACK without id": (frame("ACK\n\n"), "missing-header", "ACK needs id"),
    "NACK with a strange requeue": (ack("id:1.1\nrequeue:no", "NACK"), "bad-header", "requeue"),
    "BEGIN without a name": (frame("BEGIN\n\n"), "missing-header", "transaction"),
    "BEGIN twice": (transaction(frame("BEGIN\ntransaction:t\n\n")), "duplicate-transaction", "t"),
    "too many transactions": (transaction(frame("BEGIN\ntransaction:u\n\n")), "transaction-too-large", "1 may"),
    "too many frames": (transaction(*[send("/queue/c", IN_T)] * 3), "transaction-too-large", "2 frames"),
    "COMMIT of nothing": (frame("COMMIT\ntransaction:t\n\n"), "unknown-transaction", "t"),
    "ABORT twice": (transaction(command="ABORT") + frame("ABORT\ntransaction:t\n\n"), "unknown-transaction", "t"),
    "SEND in no transaction": (send("/topic/a", IN_T), "unknown-transaction", "t"),
    "ACK in no transaction": (ack("id:1.1\ntransaction:t"), "unknown-transaction", "t"),
    "COMMIT to nowhere": (
        transaction(send("/queue/c", IN_T), send("/exchange/none", IN_T)), "not-found", "none"
    ),
    "COMMIT of what has ended": (
        subscribe(1, "/queue/d", "ack:client\n") + send("/queue/d")
        + transaction(frame("ACK\nid:1.1\ntransaction:t\n\n"), frame("UNSUBSCRIBE\nid:1\n\n")),
        "unknown-delivery", "nothing was committed",
    ),
    "request without reply-to": (send("/manage/list"), "missing-header", "reply-to"),
    "request with a bad reply-to": (send("/manage/list", "reply-to:/nowhere\n"), "bad-destination", "/nowhere"),
    "request in a transaction": (
        transaction(send("/manage/list", f"{IN_T}reply-to:/temp-queue/a\n")), "bad-header", "transaction"
    ),
}  # fmt: skip

WEBSOCKET = {
    "unmasked": (b"\x81\x02hi", "bad-websocket", "mask"),
    "reserved bit": (b"\xc1\x80\0\0\0\0", "bad-websocket", "reserved"),
    "reserved opcode": (ws(b"", 3), "bad-websocket", "opcode 3"),
    "continuation of nothing": (ws(b"a", CONTINUATION), "bad-websocket", "continuation"),
    "message within a message": (ws(b"S", fin=False) + ws(b"E"), "bad-websocket", "before the last one ended"),
    "long ping": (ws(b"x" * 126, PING), "bad-websocket", "125"),
    "ping in parts": (ws(b"x", PING, fin=False), "bad-websocket", "whole"),
    "close code 1005": (ws(b"\x03\xed", CLOSE), "bad-websocket", "close"),
    "text that is no UTF-8": (ws(b"SEND\ndestination:/topic/a\n\n\xff\0"), "bad-utf8", "text"),
    "text that is no UTF-8 at once": (ws(b"abc\xff", fin=False), "bad-utf8", "text"),
    "message too large": (ws(b"\n" * 1600), "frame-too-large", "octets"),
    "message too large, said beforehand": (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"mask", "frame-too-large", ""),
    "message too large in parts": (
        ws(b"\n" * 800, fin=False) + ws(b"\n" * 800, CONTINUATION), "frame-too-large", "octets"
    ),
}  # fmt: skip

CASES = STOMP | QUEUES | WEBSOCKET


@pytest.mark.gen_test(timeout=40)
async def test_bad_input_is_answered_counted_and_of_no_effect_on_others(start_node, join, witness):
    """All cases at the same time: each client that only reads gets ERROR, close and end, as its case says."""
    node = await start_node(LIMITS)
    seen = await witness(node)
    expected = {}

    async def check(name):
        octets, code, part = CASES[name]
        peer = await join(node)
        await peer.send(octets)
        told, error = await peer.dismissed()
        assert (name, told) == (name, code)
        assert part in error.body.decode(), (name, error.body)
        await seen.well()

    for name in CASES:  # one after the other, as the witness watches each
        expected[CASES[name][1]] = expected.get(CASES[name][1], 0) + 1
        await asyncio.wait_for(check(name), 5)
    counts = node.stats.snapshot()
    assert {name[7:]: count for name, count in counts.items() if name.startswith("errors_")} == expected
    assert {name[19:]: count for name, count in counts.items() if name.startswith("connections_closed_")} == expected
    await until(lambda: node.gateway.connections == 1)
    assert "connections_lost" not in counts


REQUESTS = {
    "unknown operation": ("explode", "", "bad-operation", "is none of inspect"),
    "no JSON": ("list", "{", "bad-operation", "no JSON"),
    "deep JSON": ("list", "[" * 990, "bad-operation", "no JSON"),
    "deep arguments": (
        "bind",
        f'{{"source": "amq.headers", "destination": "/queue/a", "arguments": {{"a": {"[" * 400}{"]" * 400}}}}}',
        "bad-operation",
        "arguments must be",
    ),
    "a list": ("list", "[]", "bad-operation", "no JSON object"),
    "nothing": ("inspect", "", "bad-operation", "destination is missing"),
    "a number for a name": ("inspect", '{"destination": 1}', "bad-operation", "destination must be text"),
    "no such queue": ("purge", '{"destination": "/queue/none"}', "not-found", "/queue/none"),
    "no such property": ("declare", '{"destination": "/queue/a", "colour": 1}', "bad-operation", "colour"),
    "a property of the wrong type": ("declare", '{"destination": "/queue/a", "max-length": []}', "bad-header", "[]"),
    "a topic to bind to": (
        "bind",
        '{"source": "amq.fanout", "destination": "/topic/a"}',
        "bad-destination",
        "/topic/a",
    ),
}


@pytest.mark.gen_test(timeout=20)
async def test_bad_requests_to_the_server_are_answered_and_end_nothing(start_node, join, witness):
    node = await start_node(LIMITS)
    seen, peer = await witness(node), await join(node)
    for name, (operation, body, code, part) in REQUESTS.items():
        await peer.tell("SEND", {"destination": f"/manage/{operation}", "reply-to": "/temp-queue/a"}, body.encode())
        answer = await peer.frame()
        assert (name, answer.command, answer.headers["code"]) == (name, "MESSAGE", code)
        assert part in json.loads(answer.body)["detail"], answer.body
    await seen.well()
    assert not [name for name in node.stats.snapshot() if name.startswith("errors_")]


BEFORE = {
    "SEND": (frame("SEND\ndestination:/topic/a\n\n"), "not-now"),
    "SUBSCRIBE": (subscribe(1), "not-now"),
    "DISCONNECT": (frame("DISCONNECT\n\n"), "not-now"),
    "unknown command": (frame("HELLO\n\n"), "unknown-command"),
    "CONNECT with a body": (frame("CONNECT\naccept-version:1.2\n\nbody"), "unexpected-body"),
    "CONNECT with a wrong heart-beat": (frame("CONNECT\naccept-version:1.2\nheart-beat:1\n\n"), "bad-header"),
    "CONNECT with no numbers": (frame("CONNECT\naccept-version:1.2\nheart-beat:a,b\n\n"), "bad-header"),
    "CONNECT with a negative number": (frame("CONNECT\naccept-version:1.2\nheart-beat:-1,0\n\n"), "bad-header"),
    "HTTP": (ws(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "bad-frame"),
}


@pytest.mark.parametrize("name", BEFORE)
@pytest.mark.gen_test(timeout=20)
async def test_bad_input_before_the_login(start_node, dial, witness, name):
    octets, code = BEFORE[name]
    node = await start_node({"limits.linger_seconds": 0.1})
    seen = await witness(node)
    peer = await dial(node)
    await peer.upgrade()
    await peer.send(octets)
    assert (await peer.dismissed())[0] == code
    assert node.stats[f"errors_{code}"] == 1
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_what_came_before_an_error_counts_and_what_comes_after_does_not(start_node, join):
    node = await start_node({"limits.linger_seconds": 0.1})
    reader, peer = await join(node), await join(node)
    await reader.subscribe("/topic/a")
    good, late = (stomp.encode("SEND", {"destination": "/topic/a"}, body) for body in (b"good", b"late"))
    await peer.send(ws(good + b"NO\n\n\0" + late), ws(late))
    assert (await peer.dismissed())[0] == "unknown-command"
    assert (await reader.frame()).body == b"good"
    node.publish("/topic/a", "next")
    assert (await reader.frame()).body == b"next"


@pytest.mark.gen_test(timeout=20)
async def test_an_error_names_the_receipt_of_its_cause(start_node, join):
    peer = await join(await start_node({"limits.linger_seconds": 0.1}))
    await peer.tell("ACK", {"id": "x:\n", "receipt": "r:1"})
    _, error = await peer.dismissed()
    assert error.headers["receipt-id"] == "r:1"
    assert error.headers["content-type"] == "text/plain"
    assert error.body == b"x:\n"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.gen_test(timeout=20)
async def test_errors_are_readable_in_older_versions(start_node, join, version):
    peer = await join(await start_node({"limits.linger_seconds": 0.1}), accept_version=version)
    await peer.tell("SEND", {"destination": "/nowhere", "receipt": "r"}, version=version)
    code, error = await peer.dismissed()
    assert (code, error.headers["receipt-id"]) == ("bad-destination", "r")


@pytest.mark.gen_test(timeout=20)
async def test_an_error_goes_out_behind_what_was_owed_before(start_node, join):
    """Receipts of the same write come first, then the ERROR; nothing is lost."""
    peer = await join(await start_node({"limits.linger_seconds": 0.1}))
    good = b"".join(stomp.encode("SEND", {"destination": "/topic/a", "receipt": str(n)}) for n in range(20))
    await peer.send(ws(good + b"NO\n\n\0"))
    frames, number, _ = await peer.ended()
    assert [one.headers.get("receipt-id") for one in frames[:-1]] == [str(n) for n in range(20)]
    assert (frames[-1].headers["code"], number) == ("unknown-command", 4500)


# Octets that look as if they meant something, so that more is reached than the first check.
pieces = st.one_of(
    st.binary(max_size=60),
    st.builds(ws, st.binary(max_size=140), st.sampled_from([0, TEXT, BINARY, PING, CLOSE]), fin=st.booleans()),
    st.sampled_from([octets for octets, _, _ in CASES.values()]),
    st.sampled_from(
        [
            frame("CONNECT\naccept-version:1.1\n\n"),
            frame("SEND\ndestination:/topic/witness.other\n\nbody"),
            frame("SUBSCRIBE\nid:1\ndestination:/topic/#\n\n"),
            frame("UNSUBSCRIBE\nid:1\n\n"),
            frame("DISCONNECT\nreceipt:1\n\n"),
        ]
    ),
)


@given(st.lists(pieces, min_size=1, max_size=6), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=100, database=None)
def collect(sent, logged_in, seed):
    EXAMPLES.append((sent, logged_in, seed))


EXAMPLES = []


@pytest.mark.gen_test(timeout=40)
async def test_random_octets_break_nobody_else(start_node, dial, witness):
    """Cut at random and ended at random: the others are served as ever, and nothing of it stays."""
    EXAMPLES.clear()
    collect()
    assert len(EXAMPLES) >= 50
    node = await start_node({**LIMITS, "limits.linger_seconds": 0.02})
    seen = await witness(node)
    for sent, logged_in, seed in EXAMPLES:
        draw = random.Random(seed)
        peer = await dial(node)
        await peer.upgrade()
        if logged_in:
            await peer.login()
        octets = b"".join(sent)
        cut = draw.randint(0, len(octets))
        try:
            await peer.send(octets[:cut])
            await seen.well()
            await peer.send(octets[cut:])
        except ConnectionError:
            pass
        await seen.well()
        if draw.random() < 0.5:
            peer.close()
            continue
        try:
            async with asyncio.timeout(0.01):
                while await peer.octets():
                    pass
        except (TimeoutError, ConnectionError):
            pass
        peer.close()
    await until(lambda: node.gateway.connections == 1)
    assert node.stats["errors_internal-error"] == 0
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_a_peer_that_is_refused_may_come_back(start_node, join):
    node = await start_node({"limits.linger_seconds": 0.1})
    peer = await join(node)
    await peer.tell("NONSENSE")
    with pytest.raises(Closed):
        while (await peer.frame()).command == "ERROR":
            pass
    again = await join(node)
    await again.publish("/topic/a")
