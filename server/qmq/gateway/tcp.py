"""STOMP over TCP, plain or TLS: the same conversation, with nothing around its frames.

There is no ping in STOMP, so a client that agreed on no heart-beats may be silent
for ever; the kernel's keep-alive finds out whether its machine is still there.
"""

from __future__ import annotations

import socket
from typing import Any

from tornado.iostream import IOStream
from tornado.tcpserver import TCPServer

from qmq.errors import Code, QmqError
from qmq.gateway.gateway import Gateway
from qmq.gateway.stream import StreamConnection
from qmq.gateway.tls import refuse_tls


def frame(data: bytes, text: bool) -> bytes:
    """STOMP frames mark their own ends; TCP needs no more."""
    return data


class TcpConnection(StreamConnection):
    """A connection on which octets are the conversation's own.

    Args:
        stream: As accepted.
        gateway: Counters, limits and times.
        address: Of the client.

    """

    __slots__ = ()

    pings = False

    def __init__(self, stream: IOStream, gateway: Gateway, address: str) -> None:
        limits = gateway.config.limits
        super().__init__(stream, gateway.stats, gateway.timing, limits.outbox_bytes, gateway.registry.memory, address)
        keep_alive(stream.socket, gateway.timing.ping)
        stream.set_nodelay(True)

    def received(self, data: bytes) -> None:
        self.conversation.receive(data)

    def farewell(self, code: Code) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""

    @property
    def deaf(self) -> bool:
        # STOMP has no goodbye of the server's: the client sees the end of the stream.
        return True


class TcpServer(TCPServer):
    """Accepts STOMP clients on TCP.

    Args:
        gateway: What all connections of the loop share.

    """

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(read_chunk_size=16 * 1024)
        self._gateway = gateway

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        gateway = self._gateway
        if gateway.door.flooded(address[0]):
            gateway.stats.add("connections_dropped")
            stream.close()
            return
        refuse_tls(stream, gateway.stats)
        connection = TcpConnection(stream, gateway, address[0])
        connection.principal = gateway.logins.holder(stream)
        refusal = gateway.enter(connection)
        connection.start(gateway.stomp_session(connection, frame), self.refusal() or refusal)

    def refusal(self) -> QmqError | None:
        """Why new clients are sent away at once, if they are."""
        return None if self._gateway.ready else QmqError("shutting-down")


class TlsRequired(TcpServer):
    """Sends clients away that came to a TLS address without TLS."""

    def refusal(self) -> QmqError | None:
        return QmqError("tls-required", "use TLS on this port")


def keep_alive(sock: socket.socket, idle: float) -> None:
    """Lets the kernel ask, after `idle` seconds of silence, whether the other end still exists."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # Linux; others have their own, longer, times
        seconds = max(1, round(idle))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
