"""Requests find the session that they belong to, on whatever thread they arrive."""

import asyncio
import json

import pytest

from qmq.gateway.homes import Homes
from qmq.wire import stomp
from tests.gateway import sockjs_peer
from tests.gateway.poll_peer import CONNECT, Http, Poller, problem
from tests.helpers import connections_of, peer_of, until

THREADS = 3


async def land(node, index):
    """A connection that this thread has accepted."""
    while True:
        http = await Http.open(node.listen[0]["port"])
        http.ask("/health/live", method="GET")
        await http.answer()
        here = http.writer.get_extra_info("sockname")
        connections = tuple(node.branches[index].servers["http"]._connections)
        if any(peer_of(each.stream) == here for each in connections):
            return http
        await close(http)


async def close(*opened):
    """Closes connections, and waits until that is done."""
    for http in opened:
        http.close()
        await asyncio.gather(http.writer.wait_closed(), return_exceptions=True)


async def open_session(node, index):
    """A session on `/poll` that lives on this thread."""
    http = await land(node, index)
    http.ask("/poll", CONNECT)
    _, _, body = await http.answer()
    poller = Poller(node.listen[0]["port"], f"/poll/{json.loads(body)['session']}")
    poller.up, poller.down = http, await land(node, index)
    return await poller.login()


async def once(node, path, body=b"", version="1.0", **headers):
    """An answer on a connection of its own, which ends as soon as the client has the answer; status and body."""
    http = await Http.open(node.listen[0]["port"])
    http.ask(path, body, version=version, **headers)
    status, headers = await http.head()
    found = await http.reader.readexactly(int(headers.get("content-length", 0)))
    http.cut()
    return status, found


@pytest.mark.parametrize("threads", [4])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.gen_test(timeout=30)
async def test_sockjs_polls_on_connections_of_their_own(start_node, threads, version):
    node = await start_node()
    more = {"Connection": "close"} if version == "1.1" else {}

    async def converse(name):
        path = f"/sockjs/0/{name}"
        assert await once(node, f"{path}/xhr", b"", version, **more) == (200, b"o\n")
        connect = sockjs_peer.CONNECT.replace("heart-beat:0,0", "heart-beat:100,0")
        said = json.dumps([connect, sockjs_peer.SUBSCRIBE.replace("/topic/a", f"/topic/{name}")])
        assert await once(node, f"{path}/xhr_send", said.encode(), version, **more) == (204, b"")
        for number in range(8):
            send = json.dumps([f"SEND\ndestination:/topic/{name}\n\n{number}\0"]).encode()
            assert (await once(node, f"{path}/xhr_send", send, version, **more))[0] == 204
            while True:
                status, body = await once(node, f"{path}/xhr", b"", version, **more)
                assert (status, body[:1]) == (200, b"a"), body
                if f"\\n\\n{number}\\u0000" in body.decode():
                    break

    await asyncio.gather(*[converse(f"s{number}") for number in range(30)])
    assert node.stats["connections_lost"] == 0


@pytest.mark.parametrize("threads", [4])
@pytest.mark.gen_test(timeout=30)
async def test_sockjs_polls_that_follow_at_once_on_other_threads(start_node, threads):
    """The next request is on its way already, on a connection that stays, when the answer to this one ends."""
    node = await start_node()
    ways = [await land(node, index) for index in range(threads)]
    first = 0
    for number in range(60):
        path = f"/sockjs/0/k{number}"
        for turn in range(4):
            http = ways[(first + turn) % threads]
            http.ask(f"{path}/xhr")
            if turn == 0:
                assert (await http.answer())[2] == b"o\n"
                ways[first].ask(f"{path}/xhr_send", json.dumps([sockjs_peer.CONNECT]).encode())
                assert (await ways[first].answer())[0] == 204
                continue
            assert (await http.answer())[2][:1] == b"a"
            ways[first].ask(f"{path}/xhr_send", b'["SEND\\ndestination:/topic/a\\nreceipt:r\\n\\n\\u0000"]')
            assert (await ways[first].answer())[0] == 204
        first = (first + 1) % threads
    await close(*ways)


class Path:
    def __init__(self, path):
        self.path = path


# What stays where it arrives.
POLL = ("/poll", "/poll/1-x/send", "/poll/9-x/send", "/poll/-x/send", "/poll/1-x/send/more")
SOCKJS = ("/sockjs/info", "/sockjs/a/b/websocket", "/sockjs/iframe.html", "/x/sockjs/a/b/xhr")


