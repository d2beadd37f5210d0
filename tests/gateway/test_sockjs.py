"""SockJS as its description has it: URLs, frames, transports, the life of sessions; and our rules on top."""

import asyncio
import json
import re
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq.gateway.sockjs_transports import parse
from tests.gateway.poll_peer import Http
from tests.gateway.sockjs_peer import CONNECT, SockJs
from tests.helpers import Peer, until, ws

PAGE = "https://page.example"
OPENED = {"allowed_origins": (PAGE,)}


def sessions_of(node):
    """The sessions that SockJS knows, on all threads."""
    return [each for branch in node.branches for each in branch.sockjs[0]._sessions._items.values()]


@pytest.fixture
def sockjs():
    """Opens sessions over xhr: `peer = await sockjs(node)`."""
    peers = []

    async def open_session(node, session="s1", **headers):
        peers.append(await SockJs.open(node, session, **headers))
        return peers[-1]

    yield open_session
    for peer in peers:
        peer.close()


# URLs


@pytest.mark.gen_test(timeout=20)
async def test_the_base_url_greets(start_node, http):
    peer = await http(await start_node())
    for path in ("/sockjs", "/sockjs/"):
        peer.ask(path, method="GET")
        status, headers, body = await peer.answer()
        assert (status, headers["content-type"], body) == (200, "text/plain; charset=utf-8", b"Welcome to SockJS!\n")
        assert "set-cookie" not in headers


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    "path",
    ["//", "/a", "/a/b", "/a/b/c", "/./s/xhr", "/a.b/s/xhr", "/a/s.t/xhr", "//s/xhr", "/a//xhr", "/a/s/jsonp",
     "/a/s/htmlfile", "/a/s/jsonp_send", "/iframe.html", "/iframe-a.b.html", "/chunking_test"],
)  # fmt: skip
async def test_all_else_is_not_found(start_node, http, path):
    peer = await http(await start_node())
    for method in ("GET", "POST"):
        peer.ask(f"/sockjs{path}", method=method)
        assert (await peer.answer())[0] == 404


@pytest.mark.gen_test(timeout=20)
async def test_info_is_fresh_each_time_and_may_be_read_by_allowed_pages(start_node, http):
    peer = await http(await start_node(OPENED))
    seen = []
    for _ in range(2):
        peer.ask("/sockjs/info", method="GET", Origin=PAGE)
        status, headers, body = await peer.answer()
        assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["access-control-allow-credentials"] == "true"
        assert headers["cache-control"] == "no-store, no-cache, no-transform, must-revalidate, max-age=0"
        assert not {"expires", "last-modified", "set-cookie"} & set(headers)
        seen.append(json.loads(body))
        entropy = seen[-1].pop("entropy")
        assert 0 <= entropy < 1 << 32
        seen.append(entropy)
    assert seen[0] == seen[2] == {"websocket": True, "cookie_needed": False, "origins": ["*:*"]}
    assert seen[1] != seen[3]


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("path", ["/info", "/a/s/xhr", "/a/s/xhr_send", "/a/s/xhr_streaming"])
async def test_preflights_are_answered_and_cacheable(start_node, http, path):
    peer = await http(await start_node(OPENED))
    peer.ask(
        f"/sockjs{path}", method="OPTIONS", Origin=PAGE,
        **{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "a, b"},
    )  # fmt: skip
    status, headers, _ = await peer.answer()
    assert status == 204
    assert ("get" if path == "/info" else "post") in headers["access-control-allow-methods"]
    assert headers["access-control-allow-headers"] == "a, b"
    assert int(headers["access-control-max-age"]) > 1_000_000
    assert "max-age=31536000" in headers["cache-control"] and "expires" in headers


