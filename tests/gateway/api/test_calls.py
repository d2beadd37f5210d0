"""What the operations of the JSON API do, on a real node, and beside STOMP clients."""

import asyncio
import base64
import time

import pytest

from tests.helpers import until


@pytest.mark.gen_test(timeout=20)
async def test_from_json_to_stomp_and_back_everything_is_kept(api, join):
    peer = await api()
    stomp = await join(peer.node)
    await stomp.subscribe("/topic/a")
    said = {"destination": "/topic/a", "body": {"é": [1, None]}, "headers": {"color": "red\n"}}
    [identity] = (await peer.done("POST", "/publish", said))["ids"]
    frame = await stomp.frame()
    assert frame.body == '{"é":[1,null]}'.encode()
    assert (frame.headers["message-id"], frame.headers["content-type"]) == (identity, "application/json")
    assert frame.headers["color"] == "red\n"
    other = await join(peer.node)
    await other.publish("/topic/a", b"\0\xff", **{"content-type": "image/x", "size": "2"})
    await other.publish("/topic/a", b'{"n": 12345678901234567890123}', **{"content-type": "application/json"})
    found = (await peer.done("GET", "/messages?destination=/topic/a&from=earliest"))["messages"]
    assert found[0] == {"id": identity, "contentType": "application/json", **said}
    assert base64.b64decode(found[1]["bodyBase64"]) == b"\0\xff"
    assert (found[1]["contentType"], found[1]["headers"]) == ("image/x", {"size": "2"})
    assert found[2]["body"] == {"n": 12345678901234567890123}


@pytest.mark.gen_test(timeout=20)
async def test_a_batch_is_published_whole_or_not_at_all(api):
    peer = await api()
    await peer.done("PUT", "/queues/small", {"max-length": 2})
    batch = [{"destination": "/queue/small", "body": n} for n in range(3)]
    assert "nothing was published" in await peer.refused("queue-full", "POST", "/publish", batch)
    assert (await peer.done("GET", "/queues/small"))["messages"] == 0
    assert len((await peer.done("POST", "/publish", batch[:2]))["ids"]) == 2


@pytest.mark.gen_test(timeout=40)
async def test_a_batch_to_many_queues_keeps_nobody_waiting(api):
    peer, other = await api(), await api()
    for number in range(200):
        binding = {"source": "amq.fanout", "destination": f"/queue/f{number}"}
        await peer.done("POST", "/bindings", binding)
    await peer.done("PUT", "/queues/f0", {})
    batch = asyncio.ensure_future(
        peer.done("POST", "/publish", [{"destination": "/exchange/amq.fanout/k", "body": n} for n in range(500)])
    )
    answers = 0
    while not batch.done():
        await other.done("POST", "/publish", {"destination": "/topic/a", "body": "x"})
        answers += 1
    assert len((await batch)["ids"]) == 500
    assert answers >= 5
    for name in ("f0", "f199"):
        assert (await peer.done("GET", f"/queues/{name}"))["messages"] == 500


@pytest.mark.gen_test(timeout=20)
async def test_what_is_sent_again_is_published_once(api):
    peer = await api()
    said = {"destination": "/queue/a", "body": "x"}
    first = await peer.done("POST", "/publish", said, Idempotency_Key="k")
    assert first["ids"][0]
    for again in ({**said, "idempotencyKey": "k"}, [{**said, "idempotencyKey": "k"}]):
        assert await peer.done("POST", "/publish", again) == {"ids": [None]}
    await peer.refused("bad-field", "POST", "/publish", {**said, "idempotencyKey": "k"}, Idempotency_Key="other")
    assert (await peer.done("GET", "/queues/a"))["messages"] == 1


@pytest.mark.gen_test(timeout=20)
async def test_reading_on_with_the_cursor_misses_nothing(api):
    peer = await api()
    await peer.publish("/topic/a.1", *"123")
    await peer.publish("/topic/a.2", *"45")
    got, cursor = "", None
    while True:
        asked = f"&cursor={cursor}" if cursor else "&from=earliest"
        told = await peer.done("GET", f"/messages?destination=/topic/a.*&max=2{asked}")
        assert told["recovered"]
        cursor = told["cursor"]
        if not told["messages"]:
            break
        got += "".join(each["body"] for each in told["messages"])
    assert got == "12345"
    told = await peer.done("GET", "/messages?destination=/topic/a.1&cursor=other.x.1")
    assert told == {"messages": [], "cursor": cursor, "recovered": False}
    assert len((await peer.done("GET", "/messages?destination=/topic/a.1&from=earliest&maxBytes=1"))["messages"]) == 1


