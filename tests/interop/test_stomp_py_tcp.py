"""stomp.py 9 over TCP in all three versions: what its users do first."""

import asyncio
import threading

import pytest
import stomp

from tests.interop.listener import Listener

CONNECTIONS = {
    "1.0": stomp.StompConnection10,
    "1.1": stomp.StompConnection11,
    "1.2": stomp.StompConnection12,
}


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.gen_test(timeout=30)
async def test_connect_subscribe_send_receipt_disconnect(start_node, logged, version):
    logged.expect(r"WARNING stomp\.py: ")  # what it has to say when a socket is shut down twice
    node = await start_node({"listen": ("stomp://127.0.0.1:0",)})
    before = set(threading.enumerate())

    def talk():
        connection = CONNECTIONS[version]([("127.0.0.1", node.listen[0]["port"])], reconnect_attempts_max=1)
        listener = Listener()
        connection.set_listener("", listener)
        connection.connect("login", "passcode", wait=True)
        assert listener.wait("CONNECTED")[0].headers["version"] == version
        connection.subscribe("/topic/a.*", id="1", headers={"receipt": "subscribed"})
        listener.wait("RECEIPT")
        odd = "a:b" if version == "1.0" else "a:b\\c\nd"
        connection.send("/topic/a.b", "hello wörld", content_type="text/plain", headers={"odd": odd}, receipt="sent")
        (message,) = listener.wait("MESSAGE")
        assert (message.body, message.headers["odd"]) == ("hello wörld", odd)
        for number in range(50):
            connection.send("/topic/a.c", str(number))
        assert [frame.body for frame in listener.wait("MESSAGE", 51)[1:]] == [str(number) for number in range(50)]
        connection.disconnect(receipt="bye")
        listener.wait("disconnected")
        assert "bye" in [frame.headers["receipt-id"] for frame in listener.of("RECEIPT")]
        assert not listener.of("ERROR")

    await asyncio.to_thread(talk)
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("asyncio"):
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive(), thread
