"""Peers that speak TLS, on the same bare sockets as the others: what is not asked for is not read."""

import asyncio
import ssl

import pytest

from qmq.wire import stomp
from qmq.wire.websocket import BINARY
from tests.authority import HOST
from tests.helpers import DEADLINE, Closed, Peer

SCHEMES = ("https", "stomps", "http", "stomp")
SECURE = ("https", "stomps")
LISTEN = tuple(f"{scheme}://127.0.0.1:0" for scheme in SCHEMES)


class TlsPeer(Peer):
    """A client of a TLS address.

    Attributes:
        tls: Its end of TLS.

    """

    async def shake(self, context):
        """Makes the handshake.

        Raises:
            ssl.SSLError: If either end does not like the other.

        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=HOST)
        await self._do(self.tls.do_handshake)
        return self

    async def _do(self, step):
        while True:
            try:
                found = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                await self._flush()  # the alert
                raise
            else:
                await self._flush()
                return found

    async def _flush(self):
        if self._outgoing.pending:
            await self.send_undeciphered(self._outgoing.read())

    async def _feed(self):
        async with asyncio.timeout(DEADLINE):
            data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)
        self._incoming.write(data) if data else self._incoming.write_eof()

    async def send_undeciphered(self, octets):
        """Sends octets below TLS."""
        await super().send(octets)

    async def send(self, *pieces):
        self.tls.write(b"".join(pieces))
        await self._flush()

    async def octets(self):
        """What comes next; nothing after close_notify.

        Raises:
            ssl.SSLError: If the connection ends without it, or with an alert.

        """
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        return await self._do(lambda: self.tls.read(1 << 16))

    @property
    def serial(self):
        """The number of the certificate that the server showed."""
        return self.tls.getpeercert()["serialNumber"]


class StompsPeer(TlsPeer):
    """A client that speaks STOMP on TLS, with no WebSocket between."""

    async def event(self):
        data = await self.octets()
        if not data:
            raise Closed(1000)
        return BINARY, data

    async def tell(self, command, headers=None, body=b"", version="1.2"):
        await self.send(stomp.encode(command, headers or {}, body, version))


def port(node, scheme):
    """Where a node listens."""
    return next(at["port"] for at in node.listen if at["scheme"] == scheme)


def hello(context):
    """The first octets of a client."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


def asked(authority, how, client_ca=None):
    """What a node is told that asks clients for certificates."""
    return {"tls__client_ca": client_ca or authority.file, "tls__client_certificates": how}


async def is_refused(peer, context, words):
    """In TLS 1.3 the client has done its part before it hears; what it says already is not to hinder its hearing."""
    with pytest.raises(ssl.SSLError, match=words):
        await peer.shake(context)
        await peer.send(b"x" * 5_000_000)
        await peer.octets()