@pytest.mark.parametrize("way", ["parameter", "preference"])
@pytest.mark.gen_test(timeout=20)
async def test_a_long_poll_is_answered_when_there_is_something(api, way):
    peer, other = await api(), await api()
    cursor = (await peer.done("GET", "/messages?destination=/topic/a"))["cursor"]
    query = f"/api/v1/messages?destination=/topic/a&cursor={cursor}"
    if way == "parameter":
        peer.ask(f"{query}&wait=20", method="GET")
    else:
        peer.ask(query, method="GET", Prefer="respond-async, wait=20")
    await until(lambda: peer.waiting == 1)
    ids = await other.publish("/topic/a", "x", "y")
    status, headers, told = await peer.told()
    got = [each["id"] for each in told["messages"]]
    assert (status, told["cursor"], told["recovered"]) == (200, got[-1], True)
    if len(got) < 2:  # what another thread publishes may come in two pieces
        rest = await peer.done("GET", f"/messages?destination=/topic/a&cursor={got[-1]}&wait=20")
        got += [each["id"] for each in rest["messages"]]
    assert got == ids
    assert headers.get("preference-applied") == (None if way == "parameter" else "wait=20")


@pytest.mark.gen_test(timeout=20)
async def test_a_wait_is_over_in_time_and_never_longer_than_may_be(api):
    peer = await api({"limits.poll_hold_seconds": 0.1})
    begin = time.monotonic()
    told = await peer.done("GET", "/messages?destination=/topic/a&wait=20")
    assert told["messages"] == [] and told["recovered"]
    assert await peer.done("POST", "/consume", {"destination": "/queue/a", "wait": 20}) == {"deliveries": []}
    assert 0.2 <= time.monotonic() - begin < 5
    assert peer.waiting == 0


@pytest.mark.gen_test(timeout=20)
async def test_all_who_wait_get_what_comes(api):
    peers = [await api() for _ in range(20)]
    for peer in peers:
        peer.ask("/api/v1/messages?destination=/topic/%23&wait=20", method="GET")
    await until(lambda: peers[0].waiting == 20)
    hubs = {gateway.registry.hub for gateway in peers[0].node.gateway.family}
    assert all(len(hub._audiences) <= 1 for hub in hubs)
    await (await api()).publish("/topic/a", "x")
    assert [told["messages"][0]["body"] for _, _, told in [await peer.told() for peer in peers]] == ["x"] * 20


@pytest.mark.gen_test(timeout=20)
async def test_who_has_it_already_is_told_so(api):
    peer = await api()
    await peer.publish("/topic/a", "1")
    query = "/messages?destination=/topic/a&from=earliest"
    status, headers, _ = await peer.call("GET", query)
    tag = headers["etag"]
    status, headers, told = await peer.call("GET", query, If_None_Match=f'W/"x", {tag}')
    assert (status, headers["etag"], told) == (304, tag, b"")
    await peer.publish("/topic/b", "2")
    assert (await peer.call("GET", query, If_None_Match=tag))[0] == 304
    await peer.publish("/topic/a", "3")
    status, headers, told = await peer.call("GET", query, If_None_Match=tag)
    assert (status, len(told["messages"])) == (200, 2) and headers["cache-control"] == "private, no-cache"


@pytest.mark.gen_test(timeout=20)
async def test_tokens_outlive_their_connection(api):
    peer = await api()
    await peer.publish("/queue/a", *"123")
    tokens = await peer.consume("/queue/a", max=3)
    peer.cut()
    other = await api()
    told = await other.done("POST", "/settle", {"ack": [tokens["1"]], "nack": [tokens["2"]]})
    assert told == {"settled": 2, "failed": []}
    told = await other.done("POST", "/settle", {"ack": [tokens["1"], "no.1"], "nack": [tokens["3"]], "requeue": False})
    assert told["settled"] == 1
    assert [(each["token"], each["code"]) for each in told["failed"]] == [
        (tokens["1"], "unknown-delivery"),
        ("no.1", "unknown-delivery"),
    ]
    [again] = (await other.done("POST", "/consume", {"destination": "/queue/a", "max": 9}))["deliveries"]
    assert (again["body"], again["deliveries"]) == ("2", 2)
    assert not other.node.registry.claims.held("anonymous") - 1


