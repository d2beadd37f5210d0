"""How requests are read: what HTTP allows passes, what is refused is told with its code, and slow is not too slow."""

import asyncio
import json

import pytest

from tests.gateway.poll_peer import Http, Poller, problem
from tests.gateway.sockjs_peer import SockJs
from tests.helpers import until

pytestmark = pytest.mark.one_thread("each thread has a server of its own, all alike")

MEBIBYTE = 1 << 20
PUBLISH = b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MESSAGE = b'{"destination":"/topic/a","body":"x"}'


async def told(node, octets):
    """Status, headers and problem of what raw octets are answered with."""
    http = await Http.open(node.listen[0]["port"])
    http.writer.write(octets)
    status, headers, body = await http.answer()
    http.close()
    return status, headers, body


@pytest.mark.gen_test(timeout=30)
async def test_a_body_of_exactly_the_limit_passes_by_polling(start_node):
    node = await start_node()
    poller = await (await Poller.open(node)).login()
    await poller.tell("SEND", {"destination": "/topic/a", "receipt": "1"}, b"x" * MEBIBYTE)
    assert (await poller.frame())[0] == "RECEIPT"
    poller.close()


@pytest.mark.parametrize("letter", ["x", "\x01"])
@pytest.mark.gen_test(timeout=30)
async def test_a_body_of_exactly_the_limit_passes_by_sockjs(start_node, letter):
    """Also where JSON takes six bytes for each of it."""
    peer = await SockJs.open(await start_node())
    send = f"SEND\ndestination:/topic/a\nreceipt:1\n\n{letter * MEBIBYTE}\0"
    assert await peer.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0", send) == 204
    frames = []
    while len(frames) < 2:
        frames += await peer.frames()
    assert frames[1].startswith("RECEIPT\n")
    peer.close()


@pytest.mark.gen_test(timeout=30)
async def test_one_byte_more_is_told_in_the_session(start_node):
    """As over a WebSocket: an ERROR with the code, and the end."""
    poller = await (await Poller.open(await start_node())).login()
    await poller.tell("SEND", {"destination": "/topic/a"}, b"x" * (MEBIBYTE + 1))
    command, headers, _ = await poller.frame()
    assert (command, headers["code"]) == ("ERROR", "frame-too-large")
    if poller.end is None:
        await poller.receive()
    assert poller.end == (1009, "frame-too-large")
    poller.close()


TOO_LARGE = {
    "/poll": "frame-too-large",
    "/poll/0-abc/send?seq=1&ack=0": "frame-too-large",
    "/sockjs/000/abc/xhr_send": "frame-too-large",
    "/api/v1/publish": "body-too-large",
    "/avro": "body-too-large",
    "/": "body-too-large",
}


@pytest.mark.parametrize("path", TOO_LARGE)
@pytest.mark.gen_test(timeout=30)
async def test_what_is_too_large_is_told_to_a_page_that_reads_late(start_node, path):
    """Browsers send everything before they read; they get the answer, and may read it, wherever they come from."""
    node = await start_node()
    http = await Http.open(node.listen[0]["port"])
    http.ask(path, b"x" * (12 * MEBIBYTE), Origin="https://app.example.org")
    await http.writer.drain()
    status, headers, body = await http.answer()
    assert (status, problem(body)) == (413, TOO_LARGE[path])
    assert headers["access-control-allow-origin"] == "https://app.example.org"
    assert headers["connection"] == "close"
    assert await http.reader.read() == b""
    assert node.stats[f"errors_{TOO_LARGE[path]}"] == 1
    http.close()


@pytest.mark.gen_test(timeout=20)
async def test_who_asks_first_whether_it_may_is_told_at_once(start_node):
    node = await start_node()
    head = b"POST /poll HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    status, _, body = await told(node, head % (1 << 30))
    assert (status, problem(body)) == (413, "frame-too-large")


