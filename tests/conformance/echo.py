"""An echo server on the gateway's own WebSocket connection, for conformance tests.

    python tests/conformance/echo.py [--port PORT]

prints its URL and serves until it is interrupted. Everything below the
conversation is the gateway's: handshake, codec, reading, writing, ending. The
conversation sends each message back as it came, in the type in which it came.
"""

import argparse
import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tornado.netutil import bind_sockets
from tornado.web import Application

from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Conversation
from qmq.gateway.gateway import Gateway
from qmq.gateway.server import Server
from qmq.gateway.websocket import WebSocketHandler, frame


class Echo(Conversation):
    """A conversation that repeats what it is told, each message by itself, and ends only when it is made to."""

    name = "echo"

    def __init__(self, connection: Connection) -> None:
        self._outbox = connection.outbox

    def receive(self, data: bytes, text: bool = False) -> None:
        """Sends the message back."""
        self._outbox.reply(frame(data, text))


async def serve(port: int = 0) -> tuple[str, Server, Gateway]:
    """Listens on a port of the loopback interface; the URL comes first."""
    gateway = Gateway.alone()
    application = Application([("/echo", WebSocketHandler, {"gateway": gateway, "talk": Echo})])
    server = Server(application, gateway.config, gateway.stats)
    sockets = bind_sockets(port, "127.0.0.1")
    server.add_sockets(sockets)
    return f"ws://127.0.0.1:{sockets[0].getsockname()[1]}/echo", server, gateway


@contextlib.contextmanager
def running() -> Iterator[str]:
    """Serves from a thread of its own, as long as the context is open."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="echo")
    thread.start()
    try:
        url, server, gateway = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
        yield url
        asyncio.run_coroutine_threadsafe(stop(server, gateway), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def stop(server: Server, gateway: Gateway) -> None:
    """Stops listening, and closes what is still open."""
    server.stop()
    gateway.abort()
    await server.close_all_connections()


async def main(port: int) -> None:
    """Serves until it is interrupted."""
    url, *_ = await serve(port)
    print(url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0 for any free port")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().port))
