"""The pages and scripts that a node serves, and the files that it does not."""

import pytest

from qmq.gateway import pages
from qmq.gateway.pages import static_root
from tests.helpers import plain

pytestmark = pytest.mark.one_thread("the answers know nothing of threads")

PAGES = {
    "/": "text/html; charset=utf-8",
    "/style.css": "text/css; charset=utf-8",
    "/landing.js": "text/javascript; charset=utf-8",
    "/favicon.svg": "image/svg+xml",
    "/qmq.js": "text/javascript; charset=utf-8",
    "/qmq.mjs": "text/javascript; charset=utf-8",
    "/qmq-sockjs.js": "text/javascript; charset=utf-8",
    "/closure/qmq/client.js": "text/javascript; charset=utf-8",
}

DEMOS = {
    "/demo/": "text/html; charset=utf-8",
    "/demo/chat.html": "text/html; charset=utf-8",
    "/demo/ticker.js": "text/javascript; charset=utf-8",
    "/demo/demo.css": "text/css; charset=utf-8",
    "/demo/ways/script.html": "text/html; charset=utf-8",
    "/demo/ways/compiled.js": "text/javascript; charset=utf-8",
    "/demo/ways/hello.js": "text/javascript; charset=utf-8",
}


def check_safe(answer):
    """Its headers say to browsers what they may do with it, and what never."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["server"] == "qmq"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


# Pages of other hosts load these, as script or as module.
FOR_ALL = ("/qmq.js", "/qmq.mjs", "/qmq-sockjs.js", "/closure/qmq/client.js")


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_others_may_load_the_client_and_nothing_else(start_node, dial):
    peer = await dial(await start_node({"demo": True}))
    for path in PAGES | DEMOS:
        headers = (await peer.ask(plain(path, Origin="http://other.example"))).headers
        for_all = path in FOR_ALL
        assert headers["cross-origin-resource-policy"] == ("cross-origin" if for_all else "same-origin")
        assert headers.get("access-control-allow-origin") == ("*" if for_all else None)
        assert "access-control-allow-credentials" not in headers


@pytest.mark.gen_test(timeout=20)
async def test_pages(start_node, dial):
    peer = await dial(await start_node({"demo": True}))
    for path, kind in (PAGES | DEMOS).items():
        answer = await peer.ask(plain(path))
        assert (path, answer.status, answer.headers["content-type"]) == (path, 200, kind)
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.body
        check_safe(answer)
        again = await peer.ask(plain(path, If_None_Match=answer.headers["etag"]))
        assert (again.status, again.body) == (304, b"")


@pytest.mark.gen_test(timeout=20)
async def test_demos_are_there_only_if_asked_for(start_node, dial):
    without, with_demo = await start_node(), await start_node({"demo": True})
    peer = await dial(without)
    for path in ("/demo", *DEMOS):
        assert (await peer.ask(plain(path))).problem() == (404, "not-found")
    answer = await (await dial(with_demo)).ask(plain("/demo"))
    assert (answer.status, answer.headers["location"]) == (302, "/demo/")


@pytest.mark.gen_test(timeout=20)
async def test_base_js_is_served_with_the_demos_of_a_checkout(start_node, dial, monkeypatch, tmp_path):
    without = await start_node()
    (tmp_path / "base.js").write_text("var goog = {};")
    (tmp_path / "array.js").write_text("")
    monkeypatch.setattr(pages, "closure_library", lambda: tmp_path)
    peer = await dial(await start_node({"demo": True}))
    assert (await peer.ask(plain("/closure/goog/base.js"))).body == b"var goog = {};"
    assert (await peer.ask(plain("/closure/goog/array.js"))).problem() == (404, "not-found")
    monkeypatch.setattr(pages, "closure_library", lambda: None)
    for node in (without, await start_node({"demo": True})):
        assert (await (await dial(node)).ask(plain("/closure/goog/base.js"))).problem() == (404, "not-found")


@pytest.mark.gen_test(timeout=20)
async def test_only_the_uncompiled_demo_may_evaluate_what_it_fetched(start_node, dial):
    peer = await dial(await start_node({"demo": True}))
    answer = await peer.ask(plain("/demo/ways/closure.html"))
    assert "script-src 'self' 'unsafe-eval'; " in answer.headers["content-security-policy"]
    check_safe(await peer.ask(plain("/demo/ways/compiled.html")))


@pytest.mark.gen_test(timeout=20)
async def test_head_is_answered_without_a_body(start_node, dial):
    peer = await dial(await start_node())
    for path in ("/", "/qmq.js"):
        await peer.send(plain(path, "HEAD"), plain("/health/live"))
        heads = b""
        while b"ok\n" not in heads:
            heads += await peer.octets()
        assert heads.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"<" not in heads.replace(b"ok\n", b"")


ESCAPES = [
    "/closure/qmq/../../server/qmq/node.py",
    "/closure/qmq/..%2f..%2fserver/qmq/node.py",
    "/closure/qmq/%2e%2e/%2e%2e/server/qmq/node.py",
    "/closure/qmq/%2e%2e%2f%2e%2e%2fpyproject.toml",
    "/closure/qmq/..\\..\\pyproject.toml",
    "/closure/qmq/%5c..%5c..%5cpyproject.toml",
    "/closure/qmq//etc/passwd",
    "/closure/qmq/%2fetc%2fpasswd",
    "/closure/qmq/%252e%252e/%252e%252e/pyproject.toml",
    "/closure/qmq/.",
    "/closure/qmq/..",
    "/closure/qmq/",
    "/closure/qmq/net",
    "/closure/qmq/" + "x" * 5000,
    "/demo/../../pyproject.toml",
    "/demo/..%2f..%2fpyproject.toml",
    "/demo/%2e%2e/dist/qmq.js",
    "/demo/landing",
    "/../pyproject.toml",
    "/%2e%2e/pyproject.toml",
    "/style.css/../../../pyproject.toml",
    "/qmq.js/..",
    "/qmq-testing.js",
    "/.git/config",
]


@pytest.mark.gen_test(timeout=20)
async def test_nothing_else_is_served(start_node, dial):
    """Each is a problem, and what is told is only the path that was asked for."""
    node = await start_node({"demo": True})
    peer = await dial(node)
    for number, path in enumerate(ESCAPES, 1):
        answer = await peer.ask(plain(path))
        assert (path, *answer.problem()) == (path, 404, "not-found")
        assert str(static_root("dist").parent).encode() not in answer.body
        check_safe(answer)
        assert node.stats["errors_not-found"] == number


BAD_PATHS = ["/closure/qmq/%ff", "/demo/%c3%28.html", "/closure/qmq/client.js%00.txt", "/demo/%00"]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.gen_test(timeout=20)
async def test_a_path_that_no_file_can_have_is_the_clients_fault(start_node, dial, path):
    node = await start_node({"demo": True})
    answer = await (await dial(node)).ask(plain(path))
    assert answer.problem() in [(400, "bad-request"), (404, "not-found")]
    assert node.stats["errors_internal-error"] == 0


@pytest.mark.gen_test(timeout=20)
async def test_paths_with_odd_arguments_find_their_page(start_node, dial):
    peer = await dial(await start_node())
    for path in ("/?x=1", "/qmq.js?%ff", "/health/live?..%2f.."):
        assert (await peer.ask(plain(path))).status == 200


def test_what_is_served_lies_in_the_checkout_or_in_the_package():
    for name in ("dist", "demos", "closure/qmq"):
        assert static_root(name).is_dir()


# path: what it answers
ALLOWED = {
    "/": "GET, HEAD, OPTIONS",
    "/demo": "GET, HEAD, OPTIONS",
    "/demo/": "GET, HEAD, OPTIONS",
    "/api": "GET, HEAD, OPTIONS",
    "/api/": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/health/live": "GET, HEAD, OPTIONS",
    "/health/ready": "GET, HEAD, OPTIONS",
    "/info.json": "GET, HEAD, OPTIONS",
    "/qmq.js": "GET, HEAD, OPTIONS",
    "/favicon.ico": "GET, HEAD, OPTIONS",
    "/stomp": "GET, OPTIONS",
    "/avro": "GET, HEAD, POST, OPTIONS",
    "/poll": "POST, OPTIONS",
    "/api/v1/stats": "GET, OPTIONS",
    "/api/v1/publish": "POST, OPTIONS",
}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.gen_test(timeout=20)
async def test_what_an_address_answers(start_node, dial, path):
    """OPTIONS says it, and so does the refusal of anything else; HEAD is GET without a body."""
    peer = await dial(await start_node({"demo": True}))
    answer = await peer.ask(plain(path, "OPTIONS"))
    assert (answer.status, answer.headers["allow"], answer.body) == (204, ALLOWED[path], b"")
    answer = await peer.ask(plain(path, "DELETE"))
    assert answer.problem() == (405, "bad-method")
    assert answer.headers["allow"] == ALLOWED[path]
    if "HEAD" in ALLOWED[path]:
        got = await peer.ask(plain(path))
        await peer.send(plain(path, "HEAD"), plain("/health/live"))
        head = await peer.head()
        assert head.status == got.status
        assert head.headers.get("content-type") == got.headers.get("content-type")
        assert (await peer.answer()).body == b"ok\n"


@pytest.mark.parametrize("octets", [b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"OPTIONS / HTTP/1.0\r\n\r\n"])
@pytest.mark.gen_test(timeout=20)
async def test_health_checks_of_balancers_are_answered(start_node, dial, octets):
    answer = await (await dial(await start_node())).ask(octets)
    assert answer.status == 204
    assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.gen_test(timeout=20)
async def test_redirects_are_as_safe_as_pages(start_node, dial):
    peer = await dial(await start_node({"demo": True}))
    for path in ("/demo", "/api"):
        answer = await peer.ask(plain(path))
        assert (answer.status, answer.headers["location"]) == (302, path + "/")
        check_safe(answer)
