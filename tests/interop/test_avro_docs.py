"""The examples of docs/avro.md, run as they stand there."""

import re
import sys

import pytest

from tests.interop.programs import ROOT, run

TEXT = (ROOT / "docs/avro.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(NODE,) = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)


async def said(node, code, *command):
    """What an example prints on this node, by lines."""
    return await run(*command, code.replace("8000", str(node.listen[0]["port"])))


@pytest.mark.gen_test(timeout=60)
async def test_python(start_node):
    node = await start_node()
    ids = [f"['{node.hub.origin.id_of(number)}']" for number in (1, 2, 3)]
    whole, short, fast = PYTHON
    assert await said(node, whole, sys.executable, "-c") == [ids[0], "[b'hello']"]
    assert await said(node, short, sys.executable, "-c") == [ids[1]]
    assert await said(node, fast, sys.executable, "-c") == [ids[2], "b'resize cat.jpg' {'settled': 1, 'failed': []}"]


@pytest.mark.gen_test(timeout=30)
async def test_node(start_node):
    node = await start_node()
    assert await said(node, NODE, "node", "--input-type=module", "-e") == [f"[ '{node.hub.origin.id_of(1)}' ]", "hello"]
