"""A client of `/avro` that says what it is told, octet by octet, right or wrong."""

import json
import struct
from hashlib import md5

from qmq.session.avro import protocol
from qmq.wire import avro
from tests.avro_octets import number, text
from tests.gateway.poll_peer import Http

OWN = protocol()
HASH = md5(OWN.encode()).digest()

BOTH, CLIENT, NONE = 0, 2, 4  # the matches of a handshake, as they are encoded
UNDECLARED, DECLARED = b"\0\1\0", b"\0\1\2"  # no metadata, an error, and which


def shake(client=HASH, server=HASH, declares=None):
    """A handshake; with the text of the client's protocol if it `declares` one."""
    return client + (b"\2" + text(declares) if declares is not None else b"\0") + server + b"\0"


def call(message, parameters=b"", **handshake):
    """A call of a client that knows the server, and is known."""
    return shake(**handshake) + b"\0" + text(message) + parameters


def posting(destination, body=b"x"):
    """An element of `publish` and `send`."""
    return text(destination) + text(body) + b"\0\0\0"


def publish(*postings):
    return call("publish", number(len(postings)) + b"".join(postings) + b"\0" if postings else b"\0")


def poll(destination, cursor="", start="latest", wait=0.0):

    return call(
        "poll", text(destination) + text(cursor) + text(start) + number(10) + number(1000) + struct.pack("<d", wait)
    )


class AvroPeer(Http):
    """One connection, on which calls follow each other."""

    def tell(self, *messages, **headers):
        """Sends a call."""
        self.ask("/avro", b"".join(map(avro.encode, messages)), **{"Content-Type": "avro/binary", **headers})

    async def hear(self):
        """The response: the handshake's match, and what follows the handshake."""
        status, headers, body = await self.answer()
        assert (status, headers["content-type"]) == (200, "avro/binary"), (status, body)
        decoder = avro.Decoder(1 << 26)
        (message,) = decoder.feed(body)
        assert decoder.idle
        return message[0], message[4:] if message[0] == BOTH else message

    async def respond(self, message, **headers):
        """Calls, and hears."""
        self.tell(message, **headers)
        return await self.hear()

    async def problem(self):
        """Status, code and detail of an answer that is problem JSON."""
        status, headers, body = await self.answer()
        assert headers["content-type"] == "application/problem+json", body
        found = json.loads(body)
        assert found["status"] == status
        return status, found["code"], found.get("detail", "")
