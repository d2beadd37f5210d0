"""What the tests of queues share: peers on either transport, their work, and questions to the desk."""

import json
import time

from qmq.wire import stomp
from qmq.wire.websocket import TEXT
from tests.helpers import Closed, Peer

BOTH = {"listen": ("http://127.0.0.1:0", "stomp://127.0.0.1:0")}


class WebSocketPeer(Peer):
    """A client that speaks STOMP on WebSocket."""

    def unread(self, frames):
        """Puts frames back, to be read next."""
        self._frames[:0] = frames


class TcpPeer(WebSocketPeer):
    """A client that speaks STOMP on TCP, with no WebSocket between."""

    async def event(self):
        data = await self.octets()
        if not data:
            raise Closed(1006)
        if self._stomp.idle:  # between frames; several beats may have come at once
            beats = len(data) - len(data.lstrip(b"\n"))
            self.beats += [time.monotonic()] * beats
            data = data[beats:]
        return TEXT, data

    async def tell(self, command, headers=None, body=b"", version="1.2"):
        await self.send(stomp.encode(command, headers or {}, body, version))


async def open_peer(node, transport, receive_buffer=None, **headers):
    """A connection that is logged in; `transport` is `http`, for WebSocket, or `stomp`."""
    port = next(at["port"] for at in node.listen if at["scheme"] == transport)
    peer = await (TcpPeer if transport == "stomp" else WebSocketPeer).open(port, receive_buffer)
    try:
        if transport == "http":
            await peer.upgrade()
        await peer.login(**headers)
    except BaseException:
        peer.close()
        raise
    return peer


async def work(peer, destination="/queue/jobs", **headers):
    """Subscribes with acknowledgements; returns the headers of the receipt, before which messages may come."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted = {"id": "1", "destination": destination, "ack": "client-individual", "receipt": "r", **fields}
    await peer.tell("SUBSCRIBE", wanted)
    early = []
    while (frame := await peer.frame()).command == "MESSAGE":
        early.append(frame)
    assert (frame.command, frame.headers["receipt-id"]) == ("RECEIPT", "r"), frame
    peer.unread(early)
    return frame.headers


async def message(peer, body=None):
    """The next frame, which is a message, with that body if one is given."""
    frame = await peer.frame()
    assert frame.command == "MESSAGE", frame
    assert body is None or frame.body == body, frame
    return frame


async def bodies(peer, count):
    return [(await message(peer)).body for _ in range(count)]


async def settle(peer, frame, command="ACK", **headers):
    """Settles a message, without waiting for anything."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    await peer.tell(command, {"id": frame.headers["ack"], **fields})


async def nothing_more(peer):
    """Nothing has come that was not read, nor is it on its way."""
    await peer.receipt("SEND", {"destination": "/topic/fence"})


async def ask(peer, operation, **request):
    """The desk's answer, and its code if it is an error."""
    headers = {"destination": f"/manage/{operation}", "reply-to": "/temp-queue/answers", "correlation-id": operation}
    await peer.tell("SEND", headers, json.dumps(request).encode())
    frame = await message(peer)
    assert frame.headers["subscription"] == "/temp-queue/answers"
    assert (frame.headers["correlation-id"], frame.headers["content-type"]) == (operation, "application/json")
    return json.loads(frame.body), frame.headers.get("code")
