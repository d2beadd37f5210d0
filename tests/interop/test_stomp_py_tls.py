"""stomp.py 9 over TLS in all three versions, checking the server's certificate and name."""

import ssl

import pytest
import stomp

from tests.authority import HOST, Authority
from tests.helpers import until
from tests.interop.listener import converse, in_a_thread

CONNECTIONS = {
    "1.0": stomp.StompConnection10,
    "1.1": stomp.StompConnection11,
    "1.2": stomp.StompConnection12,
}


def connection_to(node, version, ca, **more):
    """A connection of stomp.py that believes an authority."""
    address = (HOST, node.listen[0]["port"])
    connection = CONNECTIONS[version]([address], reconnect_attempts_max=1)
    connection.set_ssl([address], ca_certs=ca, ssl_version=ssl.PROTOCOL_TLS_CLIENT, **more)
    return connection


@pytest.mark.parametrize("version", CONNECTIONS)
@pytest.mark.gen_test(timeout=30)
async def test_connect_subscribe_send_receipt_disconnect(start_node, authority, logged, version):
    logged.expect(r"WARNING stomp\.py: ")  # what it has to say when a socket is shut down twice
    node = await start_node({"listen": ("stomps://127.0.0.1:0",), "tls.certificate": authority.certificate()})
    await in_a_thread(converse, connection_to(node, version, authority.file), version)


@pytest.mark.gen_test(timeout=30)
async def test_with_a_certificate_of_its_own(start_node, authority, logged):
    logged.expect(r"WARNING stomp\.py: ")
    node = await start_node(
        {
            "listen": ("stomps://127.0.0.1:0",), "tls.certificate": authority.certificate(),
            "tls.client_ca": authority.file, "tls.client_certificates": "required",
        }
    )  # fmt: skip
    mine = authority.certificate("me@example.org")
    await in_a_thread(converse, connection_to(node, "1.2", authority.file, cert_file=mine), "1.2")


@pytest.mark.gen_test(timeout=30)
async def test_it_refuses_a_server_that_it_has_no_reason_to_believe(start_node, authority, logged, tmp_path):
    logged.expect(r"(WARNING|ERROR) stomp\.py: ")
    node = await start_node({"listen": ("stomps://127.0.0.1:0",), "tls.certificate": authority.certificate()})
    stranger = Authority(tmp_path / "stranger")

    def talk():
        with pytest.raises(stomp.exception.ConnectFailedException):
            connection_to(node, "1.2", stranger.file).connect(wait=True)

    await in_a_thread(talk)
    await until(lambda: node.stats["tls_handshakes_failed"] >= 1)
