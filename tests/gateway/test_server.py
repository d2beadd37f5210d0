"""HTTP before there is a WebSocket: sizes, time limits, garbage, and crowds that never finish."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import plain, request, until

pytestmark = pytest.mark.one_thread("each thread has a server of its own, all alike")

CROWD = Path(__file__).with_name("crowd.py")


@pytest.mark.parametrize("path", ["/", "/stomp", "/nothing"])
@pytest.mark.gen_test(timeout=20)
async def test_large_headers_are_a_problem(start_node, dial, path):
    node = await start_node({"limits.http_header_bytes": 2000})
    for headers in ({"X": "x" * 2000}, {f"X{number}": "x" for number in range(300)}):
        answer = await (await dial(node)).ask(request(path, **headers))
        assert answer.problem() == (431, "headers-too-large")
    assert node.stats["errors_headers-too-large"] == 2


@pytest.mark.gen_test(timeout=20)
async def test_a_long_path_counts_as_well(start_node, dial):
    node = await start_node({"limits.http_header_bytes": 2000})
    answer = await (await dial(node)).ask(plain("/" + "x" * 2000))
    assert answer.problem() == (431, "headers-too-large")


@pytest.mark.gen_test(timeout=20)
async def test_headers_of_just_the_allowed_size_pass(start_node, dial):
    node = await start_node({"limits.http_header_bytes": 2000})
    await (await dial(node)).upgrade(X="x" * 1700)


@pytest.mark.gen_test(timeout=20)
async def test_a_header_bomb_is_told_what_it_is(start_node, dial, witness):
    """Beyond twice the limit nothing is read: the answer comes at once, and nobody else notices."""
    node = await start_node({"limits.http_header_bytes": 2000})
    seen = await witness(node)
    get = b"GET / HTTP/1.1\r\n"
    for bomb in (get + b"X: " + b"x" * 100_000, get + b"X: x\r\n" * 20_000, b"x" * 100_000):
        peer = await dial(node)
        await peer.send(bomb)
        assert (await peer.answer()).problem() == (431, "headers-too-large")
    await until(lambda: node.stats["errors_headers-too-large"] == 3)
    assert node.stats["connections_unfinished"] == 0
    await seen.well()


@pytest.mark.parametrize(
    "octets",
    [
        b"\0\1\2\3\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: nan\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
        b"\x81\x85\x12\x34\x56\x78a frame without a handshake\r\n\r\n",
    ],
)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_no_http_is_refused_and_counted(start_node, dial, witness, octets):
    node = await start_node()
    seen = await witness(node)
    peer = await dial(node)
    await peer.send(octets)
    answer = await peer.end()
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")) and b"application/problem+json" in answer
    await until(lambda: node.stats["connections_unfinished"] == 1, 2)
    await seen.well()


@pytest.mark.parametrize("octets", [b"", b"GET /st", request()[:-2], plain("/", "POST", Content_Length="10") + b"half"])
@pytest.mark.gen_test(timeout=20)
async def test_a_request_that_does_not_come_in_time(start_node, dial, witness, octets):
    node = await start_node({"limits.connect_seconds": 0.3})
    seen = await witness(node)
    peer = await dial(node)
    await peer.send(octets)
    if octets:
        assert (await peer.answer()).problem() == (408, "too-slow")
    assert await peer.end() == b""
    await until(lambda: node.stats["connections_unfinished"] == 1, 2)
    await seen.well()


@pytest.mark.gen_test(timeout=20)
async def test_an_idle_connection_that_had_a_request_is_closed_but_not_counted(start_node, dial):
    node = await start_node({"limits.connect_seconds": 0.3})
    peer = await dial(node)
    assert (await peer.ask(plain("/health/live"))).status == 200
    assert await peer.end() == b""
    assert node.stats["connections_unfinished"] == 0


@pytest.mark.gen_test(timeout=50)
async def test_ten_thousand_connections_that_never_finish(start_node, witness, many_files, capsys):
    """All are closed and counted, and a good client is served while they are there."""
    count = min(10_000, many_files - 500)
    if count < 10_000:
        with capsys.disabled():
            print(f"\nonly {count} of 10,000 connections: this system allows {many_files} open files")
    node = await start_node({"limits.connect_seconds": 3.0})
    seen = await witness(node)
    alone = [await seen.well() for _ in range(100)]
    crowd = subprocess.Popen(
        [sys.executable, str(CROWD), "unfinished", str(node.listen[0]["port"]), str(count)], stdout=subprocess.PIPE
    )
    try:
        crowded = []
        while crowd.poll() is None:
            crowded.append(await seen.well())
        report = json.loads(crowd.stdout.read())
    finally:
        crowd.kill()
        crowd.wait()
        crowd.stdout.close()
    assert (report["opened"], report["ended"]) == (count, count)
    await until(lambda: node.stats["connections_unfinished"] == count)
    assert (node.gateway.connections, node.stats["connections_opened"]) == (1, 1)
    # Accepting and closing thousands takes its time; but nobody waits for the crowd as such.
    crowded.sort()
    assert len(crowded) > 100
    assert statistics.median(crowded) < max(20 * statistics.median(alone), 0.05)
    assert crowded[-1] < 3
