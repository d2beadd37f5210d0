"""The guard of the loops finds what it is to find, and leaves alone what it is to leave alone."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from qmq import files
from qmq.config import make
from qmq.loops import aside
from qmq.node import Node
from tests import loopguard

ROOT = Path(__file__).parents[1]


@pytest.mark.gen_test(timeout=10)
async def test_file_that_our_code_reads_on_a_loop_is_found(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")  # a test may
    assert not loopguard.found
    read = await asyncio.get_running_loop().run_in_executor(None, files.read_file, str(file))
    assert (await aside(files.read_file, str(file))) == read == b"x"
    assert not loopguard.found
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(files.read_file, str(file))
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done
    assert [line.partition(" by ")[0] for line in loopguard.found] == [f"open {file}"]
    loopguard.found.clear()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.gen_test(timeout=30)
async def test_start_reload_and_end_of_a_node_leave_files_to_others(authority, tmp_path, threads):
    certificate = authority.certificate()
    values = {
        "listen": ("http://localhost:0", "https://127.0.0.1:0"), "tls.certificate": certificate, "drain": 0.0,
        "ready_file": str(tmp_path / "ready"), "threads": threads, "name": "test",
    }  # fmt: skip
    node = Node(make(values), lambda: make(values))
    for each in (node.start, node.reload, node.stop):
        await asyncio.create_task(each())  # by itself: no test is on its way
    assert not loopguard.found


def test_slow_callbacks_of_ours_are_found_when_that_is_wanted():
    script = """if True:
        import asyncio, sys
        from tests import loopguard
        loopguard.install()
        from qmq.session.passwords import hashed
        async def main():
            loop = asyncio.get_running_loop()
            loop.call_soon(hashed, "password", 14)
            loop.call_soon(sum, range(3_000_000))  # of nobody of ours
            await asyncio.sleep(0.01)
        asyncio.run(main())
        print(len(loopguard.found), *loopguard.found)
    """
    environ = {"QMQ_SLOW_CALLBACKS": "5", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=environ)
    assert done.stdout.startswith("1 "), done
    assert "ms of processor time" in done.stdout
    assert "passwords.py" in done.stdout