@pytest.mark.gen_test(timeout=20)
async def test_the_iframe_page_is_there_when_the_client_is_and_allowed_pages_only_may_frame_it(start_node, http):
    peer = await http(await start_node({**OPENED, "sockjs_client": "https://page.example/sockjs.js"}))
    peer.ask("/sockjs/iframe-1.6.1.html", method="GET")
    status, headers, body = await peer.answer()
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b'<script src="https://page.example/sockjs.js">' in body
    assert headers["content-security-policy"] == f"frame-ancestors 'self' {PAGE}"
    assert {"public", "max-age=31536000"} <= set(headers["cache-control"].split(", "))
    assert "expires" in headers and not {"last-modified", "set-cookie"} & set(headers)
    peer.ask("/sockjs/iframe.html", method="GET", If_None_Match=headers["etag"])
    status, again = await peer.head()
    assert status == 304 and "content-type" not in again
    for path in ("iframe-0.3.4-.a_z.html", "iframe.html"):
        peer.ask(f"/sockjs/{path}", method="GET")
        assert (await peer.answer())[::2] == (200, body)
    for path in ("iframe-A.html", "IFRAME.html", "iframe.htm", "iframe", "iframe.HTML", "iframe-/.html"):
        peer.ask(f"/sockjs/{path}", method="GET")
        assert (await peer.answer())[0] == 404, path


# The life of a session


