"""Other people's programs, run to their end: clients on node, and examples of the documentation."""

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


async def run(*command, seconds=30):
    """The lines that a program prints; the test fails unless it ends in time, in good order and without complaints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=ROOT)
    try:
        async with asyncio.timeout(seconds):
            said, complaints = await process.communicate()
    except TimeoutError:
        process.kill()
        said, complaints = await process.communicate()
        pytest.fail(f"{command[0]} hangs after {said.decode()} {complaints.decode()}")
    assert (process.returncode, complaints.decode()) == (0, "")
    return said.decode().splitlines()
