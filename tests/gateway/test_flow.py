"""The form of answers that go on: who has chunks, who does not, and that nobody waits for the last piece.

What proxies make of it was measured; see docs/operations.md.
"""

import asyncio
import json

import pytest
import urllib3
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qmq.gateway.flow import ends_with_connection
from tests.gateway.poll_peer import Http, Poller
from tests.helpers import connections_of, until

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0", "Connection": "keep-alive"}

# name: (version, headers, whether it ends with the connection)
CLIENTS = {
    "nginx": ("HTTP/1.0", {"Connection": "close"}, True),
    "HTTP/1.0 that wants to go on": ("HTTP/1.0", {"Connection": "keep-alive"}, True),
    "a browser": ("HTTP/1.1", BROWSER, True),
    "a browser behind HAProxy": ("HTTP/1.1", {"User-Agent": BROWSER["User-Agent"]}, True),
    "node": ("HTTP/1.1", {"User-Agent": "node", "Sec-Fetch-Mode": "cors", "Connection": "keep-alive"}, True),
    "curl": ("HTTP/1.1", {"User-Agent": "curl/8.5.0", "Accept": "*/*"}, True),
    "urllib": ("HTTP/1.1", {"User-Agent": "Python-urllib/3.11", "Connection": "close"}, True),
    "nobody in particular": ("HTTP/1.1", {}, True),
    "requests": ("HTTP/1.1", {"User-Agent": "python-requests/2.32.3", "Connection": "keep-alive"}, False),
    "requests behind a proxy": ("HTTP/1.1", {"User-Agent": "python-requests/2.32.3"}, False),
    "requests by another name": ("HTTP/1.1", {"User-Agent": "my-program/1", "Connection": "keep-alive"}, False),
    "urllib3": ("HTTP/1.1", {"User-Agent": "python-urllib3/2.2.1"}, False),
    "any that keeps its connection": ("HTTP/1.1", {"Connection": "Keep-Alive, Upgrade"}, False),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_who_has_no_chunks(name):
    version, headers, wanted = CLIENTS[name]
    line = RequestStartLine("GET", "/", version)
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "x", **headers}))
    assert ends_with_connection(request) == wanted


@pytest.mark.gen_test(timeout=20)
async def test_who_reads_in_blocks_has_each_event_at_once(start_node, api):
    """And the end, when the node says so."""
    node = (await api()).node
    port = node.listen[0]["port"]
    lines = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read():
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "GET", f"http://127.0.0.1:{port}/api/v1/stream?destination=/topic/a", preload_content=False
            )
            rest = b""
            for piece in answer.stream(512):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, line)

    reading = loop.run_in_executor(None, read)

    async def data():
        async with asyncio.timeout(5):
            while not (line := await lines.get()).startswith(b"data: "):
                pass
        return json.loads(line[6:])

    assert (await data())["recovered"]
    for number in range(3):
        node.publish("/topic/a", str(number))
        assert (await data())["body"] == str(number)
    [connection] = connections_of(node)
    assert node.gateway.kick(connection.conversation.name)
    assert (await data())["code"] == "kicked"
    async with asyncio.timeout(5):
        await reading


STREAMS = {
    "events": ("GET", "/api/v1/stream?destination=/topic/a"),
    "SockJS xhr_streaming": ("POST", "/sockjs/000/abc/xhr_streaming"),
    "SockJS eventsource": ("GET", "/sockjs/000/abd/eventsource"),
    "SockJS htmlfile": ("GET", "/sockjs/000/abe/htmlfile?c=f"),
    "poll": ("POST", "/receive?ack=0&stream=1"),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.gen_test(timeout=20)
async def test_all_streams_go_by_one_rule(start_node, name, chunked):
    node = await start_node({"sockjs_legacy": True})
    method, path = STREAMS[name]
    poller = await Poller.open(node)
    if name == "poll":
        path = poller.path + path
    http = await Http.open(node.listen[0]["port"])
    http.ask(path, method=method, **({"Connection": "keep-alive"} if chunked else BROWSER))
    status, headers = await http.head()
    assert status == 200
    assert ("transfer-encoding" in headers) == chunked
    assert "content-length" not in headers
    assert chunked or headers["connection"] == "close"
    assert headers["x-accel-buffering"] == "no"
    assert "no-store" in headers["cache-control"] and "no-transform" in headers["cache-control"]
    first = await http.chunk() if chunked else await asyncio.wait_for(http.reader.read(1), 5)
    assert first
    http.close()
    poller.close()


@pytest.mark.parametrize("name", ["poll", "SockJS xhr_streaming"])
@pytest.mark.gen_test(timeout=20)
async def test_what_ends_with_its_connection_ends(start_node, name):
    """A streamed answer that has said enough: nothing is lost, and the connection closes."""
    node = await start_node()
    poller = await (await Poller.open(node)).login()
    http = await Http.open(node.listen[0]["port"])
    if name == "poll":
        http.ask(f"{poller.path}/receive?ack={poller.ack}&stream=1", **BROWSER)
        await http.head()
        poller.up.ask(f"{poller.path}/close")
        assert (await poller.up.answer())[0] == 204
    else:
        http.ask("/sockjs/000/abc/xhr_streaming", **BROWSER)
        await http.head()
        other = await Http.open(node.listen[0]["port"])
        other.ask(
            "/sockjs/000/abc/xhr_send", b'["CONNECT\\naccept-version:1.2\\n\\n\\u0000SEND\\n\\n\\u0000"]', **BROWSER
        )
        assert (await other.answer())[0] == 204
        other.close()
    async with asyncio.timeout(5):
        said = await http.reader.read()
    assert said.endswith(b"\n") if name == "poll" else b"c[" in said
    assert b"0\r\n\r\n" not in said
    await until(lambda: node.gateway.connections == 0 or name != "poll")
    http.close()
    poller.close()
