"""Servers that are none of ours: they do what a test says with each connection."""

import asyncio
import contextlib

from qmq.wire import stomp


class Stranger:
    """A server on TCP.

    Attributes:
        frames: The frames that came, over all connections.
        url: Its address, for STOMP on TCP.

    """

    def __init__(self, answer):
        self.frames = []
        self._answer = answer

    @classmethod
    @contextlib.asynccontextmanager
    async def serving(cls, answer):
        """One that answers each frame with what `answer(head)` returns, None for its goodbye."""
        self = cls(answer)
        tasks, writers = set(), []

        async def serve(reader, writer):
            tasks.add(asyncio.current_task())
            writers.append(writer)
            decoder = stomp.Decoder()
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(1 << 16):
                    for head, body in decoder.feed(data):
                        self.frames.append((head.command, head.headers, body))
                        said = self._answer(head)
                        if said is None:
                            writer.close()
                            return
                        writer.write(said)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.url = f"stomp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in writers:
                writer.transport.abort()
            await asyncio.gather(*tasks, *[writer.wait_closed() for writer in writers], return_exceptions=True)


def polite(head):
    """What a server says that agrees with everything."""
    said = stomp.encode("CONNECTED", {"version": "1.2"}) if head.command == "CONNECT" else b""
    if "receipt" in head.headers:
        said += stomp.encode("RECEIPT", {"receipt-id": head.headers["receipt"]})
    return said
