"""A client of the JSON API for tests: one connection, requests and answers as values."""

import asyncio
import json

from qmq.errors import CODES
from tests.gateway.poll_peer import Http
from tests.helpers import DEADLINE


class ApiPeer(Http):
    """Asks and reads answers. Everything else is as on any HTTP connection."""

    async def call(self, method, path, value=None, *, octets=None, **headers):
        """Status, headers and value of the answer to a request below `/api/v1`."""
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        body = octets if octets is not None else b"" if value is None else json.dumps(value).encode()
        if (value is not None or octets is not None) and "Content-Type" not in fields:
            fields["Content-Type"] = "application/json"
        self.ask(f"/api/v1{path}", body, method=method, **fields)
        return await self.told()

    async def told(self):
        """Status, headers and value of the next answer."""
        status, headers, body = await self.answer()
        kind = headers.get("content-type", "")
        return status, headers, json.loads(body) if kind.endswith("json") and body else body

    async def done(self, method, path, value=None, **more):
        """What it is answered, once it is certain that it is no error."""
        status, _, told = await self.call(method, path, value, **more)
        assert status == 200, (status, told)
        return told

    async def refused(self, code, method, path, value=None, **more):
        """Why it is refused, once it is certain that it is, with this code."""
        status, headers, told = await self.call(method, path, value, **more)
        return check_problem(code, status, headers, told)

    @property
    def waiting(self):
        """How many requests wait for messages, on all of the node's loops."""
        return sum(gateway.operations.waiting for gateway in self.node.gateway.family)

    async def publish(self, destination, *bodies, **more):
        """Publishes; returns the ids."""
        messages = [{"destination": destination, "body": body, **more} for body in bodies]
        return (await self.done("POST", "/publish", messages))["ids"]

    async def consume(self, destination, **more):
        """Bodies and tokens of what is there."""
        told = await self.done("POST", "/consume", {"destination": destination, **more})
        return {each["body"]: each["token"] for each in told["deliveries"]}


def check_problem(code, status, headers, told):
    """Checks that an answer is the problem of this code; returns its detail."""
    row = CODES[code]
    assert headers["content-type"] == "application/problem+json", (status, told)
    assert (status, told["status"], told["code"], told["title"]) == (row.status, row.status, code, row.text), told
    assert headers["cache-control"] == "no-store" and told["type"] == "about:blank"
    assert ("retry-after" in headers) == row.retry
    return told.get("detail", "")


class Listener(Http):
    """Reads a stream of Server-Sent Events.

    Attributes:
        last: The id of the last event that had one.

    """

    last = ""

    async def listen(self, query, **headers):
        """Asks for a stream and reads the head of the answer."""
        self.ask(f"/api/v1/stream?{query}", method="GET", **{"Connection": "close", **headers})
        return await self.head()

    async def block(self):
        """The next lines until a blank one; None at the end."""
        async with asyncio.timeout(DEADLINE):
            try:
                return (await self.reader.readuntil(b"\n\n")).decode()[:-2]
            except asyncio.IncompleteReadError as error:
                assert not error.partial, error.partial
                return None

    async def event(self):
        """Name and data of the next event; comments are passed over. None at the end."""
        while (block := await self.block()) is not None:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            self.last = fields.get("id", self.last)
            if "data" in fields:
                return fields.get("event", "message"), json.loads(fields["data"])
        return None
