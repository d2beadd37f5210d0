"""A client of SockJS for tests, by plain requests: what it does is what the protocol's own description does."""

import json

from tests.gateway.poll_peer import Http

CONNECT = "CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\0"
SUBSCRIBE = "SUBSCRIBE\nid:1\ndestination:/topic/a\nreceipt:s\n\n\0"


class SockJs:
    """A session on two connections: one receives, one sends."""

    def __init__(self, node, session="s1", base="/sockjs"):
        self.port = node.listen[0]["port"]
        self.path = f"{base}/000/{session}"
        self.up = self.down = None

    @classmethod
    async def open(cls, node, session="s1", **headers):
        """A session over xhr that has been opened."""
        peer = cls(node, session)
        peer.up, peer.down = await Http.open(peer.port), await Http.open(peer.port)
        assert await peer.poll(**headers) == "o"
        return peer

    def close(self):
        for http in (self.up, self.down):
            if http is not None:
                http.close()

    async def poll(self, **headers):
        """The next frame."""
        self.down.ask(f"{self.path}/xhr", **headers)
        status, _, body = await self.down.answer()
        assert status == 200, body
        assert body.endswith(b"\n")
        return body[:-1].decode("ascii")

    async def send(self, *messages, **headers):
        """Sends; the answer's status."""
        self.up.ask(f"{self.path}/xhr_send", json.dumps(messages).encode(), **headers)
        return (await self.up.answer())[0]

    async def frames(self, **headers):
        """The STOMP frames of the next array."""
        frame = await self.poll(**headers)
        assert frame[0] == "a", frame
        return json.loads(frame[1:])

    async def login(self, *more):
        """Logs in, and says more."""
        assert await self.send(CONNECT, *more) == 204
        found = await self.frames()
        while len(found) < 1 + len(more):
            found += await self.frames()
        assert found[0].startswith("CONNECTED\n")
        return found[1:]
