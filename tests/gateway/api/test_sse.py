"""Server-Sent Events on real connections: what comes, what is resumed, how it ends."""

import asyncio

import pytest

from tests.gateway.api_peer import ApiPeer, Listener, check_problem
from tests.helpers import until


@pytest.mark.gen_test(timeout=20)
async def test_messages_come_as_events(api, listen):
    listener, peer = await listen("destination=/topic/%23"), await api()
    ids = await peer.publish("/topic/a", "x", {"n": 1})
    assert [(await listener.event())[1] for _ in ids] == [
        {"id": ids[0], "destination": "/topic/a", "contentType": "text/plain", "body": "x"},
        {"id": ids[1], "destination": "/topic/a", "contentType": "application/json", "body": {"n": 1}},
    ]
    assert listener.last == ids[1]


@pytest.mark.gen_test(timeout=20)
async def test_the_head_of_the_answer(api):
    listener = await api(kind=Listener)
    status, headers = await listener.listen("destination=/topic/a")
    assert (status, headers["content-type"], headers["connection"]) == (200, "text/event-stream", "close")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store, no-transform", "no")
    assert "content-length" not in headers and "transfer-encoding" not in headers
    assert (await listener.block()).startswith("retry: 1000\nevent: subscribed\nid: test.")


NAMES = ["lastEventId", "last-event-id", "last_event_id", "evs_last_event_id", "Last-Event-ID"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.gen_test(timeout=20)
async def test_stand_ins_for_eventsource_come_back_too(api, listen, name):
    """They say in the query where they go on; at first with nothing, and later beside the page's own cursor."""
    listener, peer = await listen(f"destination=/topic/a&{name}=&_=1"), await api()
    ids = await peer.publish("/topic/a", "1", "2")
    await listener.event()
    listener.cut()
    back = await listen(f"destination=/topic/a&cursor=old.x.1&{name}={listener.last}&r=0.123", Last_Event_ID="")
    assert back.granted["recovered"]
    assert (await back.event())[1]["id"] == ids[1]


@pytest.mark.parametrize("way", ["header", "parameter"])
@pytest.mark.gen_test(timeout=20)
async def test_who_comes_back_misses_nothing(api, listen, way):
    listener, peer = await listen("destination=/topic/a"), await api()
    ids = await peer.publish("/topic/a", "1")
    await listener.event()
    listener.cut()
    ids += await peer.publish("/topic/a", "2", "3")
    assert listener.last == ids[0]
    if way == "header":  # it counts more than what the page once said
        back = await listen("destination=/topic/a&cursor=old.x.1", Last_Event_ID=listener.last)
    else:
        back = await listen(f"destination=/topic/a&cursor={listener.last}")
    assert back.granted["recovered"]
    ids += await peer.publish("/topic/a", "4")
    assert [(await back.event())[1]["id"] for _ in ids[1:]] == ids[1:]


@pytest.mark.gen_test(timeout=20)
async def test_a_gap_is_an_event(listen):
    listener = await listen("destination=/topic/a", Last_Event_ID="test.other.5")
    assert listener.granted["recovered"] is False
    name, told = await listener.event()
    assert name == "gap" and told == listener.granted


@pytest.mark.gen_test(timeout=20)
async def test_bounds_are_granted_and_never_beyond_the_limits(listen):
    values = {"limits.messages": 500, "limits.default_messages": 100}
    listener = await listen("destination=/topic/a&max-messages=999&max-bytes=5&overflow=conflate", values)
    assert (listener.granted["maxMessages"], listener.granted["maxBytes"]) == (500, 5)


REFUSED = {
    "no topic": ("bad-destination", "destination=/queue/a"),
    "no pattern": ("bad-pattern", "destination=/topic/a*b"),
    "no bound": ("bad-field", "destination=/topic/a&overflow=never"),
    "no destination": ("bad-field", ""),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.gen_test(timeout=20)
async def test_what_is_wrong_is_a_problem_and_no_stream(api, name):
    peer = await api()
    code, query = REFUSED[name]
    await peer.refused(code, "GET", f"/stream?{query}")
    await peer.refused("bad-origin", "GET", "/stream?destination=/topic/a", Origin="http://evil.example")
    assert peer.node.gateway.connections == 0 and not peer.node.hub._audiences


@pytest.mark.gen_test(timeout=20)
async def test_no_more_streams_than_allowed(api, listen):
    await listen("destination=/topic/a", {"limits.connections": 1})
    await (await api()).refused("too-many-connections", "GET", "/stream?destination=/topic/a")


@pytest.mark.gen_test(timeout=20)
async def test_when_the_node_stops_it_says_so(listen):
    listener = await listen("destination=/topic/a")
    stopping = asyncio.ensure_future(listener.node.stop())
    name, told = await listener.event()
    assert (name, told["code"], told["retry"]) == ("error", "shutting-down", True)
    assert await listener.event() is None
    listener.close()
    await stopping


@pytest.mark.gen_test(timeout=20)
async def test_an_operator_sees_and_kicks_it(api, listen):
    listener, peer = await listen("destination=/topic/a"), await api(kind=ApiPeer)
    [seen] = (await peer.done("GET", "/connections"))["connections"]
    assert (seen["transport"], seen["protocol"], seen["address"]) == ("sse", "events", "127.0.0.1")
    await peer.done("DELETE", f"/connections/{seen['name']}")
    assert (await listener.event())[1]["code"] == "kicked"
    assert await listener.event() is None
    listener.close()
    await until(lambda: not peer.node.gateway.connections)


@pytest.mark.gen_test(timeout=20)
async def test_who_goes_leaves_nothing(listen):
    listener = await listen("destination=/topic/a")
    node = listener.node
    listener.writer.write(b"GET / HTTP/1.1\r\n\r\nwhat follows is not heard")
    listener.cut()
    await until(lambda: not node.gateway.connections and not node.hub._audiences)


@pytest.mark.gen_test(timeout=30)
async def test_a_slow_reader_hurts_only_itself(api, listen):
    values = {"limits.linger_seconds": 0.2}
    slow = await listen("destination=/topic/a&max-messages=10", values)
    quick, peer = await listen("destination=/topic/a"), await api()
    slow.writer.transport.pause_reading()
    sent = 0
    while not peer.node.stats["errors_slow-consumer"]:
        ids = await peer.publish("/topic/a", *["x" * 10_000] * 50)
        for _ in ids:
            await quick.event()
        sent += 1
        assert sent < 500
    await quick_is_served(quick, peer)


async def quick_is_served(quick, peer):
    [identity] = await peer.publish("/topic/a", "last")
    assert (await quick.event())[1]["id"] == identity


@pytest.mark.gen_test(timeout=20)
async def test_silence_is_broken_by_comments(listen, monkeypatch):
    from qmq.session.events import EventStream

    monkeypatch.setattr(EventStream, "heartbeat", (100, 0))
    listener = await listen("destination=/topic/a")
    assert [await listener.block() for _ in range(2)] == [":", ":"]


@pytest.mark.gen_test(timeout=20)
async def test_over_tls(tls_node, authority):
    node = await tls_node()
    port = next(each["port"] for each in node.listen if each["scheme"] == "https")
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.trust())
    listener = Listener(reader, writer)
    assert (await listener.listen("destination=/topic/a"))[0] == 200
    assert (await listener.event())[0] == "subscribed"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=authority.trust())
    peer = ApiPeer(reader, writer)
    [identity] = await peer.publish("/topic/a", "x")
    assert (await listener.event())[1]["id"] == identity
    status, headers, told = await peer.call("GET", "/nothing")
    check_problem("not-found", status, headers, told)
    listener.close()
    peer.close()
    await until(lambda: not node.gateway.connections)
