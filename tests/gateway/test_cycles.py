"""Connections leave no garbage that only a full collection would find, because those are rare."""

import gc

import pytest
from tornado.iostream import IOStream

from qmq.core.outbox import Outbox
from qmq.gateway.connection import Connection
from qmq.gateway.websocket import WebSocketHandler
from qmq.session.stomp import Session
from tests.helpers import until


def alive():
    """The objects that belong to connections. Whoever keeps the list keeps those of earlier tests as well."""
    kinds = (Connection, Session, Outbox, WebSocketHandler, IOStream)
    return [thing for thing in gc.get_objects() if isinstance(thing, kinds)]


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
        await until(lambda: len(alive()) == len(before), 2)
    finally:
        gc.enable()
