"""A client for tests that does only what it is told: raw octets, WebSocket frames, STOMP frames.

It sits on a bare socket and on the wire codecs, so that it can say anything, right or
wrong, and it reads only when it is asked to: a peer that is left alone is a client that
does not read. Whatever waits has a deadline, and fails the test when that passes.
"""

import asyncio
import contextlib
import json
import logging
import socket
import time
from dataclasses import dataclass

from qmq.errors import CODES
from qmq.wire import stomp, websocket
from qmq.wire.websocket import BINARY, CLOSE, PING, PONG, TEXT

DEADLINE = 10.0
MASK = b"\x12\x34\x56\x78"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="

UPGRADE = {
    "Host": "127.0.0.1",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


async def until(condition, seconds=DEADLINE):
    """Waits until something is true, looking often."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not become true in time"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def flooding(peer, octets):
    """Sends the same octets again and again, as fast as they are taken; gives the task that does."""

    async def send():
        while True:
            await asyncio.get_running_loop().sock_sendall(peer.sock, octets)

    task = asyncio.create_task(send())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def connections_of(node):
    """The node's own objects for all connections, whatever thread they live on."""
    return {connection for branch in node.branches for connection in branch.gateway._connections.copy()}


@contextlib.contextmanager
def logging_to(handler):
    """Gives a handler all that is logged meanwhile, from `debug` on."""
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def peer_of(stream):
    """The other end of a connection; None if it is closing, as it may at any moment on another thread."""
    try:
        return stream.socket.getpeername()
    except (OSError, AttributeError):
        return None


def server_side(node, peer):
    """The node's own object for a peer's connection."""
    address = peer.sock.getsockname()
    (found,) = [one for one in connections_of(node) if peer_of(one._stream) == address]
    return found


async def caught_up(connection):
    """Waits until a connection's loop has written what was published before, or held it back."""
    for _ in range(2):  # the first pass finds it, the second writes
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asyncio.sleep(0), connection._loop))


async def lasts(condition):
    """Whether something is true, and still is when the other end's kernel has acknowledged what it delays."""
    if condition():
        await asyncio.sleep(0.1)
    return condition()


def narrow(connection):
    """Lets the kernel keep little for the client, so that one that does not read is soon behind."""
    connection._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return connection


