"""Pages of foreign origins, on every way in: refused before any state is made, whatever they send.

That real browsers say where their pages come from is in e2e/test_hostile_page.py.
"""

import json
import secrets

import pytest

from tests.gateway.poll_peer import Http, Poller, problem
from tests.gateway.sockjs_peer import SockJs
from tests.helpers import UPGRADE, plain

pytestmark = pytest.mark.one_thread("what is refused here is refused before there is a session, on all threads alike")

JSON = {"Content_Type": "application/json"}
WAYS = {
    "WebSocket": ("GET", "/stomp", b"", UPGRADE),
    "WebSocket at SockJS": ("GET", "/sockjs/websocket", b"", UPGRADE),
    "SockJS over WebSocket": ("GET", "/sockjs/000/abc/websocket", b"", UPGRADE),
    "SockJS xhr": ("POST", "/sockjs/000/abc/xhr", b"", {}),
    "SockJS xhr_streaming": ("POST", "/sockjs/000/abc/xhr_streaming", b"", {}),
    "SockJS eventsource": ("GET", "/sockjs/000/abc/eventsource", b"", {}),
    "SockJS jsonp": ("GET", "/sockjs/000/abc/jsonp?c=f", b"", {}),
    "SockJS htmlfile": ("GET", "/sockjs/000/abc/htmlfile?c=f", b"", {}),
    "SockJS xhr_send": ("POST", "/sockjs/000/abc/xhr_send", b'["x"]', {}),
    "SockJS info": ("GET", "/sockjs/info", b"", {}),
    "poll": ("POST", "/poll", b"CONNECT\naccept-version:1.2\n\n\0", {"Content_Type": "text/plain"}),
    "poll, asked before": ("OPTIONS", "/poll", b"", {"Access_Control_Request_Method": "POST"}),
    "JSON publish": ("POST", "/api/v1/publish", b'{"destination":"/topic/a","body":"x"}', JSON),
    "JSON publish, asked before": ("OPTIONS", "/api/v1/publish", b"", {"Access_Control_Request_Method": "POST"}),
    "JSON messages": ("GET", "/api/v1/messages?destination=/topic/a", b"", {}),
    "JSON stream": ("GET", "/api/v1/stream?destination=/topic/a", b"", {}),
    "JSON consume": ("POST", "/api/v1/consume", b'{"destination":"/queue/a","max":1}', JSON),
    "Avro": ("POST", "/avro", b"\0\0\0\0", {"Content_Type": "avro/binary"}),
}
FOREIGN = {
    "another host": {"Origin": "http://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "another name for this host": {"Origin": "http://localhost:PORT"},
    "nowhere": {"Origin": "null"},
    "the own name as user": {"Origin": "http://127.0.0.1:PORT@evil.example"},
    "the own name before": {"Origin": "http://127.0.0.1:PORT.evil.example"},
    "no origin, but a page": {"Sec_Fetch_Site": "cross-site", "Referer": "http://evil.example/"},
    "no origin, and a page that hides": {"Sec_Fetch_Site": "cross-site"},
    "no origin, from the same site": {"Sec_Fetch_Site": "same-site", "Referer": "http://127.0.0.1:1/"},
}


async def ask(node, way, whole=True, **more):
    """Status, headers and body of the answer; of some that are good the body never ends."""
    method, path, body, headers = WAYS[way]
    path = path.replace("abc", secrets.token_hex(4))
    port = node.listen[0]["port"]
    more = {name: value.replace("PORT", str(port)) for name, value in more.items()}
    http = await Http.open(port)
    names = {name.replace("-", "_"): value for name, value in headers.items() if name != "Host"}
    lines = {"Host": f"127.0.0.1:{port}", "Content_Length": str(len(body)), **names, **more}
    http.writer.write(plain(path, method, **lines) + body if "Upgrade" not in lines else upgrade(path, lines))
    try:
        return await http.answer() if whole else (*await http.head(), b"")
    finally:
        http.close()


def upgrade(path, lines):
    fields = [f"{name.replace('_', '-')}: {value}" for name, value in lines.items()]
    return "\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.gen_test(timeout=20)
async def test_foreign_pages_get_nothing_and_leave_nothing(start_node, way):
    node = await start_node({"sockjs_legacy": True})
    for name, headers in FOREIGN.items():
        status, answered, body = await ask(node, way, **headers)
        assert (name, status, problem(body)) == (name, 403, "bad-origin")
        # Who asks is told why not, and nothing else; a browser that asks beforehand is told no.
        known = headers.get("Origin", "").replace("PORT", str(node.listen[0]["port"]))
        told = None if not known or WAYS[way][0] == "OPTIONS" else known
        assert answered.get("access-control-allow-origin") == told
        assert "access-control-allow-headers" not in answered
        assert "set-cookie" not in answered
    assert node.stats["errors_bad-origin"] == len(FOREIGN)
    check_nothing_is_there(node)


def check_nothing_is_there(node):
    assert node.gateway.connections == node.stats["connections_opened"] == 0
    assert node.gateway.door.census.snapshot() == ({}, {})
    for router in node.branch.sockjs:
        assert not router._sessions._items
    assert node.registry.queues == {}
    assert node.hub.cursor.endswith(".0")


@pytest.mark.gen_test(timeout=20)
async def test_a_page_cannot_go_on_with_the_session_of_another(start_node):
    """Neither of an allowed origin nor of none; and the session does not notice."""
    allowed = "http://a.example"
    node = await start_node({"allowed_origins": (allowed, "http://b.example")})
    poller = await Poller.open(node, Origin=allowed)
    sockjs = await SockJs.open(node, Origin=allowed)
    http = await Http.open(node.listen[0]["port"])
    for origin in ("http://b.example", "null", None, "http://evil.example"):
        more = {} if origin is None else {"Origin": origin}
        for path, body in ((f"{poller.path}/send?seq=1&ack=0", b"x"), (f"{poller.path}/receive?ack=0", b""),
                           (f"{poller.path}/close", b""), (f"{sockjs.path}/xhr", b"")):  # fmt: skip
            http.ask(path, body, **more)
            status, _, answer = await http.answer()
            assert (status, problem(answer)) in ((404, "unknown-session"), (403, "bad-origin"))
        http.ask(f"{sockjs.path}/xhr_send", b'["x"]', **more)
        assert (await http.answer())[0] in (403, 404)
    poller.down.ask(f"{poller.path}/receive?ack=0", Origin=allowed)
    status, _, body = await poller.down.answer()
    assert status == 200 and b"CONNECTED" in body
    assert await sockjs.send("CONNECT\naccept-version:1.2\n\n\0", Origin=allowed) == 204
    for each in (poller, sockjs, http):
        each.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.gen_test(timeout=20)
async def test_allowed_pages_come_in_everywhere(start_node, way):
    """Also where a browser names no origin: the page that refers to it counts then."""
    node = await start_node({"sockjs_legacy": True, "allowed_origins": ("http://a.example",)})
    status, answered, _ = await ask(node, way, whole=False, Origin="http://a.example")
    assert status not in (403, 500)
    if status not in (101, 404) and way != "SockJS jsonp":
        assert answered["access-control-allow-origin"] == "http://a.example"
    if WAYS[way][3] is not UPGRADE:  # those always name one
        status, _, _ = await ask(node, way, whole=False, Sec_Fetch_Site="cross-site", Referer="http://a.example/page")
        assert status not in (403, 500)


@pytest.mark.gen_test(timeout=20)
async def test_a_refusal_says_what_was_wrong_to_nobody_else(start_node):
    node = await start_node()
    _, _, body = await ask(node, "poll", Origin="http://evil.example/<script>")
    assert json.loads(body)["detail"].startswith("'http://evil.example/<script>' is neither")