@pytest.mark.gen_test(timeout=20)
async def test_a_session_opens_talks_and_says_goodbye(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    assert await peer.send(CONNECT) == 204
    (connected,) = await peer.frames()
    assert connected.startswith("CONNECTED\nversion:1.2\n")
    assert await peer.send("DISCONNECT\nreceipt:bye\n\n\0") == 204
    assert await peer.frames() == ["RECEIPT\nreceipt-id:bye\n\n\0"]
    assert await peer.poll() == 'c[1000,"closed"]'
    assert await peer.poll() == 'c[1000,"closed"]'  # as often as one asks
    assert await peer.send("\n") == 404
    assert node.gateway.connections == 0


@pytest.mark.gen_test(timeout=20)
async def test_the_name_of_the_server_in_the_url_is_of_no_interest(start_node, sockjs):
    peer = await sockjs(await start_node())
    peer.up.ask("/sockjs/another/s1/xhr_send", json.dumps([CONNECT]).encode())
    assert (await peer.up.answer())[0] == 204
    (connected,) = await peer.frames()
    assert connected.startswith("CONNECTED\n")
    assert "s1" not in connected  # nobody learns by which id it may be taken over


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_was_closed_says_so_until_nobody_asks_any_more(start_node, sockjs, monkeypatch):
    monkeypatch.setattr("qmq.gateway.sockjs._ABSENT", 1.0)
    node = await start_node()
    peer = await sockjs(node)
    await peer.login("DISCONNECT\nreceipt:bye\n\n\0")
    assert [await peer.poll() for _ in range(2)] == ['c[1000,"closed"]'] * 2
    await until(lambda: not sessions_of(node))
    assert await peer.poll() == "o"  # another session, by the same name


@pytest.mark.gen_test(timeout=20)
async def test_a_second_receiver_is_sent_away(start_node, sockjs, http):
    node = await start_node()
    peer = await sockjs(node)
    peer.down.ask(f"{peer.path}/xhr")
    session = sessions_of(node)[0]
    await until(lambda: session.handler is not None and session.ready)
    other = await http(node)
    other.ask(f"{peer.path}/xhr")
    assert (await other.answer())[2] == b'c[2010,"Another connection still open"]\n'


@pytest.mark.gen_test(timeout=20)
async def test_a_receiver_that_goes_takes_its_session_along(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    await peer.login()
    peer.down.ask(f"{peer.path}/xhr")
    session = sessions_of(node)[0]
    await until(lambda: session.ready)
    peer.down.cut()
    await until(lambda: node.gateway.connections == 0)
    assert node.stats["connections_lost"] == 1
    peer.down = await Http.open(peer.port)
    assert await peer.poll() in ("o", 'c[1002,"Connection interrupted"]')


@pytest.mark.gen_test(timeout=20)
async def test_a_session_without_a_receiver_ends(start_node, sockjs, monkeypatch):
    monkeypatch.setattr("qmq.gateway.sockjs._ABSENT", 1.0)
    node = await start_node()
    await sockjs(node)
    assert node.gateway.connections == 1
    await until(lambda: node.gateway.connections == 0)
    await until(lambda: not sessions_of(node))


@pytest.mark.gen_test(timeout=20)
async def test_silence_is_filled_with_heart_beats(start_node, sockjs):
    node = await start_node({"limits.ping_seconds": 0.2})
    peer = await sockjs(node)
    assert [await peer.poll(), await peer.poll()] == ["h", "h"]


# What is sent


@pytest.mark.gen_test(timeout=20)
async def test_requests_that_send_are_answered_in_the_words_of_the_protocol(start_node, sockjs):
    node = await start_node()
    peer = await sockjs(node)
    for body, status, words in [
        (b"", 500, b"Payload expected."),
        (b'["x', 500, b"Broken JSON encoding."),
        (b"{}", 500, b"Broken JSON encoding."),
        (b"[1]", 500, b"Broken JSON encoding."),
        (b"\xff", 500, b"Broken JSON encoding."),
        (b"[" * 100_000, 500, b"Broken JSON encoding."),
        (b"[]", 204, b""),
        (b'[""]', 204, b""),
        (b'"\\n"', 204, b""),
    ]:
        peer.up.ask(f"{peer.path}/xhr_send", body, Content_Type="application/x-of-any-kind")
        found, headers, text = await peer.up.answer()
        assert (found, text) == (status, words), body[:10]
        assert status == 204 or headers["content-type"] == "text/plain; charset=utf-8"
    assert await peer.send(CONNECT) == 204  # none of it harmed the session
    peer.up.ask("/sockjs/000/unknown/xhr_send", b'["x"]')
    assert (await peer.up.answer())[0] == 404


@given(st.one_of(st.binary(), st.text()))
def test_whatever_comes_is_a_list_of_texts_or_broken(data):
    try:
        assert all(isinstance(message, str) and message for message in parse(data))
    except ValueError as error:
        assert str(error) in ("Payload expected.", "Broken JSON encoding.")


# Transports


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("transport", "method", "kind", "prelude", "pattern"),
    [
        ("xhr_streaming", "POST", "application/javascript; charset=utf-8", b"h" * 2048 + b"\n", rb"(.*)\n"),
        ("eventsource", "GET", "text/event-stream; charset=utf-8", b"\r\n", rb"data: (.*)\r\n\r\n"),
    ],
)
async def test_streams_carry_many_frames_and_end_after_128_kib(
    start_node, http, transport, method, kind, prelude, pattern
):
    node = await start_node()
    down, up = await http(node), await http(node)
    path = "/sockjs/000/s1"
    down.ask(f"{path}/{transport}", method=method)
    status, headers = await down.head()
    assert (status, headers["content-type"], headers["transfer-encoding"]) == (200, kind, "chunked")
    assert "content-length" not in headers
    octets = b""

    async def frame():
        nonlocal octets
        while not (found := re.match(pattern, octets)):
            chunk = await down.chunk()
            if chunk is None:
                return None
            octets += chunk
        octets = octets[found.end() :]
        return found[1].decode()

    while len(octets) < len(prelude):
        octets += await down.chunk()
    assert octets.startswith(prelude)
    octets = octets[len(prelude) :]
    assert await frame() == "o"
    body = "x" * 60_000
    messages = [CONNECT, "SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0"]
    messages += [f"SEND\ndestination:/topic/a\n\n{number}{body}\0" for number in range(4)]
    for message in messages:
        up.ask(f"{path}/xhr_send", json.dumps([message]).encode())
        assert (await up.answer())[0] == 204
    seen = []
    while (found := await frame()) is not None:
        seen += json.loads(found[1:])
    assert 3 <= len(seen) <= 5  # then the response ended
    down.ask(f"{path}/xhr")
    seen += json.loads((await down.answer())[2][1:])
    assert [message.rpartition("\n")[2][:1] for message in seen[1:]] == list("0123")[: len(seen) - 1]


@pytest.mark.gen_test(timeout=20)
async def test_http_1_0_streams_end_with_the_connection(start_node, http):
    node = await start_node()
    down, up = await http(node), await http(node)
    down.ask("/sockjs/000/s1/xhr_streaming", version="1.0")
    status, headers = await down.head()
    assert status == 200 and "transfer-encoding" not in headers
    async with asyncio.timeout(10):
        assert (await down.reader.readuntil(b"o\n"))[-3:] == b"\no\n"
        up.ask("/sockjs/000/s1/xhr_send", json.dumps(["CONNECT\n\nx\0"]).encode())
        assert (await up.answer())[0] == 204
        rest = await down.reader.read()
    assert b"ERROR" in rest and rest.rstrip().endswith(b"]")


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 400),
        ("GET", {"Upgrade": "websocket", "Connection": "close"}, 400),
        ("POST", {"Upgrade": "websocket", "Connection": "Upgrade"}, 405),
    ],
)
async def test_what_is_no_websocket_is_told_so(start_node, http, method, headers, status):
    peer = await http(await start_node())
    peer.ask("/sockjs/000/s1/websocket", method=method, **headers)
    found, got, _ = await peer.answer()
    assert found == status
    assert got.get("allow") == ("get" if status == 405 else None)