@pytest.mark.gen_test(timeout=20)
async def test_what_is_not_settled_in_time_comes_back(api):
    peer = await api()
    await peer.done("PUT", "/queues/a", {"ack-timeout": 100})
    await peer.publish("/queue/a", "x")
    token = (await peer.consume("/queue/a"))["x"]
    [again] = (await peer.done("POST", "/consume", {"destination": "/queue/a", "wait": 5}))["deliveries"]
    assert (again["body"], again["deliveries"]) == ("x", 2)
    assert (await peer.done("POST", "/settle", {"ack": [token]}))["settled"] == 0
    assert (await peer.done("POST", "/settle", {"ack": [again["token"]]}))["settled"] == 1
    seen = await peer.done("GET", "/queues/a")
    assert (seen["unsettled"], seen["consumers"], seen["messages"]) == (0, 0, 0)


@pytest.mark.gen_test(timeout=20)
async def test_a_job_goes_to_one_of_those_who_wait(api, join):
    peers = [await api({"limits.poll_hold_seconds": 0.3}) for _ in range(3)]
    for peer in peers:
        peer.ask("/api/v1/consume", b'{"destination":"/queue/a","wait":20}', Content_Type="application/json")
    queues = peers[0].node.registry.queues
    await until(lambda: "/queue/a" in queues and len(queues["/queue/a"].consumers) == 3)
    stomp = await join(peers[0].node)
    await stomp.publish("/queue/a", b"x")
    found = [await peer.told() for peer in peers]
    assert sorted(len(told["deliveries"]) for _, _, told in found) == [0, 0, 1]


@pytest.mark.gen_test(timeout=20)
async def test_who_waits_for_a_queue_that_is_deleted_is_told(api):
    peer, other = await api(), await api()
    peer.ask("/api/v1/consume", b'{"destination":"/queue/a","wait":20}', Content_Type="application/json")
    await until(lambda: "/queue/a" in peer.node.registry.queues)
    await other.done("DELETE", "/queues/a")
    status, _, told = await peer.told()
    assert (status, told["code"]) == (410, "queue-deleted")


@pytest.mark.gen_test(timeout=20)
async def test_how_much_one_may_have_unsettled(api):
    peer = await api({"limits.prefetch": 2})
    await peer.publish("/queue/a", *"123")
    tokens = await peer.consume("/queue/a", max=9)
    assert [*tokens] == ["1", "2"]
    await peer.refused("too-many-unsettled", "POST", "/consume", {"destination": "/queue/a"})
    await peer.done("POST", "/settle", {"ack": [tokens["2"]]})
    assert [*await peer.consume("/queue/a", max=9)] == ["3"]


@pytest.mark.gen_test(timeout=20)
async def test_a_queue_from_its_declaration_to_its_end(api):
    peer = await api()
    made = await peer.done("PUT", "/queues/a", {"max-length": 5, "durable": True})
    assert made["properties"]["max-length"] == 5
    assert await peer.done("PUT", "/queues/a", {}) == made
    assert "max-length" in await peer.refused("conflict", "PUT", "/queues/a", {"max-length": 6})
    assert "none of" in await peer.refused("bad-field", "PUT", "/queues/b", {"length": 6})
    assert "exclusive" in await peer.refused("bad-operation", "PUT", "/queues/b", {"exclusive": True})
    await peer.publish("/queue/a", *"123")
    assert await peer.done("GET", "/queues?match=a") == {
        "queues": [{"destination": "/queue/a", "messages": 3}],
        "more": False,
    }
    assert await peer.done("POST", "/queues/a/pause") == {"paused": True}
    assert await peer.consume("/queue/a") == {}
    assert await peer.done("POST", "/queues/a/resume") == {"paused": False}
    assert await peer.done("POST", "/queues/a/purge") == {"messages": 3}
    assert await peer.done("DELETE", "/queues/a") == {"messages": 0}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/purge"), ("POST", "/pause"), ("POST", "/resume")):
        await peer.refused("not-found", method, f"/queues/a{path}")


