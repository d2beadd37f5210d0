"""Which request is for which operation, on a real node: paths, methods, and what is not there."""

import pytest

from qmq.gateway.api.table import OPERATIONS
from tests.helpers import plain


@pytest.mark.parametrize("path", ["/nothing", "/", "", "/queues/", "/queues/a/b", "/queues/a/purge/x", "/publish/x"])
@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_there(api, path):
    peer = await api()
    code = "bad-field" if path == "/queues/" else "not-found"
    await peer.refused(code, "GET", path)
    await peer.done("GET", "/queues")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "{" not in each.path], ids=lambda each: each.name)
@pytest.mark.gen_test(timeout=20)
async def test_other_methods_are_told_which_there_are(api, operation):
    peer = await api()
    allowed = [each.method for each in OPERATIONS if each.path == operation.path]
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {*allowed}:
        status, headers, told = await peer.call(method, operation.path)
        assert (status, told["code"]) == (405, "bad-method")
        assert headers["allow"] == ", ".join([*allowed, "options"]).lower()
    status, headers, _ = await peer.call("OPTIONS", operation.path)
    assert status == 204 and "content-length" not in headers


@pytest.mark.gen_test(timeout=20)
async def test_a_head_has_no_body(api):
    peer = await api()
    for path, status in (("/queues", 200), ("/nothing", 404), ("/publish", 405), ("/stream?destination=/topic/a", 405)):
        peer.ask(f"/api/v1{path}", method="HEAD")
        found, headers = await peer.head()
        assert found == status and int(headers["content-length"]) > 0
    await peer.done("GET", "/queues")


@pytest.mark.gen_test(timeout=20)
async def test_a_part_of_a_path_may_be_any_text(api):
    peer = await api()
    made = await peer.done("PUT", "/queues/a%2Fb.%C3%A9", {})
    assert made["destination"] == "/queue/a/b.é"
    assert (await peer.done("GET", "/queues/a%2fb.%c3%a9"))["destination"] == "/queue/a/b.é"
    assert "UTF-8" in await peer.refused("bad-field", "GET", "/queues/%ff")
    await peer.refused("bad-pattern", "PUT", "/queues/a%20b", {})
    await peer.refused("bad-pattern", "PUT", "/queues/a%00b", {})


@pytest.mark.gen_test(timeout=20)
async def test_in_an_application_of_somebody_elses(io_loop, dial):
    import tornado.httpserver
    import tornado.netutil
    import tornado.web

    from qmq.config import make
    from qmq.node import Node

    node = Node(make({"name": "test", "drain": 0.1}))
    node.open()
    server = tornado.httpserver.HTTPServer(tornado.web.Application(node.routes(), log_function=lambda handler: None))
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    node.listen = [{"port": sockets[0].getsockname()[1]}]
    peer = await dial(node)
    answer = await peer.ask(plain("/api/v1/queues"))
    assert answer.body == b'{"queues":[],"more":false}'
    server.stop()
    peer.close()
    await node.stop()
    await server.close_all_connections()


@pytest.mark.gen_test(timeout=20)
async def test_without_a_desk_there_are_messages_only(api):
    peer = await api({"manage": False})
    await peer.refused("not-found", "GET", "/queues")
    await peer.refused("not-found", "DELETE", "/connections/x")
    assert await peer.publish("/queue/a", "x")
    assert [*await peer.consume("/queue/a")] == ["x"]