@pytest.fixture
def websocket():
    """Opens SockJS over WebSocket: `peer = await websocket(node)`."""
    peers = []

    async def open_session(node, **headers):
        peers.append(await Peer.open(node.listen[0]["port"]))
        await peers[-1].upgrade(path="/sockjs/000/s1/websocket", **headers)
        assert (await peers[-1].event())[1] == b"o"
        return peers[-1]

    yield open_session
    for peer in peers:
        peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_over_websocket_strings_and_arrays_are_taken_and_ids_may_be_used_again(start_node, websocket):
    node = await start_node()
    first, second = await websocket(node), await websocket(node)
    await first.send(ws(json.dumps(CONNECT).encode()))
    await second.send(ws(json.dumps([CONNECT]).encode()))
    for peer in (first, second):
        await peer.send(ws(b"[]"), ws(b""))
        (connected,) = json.loads((await peer.event())[1][1:])
        assert connected.startswith("CONNECTED\n")
    assert node.gateway.connections == 2


@pytest.mark.gen_test(timeout=20)
async def test_plain_stomp_has_no_frames_of_sockjs(start_node):
    node = await start_node({"limits.ping_seconds": 0.1})
    peer = await Peer.open(node.listen[0]["port"])
    await peer.upgrade(path="/sockjs/websocket")
    await peer.send(ws(CONNECT.encode()))
    assert (await peer.event())[1].startswith(b"CONNECTED\n")  # no "o" before it
    assert await peer.event() == (0x9, b"")  # a ping of WebSocket's, and no "h"
    peer.close()


@pytest.mark.gen_test(timeout=20)
@pytest.mark.parametrize("text", ['["x', "{}", "[1]", "[" * 100_000])
async def test_broken_json_ends_a_websocket_at_once(start_node, websocket, text):
    node = await start_node()
    peer = await websocket(node)
    await peer.send(ws(text.encode()))
    await peer.end()
    await until(lambda: node.gateway.connections == 0)
    assert node.stats["errors_bad-request"] == 1


