"""Origins and problem JSON: who may connect, and how a refusal looks."""

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qmq.gateway.handlers import is_own_page
from tests.helpers import plain, request

pytestmark = pytest.mark.one_thread("the answers know nothing of threads")

SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "server": "qmq",
}

# name: (options, Origin, whether it may come in, other headers); HOST stands for the node's own address
ORIGINS = {
    "none": ({}, None, True),
    "none where one is required": ({"require_origin": True}, None, False),
    "own": ({}, "http://HOST", True),
    "own where one is required": ({"require_origin": True}, "http://HOST", True),
    "own, behind a proxy that does TLS": ({}, "https://HOST", True),
    "foreign": ({}, "http://evil.example", False),
    "foreign, with the own name before": ({}, "http://HOST.evil.example", False),
    "foreign, with the own name as user": ({}, "http://HOST@evil.example", False),
    "other port": ({}, "http://127.0.0.1:1", False),
    "null, as of a sandboxed frame": ({}, "null", False),
    "on the list": ({"allowed_origins": ("http://a.example", "http://b.example")}, "http://b.example", True),
    "not on the list": ({"allowed_origins": ("http://a.example",)}, "http://b.example", False),
    "part of one on the list": ({"allowed_origins": ("http://a.example",)}, "http://a.exam", False),
    "own beside a list": ({"allowed_origins": ("http://a.example",)}, "http://HOST", True),
    "all are allowed": ({"allowed_origins": ("*",)}, "http://b.example", True),
    "all, but one is required": ({"allowed_origins": ("*",), "require_origin": True}, None, False),
    "no URL": ({}, "]", False),
    "an address that does not end": ({}, "http://[", False),
    "own, its port goes without saying": ({}, "https://a.example", True, {"Host": "a.example:443"}),
    "own, it says the port": ({}, "https://a.example:443", True, {"Host": "a.example"}),
    "own, in large letters": ({}, "HTTPS://A.Example", True, {"Host": "a.example"}),
    "own, but the port of other TLS": ({}, "http://a.example:443", False, {"Host": "a.example"}),
    "own, with the user of another": ({}, "http://evil@a.example", False, {"Host": "a.example"}),
    "on the list, written otherwise": ({"allowed_origins": ("HTTPS://b.example:443",)}, "https://b.example", True),
    "null, while all are allowed": ({"allowed_origins": ("*",)}, "null", True),
    "none, but a picture in a foreign page": (
        {},
        None,
        False,
        {"Sec-Fetch-Site": "cross-site", "Referer": "http://evil.example/x"},
    ),
    "none, but a foreign page that hides": ({}, None, False, {"Sec-Fetch-Site": "cross-site"}),
    "none, but a page of another port": (
        {},
        None,
        False,
        {"Sec-Fetch-Site": "same-site", "Referer": "http://127.0.0.1:1/"},
    ),
    "none, but a page on the list": (
        {"allowed_origins": ("http://b.example",)},
        None,
        True,
        {"Sec-Fetch-Site": "cross-site", "Referer": "http://b.example/"},
    ),
    "none, of an own page": ({}, None, True, {"Sec-Fetch-Site": "same-origin"}),
    "none, typed by the user": ({}, None, True, {"Sec-Fetch-Site": "none"}),
    "a name of this node": (
        {"allowed_hosts": ("a.example",)},
        "http://a.example:8000",
        True,
        {"Host": "A.Example:8000"},
    ),
    "a name that leads here, but is another": (
        {"allowed_hosts": ("a.example",)},
        "http://evil.example:8000",
        False,
        {"Host": "evil.example:8000"},
    ),
    "another name, and no page": ({"allowed_hosts": ("a.example",)}, None, False, {"Host": "evil.example"}),
    "octets that are no ASCII": ({}, "http://\xff\xfe", False),
    "empty": ({}, "", False),
}


