"""Messages given to functions of the program: callbacks of subscriptions, and workers on queues."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qmq.client.received import Received
from qmq.client.subscription import Subscription
from qmq.errors import QmqError

if TYPE_CHECKING:
    from qmq.client.conversation import Conversation


async def call_back(talk: Conversation, subscription: Subscription, callback: Callable[[Received], object]) -> None:
    """Gives each message of a subscription to a function. What that raises is reported, and the next is given."""
    while (message := await subscription.next()) is not None:
        try:
            await _result(callback(message))
        except Exception as error:
            talk.program.report(f"the callback of {subscription.destination} failed", error)


async def serve(talk: Conversation, work: Subscription, handler: Callable[[Received], Any], concurrency: int) -> None:
    """Works for a queue, as `Client.serve` does once it has subscribed."""
    tasks = [asyncio.create_task(_work(talk, work, handler)) for _ in range(concurrency)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        talk.drop(work)
        work.end(None)


async def _work(talk: Conversation, work: Subscription, handler: Callable[[Received], Any]) -> None:
    while (message := await work.next()) is not None:
        with contextlib.suppress(QmqError):  # if its connection has ended, it comes again
            if await _is_done(talk, message, handler):
                await message.ack(receipt=False)
                continue
            await message.nack(requeue=not message.redelivered, receipt=False)
            if message.redelivered and "reply-to" in message.headers:  # it was the last try
                await message.reply(b"", {"code": "handler-failed"}, receipt=False)


async def _is_done(talk: Conversation, message: Received, handler: Callable[[Received], Any]) -> bool:
    """Works on one message; false if that failed, once it is reported."""
    try:
        answer = await _result(handler(message))
        if answer is not None and "reply-to" in message.headers:
            await message.reply(answer, receipt=False)
    except Exception as error:
        talk.program.report(f"the handler of {message.destination} failed", error)
        return False
    return True


async def _result(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found