# Who may


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_foreign_origins_get_nothing_and_leave_nothing(start_node, http):
    node = await start_node()
    peer = await http(node)
    for method, path in [
        ("GET", "/info"), ("OPTIONS", "/info"), ("POST", "/0/s/xhr"), ("POST", "/0/s/xhr_streaming"),
        ("GET", "/0/s/eventsource"), ("POST", "/0/s/xhr_send"),
    ]:  # fmt: skip
        peer.ask(f"/sockjs{path}", method=method, Origin="https://evil.example")
        status, headers, body = await peer.answer()
        assert (status, json.loads(body)["code"]) == (403, "bad-origin"), path
        assert ("access-control-allow-origin" in headers) == (method != "OPTIONS")  # who asks may read why not
    peer.ask(
        "/sockjs/0/s/websocket", method="GET", Origin="https://evil.example", Upgrade="websocket",
        Connection="Upgrade", Sec_WebSocket_Version="13", Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    assert (await peer.answer())[0] == 403
    assert node.gateway.connections == 0 and not sessions_of(node)


@pytest.mark.gen_test(timeout=20)
async def test_a_session_belongs_to_the_origin_that_opened_it(start_node, sockjs):
    node = await start_node(OPENED)
    peer = await sockjs(node, Origin=PAGE)
    assert await peer.send(CONNECT) == 404
    assert await peer.send(CONNECT, Origin=PAGE) == 204
    peer.down.ask(f"{peer.path}/xhr")
    status, _, body = await peer.down.answer()
    assert (status, json.loads(body)["code"]) == (404, "unknown-session")
    (connected,) = await peer.frames(Origin=PAGE)
    assert connected.startswith("CONNECTED\n")


@pytest.mark.gen_test(timeout=20)
async def test_session_survives_a_change_of_address(start_node, sockjs):
    node = await start_node({"limits.connections_per_address": 1})
    peer = await sockjs(node)
    census = node.gateway.door.census
    assert census.snapshot()[0] == {"127.0.0.1": 1}
    peer.close()
    peer.up, peer.down = [
        Http(*await asyncio.open_connection("127.0.0.1", peer.port, local_addr=("127.0.0.2", 0))) for _ in "12"
    ]
    assert await peer.send(CONNECT) == 204
    assert (await peer.frames())[0].startswith("CONNECTED\n")
    assert census.snapshot()[0] == {"127.0.0.2": 1}  # it counts where it is now
    [described] = node.gateway.describe()
    assert described["address"] == "127.0.0.2"
    other = await SockJs.open(node, "s2")  # there is room where it was
    try:
        other.up.close()
        other.up = Http(*await asyncio.open_connection("127.0.0.1", peer.port, local_addr=("127.0.0.2", 0)))
        assert await other.send(CONNECT) == 204  # served, but none gathers more at one address than are allowed
        assert census.snapshot()[0] == {"127.0.0.1": 1, "127.0.0.2": 1}
    finally:
        other.close()


@pytest.mark.gen_test(timeout=20)
async def test_session_is_not_shared_with_another_principal(guarded, sockjs):
    node = await guarded()
    basic = b64encode(b"alice:right").decode()
    peer = await sockjs(node, Authorization=f"Basic {basic}")
    assert await peer.send(CONNECT) == 404
    assert await peer.send(CONNECT, Authorization=f"Basic {basic}") == 204


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_the_same_host_are_named_in_some_requests_only(start_node, sockjs):
    peer = await sockjs(await start_node())
    assert await peer.send(CONNECT, Origin="http://X") == 204
    assert await peer.send("\n", Sec_Fetch_Site="same-origin") == 204


@pytest.mark.gen_test(timeout=20)
async def test_there_is_room_for_so_many_and_no_more(start_node, sockjs, http):
    node = await start_node({"limits.connections": 1})
    peer = await sockjs(node)
    other = await http(node)
    other.ask("/sockjs/000/s2/xhr")
    status, _, body = await other.answer()
    assert (status, json.loads(body)["code"]) == (503, "too-many-connections")
    assert len(await peer.login("SEND\ndestination:/topic/a\nreceipt:1\n\n\0")) == 1
