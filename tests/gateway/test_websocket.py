"""The WebSocket handshake, and STOMP over WebSocket messages that are cut in all ways."""

import pytest

from qmq.errors import CODES
from qmq.wire import stomp
from qmq.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.helpers import Closed, plain, request, until, ws

REFUSED = {
    "no upgrade": (plain("/stomp"), 426, "not-upgrade"),
    "another upgrade": (request(Upgrade="h2c"), 426, "not-upgrade"),
    "version 8": (request(Sec_WebSocket_Version="8"), 426, "not-upgrade"),
    "no version": (request(Sec_WebSocket_Version=None), 426, "not-upgrade"),
    "no Connection: Upgrade": (request(Connection="keep-alive"), 400, "bad-upgrade"),
    "no key": (request(Sec_WebSocket_Key=None), 400, "bad-upgrade"),
    "key of 15 octets": (request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), 400, "bad-upgrade"),
    "key that is no base64": (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZ!=="), 400, "bad-upgrade"),
    "key that is no ASCII": (request(Sec_WebSocket_Key="\xe4" * 24), 400, "bad-upgrade"),
    "HTTP/1.0": (request(version="HTTP/1.0"), 400, "bad-upgrade"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.gen_test(timeout=20)
async def test_a_wrong_handshake_is_a_problem(start_node, dial, name):
    octets, status, code = REFUSED[name]
    node = await start_node()
    answer = await (await dial(node)).ask(octets)
    assert answer.problem() == (status, code)
    assert node.stats[f"errors_{code}"] == 1
    if status == 426:
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"] == "websocket"


@pytest.mark.gen_test(timeout=20)
async def test_header_names_and_tokens_may_be_written_in_any_case(start_node, dial):
    peer = await dial(await start_node())
    answer = await peer.ask(request(Upgrade="WebSocket", Connection="keep-alive, UPGRADE"))
    assert answer.status == 101
    await peer.login()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, None),
        ("v12.stomp", "v12.stomp"),
        ("v10.stomp, v11.stomp", "v11.stomp"),
        ("v10.stomp,v12.stomp,v11.stomp", "v12.stomp"),
        ("mqtt", None),
        ("mqtt, v10.stomp", "v10.stomp"),
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_the_best_subprotocol_is_chosen(start_node, dial, offered, chosen):
    peer = await dial(await start_node())
    answer = await peer.upgrade(Sec_WebSocket_Protocol=offered)
    assert answer.headers.get("sec-websocket-protocol") == chosen
    assert "sec-websocket-extensions" not in answer.headers
    await peer.login()


@pytest.mark.gen_test(timeout=20)
async def test_no_extension_is_agreed_on(start_node, dial):
    peer = await dial(await start_node())
    answer = await peer.upgrade(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    assert "sec-websocket-extensions" not in answer.headers


@pytest.mark.gen_test(timeout=20)
async def test_frames_may_follow_the_request_at_once(start_node, dial):
    peer = await dial(await start_node())
    connect = ws(stomp.encode("CONNECT", {"accept-version": "1.2"}))
    assert (await peer.ask(request(), connect, ws(b"hi", PING))).status == 101
    assert (await peer.frame()).command == "CONNECTED"
    assert await peer.event() == (PONG, b"hi")


def talk(count=3):
    """A whole conversation as octets of STOMP, with bodies of text and of octets."""
    frames = [("CONNECT", {"accept-version": "1.2"}, b""), ("SUBSCRIBE", {"id": "1", "destination": "/topic/a"}, b"")]
    headers = {"destination": "/topic/a", "näme": "wért"}
    frames += [("SEND", headers, f"bödy {number}".encode()) for number in range(count)]
    frames.append(("DISCONNECT", {"receipt": "end"}, b""))
    return [stomp.encode(*frame) for frame in frames]


async def hear_talk(peer, count=3):
    """Reads the answers to it."""
    frames, code, _ = await peer.ended()
    assert [frame.command for frame in frames] == ["CONNECTED", *["MESSAGE"] * count, "RECEIPT"]
    assert [frame.body for frame in frames[1:-1]] == [f"bödy {number}".encode() for number in range(count)]
    assert all(frame.headers["näme"] == "wért" for frame in frames[1:-1])
    assert code == 1000


def octet_by_octet(data, kind):
    return [ws(data[place : place + 1], kind) for place in range(len(data))]


SPLITS = {
    "a message per frame": lambda data: [ws(frame) for frame in data],
    "a binary message per frame": lambda data: [ws(frame, BINARY) for frame in data],
    "all in one message": lambda data: [ws(b"".join(data))],
    "all in one binary message": lambda data: [ws(b"".join(data), BINARY)],
    "an octet per binary message": lambda data: octet_by_octet(b"".join(data), BINARY),
    "a character per text message": lambda data: [ws(char.encode()) for char in b"".join(data).decode()],
    "text and binary in turns": lambda data: [
        ws(char.encode(), BINARY if number % 2 else TEXT) for number, char in enumerate(b"".join(data).decode())
    ],
    "fragments of an octet, with pings between": lambda data: [
        ws(b"", TEXT, fin=False),
        *[ws(b"%c" % octet, PING) + ws(b"%c" % octet, CONTINUATION, fin=False) for octet in b"".join(data)],
        ws(b"", CONTINUATION),
    ],
    "empty messages between": lambda data: [ws(b"") + ws(frame) + ws(b"", BINARY) for frame in data],
    "heart-beats between": lambda data: [ws(b"\n\r\n" + frame + b"\n") for frame in data],
    "frames across three messages": lambda data: [
        ws(b"".join(data)[:60], BINARY) + ws(b"".join(data)[60:150], BINARY) + ws(b"".join(data)[150:], BINARY)
    ],
}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("writes", ["one write", "a write per message", "a write per octet"])
@pytest.mark.gen_test(timeout=20)
async def test_frames_may_be_cut_into_messages_anywhere(start_node, dial, name, writes):
    peer = await dial(await start_node())
    await peer.upgrade()
    messages = SPLITS[name](talk())
    if writes == "one write":
        messages = [b"".join(messages)]
    elif writes == "a write per octet":
        octets = b"".join(messages)
        messages = [octets[place : place + 7] for place in range(0, len(octets), 7)]
    for message in messages:
        await peer.send(message)
    await hear_talk(peer)


@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_is_no_utf8_comes_in_a_binary_message(start_node, join):
    peer = await join(await start_node())
    await peer.subscribe("/topic/#")
    bodies = {b"plain": TEXT, "dürr".encode(): TEXT, b"\xff\0\xfe": BINARY, b"a\0b": TEXT, b"": TEXT}
    for body, opcode in bodies.items():
        await peer.tell("SEND", {"destination": "/topic/a"}, body)
        frame = await peer.frame()
        assert (frame.body, frame.opcode) == (body, opcode)
        assert frame.headers["content-length"] == str(len(body))


@pytest.mark.gen_test(timeout=20)
async def test_text_in_binary_messages_comes_back_as_text(start_node, join):
    """What counts is the body, not how it was sent; also when it is cut within a character."""
    peer = await join(await start_node())
    await peer.subscribe("/topic/a")
    frame = stomp.encode("SEND", {"destination": "/topic/a"}, "ä€".encode())
    for cut in (len(frame) - 2, len(frame) - 5, 4):
        await peer.send(ws(frame[:cut], BINARY), ws(frame[cut:], BINARY))
        message = await peer.frame()
        assert (message.body, message.opcode) == ("ä€".encode(), TEXT)


@pytest.mark.gen_test(timeout=20)
async def test_octets_that_begin_in_a_binary_message_and_end_in_a_text_one_stay_binary(start_node, join):
    peer = await join(await start_node())
    await peer.subscribe("/topic/a")
    frame = stomp.encode("SEND", {"destination": "/topic/a"}, b"\xff-text")
    await peer.send(ws(frame[:-5], BINARY), ws(frame[-5:], TEXT))
    message = await peer.frame()
    assert (message.body, message.opcode) == (b"\xff-text", BINARY)
    await peer.send(ws(frame[:-5], BINARY), ws(frame[-5:] + frame[:40], BINARY), ws(frame[40:], BINARY))
    assert [(await peer.frame()).opcode, (await peer.frame()).opcode] == [BINARY, BINARY]


@pytest.mark.parametrize("size", [1, 125, 126, 1023, 1024, 65535, 65536, 1 << 20])
@pytest.mark.gen_test(timeout=20)
async def test_bodies_of_all_sizes(start_node, join, size):
    peer = await join(await start_node({"limits.default_bytes": 1 << 22}))
    await peer.subscribe("/topic/a")
    body = bytes(range(256)) * (size // 256 + 1)
    await peer.tell("SEND", {"destination": "/topic/a"}, body[:size])
    assert (await peer.frame()).body == body[:size]


@pytest.mark.gen_test(timeout=20)
async def test_a_body_and_headers_of_just_the_allowed_size(start_node, join):
    """Both limits may be used up at once, in one message."""
    node = await start_node({"limits.body": 1000, "limits.header_bytes": 200})
    peer = await join(node)
    head = b"SEND\ndestination:/topic/a\ncontent-length:1000\nx:"
    await peer.send(ws(head + b"x" * (200 - len(head)) + b"\n\n" + b"b" * 1000 + b"\0"))
    await peer.subscribe("/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_pings_are_answered_in_order(start_node, join):
    peer = await join(await start_node())
    await peer.send(*[ws(b"%d" % number, PING) for number in range(50)], ws(b"ignored", PONG))
    assert [await peer.event() for _ in range(50)] == [(PONG, b"%d" % number) for number in range(50)]


@pytest.mark.parametrize(
    ("sent", "code"), [(b"", 1005), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0own", 4000)]
)
@pytest.mark.gen_test(timeout=20)
async def test_a_close_is_answered_with_its_code(start_node, join, sent, code):
    node = await start_node()
    peer = await join(node)
    await peer.send(ws(sent, CLOSE))
    frames, number, _ = await peer.ended()
    assert (frames, number) == ([], code)
    assert await peer.end() == b""
    await until(lambda: node.gateway.connections == 0)
    assert node.stats["connections_closed_by_client"] == 1
    assert node.stats["connections_lost"] == 0


@pytest.mark.gen_test(timeout=20)
async def test_what_was_sent_before_a_close_counts(start_node, join):
    node = await start_node()
    reader = await join(node)
    await reader.subscribe("/topic/a")
    peer = await join(node)
    await peer.send(ws(stomp.encode("SEND", {"destination": "/topic/a"}, b"last words")), ws(b"\x03\xe8", CLOSE))
    assert (await reader.frame()).body == b"last words"


@pytest.mark.gen_test(timeout=20)
async def test_a_peer_that_answers_our_close_is_let_go_at_once(start_node, join):
    node = await start_node({"limits.linger_seconds": 60.0})
    peer = await join(node)
    await peer.tell("DISCONNECT", {"receipt": "bye"})
    assert (await peer.frame()).headers == {"receipt-id": "bye"}
    with pytest.raises(Closed) as closed:
        await peer.frame()
    assert (closed.value.code, closed.value.reason) == (CODES["closed"].close, "closed")
    await peer.send(ws(b"\x03\xe8", CLOSE))
    assert await peer.end() == b""
    await until(lambda: node.gateway.connections == 0)
