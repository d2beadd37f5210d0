"""stomp.py 9 over TCP in all three versions: what its users do first."""

import pytest
import stomp

from tests.interop.listener import converse, in_a_thread

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
    connection = CONNECTIONS[version]([("127.0.0.1", node.listen[0]["port"])], reconnect_attempts_max=1)
    await in_a_thread(converse, connection, version)