@pytest.mark.parametrize("name", ORIGINS)
@pytest.mark.gen_test(timeout=20)
async def test_origins(start_node, dial, name):
    options, origin, welcome, *more = ORIGINS[name]
    node = await start_node(options)
    peer = await dial(node)
    host = f"127.0.0.1:{node.listen[0]['port']}"
    headers = {"Host": host, "Origin": origin and origin.replace("HOST", host), **(more[0] if more else {})}
    answer = await peer.ask(request(**headers))
    if welcome:
        assert answer.status == 101
        await peer.login()
    else:
        assert answer.problem() == (403, "bad-origin")
        assert answer.headers.items() >= SAFE.items()
        assert answer.headers["cache-control"] == "no-store"
    assert node.stats["errors_bad-origin"] == (not welcome)


# headers of a request to a.example: whether they prove that its own page sent it
PROOFS = {
    ("Origin: https://a.example",): True,
    ("Origin: https://b.example",): False,
    ("Origin: null",): False,
    ("Origin: https://b.example", "Sec-Fetch-Site: same-origin"): False,
    ("Origin:", "Referer: https://a.example/"): False,
    ("Sec-Fetch-Site: same-origin",): True,
    ("Sec-Fetch-Site: same-site", "Referer: https://a.example/"): False,
    ("Sec-Fetch-Site: cross-site",): False,
    ("Sec-Fetch-Site: none",): False,
    ("Referer: https://a.example/page?x",): True,
    ("Referer: https://a.example.evil/",): False,
    ("Referer: https://a.example@b.example/",): False,
    ("Referer: http://[",): False,
    (): False,
}


@pytest.mark.parametrize("lines", PROOFS, ids=" ".join)
def test_cookies_count_only_where_the_browser_vouches_for_the_page(lines):
    headers = HTTPHeaders.parse("\r\n".join(["Host: a.example", *lines]))
    asked = HTTPServerRequest(start_line=RequestStartLine("POST", "/poll", "HTTP/1.1"), headers=headers)
    assert is_own_page(asked) == PROOFS[lines]


@pytest.mark.parametrize("path", ["/nothing", "/stomp/", "/stomp/x", "/health", "//", "/%ff", "/qmq.css"])
@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_there_is_a_problem(start_node, dial, path):
    node = await start_node()
    answer = await (await dial(node)).ask(plain(path))
    assert answer.problem() == (404, "not-found")
    assert answer.headers.items() >= SAFE.items()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert node.stats["errors_not-found"] == 1


@pytest.mark.parametrize("path", ["/", "/health/live", "/qmq.js", "/stomp", "/closure/qmq/client.js"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "NONSENSE"])
@pytest.mark.gen_test(timeout=20)
async def test_methods_that_nothing_answers_are_a_problem(start_node, dial, path, method):
    node = await start_node()
    answer = await (await dial(node)).ask(plain(path, method, Content_Length="0"))
    assert answer.problem() == (405, "bad-method")
    assert answer.headers.items() >= SAFE.items()
    assert node.stats["errors_bad-method"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_a_refusal_leaves_the_connection_usable(start_node, dial):
    peer = await dial(await start_node())
    assert (await peer.ask(plain("/nothing"))).status == 404
    assert (await peer.ask(plain("/health/live"))).status == 200
    await peer.upgrade()
    await peer.login()


BELOW_SOCKJS = {
    "/sockjs/000/abc/websocket": (405, "bad-method"),
    "/sockjs/websocket": (405, "bad-method"),
    "/sockjs/000/abc/xhr_send": (404, "not-found"),
    "/sockjs/000/abc/nothing": (404, "not-found"),
    "/sockjs/000": (404, "not-found"),
    "/sockjs/000/a.b/xhr": (404, "not-found"),
    "/sockjs/info": (405, "bad-method"),
}


@pytest.mark.parametrize("path", BELOW_SOCKJS)
@pytest.mark.gen_test(timeout=20)
async def test_refusals_of_sockjs_are_problems_as_elsewhere(start_node, dial, path):
    node = await start_node()
    answer = await (await dial(node)).ask(plain(path, "POST", Content_Length="0"))
    assert answer.problem() == BELOW_SOCKJS[path]
    if answer.status == 405:
        assert "GET" in answer.headers["allow"]
    assert node.stats[f"errors_{BELOW_SOCKJS[path][1]}"] >= 1
