"""Loops that others can use, and the threads that have them: started, used from anywhere, and gone."""

import asyncio
import threading

import pytest

from qmq.loops import Loop, LoopThread, aside


@pytest.mark.gen_test(timeout=10)
async def test_a_thread_has_a_loop_of_its_own_until_it_is_stopped():
    before = threading.enumerate()
    thread = LoopThread("other")
    await thread.start()
    assert thread.thread != threading.get_ident()
    assert await thread.run(threading.get_ident) == thread.thread
    assert repr(thread) == "<loop on other>"
    await thread.stop()
    assert threading.enumerate() == before
    thread.post(print, "nobody hears this")  # and nobody is hurt


@pytest.mark.gen_test(timeout=10)
async def test_what_is_run_there_is_awaited_there_and_its_errors_come_back():
    thread, here = LoopThread("other"), Loop()
    await thread.start()

    async def where(amount):
        await asyncio.sleep(0)
        return threading.get_ident() + amount

    async def fail():
        raise ValueError("no")

    assert await thread.run(where, 1) == thread.thread + 1
    assert await here.run(where, 1) == here.thread + 1
    for loop in (thread, here):
        with pytest.raises(ValueError, match="no"):
            await loop.run(fail)
    await thread.stop()
    await here.stop()


@pytest.mark.gen_test(timeout=10)
async def test_posts_arrive_in_order_from_any_thread():
    thread, here, seen, done = LoopThread("other"), Loop(), [], asyncio.Event()
    await thread.start()
    for number in range(100):
        thread.post(here.post, seen.append, number)
    thread.post(here.post, done.set)
    await done.wait()
    assert seen == list(range(100))
    await thread.stop()


@pytest.mark.gen_test(timeout=10)
async def test_tasks_that_are_left_end_with_their_thread():
    thread, ended = LoopThread("other"), []
    await thread.start()

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(threading.get_ident())

    async def begin():
        thread.task = asyncio.ensure_future(forever())
        await asyncio.sleep(0)

    await thread.run(begin)
    await thread.stop()
    assert ended == [thread.thread]


@pytest.mark.gen_test(timeout=10)
async def test_what_blocks_is_done_aside_and_leaves_no_thread():
    before, gone = threading.active_count(), threading.Event()

    def work(number):
        assert threading.current_thread().name == "qmq-aside"
        gone.wait(10)
        return number + 1

    waiting = asyncio.ensure_future(aside(work, 1))
    await asyncio.sleep(0)
    assert not waiting.done()
    gone.set()
    assert await waiting == 2
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 / 0)
    assert threading.active_count() == before


@pytest.mark.gen_test(timeout=10)
async def test_who_waits_no_more_holds_nothing_up():
    go_on, ended = threading.Event(), threading.Event()

    def work():
        go_on.wait(10)
        ended.set()

    waiting = asyncio.ensure_future(aside(work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
