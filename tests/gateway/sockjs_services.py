"""The services that the SockJS protocol's own checks are made against: echo, close, and echo with other options."""

import json

from tornado.netutil import bind_sockets
from tornado.web import Application

from qmq.config import make
from qmq.errors import Code
from qmq.gateway.conversation import Conversation
from qmq.gateway.gateway import Gateway
from qmq.gateway.server import Server
from qmq.gateway.sockjs import Options
from qmq.gateway.sockjs_connection import router

GO_AWAY = Code("Go away!", 3000, 200, False, "the service ends each session at once")
SMALL = 4096  # bytes of a streamed response, as the protocol's checks want it
CLIENT = "/sockjs.js"


class Echo(Conversation):
    """Repeats what it is told."""

    def __init__(self, connection):
        self.outbox = connection.outbox

    def receive(self, data, text=False):
        self.outbox.reply((json.dumps(data.decode()) + ",").encode())


class Close(Conversation):
    """Ends before a word is said."""

    ending = GO_AWAY

    def __init__(self, connection):
        connection._loop.call_soon(connection.end)


SERVICES = {
    "/echo": (Echo, Options(response_bytes=SMALL, client=CLIENT, legacy=True)),
    "/disabled_websocket_echo": (Echo, Options(websocket=False)),
    "/cookie_needed_echo": (Echo, Options(cookies=True, legacy=True)),
    "/close": (Close, Options(legacy=True)),
}


class Services:
    """A server of all of them. Within a running loop; `close` it there."""

    def __init__(self):
        self.gateway = Gateway.alone(make({"allowed_origins": ("*",), "limits.linger_seconds": 0.2}))
        self.routers = [router(self.gateway, talk, base, options) for base, (talk, options) in SERVICES.items()]
        app = Application([route for each in self.routers for route in each.routes], log_function=lambda handler: None)
        self.server = Server(app, self.gateway.config, self.gateway.stats)
        sockets = bind_sockets(0, "127.0.0.1")
        self.server.add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]

    async def close(self):
        self.server.stop()
        for each in self.routers:
            each.stop()
        self.gateway.abort()
        await self.server.close_all_connections()
