"""Functions of programs that fail, and what runs for them."""

import asyncio

import pytest

from qmq.client import connect
from qmq.errors import QmqError


@pytest.mark.gen_test(timeout=20)
async def test_what_fails_is_reported_and_goes_no_further(gateway, logged):
    _, url = await gateway()
    async with await connect(url) as client:
        program = client._talk.program
        logged.expect("<class 'int'> failed|test_program.*mine.* failed")
        program.call(int, "x")

        async def fail(error):
            raise error

        for error in (ValueError("mine"), QmqError("closed")):  # what ends the client is told elsewhere
            await asyncio.wait([program.start(fail(error))])
        waits = program.start(asyncio.Event().wait())
        assert waits in program.tasks
    assert waits.cancelled()
    assert not program.tasks
