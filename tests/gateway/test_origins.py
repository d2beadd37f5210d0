"""Whose pages may connect: what entries match, what the refused are told, and what the operator reads."""

import logging

import pytest

from tests.gateway.poll_peer import Http, Poller, problem
from tests.helpers import UPGRADE, plain, request

pytestmark = pytest.mark.one_thread("what is refused here is refused before there is a session, on all threads alike")

# name: (options, Origin, whether it may come in)
ENTRIES = {
    "null": ({"allowed_origins": ("null",)}, "null", True),
    "file, of a shell that says so": ({"allowed_origins": ("file://",)}, "file://", True),
    "file, which is not null": ({"allowed_origins": ("file://",)}, "null", False),
    "below a host": ({"allowed_origins": ("https://*.example.org",)}, "https://a.b.example.org", True),
    "the host itself": ({"allowed_origins": ("https://*.example.org",)}, "https://example.org", False),
    "the end of another": ({"allowed_origins": ("https://*.example.org",)}, "https://evilexample.org", False),
    "any port": ({"allowed_origins": ("http://app.example:*",)}, "http://app.example:5173", True),
    "an application": ({"allowed_origins": ("capacitor://localhost",)}, "capacitor://localhost", True),
    "loopback": ({}, "http://localhost:5173", False),
    "loopback of a demo": ({"demo": True}, "http://localhost:5173", True),
    "loopback of a demo, by address": ({"demo": True}, "http://127.0.0.1:3000", True),
    "loopback of a demo, with TLS": ({"demo": True}, "https://[::1]:3000", True),
    "what begins like loopback": ({"demo": True}, "http://localhost.evil.example:80", False),
    "another host of a demo": ({"demo": True}, "http://evil.example", False),
    "a sandbox, at a demo": ({"demo": True}, "null", False),
}


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.gen_test(timeout=20)
async def test_entries_of_the_configuration(start_node, dial, name):
    options, origin, welcome = ENTRIES[name]
    node = await start_node(options)
    answer = await (await dial(node)).ask(request(Origin=origin))
    assert answer.status == (101 if welcome else 403)


WAYS = {
    "WebSocket": ("GET", "/stomp", UPGRADE),
    "WebSocket, asked by a page how it is": ("GET", "/stomp", {}),
    "poll": ("POST", "/poll", {}),
    "SockJS info": ("GET", "/sockjs/info", {}),
    "SockJS": ("POST", "/sockjs/000/abc/xhr", {}),
    "JSON": ("GET", "/api/v1/messages?destination=/topic/a", {}),
    "Avro": ("POST", "/avro", {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.gen_test(timeout=20)
async def test_a_page_that_is_refused_can_read_why(start_node, dial, way):
    """Or its script hears of a failure without a reason, and tries again for ever."""
    node = await start_node()
    method, path, headers = WAYS[way]
    asked = plain(path, method, **{**headers, "Origin": "http://page.example", "Content-Length": "0"})
    answer = await (await dial(node)).ask(asked)
    assert answer.problem() == (403, "bad-origin")
    assert answer.headers["access-control-allow-origin"] == "http://page.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()


@pytest.mark.gen_test(timeout=20)
async def test_a_session_that_is_gone_can_be_read_of(start_node):
    node = await start_node({"allowed_origins": ("http://page.example",)})
    http = await Http.open(node.listen[0]["port"])
    http.ask("/poll/0-nothing/receive?ack=0", Origin="http://page.example")
    status, headers, body = await http.answer()
    assert (status, problem(body)) == (404, "unknown-session")
    assert headers["access-control-allow-origin"] == "http://page.example"
    http.close()


ASKED = ["traceparent, tracestate, baggage, sentry-trace", "x-requested-with,cache-control", "Last-Event-ID", "a" * 100]


@pytest.mark.parametrize("names", ASKED)
@pytest.mark.parametrize(
    "path", ["/api/v1/publish", "/poll", "/poll/0-abc/send", "/avro", "/sockjs/info", "/sockjs/000/abc/xhr_send"]
)
@pytest.mark.gen_test(timeout=20)
async def test_allowed_pages_may_send_whatever_headers(start_node, dial, path, names):
    node = await start_node({"allowed_origins": ("http://page.example",)})
    headers = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    answer = await (await dial(node)).ask(
        plain(path, "OPTIONS", **headers, **{"Access-Control-Request-Headers": names}),
    )
    assert answer.status == 204
    told = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert told == {name.strip() for name in names.split(",")}
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.gen_test(timeout=20)
async def test_names_of_no_sane_shape_are_left_out(start_node, dial):
    node = await start_node({"allowed_origins": ("http://page.example",)})
    headers = {
        "Origin": "http://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": f"good, b d, <script>, , {'x' * 101}, {','.join(['y'] * 200)}",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = await (await dial(node)).ask(plain("/poll", "OPTIONS", **headers))
    assert answer.headers["access-control-allow-headers"] == ", ".join(["good", *["y"] * 49])
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.gen_test(timeout=20)
async def test_the_log_says_once_what_to_add_where(start_node, dial, caplog):
    caplog.set_level(logging.INFO)
    node = await start_node({"allowed_origins": ("https://a.example",)})
    for _ in range(3):
        for origin in ("http://localhost:5173", "null", "http://[", "https://a.example"):
            await (await dial(node)).ask(plain("/poll", "POST", Origin=origin, Content_Length="0"))
    lines = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
    assert lines[0] == (
        "pages of http://localhost:5173 are refused (bad-origin): to let them in, write allowed_origins = "
        '["https://a.example", "http://localhost:5173"] into the configuration, or '
        "--allowed-origins https://a.example --allowed-origins http://localhost:5173"
    )
    assert "--static FOLDER" in lines[1]
    assert len(lines) == 3


@pytest.mark.gen_test(timeout=20)
async def test_what_is_made_up_by_the_thousand_does_not_fill_the_log(start_node, caplog):
    caplog.set_level(logging.INFO)
    node = await start_node()
    http = await Http.open(node.listen[0]["port"])
    for number in range(200):
        http.ask("/poll", Origin=f"http://host{number}.example")
        assert (await http.answer())[0] == 403
    lines = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
    assert len(lines) == 101
    assert lines[-1] == "more origins are refused than are named here"
    http.close()


@pytest.mark.gen_test(timeout=20)
async def test_a_name_that_is_not_the_nodes_is_logged_with_the_key(start_node, dial, caplog):
    caplog.set_level(logging.INFO)
    node = await start_node({"allowed_hosts": ("a.example",)})
    await (await dial(node)).ask(plain("/poll", "POST", Host="b.example", Content_Length="0"))
    assert 'add "b.example" to allowed_hosts' in caplog.text


@pytest.mark.gen_test(timeout=20)
async def test_a_reload_changes_who_may_come(start_node, dial):
    """What the origins are is asked of the door, which a reload makes anew."""
    node = await start_node({"allowed_origins": ("null",)})
    poller = await Poller.open(node, Origin="null")
    poller.close()
    config = type(node.config)(**{**vars(node.config), "allowed_origins": ()})
    node.door.reload(config, node.door.policy)
    assert (await (await dial(node)).ask(plain("/poll", "POST", Origin="null", Content_Length="0"))).status == 403
