"""stomp.py 9 over WebSocket, as its users use it: a connection with listeners, in threads of its own.

It comes with a WebSocket connection for STOMP 1.2. The same transport carries its
protocol 1.1 in a connection made here. All its threads are joined at the end of a test.
"""

import asyncio
import threading

import pytest
from stomp.adapter.ws import WSStompConnection, WSTransport
from stomp.connect import BaseConnection, StompConnection11
from stomp.protocol import Protocol11

from tests.interop.listener import Listener


class WSStompConnection11(StompConnection11):
    """STOMP 1.1 over stomp.py's own WebSocket transport."""

    def __init__(self, host_and_ports, heartbeats=(0, 0), ws_path=None, binary_mode=False):
        transport = WSTransport(host_and_ports, reconnect_attempts_max=1, ws_path=ws_path, binary_mode=binary_mode)
        BaseConnection.__init__(self, transport)
        Protocol11.__init__(self, transport, heartbeats)


CONNECTIONS = {"1.1": WSStompConnection11, "1.2": WSStompConnection}


@pytest.fixture
def session(io_loop, logged):
    """Runs a function in a thread, with `open` to make connections; joins the threads that those made."""
    # What it has to say when the server closes first, or when a socket is shut down twice.
    logged.expect(r"WARNING stomp\.py: ")
    before = set(threading.enumerate())
    made = []

    async def session(node, version, talk, **options):
        def connect(**more):
            address = [("127.0.0.1", node.listen[0]["port"])]
            connection = CONNECTIONS[version](address, ws_path="/stomp", **options, **more)
            listener = Listener()
            connection.set_listener("", listener)
            made.append(connection)
            connection.connect("login", "passcode", wait=True)
            assert listener.wait("CONNECTED")[0].headers["version"] == version
            return connection, listener

        await asyncio.to_thread(talk, connect)

    yield session
    for connection in made:
        if connection.is_connected():
            connection.disconnect(receipt=None)
        connection.transport.disconnect_socket()
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio"):  # the loop's own, which end with it
            thread.join(10)
            assert not thread.is_alive(), thread


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.gen_test(timeout=30)
async def test_connect_subscribe_send_receipt_disconnect(start_node, session, version, binary):
    node = await start_node()

    def talk(connect):
        connection, listener = connect()
        connection.subscribe("/topic/a.*", id="1", headers={"receipt": "subscribed"})
        assert listener.wait("RECEIPT")[0].headers == {"receipt-id": "subscribed"}
        headers = {"custom": "a:b\\c\nd", "näme": "wért"}
        connection.send("/topic/a.b", "hello wörld", content_type="text/plain", headers=headers, receipt="sent")
        (message,) = listener.wait("MESSAGE")
        assert listener.wait("RECEIPT", 2)[1].headers == {"receipt-id": "sent"}
        assert message.body == "hello wörld"
        assert message.headers["destination"] == "/topic/a.b"
        assert message.headers["subscription"] == "1"
        assert message.headers["content-type"] == "text/plain"
        assert {name: message.headers[name] for name in headers} == headers
        for number in range(50):
            connection.send("/topic/a.c", str(number))
        assert [frame.body for frame in listener.wait("MESSAGE", 51)[1:]] == [str(number) for number in range(50)]
        connection.unsubscribe("1", headers={"receipt": "unsubscribed"})
        listener.wait("RECEIPT", 3)
        connection.send("/topic/a.b", "nobody hears", receipt="last")
        listener.wait("RECEIPT", 4)
        connection.disconnect(receipt="bye")
        listener.wait("disconnected")
        assert listener.of("RECEIPT")[4].headers == {"receipt-id": "bye"}
        assert len(listener.of("MESSAGE")) == 51
        assert not listener.of("ERROR")

    await session(node, version, talk, binary_mode=binary)
    assert node.stats["connections_closed_closed"] == 1


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.gen_test(timeout=30)
async def test_heartbeats_both_ways(start_node, session, version):
    node = await start_node()

    def talk(connect):
        connection, listener = connect(heartbeats=(200, 200))
        listener.wait("heartbeat", 5)  # for which it must have sent some, too
        assert connection.is_connected()
        assert not listener.of("timeout")
        connection.disconnect(receipt="bye")
        listener.wait("RECEIPT")

    await session(node, version, talk)
    assert node.stats["errors_heartbeat-lost"] == 0


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.gen_test(timeout=30)
async def test_two_clients_and_many_subscriptions(start_node, session, version):
    node = await start_node()

    def talk(connect):
        reader, heard = connect()
        writer, _ = connect()
        for number in range(20):
            reader.subscribe(f"/topic/{number % 5}", id=str(number), headers={"receipt": str(number)})
        heard.wait("RECEIPT", 20)
        for number in range(5):
            writer.send(f"/topic/{number}", "x")
        frames = heard.wait("MESSAGE", 20)
        assert {frame.headers["subscription"] for frame in frames} == {str(number) for number in range(20)}
        for connection in (reader, writer):
            connection.disconnect(receipt="bye")

    await session(node, version, talk)


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.gen_test(timeout=30)
async def test_an_error_is_read_before_the_connection_ends(start_node, session, version):
    node = await start_node()

    def talk(connect):
        connection, listener = connect()
        connection.subscribe("/nowhere", id="1")
        (error,) = listener.wait("ERROR")
        assert error.headers["code"] == "bad-destination"
        assert error.body.startswith("'/nowhere' is none of /topic/ ")
        listener.wait("disconnected")

    await session(node, version, talk)
    assert node.stats["errors_bad-destination"] == 1


@pytest.mark.gen_test(timeout=30)
async def test_bounds_asked_for_by_header(start_node, session):
    node = await start_node()

    def talk(connect):
        connection, listener = connect()
        bounds = {"max-messages": "10", "overflow": "drop-oldest"}
        connection.subscribe("/topic/a", id="1", headers={"receipt": "r", **bounds})
        headers = listener.wait("RECEIPT")[0].headers
        assert (headers["max-messages"], headers["recovered"]) == ("10", "true")
        connection.disconnect(receipt="bye")
        listener.wait("disconnected")

    await session(node, "1.2", talk)
