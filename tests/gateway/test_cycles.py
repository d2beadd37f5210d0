"""Connections leave no garbage that only a full collection would find, because those are rare."""

import gc

import pytest
from tornado.iostream import IOStream

from qmq.core.claims import Claim
from qmq.core.outbox import Outbox
from qmq.errors import QmqError
from qmq.gateway.api.request import Call
from qmq.gateway.body import Body
from qmq.gateway.connection import Connection
from qmq.gateway.hold import Hold
from qmq.gateway.websocket import WebSocketHandler
from qmq.session.events import EventStream
from qmq.session.stomp import Session
from qmq.session.waiter import Waiter
from tests.helpers import until


def alive():
    """The objects that belong to connections. Whoever keeps the list keeps those of earlier tests as well."""
    kinds = (Connection, Session, EventStream, Outbox, WebSocketHandler, IOStream)
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


@pytest.mark.gen_test(timeout=20)
async def test_ended_streams_are_freed_without_the_collector(api, listen):
    peer = await api({"limits.linger_seconds": 0.05})
    await peer.publish("/topic/b", "x")  # so that its connection is among what is there before
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for number in range(4):
            listener = await listen("destination=/topic/a")
            await peer.publish("/topic/a", "x")
            await listener.event()
            if number % 2:
                [seen] = peer.node.gateway.describe()
                peer.node.gateway.kick(seen["name"])
                while await listener.event():  # a reset would leave some garbage of Tornado's
                    pass
            listener.close()
            await until(lambda: peer.node.gateway.connections == 0)
        await until(lambda: len(alive()) == len(before), 2)
    finally:
        gc.enable()


SCRIPT = {
    "good": [("POST", "/publish", {"destination": "/topic/a", "body": "x"}), ("GET", "/queues", None)],
    "wrong body": [("POST", "/publish", {"destination": 1})],
    "no JSON": [("POST", "/publish", b"{")],
    "cut off gzip": [("POST", "/publish", b"\x1f\x8b")],
    "wrong type": [("POST", "/publish", "text")],
    "wrong query": [("GET", "/messages?x=1", None)],
    "not there": [("GET", "/nothing", None), ("GET", "/queues/nothing", None)],
    "a wait in vain": [("GET", "/messages?destination=/topic/a&wait=1", None)],
    "a consumer in vain": [("POST", "/consume", {"destination": "/queue/a", "wait": 1})],
    "a job": [
        ("POST", "/publish", {"destination": "/queue/a", "body": "x"}),
        ("POST", "/consume", {"destination": "/queue/a"}),
    ],
    "with a login": [("GET", "/queues", None)],
}


@pytest.mark.parametrize("name", SCRIPT)
@pytest.mark.gen_test(timeout=20)
async def test_requests_are_freed_without_the_collector(api, name):
    kinds = (Call, Body, Hold, Waiter, Claim, QmqError)
    peer = await api({"limits.poll_hold_seconds": 0.02})
    gc.collect()
    gc.disable()
    try:
        before = [type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds)]
        for method, path, value in SCRIPT[name] * 3:
            more = {"Authorization": "Bearer x"} if name == "with a login" else {}
            if isinstance(value, bytes):
                more |= {"Content_Encoding": "gzip"} if value[:1] == b"\x1f" else {}
                await peer.call(method, path, octets=value, **more)
            elif isinstance(value, str):
                await peer.call(method, path, octets=value.encode(), Content_Type="text/plain")
            else:
                _, _, told = await peer.call(method, path, value, **more)
                for each in told.get("deliveries", ()) if name == "a job" else ():
                    await peer.done("POST", "/settle", {"ack": [each["token"]]})
        await peer.done("GET", "/queues")
        after = [type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds)]
        assert len(after) - len(before) <= 2, (before, after)  # the last request's own
    finally:
        gc.enable()
