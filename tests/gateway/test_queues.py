"""Work queues end to end, over WebSocket and TCP: who gets what, what comes back, and what the desk says."""

import socket
import struct

import pytest

from tests.gateway.queue_peers import BOTH, ask, bodies, message, nothing_more, settle, work
from tests.helpers import server_side, until

every_transport = pytest.mark.parametrize("transport", ["http", "stomp"])


def reset(peer):
    """Ends the connection with a reset."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.gen_test(timeout=20)
async def test_consumers_take_turns_and_get_no_more_than_they_can_do(start_node, enter):
    node = await start_node(BOTH)
    one, two = await enter(node, "http"), await enter(node, "stomp")
    publisher = await enter(node, "stomp")
    for peer in (one, two):
        assert await work(peer, prefetch_count="2") == {"receipt-id": "r", "prefetch-count": "2"}
    for number in range(8):
        await publisher.publish("/queue/jobs", b"%d" % number)
    first, second = [await message(one) for _ in range(2)], [await message(two) for _ in range(2)]
    assert [frame.body for frame in (*first, *second)] == [b"0", b"2", b"1", b"3"]
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.unsettled) == (4, 4)
    await settle(two, second[1])
    await message(two, b"4")
    await settle(two, second[0])
    await message(two, b"5")
    for peer in (one, two):
        await nothing_more(peer)
    for frame in first:
        await settle(one, frame)
    assert await bodies(one, 2) == [b"6", b"7"]
    assert (len(jobs), jobs.unsettled, jobs.acked, jobs.delivered) == (0, 4, 4, 8)


async def unsubscribe(peer):
    await peer.receipt("UNSUBSCRIBE", {"id": "1"})


async def disconnect(peer):
    await peer.receipt("DISCONNECT")


async def hang_up(peer):
    peer.close()


async def vanish(peer):
    reset(peer)


async def leave_mid_frame(peer):
    await peer.send(b"ACK\nid:")
    peer.close()


@every_transport
@pytest.mark.parametrize("leave", [unsubscribe, disconnect, hang_up, vanish, leave_mid_frame])
@pytest.mark.gen_test(timeout=20)
async def test_what_is_unsettled_goes_to_another_at_its_old_place(start_node, enter, transport, leave):
    node = await start_node(BOTH)
    leaver, publisher = await enter(node, transport), await enter(node, "stomp")
    await work(leaver, prefetch_count="4")
    for number in range(6):
        await publisher.publish("/queue/jobs", b"%d" % number)
    frames = [await message(leaver) for _ in range(4)]
    await settle(leaver, frames[1])
    await message(leaver, b"4")
    jobs = node.registry.queues["/queue/jobs"]
    await leave(leaver)
    await until(lambda: not jobs.consumers)
    assert (len(jobs), jobs.unsettled) == (5, 0)
    heir = await enter(node, transport)
    await work(heir)
    found = [await message(heir) for _ in range(5)]
    assert [frame.body for frame in found] == [b"0", b"2", b"3", b"4", b"5"]
    assert [frame.headers.get("redelivered") for frame in found] == ["true"] * 4 + [None]
    assert [frame.headers.get("delivery-count") for frame in found] == ["2"] * 4 + [None]
    for frame in found:
        await settle(heir, frame)
    await until(lambda: (len(jobs), jobs.acked, jobs.redelivered) == (0, 6, 4))
    assert node.registry.memory.used == 0


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_several_queues_of_one_connection_end_with_it(start_node, enter, transport):
    """None of its own consumers gets what another of them gives back."""
    node = await start_node(BOTH)
    peer, heir = await enter(node, transport), await enter(node, "http")
    for number in range(3):
        await work(peer, id=str(number), prefetch_count="2")
    for number in range(6):
        await heir.publish("/queue/jobs", b"%d" % number)
    await bodies(peer, 6)
    await work(heir)
    reset(peer)
    frames = [await message(heir) for _ in range(6)]
    assert {frame.body for frame in frames} == {b"0", b"1", b"2", b"3", b"4", b"5"}
    assert {frame.headers["delivery-count"] for frame in frames} == {"2"}


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_commit_settles_and_publishes(start_node, enter, transport):
    node = await start_node(BOTH)
    peer = await enter(node, transport)
    await work(peer)
    for body in (b"a", b"b"):
        await peer.tell("SEND", {"destination": "/queue/jobs"}, body)
    a, b = await message(peer, b"a"), await message(peer, b"b")
    await peer.tell("BEGIN", {"transaction": "t"})
    await settle(peer, a, transaction="t")
    await peer.tell("SEND", {"destination": "/queue/jobs", "transaction": "t"}, b"c")
    await settle(peer, b, "NACK", transaction="t")
    await nothing_more(peer)
    await peer.tell("COMMIT", {"transaction": "t", "receipt": "done"})
    assert (await bodies(peer, 2), (await peer.frame()).headers) == ([b"c", b"b"], {"receipt-id": "done"})
    jobs = node.registry.queues["/queue/jobs"]
    assert (jobs.acked, jobs.unsettled, jobs.published, jobs.redelivered) == (1, 2, 3, 1)


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_commit_that_cannot_be_done_does_nothing(start_node, enter, transport):
    node = await start_node({**BOTH, "queues": ({"match": "/queue/small", "max_length": 1},)})
    peer, other = await enter(node, transport), await enter(node, "http")
    await work(peer)
    await other.publish("/queue/jobs", b"x")
    frame = await message(peer)
    await peer.tell("BEGIN", {"transaction": "t"})
    await settle(peer, frame, transaction="t")
    for _ in range(2):
        await peer.tell("SEND", {"destination": "/queue/small", "transaction": "t"}, b"y")
    await peer.tell("COMMIT", {"transaction": "t", "receipt": "commit"})
    error = await peer.frame()
    assert (error.command, error.headers["code"], error.headers["receipt-id"]) == ("ERROR", "queue-full", "commit")
    jobs = node.registry.queues["/queue/jobs"]
    await until(lambda: not jobs.consumers)
    assert (len(jobs), jobs.acked, len(node.registry.queues["/queue/small"])) == (1, 0, 0)


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_commit_after_unsubscribing_is_an_error_of_the_client(start_node, enter, transport):
    node = await start_node(BOTH)
    peer = await enter(node, transport)
    await work(peer)
    await peer.tell("SEND", {"destination": "/queue/jobs"}, b"x")
    frame = await message(peer)
    await peer.tell("BEGIN", {"transaction": "t"})
    await settle(peer, frame, transaction="t")
    await unsubscribe(peer)
    await peer.tell("COMMIT", {"transaction": "t"})
    assert (await peer.frame()).headers["code"] == "unknown-delivery"
    assert len(node.registry.queues["/queue/jobs"]) == 1


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_queue_that_the_configuration_describes(start_node, enter, transport):
    tables = (
        {"match": "/queue/jobs.#", "max_length": 2, "overflow": "drop-head", "dead_letter": "/queue/dropped"},
        {"match": "/queue/jobs.slow", "delivery_limit": 2},
    )
    node = await start_node({**BOTH, "queues": tables, "auto_create": False})
    peer = await enter(node, transport)
    answer, code = await ask(peer, "declare", destination="/queue/dropped")
    assert (answer["code"], code) == ("not-found", "not-found")
    for body in (b"1", b"2", b"3"):
        await peer.publish("/queue/jobs.slow", body)
    assert node.registry.queues["/queue/jobs.slow"].options.dead_letter == "/queue/dropped"
    await until(lambda: node.stats["dead_letters_lost"] == 1)  # nothing appears by itself here
    granted = await work(peer, "/queue/jobs.slow", max_length="2")
    assert granted == {"receipt-id": "r", "prefetch-count": "1000", "max-length": "2"}
    assert await bodies(peer, 2) == [b"2", b"3"]
    other = await enter(node, transport)
    await other.tell("SUBSCRIBE", {"id": "1", "destination": "/queue/jobs.slow", "max-length": "3", "receipt": "r"})
    error = await other.frame()
    assert (error.headers["code"], error.headers["receipt-id"]) == ("conflict", "r")
    assert error.body == b"max-length of /queue/jobs.slow is 2, 3 was asked for"
    stranger = await enter(node, transport)
    await stranger.tell("SEND", {"destination": "/queue/elsewhere"}, b"x")
    assert (await stranger.frame()).headers["code"] == "not-found"


# reason: properties of the queue, and what the consumer does with the message
DEATHS = {
    "expired": {"message_ttl": 20},
    "rejected": {},
    "maxlen": {"max_length": 1, "overflow": "drop-head"},
    "delivery_limit": {"delivery_limit": 1},
}


@every_transport
@pytest.mark.parametrize("reason", DEATHS)
@pytest.mark.gen_test(timeout=20)
async def test_dead_letters_say_why(start_node, enter, transport, reason):
    table = {"match": "/queue/jobs", "dead_letter": "/queue/dead", **DEATHS[reason]}
    node = await start_node({**BOTH, "queues": (table,)})
    peer, mourner = await enter(node, transport), await enter(node, "http")
    await mourner.subscribe("/queue/dead")
    await peer.publish("/queue/jobs", b"x\0\xff", kind="odd")
    if reason == "maxlen":
        await peer.publish("/queue/jobs", b"newer")
    elif reason != "expired":
        await work(peer)
        more = {"requeue": "false"} if reason == "rejected" else {}
        await settle(peer, await message(peer), "NACK", **more)
    frame = await message(mourner, b"x\0\xff")
    assert frame.headers["destination"] == "/queue/dead"
    expected = {
        "kind": "odd", "x-first-death-reason": reason, "x-last-death-reason": reason, "x-death-count": "1",
        "x-first-death-queue": "/queue/jobs", "x-original-destination": "/queue/jobs",
    }  # fmt: skip
    assert expected.items() <= frame.headers.items()
    assert "redelivered" not in frame.headers
    assert node.stats["dead_letters"] == 1


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_topic_feeds_queues_that_are_bound_to_it(start_node, enter, transport):
    node = await start_node(BOTH)
    hearer, one, two, private = [await enter(node, transport) for _ in range(4)]
    await hearer.subscribe("/topic/prices.*")
    for peer in (one, two):
        await work(peer, "/topic/prices.#", **{"x-queue-name": "prices"})
    await work(private, "/topic/prices.eur")
    publisher = await enter(node, "http")
    for number in range(4):
        await publisher.publish("/topic/prices.eur", b"%d" % number)
    assert await bodies(hearer, 4) == await bodies(private, 4) == [b"0", b"1", b"2", b"3"]
    assert (await bodies(one, 2), await bodies(two, 2)) == ([b"0", b"2"], [b"1", b"3"])
    reset(private)
    await until(lambda: list(node.registry.queues) == ["/queue/prices"])
    reset(one)
    assert await bodies(two, 2) == [b"0", b"2"]


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_one_active_consumer_is_followed_by_the_next(start_node, enter, transport):
    node = await start_node(BOTH)
    active, standby, publisher = [await enter(node, transport) for _ in range(3)]
    for peer in (active, standby):
        await work(peer, single_active_consumer="true", prefetch_count="3")
    for number in range(5):
        await publisher.publish("/queue/jobs", b"%d" % number)
    frames = [await message(active) for _ in range(3)]
    await settle(active, frames[0])
    await message(active, b"3")
    await nothing_more(standby)
    reset(active)
    assert await bodies(standby, 3) == [b"1", b"2", b"3"]


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_consumer_that_takes_too_long_is_told_and_its_message_goes_on(start_node, enter, transport):
    node = await start_node({**BOTH, "queues": ({"match": "/queue/jobs", "ack_timeout": 100},)})
    slow, publisher = await enter(node, transport), await enter(node, "http")
    await work(slow)
    await publisher.publish("/queue/jobs", b"x")
    await message(slow, b"x")
    error = await slow.frame()
    assert (error.command, error.headers["code"], error.headers["retry"]) == ("ERROR", "ack-timeout", "true")
    await work(publisher)
    frame = await message(publisher, b"x")
    assert frame.headers["delivery-count"] == "2"


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_the_desk_tells_what_there_is(start_node, enter, transport):
    node = await start_node(BOTH)
    peer, asker = await enter(node, transport), await enter(node, transport)
    await work(peer, prefetch_count="2", max_length="10")
    for number in range(5):
        await peer.tell("SEND", {"destination": "/queue/jobs"}, b"job %d" % number)
    frames = [await message(peer) for _ in range(2)]
    await settle(peer, frames[0])
    await message(peer, b"job 2")

    queue, code = await ask(asker, "inspect", destination="/queue/jobs")
    assert code is None
    counts = {"messages": 2, "bytes": 10, "unsettled": 2, "consumers": 1, "published": 5, "delivered": 3, "acked": 1}
    assert counts.items() <= queue.items()
    assert (queue["paused"], queue["properties"]["max-length"]) == (False, 10)

    stats, _ = await ask(asker, "stats")
    assert stats["counters"]["connections_opened"] == 2
    memory = node.registry.memory
    assert stats["memory"] == {"used": memory.used, "limit": memory.ceiling, "full": False}
    assert stats["memory"]["used"] > 4 * len(b"job 0")

    found, _ = await ask(asker, "connections")
    assert found["more"] is False
    described = {one["name"]: one for one in found["connections"]}
    worker = described[server_side(node, peer).conversation.name]
    assert worker["transport"] == {"http": "websocket", "stomp": "tcp"}[transport]
    assert (worker["protocol"], worker["state"], worker["tls"]) == ("stomp-1.2", "open", False)
    assert (worker["subscriptions"], worker["unsettled"], worker["transactions"]) == (1, 2, 0)

    listed, _ = await ask(asker, "list", match="jobs")
    assert listed == {"queues": [{"destination": "/queue/jobs", "messages": 2}], "exchanges": [], "more": False}
    assert await ask(asker, "purge", destination="/queue/jobs") == ({"messages": 2}, None)
    assert (await ask(asker, "nonsense"))[1] == "bad-operation"
    assert (await ask(asker, "inspect", destination="/queue/nothing"))[1] == "not-found"
    assert await ask(asker, "delete", destination="/queue/jobs") == ({"messages": 0}, None)
    error = await peer.frame()
    assert (error.command, error.headers["code"], error.body) == ("ERROR", "queue-deleted", b"/queue/jobs")
    await nothing_more(asker)


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_a_paused_queue_gives_nothing_until_it_goes_on(start_node, enter, transport):
    node = await start_node(BOTH)
    peer, operator = await enter(node, transport), await enter(node, "http")
    await work(peer)
    assert await ask(operator, "pause", destination="/queue/jobs") == ({"paused": True}, None)
    await operator.publish("/queue/jobs", b"x")
    await nothing_more(peer)
    assert await ask(operator, "resume", destination="/queue/jobs") == ({"paused": False}, None)
    await message(peer, b"x")


@every_transport
@pytest.mark.gen_test(timeout=20)
async def test_addresses_for_replies_are_private_and_end_with_their_owner(start_node, enter, transport):
    node = await start_node(BOTH)
    asker, service, thief = await enter(node, transport), await enter(node, "http"), await enter(node, transport)
    await work(service, "/queue/rpc")
    await asker.tell("SEND", {"destination": "/queue/rpc", "reply-to": "/temp-queue/mine"}, b"?")
    request = await message(service, b"?")
    address = request.headers["reply-to"]
    await thief.tell("SUBSCRIBE", {"id": "1", "destination": address})
    assert (await thief.frame()).headers["code"] == "in-use"
    await service.publish(address, b"!")
    answer = await message(asker, b"!")
    assert (answer.headers["subscription"], "ack" in answer.headers) == ("/temp-queue/mine", False)
    reset(asker)
    await until(lambda: list(node.registry.queues) == ["/queue/rpc"])
    await service.publish(address, b"nobody is there")
    await settle(service, request)
    await nothing_more(service)
    assert node.stats["messages_unroutable"] == 1
