"""The examples in the documents: all of them are Python, and the whole ones do what they say."""

import ast
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from qmq.client import blocking
from tests.processes import Serve

ROOT = Path(__file__).parents[2]
DEFAULT = "127.0.0.1:61613"


def examples(name):
    """The Python in a document."""
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", examples("docs/python.md"))
def test_an_example_is_python(example):
    compile(example, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    server = Serve(tmp_path_factory.mktemp("serve") / "ready", "--listen", "stomp://127.0.0.1:0", "--drain", "0.1")
    yield f"127.0.0.1:{server.ready['listen'][1]['port']}"
    server.close()


@pytest.fixture
def start(address):
    """Runs an example against a gateway of ours."""
    processes = []

    def start(example):
        program = example.replace(DEFAULT, address)
        assert program != example
        processes.append(subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_example_of_the_readme_hears_what_is_said(address, start):
    with blocking.connect(f"stomp://{address}") as client:
        prices = client.subscribe("/topic/demo.prices.*")
        process = start(examples("README.md")[0])
        assert prices.next(10).json() == {"symbol": "MINE", "price": 120.5}
        while not select.select([process.stdout], [], [], 0.05)[0]:  # it subscribes a little later
            client.publish("/topic/hello", {"from": "a page"})
        assert process.stdout.readline() == b"{'from': 'a page'}\n"


def test_the_first_example_of_the_guide(start):
    process = start(examples("docs/python.md")[0])
    assert b"'max-messages': '100'" in process.stdout.readline()
    assert process.stdout.readline().endswith(b" /topic/prices.eur {'rate': 1.08}\n")