@pytest.mark.gen_test(timeout=20)
async def test_exchanges_and_bindings(api):
    peer = await api()
    made = await peer.done("PUT", "/exchanges/orders", {"kind": "headers"})
    assert (made["name"], made["kind"], made["bindings"]) == ("orders", "headers", [])
    await peer.refused("conflict", "PUT", "/exchanges/orders", {"kind": "topic"})
    binding = {"source": "orders", "destination": "/queue/a", "arguments": {"color": "red"}}
    assert await peer.done("POST", "/bindings", binding) == {"new": True}
    assert await peer.done("POST", "/bindings", binding) == {"new": False}
    assert len((await peer.done("GET", "/exchanges/orders"))["bindings"]) == 1
    await peer.publish("/exchange/orders/", "x", headers={"color": "red"})
    assert [*await peer.consume("/queue/a")] == ["x"]
    query = "source=orders&destination=/queue/a"
    assert await peer.done("DELETE", f"/bindings?{query}") == {"found": False}
    await peer.refused("bad-field", "DELETE", f"/bindings?{query}&arguments=x")
    await peer.refused("bad-operation", "DELETE", f"/bindings?{query}&arguments=1")
    assert await peer.done("DELETE", f"/bindings?{query}&arguments=%7B%22color%22:%22red%22%7D") == {"found": True}
    assert "orders" in (await peer.done("GET", "/exchanges"))["exchanges"]
    assert await peer.done("DELETE", "/exchanges/orders") == {}
    await peer.refused("not-found", "GET", "/exchanges/orders")
    await peer.refused("bad-destination", "DELETE", "/exchanges/amq.topic")


@pytest.mark.gen_test(timeout=20)
async def test_connections_are_listed_and_kicked(api, join):
    peer = await api({"limits.linger_seconds": 0.1})
    stomp = await join(peer.node)
    [seen] = (await peer.done("GET", "/connections"))["connections"]
    assert seen["transport"] == "websocket"
    assert await peer.done("DELETE", f"/connections/{seen['name']}") == {}
    assert (await stomp.dismissed())[0] == "kicked"
    await until(lambda: not peer.node.gateway.connections)
    await peer.refused("not-found", "DELETE", f"/connections/{seen['name']}")


@pytest.mark.gen_test(timeout=20)
async def test_the_node_tells_its_numbers(api):
    peer = await api()
    await peer.publish("/topic/a", *"123")
    seen = await peer.done("GET", "/stats")
    assert seen["published"] == 3 and seen["memory"]["full"] is False


@pytest.mark.gen_test(timeout=20)
async def test_while_memory_is_short_queues_take_nothing(api):
    peer = await api({"limits.memory": 1 << 20, "limits.body": 1 << 20})
    await peer.publish("/queue/a", "x" * (1 << 20))
    await peer.refused("memory-full", "POST", "/publish", {"destination": "/queue/a", "body": "x"})
    await peer.publish("/topic/a", "x")
    tokens = await peer.consume("/queue/a")
    await peer.done("POST", "/settle", {"ack": [*tokens.values()]})
    await peer.publish("/queue/a", "x")


@pytest.mark.parametrize("refuse", [False, True])
@pytest.mark.gen_test(timeout=20)
async def test_who_publishes_too_fast_is_answered_later_or_refused(api, refuse):
    peer = await api({"limits.publish_rate": 10.0, "limits.refuse_too_fast": refuse})
    batch = [{"destination": "/topic/a", "body": "x"}] * 10
    begin = time.monotonic()
    await peer.done("POST", "/publish", batch)
    assert time.monotonic() - begin < 0.3
    if refuse:
        status, headers, told = await peer.call("POST", "/publish", batch[:8])
        assert (status, told["code"], headers["retry-after"]) == (429, "too-fast", "1")
        assert peer.node.hub.offset == 10
    else:
        await peer.done("POST", "/publish", batch[:8])
        assert 0.3 < time.monotonic() - begin < 5 and peer.node.hub.offset == 18
    assert peer.node.stats["clients_too_fast"] == 1