def test_the_path_says_where_a_session_lives():
    homes = Homes(1, [(None, None)] * 4)
    for path in (*POLL, *SOCKJS, "/stomp"):
        assert homes.elsewhere(Path(path)) is None, path
    assert homes._home_of("/poll/3-x/receive") == 3
    kinds = ("xhr", "xhr_send", "xhr_streaming", "eventsource", "jsonp", "jsonp_send", "htmlfile")
    for name in ("a", "b%62", "ünï", "%ED%A0%80"):
        assert len({homes._home_of(f"/sockjs/{server}/{name}/{kind}") for kind in kinds for server in "12"}) == 1
    assert homes._home_of("/sockjs/1/b%62/xhr") == homes._home_of("/sockjs/1/bb/xhr")
    assert {homes._home_of(f"/sockjs/0/{number}/xhr") for number in range(100)} == {0, 1, 2, 3}


@pytest.mark.parametrize("threads", [THREADS])
@pytest.mark.gen_test(timeout=30)
async def test_a_session_is_served_from_every_thread_on_connections_that_stay(start_node, threads):
    node = await start_node()
    poller = await open_session(node, 1)
    await poller.subscribe("/topic/a")
    before = poller.up, poller.down
    for index in range(THREADS):
        poller.up, poller.down = await land(node, index), await land(node, index)
        for number in range(3):  # the connections are used again and again
            await poller.tell("SEND", {"destination": "/topic/a"}, b"%d.%d" % (index, number))
            assert await poller.bodies(1) == [f"{index}.{number}"]
        await close(poller.up, poller.down)
    assert len(connections_of(node)) == 1
    await close(*before)


@pytest.mark.parametrize("threads", [THREADS])
@pytest.mark.gen_test(timeout=30)
async def test_a_stream_to_another_thread_waits_for_its_reader(start_node, threads):
    """What the client does not read waits in its outbox at home, where bounds apply, not on the way."""
    node = await start_node()
    poller = await open_session(node, 1)
    await poller.subscribe("/topic/a", **{"max-messages": "10", "overflow": "drop-oldest"})
    await close(poller.down)
    poller.down = await land(node, 2)
    poller.ask(stream=True)
    status, headers = await poller.down.head()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    [connection] = connections_of(node)
    poller.down.writer.transport.pause_reading()
    for _ in range(100):
        node.publish("/topic/a", b"x" * 10_000)
    await until(lambda: node.stats["messages_dropped_oldest"])  # so much may have been sent, the rest waits
    poller.down.cut()
    await until(lambda: connection._held is None)  # it has learnt that nobody receives any more
    await close(poller.up, poller.down)


@pytest.mark.parametrize("threads", [THREADS])
@pytest.mark.gen_test(timeout=30)
async def test_http_1_0_and_connections_that_are_to_end(start_node, threads):
    node = await start_node()
    poller = await open_session(node, 0)
    await poller.subscribe("/topic/a")
    for version, more in (("1.0", {}), ("1.1", {"Connection": "close"})):
        node.publish("/topic/a", version)
        await close(poller.down)
        poller.down = await land(node, 2)
        poller.down.ask(f"{poller.path}/receive?ack={poller.ack}", version=version, **more)
        status, _, body = await poller.down.answer()
        assert status == 200 and poller.take(body) == b""
        assert await poller.bodies(1) == [version]
        assert await poller.down.reader.read() == b""
    await close(poller.down)
    poller.down = await land(node, 2)
    poller.down.ask(f"{poller.path}/receive?ack={poller.ack}&stream=1", version="1.0")
    await poller.down.head()
    await close(poller.down, poller.up)


@pytest.mark.parametrize("threads", [THREADS])
@pytest.mark.gen_test(timeout=30)
async def test_a_session_that_is_not_there_is_not_there_from_anywhere(start_node, threads):
    node = await start_node()
    for index in range(THREADS):
        for name in ("0-nothing", "1-nothing", "2-nothing", "7-nothing", "nothing"):
            http = await land(node, index)
            http.ask(f"/poll/{name}/send?seq=1&ack=0", stomp.encode("SEND", {"destination": "/topic/a"}, b"", "1.2"))
            status, _, body = await http.answer()
            assert (status, problem(body)) == (404, "unknown-session")
            await close(http)


@pytest.mark.parametrize("threads", [THREADS])
@pytest.mark.gen_test(timeout=30)
async def test_a_client_that_goes_before_its_request_is_whole_leaves_nothing(start_node, threads):
    node = await start_node()
    poller = await open_session(node, 1)
    http = await land(node, 2)
    http.writer.write(
        f"POST {poller.path}/send?seq=1&ack=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nSE".encode()
    )
    await http.writer.drain()
    http.cut()
    await poller.tell("SEND", {"destination": "/topic/a"}, b"x")  # which is number 1 all the same
    assert node.hub.offset == 1
    await close(http, poller.up, poller.down)