def ws(payload, opcode=TEXT, *, fin=True, mask=MASK):
    """A client's WebSocket frame."""
    size = len(payload)
    head = bytes(((0x80 if fin else 0) | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + websocket.xor(mask, payload)


def request(path="/stomp", method="GET", version="HTTP/1.1", **changes):
    """The octets of an upgrade request; a header is changed by its name with _ for -, or left out with None."""
    headers = {**UPGRADE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} {path} {version}", *lines, "", ""]).encode("latin-1")


def plain(path, method="GET", **headers):
    """The octets of a request that wants no upgrade."""
    nothing = dict.fromkeys(name.replace("-", "_") for name in UPGRADE if name != "Host")
    return request(path, method, **{**nothing, **headers})


@dataclass
class Answer:
    """What a server says to an HTTP request; `headers` by name in lower case."""

    status: int
    headers: dict
    body: bytes = b""

    def problem(self):
        """Status and code, once it is certain that the body is problem JSON that agrees with the status."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["title"]
        return self.status, problem["code"]


@dataclass
class Frame:
    """A STOMP frame, and the opcode of the message in which it ended."""

    command: str
    headers: dict
    body: bytes
    opcode: int


class Closed(Exception):
    """The server has said goodbye: `code` and `reason` of its close frame, or 1006 if it just went."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Peer:
    """A client's end of one connection.

    Attributes:
        pongs: Whether it answers pings while it reads.
        beats: When heart-beats came.
        pings: How many pings came.

    """

    def __init__(self, sock):
        self.sock = sock
        self.pongs = True
        self.beats = []
        self.pings = 0
        self._rest = b""
        self._events = []
        self._frames = []
        self._websocket = websocket.Decoder(masked=False, max_message=1 << 26)
        self._stomp = stomp.Decoder(max_body=1 << 26)

    @classmethod
    async def open(cls, port, receive_buffer=None):
        """A TCP connection to the port, with a small receive buffer if one is asked for."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(DEADLINE):
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    def close(self):
        """Goes without a word."""
        self.sock.close()

    # Octets

    async def send(self, *pieces):
        """Sends octets as they are."""
        async with asyncio.timeout(DEADLINE):
            await asyncio.get_running_loop().sock_sendall(self.sock, b"".join(pieces))

    async def octets(self):
        """What comes next, as it comes; nothing at the end."""
        if self._rest:
            data, self._rest = self._rest, b""
            return data
        async with asyncio.timeout(DEADLINE):
            return await asyncio.get_running_loop().sock_recv(self.sock, 1 << 16)

    async def end(self):
        """Reads on until the server ends the connection in good order, and returns what came."""
        found = b""
        while data := await self.octets():
            found += data
        return found

    # HTTP

    async def ask(self, *pieces):
        """Sends a request and reads the answer to it."""
        await self.send(*pieces)
        return await self.answer()

    async def head(self):
        """Reads the head of an answer that has no body, such as to HEAD."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += await self.octets()
        head, _, self._rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(int(status.split()[1]), headers)

    async def answer(self):
        """Reads an answer. What follows that of an upgrade is left for `event`."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = await self.octets()
            assert more, f"the connection ended after {data!r}"
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = Answer(int(status.split()[1]), headers)
        length = int(headers.get("content-length", 0)) if answer.status not in (101, 304) else 0
        while len(rest) < length:
            rest += await self.octets()
        answer.body, self._rest = rest[:length], rest[length:]
        return answer

    async def upgrade(self, path="/stomp", **headers):
        """Makes a WebSocket of the connection."""
        answer = await self.ask(request(path, **headers))
        assert answer.status == 101, answer
        assert answer.headers["sec-websocket-accept"] == websocket.accept_key(KEY)
        return answer

    # WebSocket

    async def event(self):
        """The next WebSocket message or control frame.

        Raises:
            Closed: When the connection has ended without a close frame.

        """
        while not self._events:
            data = await self.octets()
            if not data:
                raise Closed(1006)
            self._events += self._websocket.feed(data)
            assert self._websocket.error is None, self._websocket.error
        return self._events.pop(0)

    # STOMP

    async def tell(self, command, headers=None, body=b"", version="1.2"):
        """Sends a STOMP frame in a message of its own."""
        data = stomp.encode(command, headers or {}, body, version)
        try:
            data.decode()
        except UnicodeDecodeError:
            await self.send(ws(data, BINARY))
        else:
            await self.send(ws(data))

    async def frame(self):
        """The next STOMP frame; heart-beats and pings are noted on the way.

        Raises:
            Closed: When the server says goodbye instead.

        """
        while not self._frames:
            opcode, payload = await self.event()
            if opcode == CLOSE:
                raise Closed(websocket.close_code(payload), payload[2:].decode())
            if opcode == PING:
                self.pings += 1
                if self.pongs:
                    await self.send(ws(payload, PONG))
            elif opcode in (TEXT, BINARY):
                if payload == b"\n":
                    self.beats.append(time.monotonic())
                frames = self._stomp.feed(payload)
                self._frames += [Frame(head.command, head.headers, body, opcode) for head, body in frames]
                assert self._stomp.error is None, self._stomp.error
        return self._frames.pop(0)

    async def login(self, **headers):
        """Logs in; by default as STOMP 1.2."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        await self.tell("CONNECT", {"accept-version": "1.2", "host": "h", **fields})
        frame = await self.frame()
        assert frame.command == "CONNECTED", frame
        self._stomp.version = frame.headers["version"]
        return frame

    async def receipt(self, command, headers=None, body=b""):
        """Sends a frame that asks for a receipt and reads that receipt, which must come next."""
        await self.tell(command, {**(headers or {}), "receipt": "r"}, body)
        frame = await self.frame()
        assert (frame.command, frame.headers.get("receipt-id")) == ("RECEIPT", "r"), frame
        return frame.headers

    async def subscribe(self, destination, **headers):
        """Subscribes, with id 1 if no other is given; returns the headers of the receipt."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.receipt("SUBSCRIBE", {"id": "1", "destination": destination, **fields})

    async def publish(self, destination, body=b"", **headers):
        """Publishes, and returns when the server has it."""
        return await self.receipt("SEND", {"destination": destination, **headers}, body)

    async def ended(self):
        """Reads on until the server says goodbye: the frames that came, and code and reason of the close."""
        frames = []
        while True:
            try:
                frames.append(await self.frame())
            except Closed as closed:
                return frames, closed.code, closed.reason

    async def dismissed(self):
        """What a client is told that only reads: the last frame is an ERROR, then comes a close, then the end.

        Returns:
            The name of the code and the ERROR frame.

        """
        frames, number, reason = await self.ended()
        assert frames and frames[-1].command == "ERROR", (frames, number, reason)
        error = frames[-1]
        code = CODES[error.headers["code"]]
        assert (number, reason) == (code.close, code.name)
        assert error.headers["message"] == code.text
        assert error.headers["retry"] == ("true" if code.retry else "false")
        assert await self.end() == b""
        return code.name, error


class Witness:
    """A good client that is there all the time, and can tell whether it still is served as ever."""

    def __init__(self, peer):
        self.peer = peer
        self._number = 0

    async def well(self):
        """Publishes and receives; returns how long that took."""
        self._number += 1
        body = str(self._number).encode()
        begin = time.monotonic()
        await self.peer.tell("SEND", {"destination": "/topic/witness", "receipt": "w"}, body)
        frames = {frame.command: frame for frame in (await self.peer.frame(), await self.peer.frame())}
        assert frames["MESSAGE"].body == body
        assert frames["RECEIPT"].headers["receipt-id"] == "w"
        return time.monotonic() - begin
