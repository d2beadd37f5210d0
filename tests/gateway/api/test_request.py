"""Bad requests, and odd ones: each is answered with its problem, and felt by nobody else."""

import asyncio
import gzip
import json

import pytest

from qmq.session.waiter import Waiter
from tests.gateway.api_peer import check_problem
from tests.helpers import until

GOOD = {"destination": "/topic/a", "body": "x"}
OCTETS = json.dumps(GOOD).encode()

# name: (code, part of the detail, octets, headers)
WRONG = {
    "nothing": ("bad-json", "", b"", {}),
    "no JSON": ("bad-json", "", b"{", {}),
    "deep": ("bad-json", "", b"[" * 50_000, {}),
    "a huge number": ("bad-json", "", b'{"destination":"/topic/a","body":' + b"1" * 5000 + b"}", {}),
    "no object": ("bad-field", "the body must be an object or an array", b'"x"', {}),
    "no field": ("bad-field", "destination is missing", b"{}", {}),
    "wrong type": ("bad-field", "destination must be text", b'{"destination":1}', {}),
    "wrong type in a list": ("bad-field", "[1] must be an object", b'[{"destination":"/topic/a"},7]', {}),
    "wrong header": ("bad-field", "headers.a must be text", b'{"destination":"/topic/a","headers":{"a":1}}', {}),
    "unknown field": ("bad-field", "ttl is none of", b'{"destination":"/topic/a","ttl":1}', {}),
    "too many": ("bad-field", "1 to 1000 items", b"[" + b",".join([OCTETS] * 1001) + b"]", {}),
    "no type": ("unsupported-type", "application/json", OCTETS, {"Content_Type": ""}),
    "a form": ("unsupported-type", "x-www-form", OCTETS, {"Content_Type": "application/x-www-form-urlencoded"}),
    "text": ("unsupported-type", "text/plain", OCTETS, {"Content_Type": "text/plain"}),
    "brotli": ("unsupported-type", "gzip or identity", OCTETS, {"Content_Encoding": "br"}),
    "no gzip": ("bad-request", "no gzip", OCTETS, {"Content_Encoding": "gzip"}),
    "cut off gzip": ("bad-request", "cut off", gzip.compress(OCTETS)[:-9], {"Content_Encoding": "gzip"}),
    "no body in gzip": ("bad-request", "cut off", b"", {"Content_Encoding": "gzip"}),
    "a bad key": ("bad-field", "Idempotency-Key", OCTETS, {"Idempotency_Key": "a b"}),
    "one key for many": ("bad-field", "for one message", b"[" + OCTETS + b"]", {"Idempotency_Key": "k"}),
    "foreign origin": ("bad-origin", "", OCTETS, {"Origin": "http://evil.example"}),
    "no origin at all": ("bad-origin", "", OCTETS, {"Origin": "null"}),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_wrong_is_told_and_the_connection_lives_on(api, name):
    peer = await api()
    code, part, octets, headers = WRONG[name]
    assert part in await peer.refused(code, "POST", "/publish", octets=octets, **headers)
    assert peer.node.stats[f"errors_{code}"] == 1
    assert await peer.publish("/topic/a", "x") and peer.node.hub.offset == 1


@pytest.mark.parametrize("query", ["_=1712345678901", "t=1", "_t=x&cb=y&r=0.5", "_=1&_=2", "evs_preamble=2056", "_="])
@pytest.mark.gen_test(timeout=20)
async def test_what_libraries_add_against_caches_is_passed_over(api, query):
    peer = await api()
    assert (await peer.done("GET", f"/messages?destination=/topic/a&{query}"))["messages"] == []
    assert "'_' is none of" in await peer.refused("bad-field", "POST", "/publish?_=1", GOOD)


QUERIES = {
    "missing": ("destination is missing", ""),
    "empty": ("destination must be text that is not empty", "destination="),
    "twice": ("destination is there twice", "destination=/topic/a&destination=/topic/a"),
    "unknown": ("'offset' is none of destination, cursor", "destination=/topic/a&offset=1"),
    "no number": ("max must be a whole number", "destination=/topic/a&max=many"),
    "too small": ("max must be at least 1", "destination=/topic/a&max=0"),
    "too large": ("max must be at most 1000", "destination=/topic/a&max=1001"),
    "negative": ("wait must be at least 0", "destination=/topic/a&wait=-1"),
    "none of them": ("from must be one of latest, earliest", "destination=/topic/a&from=now"),
    "no pairs": ("no list of", "destination"),
    "no UTF-8": ("no list of", "destination=%ff"),
    "too many": ("at most 32", "&".join(["a=1"] * 33)),
}


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.gen_test(timeout=20)
async def test_parameters_that_are_wrong_are_named(api, name):
    peer = await api()
    part, query = QUERIES[name]
    assert part in await peer.refused("bad-field", "GET", f"/messages?{query}")


@pytest.mark.gen_test(timeout=20)
async def test_a_body_may_come_in_gzip_and_in_chunks(api):
    peer = await api()
    zipped = gzip.compress(OCTETS)
    assert (await peer.done("POST", "/publish", octets=zipped, Content_Encoding="gzip"))["ids"]
    peer.writer.write(
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for start in range(0, len(zipped), 7):
        piece = zipped[start : start + 7]
        peer.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    peer.writer.write(b"0\r\n\r\n")
    status, _, told = await peer.told()
    assert (status, len(told["ids"])) == (200, 1)


@pytest.mark.parametrize("way", ["declared", "gzip", "chunked"])
@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_is_too_large_is_told_so(api, way):
    peer = await api({"limits.body": 1000})
    octets = b" " * 100_000 + OCTETS
    if way == "declared":
        status, headers, told = await peer.call("POST", "/publish", octets=octets)
        assert headers["connection"] == "close"
    elif way == "gzip":  # a bomb: a hundred octets make a hundred thousand
        status, headers, told = await peer.call(
            "POST", "/publish", octets=gzip.compress(octets), Content_Encoding="gzip"
        )
    else:
        peer.writer.write(
            b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(octets), octets)
        )
        status, headers, told = await peer.told()
    assert "at most 67536 octets" in check_problem("body-too-large", status, headers, told)
    if way == "declared":
        assert await peer.reader.read() == b""
    else:
        assert await peer.publish("/topic/a", "x")


@pytest.mark.gen_test(timeout=20)
async def test_the_largest_message_fits_in_base64_and_one_more_does_not(api):
    peer = await api({"limits.body": 3000})
    assert await peer.done("POST", "/publish", {"destination": "/topic/a", "bodyBase64": "AAAA" * 1000})
    assert "3000 octets" in await peer.refused(
        "body-too-large", "POST", "/publish", {"destination": "/topic/a", "bodyBase64": "AAAA" * 1001}
    )


@pytest.mark.parametrize("length", ["9999999", "9" * 5000])
@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_goes_on_after_it_was_told_is_cut_off(api, length):
    peer = await api({"limits.body": 1000, "limits.linger_seconds": 0.1})
    peer.writer.write(
        b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %b\r\n\r\n" % length.encode()
    )
    status, headers, told = await peer.told()
    check_problem("body-too-large", status, headers, told)
    peer.writer.write(b"x" * 1000)
    assert await peer.reader.read() == b""


HEAD = b"POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "octets", [b"Content-Length: 50\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"], ids=repr
)
@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_never_comes_whole_is_of_no_consequence(api, octets):
    peer = await api({"limits.connect_seconds": 0.2})
    peer.writer.write(HEAD + octets)
    status, headers, told = await peer.told()
    assert "bytes in a second" in check_problem("too-slow", status, headers, told)
    async with asyncio.timeout(5):
        assert await peer.reader.read() == b""
    assert await (await api()).publish("/topic/a", "x") and peer.node.hub.offset == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}zz0\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n{}",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"Content-Length: -5\r\n\r\n{}",
        b"Content-Length: x\r\n\r\n{}",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    ],
    ids=repr,
)
@pytest.mark.gen_test(timeout=20)
async def test_a_body_that_breaks_http_is_told_so_and_the_connection_ends(api, octets):
    peer = await api()
    peer.writer.write(HEAD + octets)
    status, headers, told = await peer.told()
    assert "rules of HTTP" in check_problem("bad-request", status, headers, told)
    assert headers["connection"] == "close" and await peer.reader.read() == b""
    assert peer.node.stats["errors_bad-request"] == 1
    assert await (await api()).publish("/topic/a", "x") and peer.node.hub.offset == 1


