"""Connections leave no garbage that only a full collection would find, because those are rare."""

import gc

import pytest

from qmq.core.outbox import Outbox
from qmq.gateway.stream import Connection
from qmq.gateway.websocket import WebSocketHandler
from qmq.session.stomp import Session
from tests.helpers import until


def alive():
    """How many of the objects there are that belong to a connection."""
    kinds = (Connection, Session, Outbox, WebSocketHandler)
    return sum(isinstance(thing, kinds) for thing in gc.get_objects())


@pytest.mark.gen_test(timeout=20)
async def test_ended_connections_are_freed_without_the_collector(start_node, join):
    node = await start_node()
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for number in range(5):
            peer = await join(node)
            await peer.subscribe("/topic/a")
            await peer.publish("/topic/a", b"x")
            if number % 2:
                await peer.tell("DISCONNECT", {})
            peer.close()
        await until(lambda: node.gateway.connections == 0)
        await until(lambda: alive() == before, 2)
    finally:
        gc.enable()
