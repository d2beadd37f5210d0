"""What somebody may try over HTTP: to hold connections, to smuggle requests, to read other files, to fill memory.

A witness is served all the while. Nothing here is told apart as an attack: it meets limits
that everybody has.
"""

import asyncio
import contextlib
import os
import socket
import time

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from qmq.gateway.pages import Files
from qmq.stats import Stats
from tests.gateway.poll_peer import Http, Poller, problem
from tests.helpers import Peer, Witness, flooding, plain, until

pytestmark = pytest.mark.one_thread("what is refused here is refused before there is a session, on all threads alike")

# What is sent at once, and what then goes on for ever, octet by octet, each of them in time.
DRIPS = {
    "request line": (b"", b"G"),
    "header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"x"),
    "headers": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X:y\r\n"),
    "body": (b"POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "chunked body": (b"POST /poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "chunk size": (b"POST /poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "upgrade": (b"GET /stomp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nX: ", b"x"),
}


async def drip(peer, octets):
    """Sends them again and again until the connection is ended."""
    try:
        while True:
            for number in range(len(octets)):
                await peer.send(octets[number : number + 1])
                await asyncio.sleep(0.01)
    except (ConnectionError, OSError):
        pass


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.gen_test(timeout=30)
async def test_slow_requests_end_in_time_however_much_still_comes(tls_node, tls_dial, tls_shake, tls_join, scheme):
    node = await tls_node(limits__connect_seconds=0.4)
    seen = Witness(await tls_join(node))
    await seen.peer.subscribe("/topic/witness")
    peers = [await (tls_dial if scheme == "http" else tls_shake)(node, scheme) for _ in range(3 * len(DRIPS))]
    begin = time.monotonic()
    tasks = []
    for number, peer in enumerate(peers):
        start, rest = list(DRIPS.values())[number % len(DRIPS)]
        await peer.send(start)
        tasks.append(asyncio.create_task(drip(peer, rest)))
    await until(lambda: node.stats["connections_unfinished"] == len(peers), 5)
    assert 0.35 < time.monotonic() - begin < 5
    assert await seen.well() < 1
    await asyncio.gather(*tasks)
    assert (node.gateway.connections, node.stats["connections_opened"]) == (1, 1)


OPEN = b"POST /poll HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"  # what is smuggled: one sees it by its session
SMUGGLED = {
    "two lengths": b"Content-Length: 4\r\nContent-Length: 40\r\n\r\nAAAA",
    "two lengths in one": b"Content-Length: 0, 4\r\n\r\n",
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "an encoding that is none": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two encodings": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "vertical tab": b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": b"Content-Length : 4\r\n\r\nAAAA",
    "a line that goes on": b"X: y\r\n Content-Length: 4\r\n\r\nAAAA",
    "carriage return alone": b"X: y\rContent-Length: 4\r\n\r\nAAAA",
    "NUL": b"X: y\0\r\nContent-Length: 0\r\n\r\n",
    "length with a sign": b"Content-Length: +0\r\n\r\n",
    "length below nothing": b"Content-Length: -1\r\n\r\n",
    "length in hex": b"Content-Length: 0x0\r\n\r\n",
    "length with an underscore": b"Content-Length: 0_0\r\n\r\n",
    "length in other digits": b"Content-Length: \xd9\xa0\r\n\r\n",
    "chunk with a sign": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n",
    "chunk in hex with a prefix": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk with a line end in its extension": b"Transfer-Encoding: chunked\r\n\r\n0;a\rb\r\n\r\n",
    "chunk whose length ends with a newline alone": b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
    "a trailer that ends with a newline alone": b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
    "chunk longer than it says": b"Transfer-Encoding: chunked\r\n\r\n1\r\nAA\r\n0\r\n\r\n",
    "endless chunk": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    "two hosts": b"Host: y\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
@pytest.mark.gen_test(timeout=20)
async def test_what_others_might_read_otherwise_is_no_request(start_node, dial, name):
    """It is refused, and what follows it on the connection is not looked at."""
    node = await start_node({"limits.connect_seconds": 0.5})
    peer = await dial(node)
    await peer.send(b"POST /poll HTTP/1.1\r\nHost: x\r\n", SMUGGLED[name], OPEN)
    answers = await peer.end()
    assert answers.count(b"HTTP/1.1 ") <= 1
    assert answers.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")) and b"application/problem+json" in answers
    assert node.stats["connections_opened"] == 0


LAST = {
    "HTTP/1.0": b"POST /poll HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0, which knows no chunks": b"POST /poll HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "the client says so": b"POST /poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", LAST)
@pytest.mark.gen_test(timeout=20)
async def test_what_stands_behind_the_last_request_is_none(start_node, dial, name):
    """The connection ends with its answer; what had come already is not done without one."""
    node = await start_node()
    peer = await dial(node)
    await peer.send(LAST[name], OPEN * 3)
    assert (await peer.end()).count(b"HTTP/1.1 ") == 1
    await until(lambda: node.door._beginning.total == 0)  # nothing more is read
    assert node.stats["connections_opened"] == 1


LARGE = {
    "body": ("/poll", b"x" * 700_000, {}),
    "body of a session": ("POLL/send?seq=1&ack=0", b"x" * 700_000, {}),
    "body in chunks": ("/poll", None, {}),
    "SockJS": ("/sockjs/000/abc/xhr_send", b'["' + b"x" * 700_000 + b'"]', {}),
    "query": ("/poll?" + "x" * 30_000, b"", {}),
    "path": ("/" + "x" * 30_000, b"", {}),
    "cookie": ("/poll", b"", {"Cookie": "a=" + "x" * 30_000}),
    "many cookies": ("/poll", b"", {"Cookie": "; ".join(["a=b"] * 9000)}),
    "origin": ("/poll", b"", {"Origin": "http://" + "x" * 30_000}),
    "forwarded": ("/poll", b"", {"X-Forwarded-For": ", ".join(["1.1.1.1"] * 4000)}),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_too_large_is_refused(start_node, witness, name):
    node = await start_node({"limits.body": 60_000})
    seen = await witness(node)
    poller = await (await Poller.open(node)).login()
    path, body, headers = LARGE[name]
    http = await Http.open(node.listen[0]["port"])
    if body is None:
        chunks = b"".join(b"%x\r\n%b\r\n" % (1000, b"x" * 1000) for _ in range(700))
        http.writer.write(
            b"POST /poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        )
    else:
        http.ask(path.replace("POLL", poller.path), body, **headers)
    status, _, told = await http.answer()
    assert (status, problem(told)) in ((413, "frame-too-large"), (431, "headers-too-large"))
    http.close()
    poller.close()
    assert await seen.well() < 1
    assert node.stats["connections_opened"] == 2  # the witness and the poller


@pytest.mark.one_thread("looks at the stream of the one server")
@pytest.mark.gen_test(timeout=30)
async def test_who_asks_and_does_not_read_is_not_asked_on(start_node, witness):
    """Requests that follow each other are read one by one, each after the answer before it has been taken."""
    node = await start_node({"limits.linger_seconds": 0.1})
    seen = await witness(node)
    peer = await Peer.open(node.listen[0]["port"], receive_buffer=4096)
    async with flooding(peer, plain("/qmq.js") * 100):
        await until(lambda: node.branch.servers["http"]._connections)
        (connection,) = node.branch.servers["http"]._connections
        stream = connection.stream
        await until(stream.writing)
        for _ in range(20):
            assert await seen.well() < 1
            # One answer, and what was read ahead; the rest stays in the kernel, and with the client.
            assert len(stream._write_buffer) < 100_000
            assert stream._read_buffer_size < 200_000
    peer.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.gen_test(timeout=30)
async def test_who_takes_nothing_of_an_answer_is_closed(tls_node, tls_dial, tls_shake, tls_join, scheme):
    """And who takes it slowly is not."""
    node = await tls_node(limits__ping_seconds=0.3)
    seen = Witness(await tls_join(node))
    await seen.peer.subscribe("/topic/witness")
    dial = tls_dial if scheme == "http" else tls_shake
    ask = plain("/openapi.json") * 100
    stuck, slow = [await dial(node, scheme, receive_buffer=4096) for _ in range(2)]
    for peer in (stuck, slow):
        await peer.send(ask)
    begin = time.monotonic()
    while node.stats["connections_stuck"] == 0:
        await slow.octets()
        await asyncio.sleep(0.02)
        await seen.well()
    assert 0.25 < time.monotonic() - begin < 5
    for _ in range(20):
        assert await slow.octets()
        await asyncio.sleep(0.02)
    assert node.stats["connections_stuck"] == 1


@pytest.fixture
def files(io_loop, tmp_path):
    """A folder that is served at `/files/`, a file beside it, and ways between them: the port."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside / "sub", outside):
        folder.mkdir(parents=True)
    (inside / "page.txt").write_text("welcome")
    (outside / "secret.txt").write_text("secret")
    (tmp_path / "inside.txt").write_text("secret")
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "own.txt").symlink_to(inside / "page.txt")
    os.mkfifo(inside / "pipe")
    more = {"stats": Stats(), "path": str(inside)}
    server = HTTPServer(Application([(r"/files/(.*)", Files, more)], log_function=lambda handler: None))
    sockets = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)

    async def serve():
        server.add_sockets(sockets)

    io_loop.run_sync(serve)
    yield sockets[0].getsockname()[1]
    server.stop()
    io_loop.run_sync(server.close_all_connections)


OUTSIDE = [
    "link.txt", "folder/secret.txt", "../outside/secret.txt", "..%2foutside%2fsecret.txt", "%2e%2e/outside/secret.txt",
    "..%252foutside%252fsecret.txt", "..\\outside\\secret.txt", "..%5coutside%5csecret.txt", "../inside.txt",
    "sub/../../outside/secret.txt", "/etc/passwd", "%2fetc%2fpasswd", "//etc/passwd", "page.txt%00", "page.txt%00.js",
    "%00", "..", ".", "", "sub", "sub/", "pipe", "page.txt/..", "..%c0%afoutside", "..%ef%bc%8foutside",
    "C:/page.txt", "file:///etc/passwd", "~/page.txt", "%7e", "sub/..%00/page.txt", "folder/../page.txt%2f..",
]  # fmt: skip


@pytest.mark.gen_test(timeout=20)
async def test_only_files_of_the_folder_are_served(files):
    with contextlib.closing(await Peer.open(files)) as peer:
        await check_files(peer)


async def check_files(peer):
    for path in ("page.txt", "own.txt", "sub/../page.txt", "sub%2f..%2fpage.txt"):
        assert (await peer.ask(plain(f"/files/{path}"))).body == b"welcome"
    for path in OUTSIDE:
        answer = await peer.ask(plain(f"/files/{path}"))
        assert answer.status in (400, 404), (path, answer)
        assert b"secret" not in answer.body.replace(path.encode(), b"") and b"root:" not in answer.body
