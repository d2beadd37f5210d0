"""STOMP as a node speaks it over WebSocket: versions, escapes, receipts, subscriptions, in every direction."""

import pytest

from qmq.wire import stomp
from tests.helpers import ws


@pytest.mark.parametrize(
    ("offered", "version"),
    [
        ({}, "1.0"),
        ({"accept-version": "1.0"}, "1.0"),
        ({"accept-version": "1.1"}, "1.1"),
        ({"accept-version": "1.2"}, "1.2"),
        ({"accept-version": "1.0,1.1,1.2"}, "1.2"),
        ({"accept-version": "1.1, 1.0"}, "1.1"),
        ({"accept-version": "1.3,1.1,2.0"}, "1.1"),
    ],
)
@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
@pytest.mark.gen_test(timeout=20)
async def test_the_highest_common_version_is_spoken(start_node, dial, command, offered, version):
    peer = await dial(await start_node())
    await peer.upgrade()
    await peer.tell(command, {"host": "any.example", "login": "a", "passcode": "b", **offered})
    frame = await peer.frame()
    assert (frame.command, frame.headers["version"]) == ("CONNECTED", version)
    assert frame.headers["session"]
    assert frame.headers["server"].startswith("qmq/")
    assert ("heart-beat" in frame.headers) == (version != "1.0")


@pytest.mark.gen_test(timeout=20)
async def test_no_common_version(start_node, dial):
    node = await start_node({"limits.linger_seconds": 0.1})
    peer = await dial(node)
    await peer.upgrade()
    await peer.tell("CONNECT", {"accept-version": "2.0,1.3"})
    code, error = await peer.dismissed()
    assert code == "bad-version"
    assert error.headers["version"] == "1.0,1.1,1.2"
    assert node.stats["errors_bad-version"] == 1


# How a header is written to a reader of each version.
WRITTEN = {
    "1.0": {b"\nback:a\\b", b"\ncolon:a:b"},
    "1.1": {b"\nback:a\\\\b", b"\ncolon:a\\cb", b"\nline:a\\nb", b"\nna\\cme:v"},
    "1.2": {b"\nback:a\\\\b", b"\ncolon:a\\cb", b"\nline:a\\nb", b"\nna\\cme:v", b"\nreturn:a\\rb"},
}


@pytest.mark.parametrize("version", WRITTEN)
@pytest.mark.gen_test(timeout=20)
async def test_messages_are_escaped_as_the_reader_expects(start_node, join, version):
    node = await start_node()
    reader = await join(node, accept_version=version)
    await reader.subscribe("/topic/a")
    writer = await join(node)
    headers = {"back": "a\\b", "colon": "a:b", "line": "a\nb", "na:me": "v", "return": "a\rb", "plain": "p"}
    await writer.tell("SEND", {"destination": "/topic/a", **headers}, b"body")
    _, octets = await reader.event()
    for line in WRITTEN[version] | {b"\nplain:p", b"\ndestination:/topic/a", b"\nsubscription:1"}:
        assert line + b"\n" in octets
    for line in set().union(*WRITTEN.values()) - WRITTEN[version]:
        assert line + b"\n" not in octets
    assert octets.endswith(b"\n\nbody\0")


@pytest.mark.gen_test(timeout=20)
async def test_escapes_survive_from_one_version_to_another(start_node, join):
    node = await start_node()
    reader = await join(node, accept_version="1.1")
    await reader.subscribe("/topic/a")
    writer = await join(node)
    await writer.tell("SEND", {"destination": "/topic/a", "na:me": "a\\b:c\nd\\n"})
    assert (await reader.frame()).headers["na:me"] == "a\\b:c\nd\\n"


@pytest.mark.parametrize("escape", ["\\r", "\\t", "\\x", "\\"])
@pytest.mark.gen_test(timeout=20)
async def test_escapes_that_1_1_does_not_know(start_node, join, escape):
    node = await start_node({"limits.linger_seconds": 0.1})
    peer = await join(node, accept_version="1.1")
    await peer.send(ws(f"SEND\ndestination:/topic/a\nx:{escape}\n\n\0".encode()))
    assert (await peer.dismissed())[0] == "bad-escape"


@pytest.mark.gen_test(timeout=20)
async def test_version_1_0_knows_no_escapes_and_pads(start_node, join):
    peer = await join(await start_node(), accept_version="1.0")
    await peer.send(ws(b"SUBSCRIBE\ndestination: /topic/a\n\n\0"))
    await peer.send(ws(b"SEND\ndestination: /topic/a\nx: \\t\\n:c\n\nhello\0"))
    _, octets = await peer.event()
    assert b"\nx:\\t\\n:c\n" in octets
    assert b"subscription" not in octets


@pytest.mark.gen_test(timeout=20)
async def test_version_1_0_unsubscribes_by_destination_or_by_id(start_node, join):
    peer = await join(await start_node(), accept_version="1.0")
    await peer.tell("SUBSCRIBE", {"destination": "/topic/a"})
    await peer.tell("SUBSCRIBE", {"destination": "/topic/b", "id": "b"})
    await peer.receipt("UNSUBSCRIBE", {"destination": "/topic/a"})
    await peer.publish("/topic/a")
    await peer.receipt("UNSUBSCRIBE", {"id": "b"})
    await peer.publish("/topic/b")


