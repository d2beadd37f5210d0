"""The ways into a node, all used alike: a client shows its credentials, and is let in or told a code.

client = await enter(node, "poll", Shown(passcode=token))
await client.tell("SEND", {...}, b"x")
command, headers, body = await client.frame()
"""

import base64
import itertools
import json
from dataclasses import dataclass, field

from qmq.session.passwords import hashed
from qmq.wire import sockjs, stomp
from tests.gateway.poll_peer import Http, Poller, problem
from tests.gateway.queue_peers import TcpPeer, WebSocketPeer
from tests.gateway.sockjs_peer import SockJs
from tests.helpers import Closed, request

TRANSPORTS = ("websocket", "poll", "sockjs", "tcp")
OVER_HTTP = TRANSPORTS[:3]

# Who may come to a node that is guarded, and what for.
USERS = ({"name": "alice", "password": hashed("right", cost=4)},)
RULES = (
    {"who": "alice", "allow": ["publish", "subscribe"], "on": "/topic/a.#"},
    {"who": "bob", "claims": {"role": "admin"}, "allow": "subscribe", "on": "/topic/b"},
    {"kind": "anonymous", "allow": "subscribe", "on": "/topic/public"},
)


class Refused(Exception):
    """A client is not let in, or is sent away: the code, what is said besides, the status if HTTP says it."""

    def __init__(self, code, detail="", status=None):
        super().__init__(code, detail, status)
        self.code = code
        self.detail = detail
        self.status = status


@dataclass
class Shown:
    """What a client shows: in CONNECT, in headers of its HTTP requests, in their query."""

    login: str | None = None
    passcode: str | None = None
    headers: dict = field(default_factory=dict)
    query: str = ""

    @property
    def connect(self):
        said = {"accept-version": "1.2", "host": "x", "login": self.login, "passcode": self.passcode}
        return {name: value for name, value in said.items() if value is not None}


def basic(text):
    return Shown(headers={"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"})


def bearer(token):
    return Shown(headers={"Authorization": f"Bearer {token}"})


class Client:
    """A client that has shown its credentials. Subclasses carry octets."""

    def __init__(self):
        self.connected = {}
        self._decoder = stomp.Decoder(max_body=1 << 26)
        self._frames = []

    async def tell(self, command, headers=None, body=b""):
        """Sends a frame."""
        await self.send(stomp.encode(command, headers or {}, body, "1.2"))

    async def frame(self):
        """The next frame: command, headers, body.

        Raises:
            Refused: If that is an ERROR.

        """
        while not self._frames:
            self._frames += self._decoder.feed(await self.receive())
        head, body = self._frames.pop(0)
        if head.command == "ERROR":
            raise Refused(head.headers["code"], body.decode())
        return head.command, head.headers, body

    async def receipt(self, command, headers, body=b""):
        """Sends a frame and returns what its RECEIPT says."""
        await self.tell(command, {**headers, "receipt": "r"}, body)
        command, told, _ = await self.frame()
        assert (command, told.pop("receipt-id")) == ("RECEIPT", "r")
        return told

    async def subscribe(self, destination, **headers):
        """Subscribes."""
        return await self.receipt("SUBSCRIBE", {"id": "1", "destination": destination, **headers})

    async def publish(self, destination, body=b"x"):
        """Publishes."""
        return await self.receipt("SEND", {"destination": destination}, body)

    async def sent_away(self):
        """Reads on until it is sent away; why."""
        try:
            while True:
                await self.frame()
        except Refused as refused:
            return refused.code


class SocketClient(Client):
    """On one connection; `peer` is a WebSocketPeer or TcpPeer that is ready for frames."""

    def __init__(self, peer):
        super().__init__()
        self.peer = peer

    async def tell(self, command, headers=None, body=b""):
        await self.peer.tell(command, headers, body)

    async def frame(self):
        frame = await self.peer.frame()
        if frame.command == "ERROR":
            raise Refused(frame.headers["code"], frame.body.decode())
        return frame.command, frame.headers, frame.body

    def close(self):
        self.peer.close()


