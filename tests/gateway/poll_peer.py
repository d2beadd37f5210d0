"""A client of `/poll` for tests: raw requests on connections that stay, or are cut wherever a test likes."""

import asyncio
import json
import re

from qmq.wire import stomp
from tests.helpers import DEADLINE

CONNECT = stomp.encode("CONNECT", {"accept-version": "1.2", "host": "x", "heart-beat": "0,0"}, b"", "1.2")


def read_packets(octets):
    """The whole packets in an answer, how it ended if it did, and what is left over."""
    found, end = [], None
    while octets:
        line, newline, rest = octets.partition(b"\n")
        if not newline:
            break
        if not line:
            octets = rest
            continue
        assert end is None, "something follows the end"
        if line.startswith(b"end "):
            _, code, name = line.decode().split(" ")
            end, octets = (int(code), name), rest
            continue
        seq, length = map(int, line.split(b" "))
        if len(rest) < length:
            break
        found.append((seq, rest[:length]))
        octets = rest[length:]
    return found, end, octets


class Http:
    """One connection, on which requests follow each other."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port):
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def ask(self, path, body=b"", version="1.1", method="POST", **headers):
        """Sends a request."""
        lines = [f"{method} {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}"]
        if version == "1.1" and "Connection" not in headers:
            lines.append("Connection: keep-alive")  # so that streams come in chunks
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self):
        """Status and headers of the next answer."""
        async with asyncio.timeout(DEADLINE):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), headers

    async def answer(self):
        """Status, headers and body of the next answer."""
        status, headers = await self.head()
        async with asyncio.timeout(DEADLINE):
            if "transfer-encoding" in headers:
                body = b""
                while (chunk := await self.chunk()) is not None:
                    body += chunk
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = b"" if status in (204, 304) else await self.reader.read()
        return status, headers, body

    async def chunk(self):
        """The next chunk of a streamed answer; None at its end."""
        async with asyncio.timeout(DEADLINE):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
        return data[:-2] if size else None

    def close(self):
        self.writer.close()

    def cut(self):
        self.writer.transport.abort()


class Poller:
    """A client that polls: its session, what it has had, and what it has said.

    Attributes:
        ack: The last packet that it has.
        headers: Of all its requests but the first.
        query: What the addresses of all its requests but the first end with.
        end: How the session ended, once it has.

    """

    def __init__(self, port, path=None):
        self.port = port
        self.path = path
        self.ack = 0
        self.seq = 0
        self.end = None
        self.headers = {}
        self.query = ""
        self.up = self.down = None
        self._decoder = stomp.Decoder(max_body=1 << 26)
        self._frames = []

    @classmethod
    async def open(cls, node, body=CONNECT, **headers):
        """A session that has sent CONNECT."""
        poller = cls(node.listen[0]["port"])
        poller.up, poller.down = await Http.open(poller.port), await Http.open(poller.port)
        poller.up.ask("/poll", body, **headers)
        status, _, answer = await poller.up.answer()
        assert status == 200, answer
        poller.path = f"/poll/{json.loads(answer)['session']}"
        return poller

    def close(self):
        for http in (self.up, self.down):
            if http is not None:
                http.close()

    async def send(self, octets, seq=None):
        """Sends the next octets, or some again; returns status and body of the answer."""
        if seq is None:
            self.seq = seq = self.seq + 1
        self.up.ask(f"{self.path}/send?seq={seq}&ack={self.ack}{self.query}", octets, **self.headers)
        status, _, body = await self.up.answer()
        return status, body

    async def tell(self, command, headers=None, body=b""):
        """Sends a frame, which is to be taken."""
        assert await self.send(stomp.encode(command, headers or {}, body, "1.2")) == (204, b"")

    def ask(self, stream=False):
        """Asks for what there is."""
        more = ("&stream=1" if stream else "") + self.query
        self.down.ask(f"{self.path}/receive?ack={self.ack}{more}", **self.headers)

    def take(self, octets):
        """Takes what came; returns what is left over of it."""
        packets, end, rest = read_packets(octets)
        for seq, data in packets:
            assert seq == self.ack + 1, (seq, self.ack)
            self.ack = seq
            self._frames += self._decoder.feed(data)
        self.end = end or self.end
        return rest

    async def receive(self):
        """One long-poll; returns the octets of the answer."""
        self.ask()
        status, _, body = await self.down.answer()
        assert status == 200, body
        assert self.take(body) == b""
        return body

    async def frame(self):
        """The next frame: command, headers, body."""
        while not self._frames:
            assert self.end is None, self.end
            await self.receive()
        head, body = self._frames.pop(0)
        return head.command, head.headers, body

    async def login(self):
        command, _, _ = await self.frame()
        assert command == "CONNECTED"
        return self

    async def subscribe(self, destination, id="0", **headers):
        """Subscribes; returns what the RECEIPT says."""
        await self.tell("SUBSCRIBE", {"id": id, "destination": destination, "receipt": "r", **headers})
        command, granted, body = await self.frame()
        assert (command, granted["receipt-id"]) == ("RECEIPT", "r"), (command, granted, body)
        return granted

    async def bodies(self, count):
        """The bodies of the next messages, as text."""
        found = []
        while len(found) < count:
            command, headers, body = await self.frame()
            assert command == "MESSAGE", (command, headers, body)
            found.append(body.decode())
        return found


def problem(body):
    """The code in problem JSON."""
    return json.loads(re.sub(rb"^\s+", b"", body))["code"]