@pytest.mark.gen_test(timeout=20)
async def test_a_receipt_says_more_only_to_who_used_our_headers(start_node, join):
    node = await start_node()
    peer = await join(node)
    plain = {"id": "1", "destination": "/topic/a", "receipt": "x:\n\\", "ack": "auto", "other": "header"}
    await peer.tell("SUBSCRIBE", plain)
    assert (await peer.frame()).headers == {"receipt-id": "x:\n\\"}
    ours = {"max-messages": "5", "max-bytes": "5", "overflow": "disconnect", "conflate-key": "k", "from": "latest"}
    for name, value in ours.items():
        headers = await peer.subscribe("/topic/b", id=name, **{name: value})
        assert set(headers) == {"receipt-id", "cursor", "recovered", "max-messages", "max-bytes"}
        assert headers["cursor"] == node.hub.cursor
        assert headers["recovered"] == "true"
    for command in ("UNSUBSCRIBE", "SEND", "DISCONNECT"):
        headers = await peer.receipt(command, {"id": "1", "destination": "/topic/c", "max-messages": "1"})
        assert headers == {"receipt-id": "r"}


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ({"overflow": "disconnect"}, (10, 1000)),
        ({"max-messages": "7"}, (7, 1000)),
        ({"max-bytes": "7"}, (10, 7)),
        ({"max-messages": "50", "max-bytes": "5000"}, (50, 5000)),
        ({"max-messages": "51", "max-bytes": "5001"}, (50, 5000)),
        ({"max-messages": "999999999999999", "max-bytes": "999999999999999"}, (50, 5000)),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_bounds_are_clamped_and_told(start_node, join, asked, granted):
    limits = {"default_messages": 10, "default_bytes": 1000, "messages": 50, "bytes": 5000}
    node = await start_node({f"limits.{name}": value for name, value in limits.items()})
    headers = await (await join(node)).subscribe("/topic/a", **asked)
    assert (int(headers["max-messages"]), int(headers["max-bytes"])) == granted


@pytest.mark.gen_test(timeout=20)
async def test_receipts_come_in_order_and_after_what_they_stand_for(start_node, join):
    node = await start_node()
    reader, writer = await join(node), await join(node)
    await reader.subscribe("/topic/a")
    frames = [stomp.encode("SEND", {"destination": "/topic/a", "receipt": str(n)}, b"%d" % n) for n in range(200)]
    await writer.send(ws(b"".join(frames)))
    assert [(await writer.frame()).headers["receipt-id"] for _ in range(200)] == [str(n) for n in range(200)]
    assert [(await reader.frame()).body for _ in range(200)] == [b"%d" % n for n in range(200)]


@pytest.mark.gen_test(timeout=20)
async def test_a_message_id_names_node_epoch_and_number(start_node, join):
    node = await start_node()
    peer = await join(node)
    await peer.subscribe("/topic/a", id="an id: with\\all")
    for number in (1, 2):
        await peer.tell("SEND", {"destination": "/topic/a", "receipt-not": "x", "subscription": "no", "ack": "no"})
        frame = await peer.frame()
        assert frame.headers["message-id"] == f"test.{node.hub.origin.epoch}.{number}"
        assert frame.headers["subscription"] == "an id: with\\all"
        assert "ack" not in frame.headers


@pytest.mark.gen_test(timeout=20)
async def test_one_connection_may_have_many_subscriptions_to_the_same(start_node, join):
    peer = await join(await start_node())
    for key, pattern in {"a": "x.y", "b": "x.y", "c": "*.y", "d": "#", "e": "z"}.items():
        await peer.subscribe(f"/topic/{pattern}", id=key)
    await peer.tell("SEND", {"destination": "/topic/x.y"})
    assert sorted([(await peer.frame()).headers["subscription"] for _ in range(4)]) == ["a", "b", "c", "d"]
    await peer.receipt("UNSUBSCRIBE", {"id": "b"})
    await peer.tell("SEND", {"destination": "/topic/x.y"})
    assert sorted([(await peer.frame()).headers["subscription"] for _ in range(3)]) == ["a", "c", "d"]


@pytest.mark.gen_test(timeout=20)
async def test_of_a_header_that_comes_twice_the_first_counts(start_node, join):
    peer = await join(await start_node())
    await peer.subscribe("/topic/a")
    await peer.send(ws(b"SEND\ndestination:/topic/a\ndestination:/topic/b\nx:1\nx:2\n\n\0"))
    frame = await peer.frame()
    assert (frame.headers["destination"], frame.headers["x"]) == ("/topic/a", "1")


@pytest.mark.gen_test(timeout=20)
async def test_lines_may_end_with_cr_lf(start_node, dial):
    peer = await dial(await start_node())
    await peer.upgrade()
    await peer.send(ws(b"CONNECT\r\naccept-version:1.2\r\n\r\n\0\r\n"))
    assert (await peer.frame()).command == "CONNECTED"
    await peer.send(ws(b"SUBSCRIBE\r\nid:1\r\ndestination:/topic/a\r\nreceipt:r\r\n\r\n\0\r\n"))
    assert (await peer.frame()).headers == {"receipt-id": "r"}


@pytest.mark.gen_test(timeout=20)
async def test_after_disconnect_nothing_is_heard_and_nothing_said(start_node, join):
    node = await start_node({"limits.linger_seconds": 0.1})
    peer, other = await join(node), await join(node)
    await peer.subscribe("/topic/a")
    await other.subscribe("/topic/a")
    bye = stomp.encode("DISCONNECT", {"receipt": "bye"})
    send = stomp.encode("SEND", {"destination": "/topic/a"}, b"late")
    await peer.send(ws(bye + send), ws(send))
    frames, code, reason = await peer.ended()
    assert ([frame.headers for frame in frames], code, reason) == ([{"receipt-id": "bye"}], 1000, "closed")
    assert await peer.end() == b""
    node.publish("/topic/a", "next")
    assert (await other.frame()).body == b"next"
