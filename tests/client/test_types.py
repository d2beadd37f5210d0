"""The examples in the guide, as two type checkers see them at their strictest, and what `import qmq` promises."""

import json
import subprocess
import sys
import textwrap

import pytest

import qmq
from tests.client.test_documents import ROOT, examples

# What the examples take for granted, with the types that a program would give them.
PRELUDE = """\
import asyncio
import logging
import ssl
from typing import Any

import qmq
from qmq.client import blocking

log = logging.getLogger()
saved: str = ""
lines: list[str] = []
prices: dict[str, float] = {}
invoice: dict[str, Any] = {}


async def fetch_token() -> str:
    return ""


async def resize(job: Any) -> None: ...


def show(message: qmq.Received) -> None: ...


"""

ASKED = """
async def ask(client: qmq.Client, dialled: blocking.Client) -> None:
    a: qmq.Client = await qmq.connect()
    b: qmq.Subscription = await client.subscribe("/topic/a", {"n": 5})
    c: qmq.Received | None = await b.next()
    d: blocking.Subscription = dialled.subscribe("/topic/a")
    e: blocking.Received | None = d.next(1.0)
    f: qmq.Node = qmq.Node(qmq.load_config({}))

    @client.handler("/queue/a")
    async def answer(message: qmq.Received) -> dict[str, int]:
        return {"sum": 1}

    @dialled.handler("/queue/a")
    def answer_too(message: blocking.Received) -> int:
        return 1

    g: int = answer_too(e) if e else 0
    print(a, b, c, d, e, f, g, answer)
"""
WRONG = """
async def wrong(client: qmq.Client) -> None:
    await client.publish("/topic/a", b"", {"x": None})
    await client.subscribe("/topic/a", overflow="never")
    qmq.nothing
"""


def typed(example, number):
    """One example as a function of its own, with the types of what it is given."""
    if "asyncio.run(" in example or "import blocking" in example:  # a whole program
        names = "asyncio.run(main())\n", "import asyncio, qmq\n", "def main():", "from qmq.client import blocking\n"
        for name in names:
            example = example.replace(name, "" if name != "def main():" else "def main() -> None:")
        kind = "async def" if "async with" in example else "def"
        return f"{kind} example_{number}() -> None:\n{textwrap.indent(example, '    ')}\n\n"
    example = example.replace("async def price(request)", "async def price(request: qmq.Received) -> dict[str, float]")
    given = "client: qmq.Client, job: qmq.Received"
    return f"async def example_{number}({given}) -> None:\n{textwrap.indent(example, '    ')}\n\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A module of all examples, and one with mistakes."""
    folder = tmp_path_factory.mktemp("types")
    bodies = [typed(example, number) for number, example in enumerate(examples("docs/python.md"))]
    assert len(bodies) > 8
    (folder / "examples.py").write_text(PRELUDE + "".join(bodies) + ASKED)
    (folder / "wrong.py").write_text(PRELUDE + WRONG)
    return folder


def mypy(file):
    # The file's own folder is where its settings are looked for, so those of the project do not count.
    return [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", ROOT / ".mypy_cache", file]


def pyright(file):
    return [ROOT / "node_modules/.bin/pyright", "--pythonpath", sys.executable, file]


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_examples_have_types(program, checker):
    if checker is pyright:
        lax = {"reportUnusedFunction": False, "reportUnusedVariable": False}  # they are examples
        (program / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict", **lax}))
    done = subprocess.run(checker("examples.py"), cwd=program, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_mistakes_are_seen(program, checker):
    done = subprocess.run(checker("wrong.py"), cwd=program, capture_output=True, text=True)
    first = PRELUDE.count("\n") + 3
    found = {line for line in range(first, first + 3) if f"wrong.py:{line}:" in done.stdout}
    assert found == {first, first + 1, first + 2}, done.stdout


def test_dir_lists_public_names():
    assert set(qmq.__all__) <= set(dir(qmq))