CHUNKED = {
    "extensions": b'5;a=b;c="d"\r\n%b\r\n20 ;x\r\n%b\r\n0;last\r\n\r\n',
    "trailers": b"5\r\n%b\r\n20\r\n%b\r\n0\r\nX-Checksum: abc\r\nY: \r\n\r\n",
    "zeros": b"00005\r\n%b\r\n0020\r\n%b\r\n000\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.gen_test(timeout=20)
async def test_what_chunks_may_carry_is_passed_over(start_node, name):
    node = await start_node()
    octets = CHUNKED[name] % (MESSAGE[:5], MESSAGE[5:])
    status, _, body = await told(node, PUBLISH + b"Transfer-Encoding: chunked\r\n\r\n" + octets)
    assert (status, len(json.loads(body)["ids"])) == (200, 1)


@pytest.mark.gen_test(timeout=20)
async def test_chunks_of_one_byte_are_a_body_like_any_other(start_node):
    node = await start_node()
    octets = b"".join(b"1\r\n%c\r\n" % each for each in MESSAGE)
    status, _, body = await told(node, PUBLISH + b"Transfer-Encoding: chunked\r\n\r\n" + octets + b"0\r\n\r\n")
    assert (status, len(json.loads(body)["ids"])) == (200, 1)


ENDLESS = {
    "extension": (b"1;" + b"x" * 10_000, 400, "bad-request"),
    "trailers": (b"0\r\n" + b"X: y\r\n" * 10_000, 431, "headers-too-large"),
    "trailer": (b"0\r\nX: " + b"y" * 100_000, 431, "headers-too-large"),
    "size": (b"0" * 10_000, 400, "bad-request"),
}


@pytest.mark.parametrize("name", ENDLESS)
@pytest.mark.gen_test(timeout=20)
async def test_what_chunks_may_carry_has_an_end(start_node, name):
    octets, status, code = ENDLESS[name]
    node = await start_node()
    found, _, body = await told(node, PUBLISH + b"Transfer-Encoding: chunked\r\n\r\n" + octets)
    assert (found, problem(body)) == (status, code)


@pytest.mark.parametrize(
    "head",
    [
        b"GET http://x/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET HTTP://other:8000/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\nHost: x\n\n",
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_forms_of_a_head_that_are_taken(start_node, head):
    status, _, body = await told(await start_node(), head)
    assert (status, body) == (200, b"ok\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET ftp://x/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://user@x/health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http:///health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/health/live HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: \x01\r\n\r\n",
        b"\r\n" * 100,
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_no_head_is_told_so_in_our_words(start_node, head):
    node = await start_node()
    status, headers, body = await told(node, head)
    assert (status, problem(body), headers["server"]) == (400, "bad-request", "qmq")


@pytest.mark.gen_test(timeout=20)
async def test_the_host_of_a_whole_url_is_the_one_that_counts(start_node):
    node = await start_node({"allowed_hosts": ("x",)})
    octets = b"GET http://y/api/v1/stats HTTP/1.1\r\nHost: x\r\n\r\n"
    assert (await told(node, octets))[0] == 403


@pytest.mark.parametrize("length", [b"Content-Length: %d", b"Transfer-Encoding: chunked"])
@pytest.mark.gen_test(timeout=20)
async def test_a_slow_upload_takes_the_time_it_needs(start_node, length):
    """Several times as long as any one wait: what counts is that it goes on."""
    node = await start_node({"limits.connect_seconds": 0.2, "limits.body_rate": 100})
    message = json.dumps({"destination": "/topic/a", "body": "x" * 1000}).encode()
    http = await Http.open(node.listen[0]["port"])
    http.writer.write(PUBLISH + (length % len(message) if b"%" in length else length) + b"\r\n\r\n")
    pieces = [message[at : at + 50] for at in range(0, len(message), 50)]
    for piece in pieces:
        http.writer.write(piece if b"%" in length else b"%x\r\n%b\r\n" % (len(piece), piece))
        await asyncio.sleep(0.03)
    if b"%" not in length:
        http.writer.write(b"0\r\n\r\n")
    assert (await http.answer())[0] == 200
    http.close()


@pytest.mark.parametrize("path", ["/poll", "/api/v1/publish", "/avro", "/sockjs/000/abc/xhr_send", "/health/live"])
@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_comes_too_slowly_is_told_so_once(start_node, path):
    node = await start_node({"limits.connect_seconds": 0.2, "limits.body_rate": 1000})
    http = await Http.open(node.listen[0]["port"])
    http.writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nContent-Length: 5000\r\n\r\nx".encode())
    status, headers, body = await http.answer()
    assert (status, problem(body)) == (408, "too-slow")
    assert (headers["retry-after"], headers["access-control-allow-origin"]) == ("5", "http://y")
    assert await http.reader.read() == b""
    assert node.stats["errors_too-slow"] == 1
    await until(lambda: node.door._beginning.total == 0)
    http.close()


@pytest.mark.gen_test(timeout=20)
async def test_without_a_rate_a_body_may_take_for_ever(start_node):
    node = await start_node({"limits.connect_seconds": 0.1, "limits.body_rate": 0})
    http = await Http.open(node.listen[0]["port"])
    http.writer.write(PUBLISH + b"Content-Length: %d\r\n\r\n" % len(MESSAGE))
    await asyncio.sleep(0.3)
    http.writer.write(MESSAGE)
    assert (await http.answer())[0] == 200
    http.close()
