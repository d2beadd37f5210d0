"""Many clients of the JSON API at once: readers have every message once and in order, workers do every job once."""

import asyncio
import random
from collections import Counter

import pytest

from tests.gateway.api_peer import Listener

PUBLISHERS, EACH, BATCH = 3, 120, 4


async def publish(peer, who):
    """Publishes numbers, some of them in batches."""
    for number in range(0, EACH, BATCH):
        await peer.publish("/topic/a", *[[who, each] for each in range(number, number + BATCH)])


async def read_on(peer, cursor):
    """Reads by long-polls until it has everything; ids and bodies."""
    got = []
    while len(got) < PUBLISHERS * EACH:
        most = random.Random(len(got)).randrange(1, 40)
        told = await peer.done("GET", f"/messages?destination=/topic/%23&cursor={cursor}&max={most}&wait=10")
        assert told["recovered"]
        got += [(each["id"], each["body"]) for each in told["messages"]]
        cursor = told["cursor"]
    return got


async def listen_on(api, cursor):
    """Reads a stream, which is cut now and then."""
    got = []
    while len(got) < PUBLISHERS * EACH:
        listener = await api(kind=Listener)
        listener.last = cursor
        assert (await listener.listen("destination=/topic/%23", Last_Event_ID=cursor))[0] == 200
        for _ in range(random.Random(len(got)).randrange(2, 90)):
            name, told = await listener.event()
            assert name in ("subscribed", "message") and told.get("recovered", True), told
            if name == "message":
                got.append((told["id"], told["body"]))
            if len(got) == PUBLISHERS * EACH:
                break
        cursor = listener.last
        listener.cut()
    return got


@pytest.mark.gen_test(timeout=40)
async def test_every_reader_has_every_message_once_and_in_order(api):
    first = await api()
    cursor = (await first.done("GET", "/messages?destination=/topic/%23"))["cursor"]
    readers = [read_on(await api(), cursor) for _ in range(3)] + [listen_on(api, cursor) for _ in range(3)]
    publishers = [publish(await api(), who) for who in range(PUBLISHERS)]
    *found, _, _, _ = await asyncio.gather(*readers, *publishers)
    ids = [identity for identity, _ in found[0]]
    assert len(set(ids)) == PUBLISHERS * EACH
    assert [int(identity.rpartition(".")[2]) for identity in ids] == sorted(
        int(identity.rpartition(".")[2]) for identity in ids
    )
    for who in range(PUBLISHERS):
        assert [number for _, (by, number) in found[0] if by == who] == list(range(EACH))
    assert all(each == found[0] for each in found)


async def work(api, chance, done):
    """Takes jobs, and does some, gives some back, and goes away in the middle of others."""
    peer = await api()
    while len(done) < 200:
        told = await peer.done("POST", "/consume", {"destination": "/queue/a", "max": 7, "wait": 1})
        tokens = {each["token"]: each["body"] for each in told["deliveries"]}
        ack = [token for token in tokens if chance.random() < 0.7]
        nack = [token for token in tokens if token not in ack and chance.random() < 0.7]
        settled = await (await api() if chance.random() < 0.2 else peer).done(
            "POST", "/settle", {"ack": ack, "nack": nack}
        )
        late = {each["token"] for each in settled["failed"]}
        done.update(tokens[token] for token in ack if token not in late)


@pytest.mark.gen_test(timeout=40)
async def test_every_job_is_done_once_whoever_fails(api):
    peer = await api({"limits.poll_hold_seconds": 0.3})
    await peer.done("PUT", "/queues/a", {"ack-timeout": 400})
    done = Counter()
    workers = [work(api, random.Random(number), done) for number in range(6)]

    async def publish_jobs():
        for start in range(0, 200, 10):
            await peer.publish("/queue/a", *range(start, start + 10))

    await asyncio.gather(publish_jobs(), *workers)
    assert done == Counter(range(200))
    seen = await peer.done("GET", "/queues/a")
    assert (seen["messages"], seen["unsettled"], seen["consumers"]) == (0, 0, 0)
    assert not len(peer.node.registry.claims) and not peer.node.registry.claims.held("anonymous")