@pytest.mark.gen_test(timeout=20)
async def test_requests_follow_each_other_on_a_connection(api):
    peer = await api()
    for _ in range(3):
        peer.ask("/api/v1/publish", OCTETS, Content_Type="application/json")
    found = [await peer.told() for _ in range(3)]
    assert [told["ids"][0].rpartition(".")[2] for _, _, told in found] == ["1", "2", "3"]
    peer.ask("/api/v1/publish", OCTETS, version="1.0", Content_Type="application/json")
    assert (await peer.told())[0] == 200
    assert await peer.reader.read() == b""


@pytest.mark.gen_test(timeout=20)
async def test_pages_of_allowed_origins_may_read_the_answers(api):
    peer = await api({"allowed_origins": ("http://app.example",)})
    origin = {"Origin": "http://app.example"}
    status, headers, _ = await peer.call("OPTIONS", "/publish", **origin, Access_Control_Request_Method="POST")
    assert status == 204 and headers["access-control-allow-origin"] == "http://app.example"
    assert "content-type" in headers["access-control-allow-headers"]
    assert "post" in headers["access-control-allow-methods"]
    status, headers, _ = await peer.call("POST", "/publish", GOOD, **origin)
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, "http://app.example", "origin")
    status, headers, told = await peer.call("GET", "/nothing", **origin)
    assert (status, headers["access-control-allow-origin"]) == (404, "http://app.example")
    status, headers, told = await peer.call("OPTIONS", "/publish", Origin="http://evil.example")
    check_problem("bad-origin", status, headers, told)
    assert "access-control-allow-origin" not in headers and "allow" not in headers


