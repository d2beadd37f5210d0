"""What the tests share: nodes that are really started, and a guard that fails a test that logs.

All use of pytest-tornado is here and in the marks, so that another plugin could take
its place.
"""

import asyncio
import gc
import io
import logging
import re
import sys

import pytest
from hypothesis import settings
from tornado.ioloop import IOLoop

from qmq import cli
from qmq.config import make
from qmq.node import Node
from tests import loopguard
from tests.authority import Authority
from tests.processes import one_line

# The same examples in every run; a longer search is started by hand.
settings.register_profile("suite", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("suite")


class Guard(logging.Handler):
    """Keeps what is logged at warning and above; a test must have announced all of it."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.unexpected = []
        self.expected = []

    def emit(self, record):
        line = f"{record.levelname} {record.name}: {record.getMessage()}"
        for pattern in self.expected:
            if re.search(pattern, line):
                return
        self.unexpected.append(line + (f"\n{record.exc_info[1]!r}" if record.exc_info else ""))

    def expect(self, pattern):
        """Lets lines pass that the pattern finds."""
        self.expected.append(pattern)


loopguard.install()


@pytest.fixture(autouse=True)
def unblocked():
    """Fails the test if anything on a loop did what may block (see `loopguard`)."""
    loopguard.found.clear()
    yield
    assert not loopguard.found, "on a loop: " + "\n".join(loopguard.found)


@pytest.fixture(autouse=True)
def logged():
    """Fails the test if anything was logged that it did not `expect`."""
    guard = Guard()
    root = logging.getLogger()
    root.addHandler(guard)
    yield guard
    root.removeHandler(guard)
    assert not guard.unexpected, "logged: " + "\n".join(guard.unexpected)


@pytest.fixture
def io_loop(request):
    """A fresh loop, as pytest-tornado's own fixture, without what is deprecated in it.

    It is made current, because pytest-tornado makes a test's task on the current loop.
    """
    loop = IOLoop(make_current=False)
    asyncio.set_event_loop(loop.asyncio_loop)
    yield loop
    asyncio.set_event_loop(None)
    gc.collect()  # an exception that nobody looked at is reported when its task is freed
    gc.freeze()  # what is there now need not be looked at after each test
    loop.close(all_fds=True)


@pytest.fixture
def authority(tmp_path):
    """Makes certificates: `file = authority.certificate()`."""
    return Authority(tmp_path / "certificates")


def pytest_generate_tests(metafunc):
    """Tests of the gateway run with one thread and with four, unless a mark says why that makes no sense."""
    chosen = any("threads" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "start_node" in metafunc.fixturenames and "gateway" in metafunc.definition.path.parts and not chosen:
        alone = metafunc.definition.get_closest_marker("one_thread")
        assert alone is None or alone.args, "say why"
        metafunc.parametrize(
            "threads",
            [1] if alone else [1, 4],
            ids=lambda count: f"{count}-thread{'s' * (count > 1)}",
        )


@pytest.fixture
def threads():
    """How many threads the nodes of a test have."""
    return 1


@pytest.fixture
def hasty():
    """Lets the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def start_node(io_loop, threads):
    """Starts nodes on free ports: `node = await start_node({"limits.body": 100})`."""
    nodes = []

    async def start(values=None, reread=None):
        fixed = {"listen": ("http://127.0.0.1:0",), "name": "test", "drain": 0.1, "threads": threads}
        node = Node(make({**fixed, **(values or {})}), reread)
        await node.start()
        nodes.append(node)
        return node

    yield start

    async def stop():
        for node in nodes:
            await node.stop()

    io_loop.run_sync(stop)


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs the command within this process: `status, output, errors = run("serve", "--demo")`."""

    def run(*arguments, environ=None, stdin=b""):
        for name, value in (environ or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["qmq", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as done:
            cli.main()
        output, errors = capfd.readouterr()
        return done.value.code, output, errors

    return run


@pytest.fixture
def wrong(run):
    """Runs what is wrong, and returns the one line that says so."""

    def wrong(*arguments, status=2, environ=None):
        return one_line(*run(*arguments, environ=environ), status)

    return wrong