class PollClient(Client):
    """On long-polls."""

    def __init__(self, poller):
        super().__init__()
        self.poller = poller

    async def send(self, octets):
        status, body = await self.poller.send(octets)
        if status != 204:
            self.poller.seq -= 1
            raise Refused(problem(body), status=status)

    async def receive(self):
        poller = self.poller
        if poller.end is not None:
            raise Closed(*poller.end)
        poller.ask()
        status, _, body = await poller.down.answer()
        if status != 200:
            raise Refused(problem(body), status=status)
        poller.take(body)
        poller._frames, frames = [], poller._frames
        self._frames += frames
        return b""

    def close(self):
        self.poller.close()


class SockJsClient(Client):
    """On xhr."""

    numbers = itertools.count()

    def __init__(self, node, shown):
        super().__init__()
        self.peer = SockJs(node, f"e{next(self.numbers)}")
        self.headers = shown.headers
        self.query = f"?{shown.query}" if shown.query else ""

    async def begin(self):
        self.peer.up, self.peer.down = await Http.open(self.peer.port), await Http.open(self.peer.port)
        assert await self.poll() == "o"

    async def poll(self):
        self.peer.down.ask(f"{self.peer.path}/xhr{self.query}", **self.headers)
        status, _, body = await self.peer.down.answer()
        if status != 200:
            raise Refused(problem(body), status=status)
        return body[:-1].decode("ascii")

    async def send(self, octets):
        message = json.loads(sockjs.array(sockjs.frame(octets, True))[1:])
        self.peer.up.ask(f"{self.peer.path}/xhr_send{self.query}", json.dumps(message).encode(), **self.headers)
        status, _, body = await self.peer.up.answer()
        if status != 204:
            raise Refused(problem(body) if body else "", status=status)

    async def receive(self):
        frame = await self.poll()
        if frame[0] == "h":
            return b""
        if frame[0] == "c":
            raise Closed(*json.loads(frame[1:]))
        return "".join(json.loads(frame[1:])).encode()

    def close(self):
        self.peer.close()


async def enter(node, transport, shown, connect=True):
    """A client that has shown its credentials.

    Args:
        node: Where.
        transport: One of TRANSPORTS.
        shown: Its credentials.
        connect: Whether it also sends CONNECT, and reads CONNECTED.

    Raises:
        Refused: If it is not let in.

    """
    client = await {"websocket": _websocket, "poll": _poll, "sockjs": _sockjs, "tcp": _tcp}[transport](node, shown)
    try:
        if connect:
            if transport != "poll":
                await client.tell("CONNECT", shown.connect)
            command, client.connected, _ = await client.frame()
            assert command == "CONNECTED"
    except BaseException:
        client.close()
        raise
    return client


async def _websocket(node, shown):
    peer = await WebSocketPeer.open(_port(node, "http"))
    answer = await peer.ask(request(f"/stomp?{shown.query}", **shown.headers))
    if answer.status != 101:
        peer.close()
        raise Refused(answer.problem()[1], status=answer.status)
    return SocketClient(peer)


async def _tcp(node, shown):
    return SocketClient(await TcpPeer.open(_port(node, "stomp")))


async def _poll(node, shown):
    poller = Poller(_port(node, "http"))
    poller.headers, poller.query = shown.headers, f"&{shown.query}" if shown.query else ""
    poller.up, poller.down = await Http.open(poller.port), await Http.open(poller.port)
    poller.up.ask(f"/poll?{shown.query}", stomp.encode("CONNECT", shown.connect, b"", "1.2"), **shown.headers)
    status, _, body = await poller.up.answer()
    if status != 200:
        poller.close()
        raise Refused(problem(body), status=status)
    poller.path = f"/poll/{json.loads(body)['session']}"
    return PollClient(poller)


async def _sockjs(node, shown):
    client = SockJsClient(node, shown)
    try:
        await client.begin()
    except BaseException:
        client.close()
        raise
    return client


def _port(node, scheme):
    return next(at["port"] for at in node.listen if at["scheme"] == scheme)
