"""Following the state of a client."""

import asyncio

import pytest

from qmq.client.states import States


@pytest.mark.gen_test
async def test_a_follower_sees_each_in_order_up_to_the_end():
    states = States()

    async def follow():
        return [state async for state in states.follow()]

    followers = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.sleep(0)
    assert states.enter("open")
    assert not states.enter("open")
    await asyncio.sleep(0)
    for state in ("waiting", "connecting", "closed"):
        assert states.enter(state)
    assert await asyncio.gather(*followers) == [["connecting", "open", "waiting", "connecting", "closed"]] * 2
    assert [state async for state in states.follow()] == ["closed"]
    assert not states._followers


@pytest.mark.gen_test
async def test_a_follower_that_does_not_read_holds_no_more_than_some():
    states = States()
    follower = states.follow()
    assert await anext(follower) == "connecting"
    for _ in range(500):
        states.enter("waiting")
        states.enter("connecting")
    states.enter("closed")
    rest = [state async for state in follower]
    assert (len(rest), rest[-1]) == (100, "closed")