@pytest.mark.gen_test(timeout=20)
async def test_answers_are_not_stored_nor_sniffed(api):
    peer = await api()
    for method, path in (("GET", "/queues"), ("GET", "/nothing")):
        _, headers, _ = await peer.call(method, path)
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


@pytest.mark.gen_test(timeout=20)
async def test_what_fails_inside_is_logged_and_not_told(api, logged, monkeypatch):
    peer = await api()
    logged.expect("list_queues failed")
    for gateway in peer.node.gateway.family:
        monkeypatch.setattr(gateway.operations, "manage", lambda *args: 1 / 0)
    assert await peer.refused("internal-error", "GET", "/queues") == ""
    assert await peer.publish("/topic/a", "x")


@pytest.mark.gen_test(timeout=20)
async def test_what_fails_after_waiting_is_answered_too(api, logged, monkeypatch):
    peer = await api({"limits.poll_hold_seconds": 0.05})
    logged.expect("read_messages failed")
    monkeypatch.setattr(Waiter, "close", lambda waiter: 1 / 0)
    await peer.refused("internal-error", "GET", "/messages?destination=/topic/a&wait=1")


@pytest.mark.gen_test(timeout=20)
async def test_a_client_that_goes_while_it_waits_leaves_nothing(api):
    peer, seen = await api(), await api()
    claims = peer.node.registry.claims
    peer.ask("/api/v1/messages?destination=/topic/a&wait=20", method="GET")
    await until(lambda: peer.waiting == 1)
    peer.cut()
    await until(lambda: peer.waiting == 0)
    other = await api()
    other.ask("/api/v1/consume", b'{"destination":"/queue/a","wait":20}', Content_Type="application/json")
    await until(lambda: "/queue/a" in peer.node.registry.queues)
    assert peer.node.registry.queues["/queue/a"].consumers
    other.cut()
    await until(lambda: not peer.node.registry.queues["/queue/a"].consumers)
    assert not claims.held("anonymous")
    await seen.publish("/queue/a", "x")
    assert [*await seen.consume("/queue/a")] == ["x"]


@pytest.mark.gen_test(timeout=20)
async def test_who_waits_is_answered_when_the_node_stops(api):
    peer = await api()
    peer.ask("/api/v1/messages?destination=/topic/a&wait=20", method="GET")
    await until(lambda: peer.waiting == 1)
    stopping = asyncio.ensure_future(peer.node.stop())
    status, _, told = await peer.told()
    assert (status, told["messages"], told["recovered"]) == (200, [], True)
    await stopping
