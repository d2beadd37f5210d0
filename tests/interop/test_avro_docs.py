"""The examples of docs/avro.md, run as they stand there."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/avro.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(NODE,) = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)


async def run(node, code, *command):
    """What an example prints on this node, by lines."""
    code = code.replace("8000", str(node.listen[0]["port"]))
    process = await asyncio.create_subprocess_exec(*command, code, stdout=PIPE, stderr=PIPE, cwd=ROOT)
    try:
        async with asyncio.timeout(20):
            said, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, complaints.decode()
    return said.decode().splitlines()


@pytest.mark.gen_test(timeout=60)
async def test_python(start_node):
    node = await start_node()
    ids = [f"['{node.hub.origin.id_of(number)}']" for number in (1, 2, 3)]
    whole, short, fast = PYTHON
    assert await run(node, whole, sys.executable, "-c") == [ids[0], "[b'hello']"]
    assert await run(node, short, sys.executable, "-c") == [ids[1]]
    assert await run(node, fast, sys.executable, "-c") == [ids[2], "b'resize cat.jpg' {'settled': 1, 'failed': []}"]


@pytest.mark.gen_test(timeout=30)
async def test_node(start_node):
    node = await start_node()
    assert await run(node, NODE, "node", "--input-type=module", "-e") == [f"[ '{node.hub.origin.id_of(1)}' ]", "hello"]
