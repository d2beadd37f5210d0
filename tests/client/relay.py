"""A relay between a client and a gateway, which cuts, falls silent, or leads somewhere else when it is told to."""

import asyncio
import contextlib


class Relay:
    """Passes octets on, both ways.

    Attributes:
        port: Where it listens.
        target: The port that new connections are led to; None refuses them.
        opened: How many connections there have been.
        deaf: Whether nothing is passed on any more, though nothing ends.
        deaf_to_gateway: The same of what the gateway says.
        patience: Says of each connection and direction after how many octets it is cut.

    """

    def __init__(self, target):
        self.target = target
        self.opened = 0
        self.deaf = self.deaf_to_gateway = False
        self.patience = lambda: float("inf")
        self._writers = set()
        self._tasks = set()

    @classmethod
    async def start(cls, target):
        relay = cls(target)
        relay._server = await asyncio.start_server(relay._serve, "127.0.0.1", 0)
        relay.port = relay._server.sockets[0].getsockname()[1]
        return relay

    def cut(self):
        """Ends all connections without a word."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self):
        self._server.close()
        self.target = None
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self._writers.add(writer)
        try:
            if self.target is None:
                return
            self.opened += 1
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target)
            self._writers.add(to_writer)
            try:
                both = [
                    asyncio.create_task(each)
                    for each in (self._pass(reader, to_writer, False), self._pass(to_reader, writer, True))
                ]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
            finally:
                to_writer.close()
                self._writers.discard(to_writer)
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _pass(self, reader, writer, of_gateway):
        left = self.patience()
        with contextlib.suppress(OSError):
            while left > 0 and (data := await reader.read(1 << 14)):
                if not self.deaf and not (of_gateway and self.deaf_to_gateway):
                    writer.write(data if len(data) <= left else data[:left])
                    await writer.drain()
                left -= len(data)
        writer.close()  # what was passed on arrives; the answer to it does not
