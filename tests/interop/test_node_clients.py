"""Stock clients on node: `@stomp/stompjs` over WebSocket and `stompit` over TCP, with queues.

`scenarios.mjs` is what their users do; it tells in JSON what happened. The clients are
unmodified, at the versions that `package.json` names.
"""

import json
from pathlib import Path

import pytest

from qmq.errors import CODES
from tests.helpers import until
from tests.interop.programs import run

SCENARIOS = Path(__file__).with_name("scenarios.mjs")
BOTH = {"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0")}
SCHEMES = {"with_stompjs": "http", "with_stompit": "stomp"}

every_client = pytest.mark.parametrize("client", SCHEMES)
every_version = pytest.mark.parametrize("version", ["1.1", "1.2"])


async def play(node, client, version, scenario):
    """Runs a scenario to its end, and returns the lines that it said before."""
    (port,) = [at["port"] for at in node.listen if at["scheme"] == SCHEMES[client]]
    said = await run("node", SCENARIOS, client, str(port), version, scenario)
    lines = [json.loads(line) for line in said]
    assert lines.pop() == {"end": scenario}
    await until(lambda: node.gateway.connections == 0)
    return lines


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_messages_settled_one_by_one(start_node, client, version):
    node = await start_node({**BOTH, "queues": ({"match": "/queue/jobs", "dead_letter": "/queue/dead"},)})
    assert await play(node, client, version, "individual") == [
        {"first": ["a", "b"], "more": 0},
        {"headers": ["/queue/jobs", "x", ""]},
        {"back": ["a", "true", "2"], "instead": "c"},
        {"last": "dö"},
        {"after": 0},
    ]
    jobs, dead = node.registry.queues["/queue/jobs"], node.registry.queues["/queue/dead"]
    assert (len(jobs), jobs.unsettled, jobs.acked, jobs.redelivered, len(dead)) == (1, 0, 3, 1, 1)
    assert node.stats["connections_closed_closed"] == 2


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_messages_settled_together(start_node, client, version):
    node = await start_node(BOTH)
    assert await play(node, client, version, "cumulative") == [
        {"first": ["1", "2", "3", "4", "5"]},
        {"second": [["4", "true", "2"], ["5", "true", "2"]]},
        {"back": [["4", "true", "3"], ["5", "true", "3"]]},
    ]
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.unsettled, jobs.acked, jobs.published) == (0, 0, 5, 5)


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_transactions(start_node, client, version):
    node = await start_node(BOTH)
    assert await play(node, client, version, "transactions") == [
        {"before": ["outside"]},
        {"committed": ["in 1", "in 2", "after"]},
        {"meanwhile": [0, 0]},
        {"settled": [["b", "true", "2"], "done"]},
    ]
    jobs = node.registry.queues["/queue/jobs"]
    assert (len(jobs), jobs.acked) == (1, 1)  # b has come back from the connection that ended
    assert node.registry.queues["/queue/out"].published == 5


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_requests_and_replies(start_node, client, version):
    node = await start_node(BOTH)
    assert await play(node, client, version, "reply") == [
        {"replies": [["41", "1"], ["42", "2"], ["43", "3"]]},
        {"unguessable": True},
    ]
    assert list(node.registry.queues) == ["/queue/add"]  # the others went with their owner
    assert node.stats["messages_unroutable"] == 0


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_heart_beats(start_node, client, version):
    node = await start_node(BOTH)
    assert await play(node, client, version, "heartbeats") == [{"beats": "both ways"}]
    assert node.stats["errors_heartbeat-lost"] == 0
    assert node.registry.queues["/queue/jobs"].acked == 1


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_errors_can_be_read(start_node, client, version):
    node = await start_node(BOTH)
    nowhere, full = [line["error"] for line in await play(node, client, version, "errors")]
    assert nowhere["message"] == CODES["bad-destination"].text
    assert nowhere["body"].startswith("'/nowhere' is none of ")
    assert full["message"] == CODES["queue-full"].text
    assert full["body"].startswith("/queue/small holds 1 messages of 4 octets; max-length is 1")
    if client == "with_stompjs":  # stompit shows the text alone
        assert (nowhere["code"], nowhere["receipt"]) == ("bad-destination", "bad")
        assert (full["code"], full["receipt"]) == ("queue-full", "bad")
    assert len(node.registry.queues["/queue/small"]) == 1


@every_client
@every_version
@pytest.mark.gen_test(timeout=40)
async def test_workers_share_the_work_of_one_who_vanishes(start_node, client, version):
    node = await start_node(BOTH)
    assert await play(node, client, version, "workers") == [{"done": 1000, "twice": 0}, {"redelivered": True}]
    work = node.registry.queues["/queue/work"]
    assert (len(work), work.unsettled, work.published, work.acked) == (0, 0, 1000, 1000)
