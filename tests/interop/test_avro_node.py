"""avsc on node, unmodified, at the version that `package.json` names: with QMQ's protocol, an older and a newer one."""

import json
from pathlib import Path

import pytest

from qmq.session.avro import protocol
from tests.interop.programs import run
from tests.interop.test_avro_python import newer, older

SCRIPT = Path(__file__).with_name("with_avsc.mjs")


async def play(node, text):
    """Runs the script to its end, and returns the lines that it said."""
    return [json.loads(line) for line in await run("node", SCRIPT, str(node.listen[0]["port"]), text)]


TALK = [
    {"same": True, "body": "dö", "next": True},
    {"error": "bad-destination", "is": "QmqError", "retry": False},
]
QUEUE = {"job": "1", "settled": 1}


@pytest.mark.gen_test(timeout=30)
async def test_a_whole_conversation(start_node):
    node = await start_node()
    assert await play(node, protocol()) == [
        {"matches": ["NONE", "BOTH"]},
        *TALK,
        QUEUE,
        {"matches": ["BOTH"] * 6},
    ]
    assert node.registry.queues["/queue/a"].acked == 1


@pytest.mark.gen_test(timeout=30)
async def test_an_older_client(start_node):
    assert await play(await start_node(), older()) == [{"matches": ["NONE", "BOTH"]}, *TALK, {"matches": ["BOTH"] * 3}]


@pytest.mark.gen_test(timeout=30)
async def test_a_newer_client(start_node):
    """But for a message that the server lacks: with such a protocol avsc speaks to no server."""
    text = json.loads(newer())
    del text["messages"]["undo"]
    first, *talk, _ = await play(await start_node(), json.dumps(text))
    assert (first, talk) == ({"matches": ["NONE", "BOTH"]}, [*TALK, QUEUE])
