"""What is quick, and what stands in for it: the same JSON, and a whole node without either extension."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmq import native

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abé\n", max_size=4), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_both_ways_say_the_same(value):
    quick, slow = native.dumps(value), native.slow_dumps(value)
    assert native.loads(slow) == native.slow_loads(quick) == native.slow_loads(native.pretty(value)) == value
    assert json.loads(quick) == json.loads(slow)


@pytest.mark.parametrize(
    "text",
    [b"", b"x", b'"\xff"', b"NaN", b"[Infinity]", b'"\\ud800"', b"[" * 100_000, b"{}x", b'{"a":}', b"\xef\xbb\xbf1"],
)
def test_what_is_no_json_is_refused_by_both(text):
    for loads in (native.loads, native.slow_loads):
        with pytest.raises(ValueError):
            loads(text)


def test_what_json_has_no_word_for():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (object(), "\ud800", b"x", deep):
        for dumps in (native.dumps, native.slow_dumps):
            with pytest.raises(TypeError):
                dumps(value)
    for dumps in (native.dumps, native.slow_dumps):
        assert dumps({"a": [float("nan"), float("-inf"), 1.5]}) == b'{"a":[null,null,1.5]}'


WITHOUT = """
import asyncio, json, logging, os, sys, urllib.request
os.environ["TORNADO_NO_EXTENSION"] = "1"
sys.modules["orjson"] = sys.modules["tornado.speedups"] = None  # what cannot be imported
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
import qmq

async def main():
    node = qmq.Node(qmq.load_config({"listen": ("http://127.0.0.1:0",), "drain": 0.1, "threads": 3}))
    await node.start()
    port = node.listen[0]["port"]
    async with await qmq.connect(f"ws://127.0.0.1:{port}") as client:
        subscription = await client.subscribe("/topic/a")
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v1/publish",
            b'{"destination":"/topic/a","body":"t\\\\u00ebxt"}', {"Content-Type": "application/json"})
        answer = await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).read())
        message = await asyncio.wait_for(anext(aiter(subscription)), 10)
        print(json.loads(answer)["ids"] == [message.id], message.body.decode())
    await node.stop()

asyncio.run(main())
"""


def test_a_node_does_without_and_says_so():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "3 threads, without orjson and tornado.speedups"
    assert lines[-1] == "True tëxt"


def test_this_process_has_all_of_it():
    assert native.left_out == []
    assert native.gil() is True
    assert native.unmask(b"\1\2\3\4", b"\0\0\0\0\0") == b"\1\2\3\4\1"
