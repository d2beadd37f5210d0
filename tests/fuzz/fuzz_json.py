"""Must hold: whatever is asked of the JSON API is answered once, with what its document says, and never with a failure.

An input is a line as of HTTP (method, address below `/api/v1`, content encoding), and after its end
the body. All of a request's way is taken but for the sockets.
"""

import asyncio
import gzip
import json

from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qmq.config import make
from qmq.errors import CODES
from qmq.gateway.api.document import codes_of
from qmq.gateway.api.router import Api
from qmq.gateway.api.table import ALWAYS, OPERATIONS, WITH_BODY
from qmq.gateway.gateway import Gateway
from tests.worlds import World

GOOD = json.dumps({"destination": "/queue/a", "body": [1, "x"], "headers": {"priority": "3"}}).encode()
SEEDS = [
    *[
        f"{each.method} {each.path.replace('{name}', 'a')} \n".encode() + json.dumps(each.example or {}).encode()
        for each in OPERATIONS
        if not each.streams
    ],
    b"POST /publish \n" + GOOD,
    b"POST /publish gzip\n" + gzip.compress(GOOD),
    b"POST /publish \n[" + GOOD + b"," + GOOD + b"]",
    b'POST /publish \n{"destination":"/topic/a","bodyBase64":"AAAA","contentType":"x","idempotencyKey":"k"}',
    b'POST /publish \n{"destination":"/topic/a","body":' + b"[" * 300 + b"]" * 300 + b"}",
    b'POST /publish \n{"destination":"/topic/a","body":123456789012345678901234567890}',
    b"GET /messages?destination=/topic/%23&from=earliest&max=3&wait=1 \n",
    b"GET /messages?destination=/topic/a&cursor=node.e.1&maxBytes=1 \n",
    b"DELETE /bindings?source=amq.topic&destination=/queue/a&key=x&arguments=%7B%7D \n",
    b'PUT /queues/b.c \n{"max-length":3,"dead-letter":"/exchange/amq.topic","overflow":"drop-head"}',
    b'POST /bindings \n{"source":"amq.headers","destination":"/queue/a","arguments":{"a":1e9,"b":[]}}',
    b"OPTIONS /publish \n",
    b"PATCH /nothing br\n",
]
TOKENS = [
    b"/topic/", b"/queue/", b"/exchange/amq.topic/", b"/temp-queue/", b'"destination":', b'"body":', b'"headers":',
    b"null", b"true", b"1e999", b"-0", b"12345678901234567890", b'"\\ud800"', b"{", b"}", b"[", b"]", b",", b"%00",
    b"%ff", b"&", b"=", b"#", b"*", b"gzip", b" ", b"\n", b'"ack":', b'"nack":', b'"wait":9', b'"max":1000',
]  # fmt: skip
LIMITS = {
    "limits.queues": 50,
    "limits.exchanges": 20,
    "limits.bindings": 50,
    "limits.topics": 50,
    "limits.memory": 1 << 20,
}
CONFIG = make({**LIMITS, "limits.body": 1000, "limits.idempotency_keys": 50, "limits.poll_hold_seconds": 0.01})
PATHS = {each.path for each in OPERATIONS if each.streams}


class Connection:
    """Takes an answer."""

    class context:
        had_request = False

    def __init__(self):
        self.answers = []
        self.body = b""

    def set_max_body_size(self, octets):
        pass

    def set_close_callback(self, callback):
        pass

    def write_headers(self, line, headers, chunk=b""):
        self.answers.append((line.code, headers))
        self.body = chunk

    def finish(self):
        pass


async def new_gateway():
    """A node's gateway. One for each input, so that none depends on those before."""
    world = World(desk=True)
    return Gateway(CONFIG, world.registry, world.stats)


LOOP = asyncio.new_event_loop()
API = Api(LOOP.run_until_complete(new_gateway()))  # its routes are made once: they take longer than a request


async def ask(data):
    """Asks; the operation, the answer's status and its body."""
    line, _, body = data.partition(b"\n")
    method, path, encoding = [*line.decode("latin-1").split(" "), "", ""][:3]
    if any(path.startswith(each) for each in PATHS):
        return None
    connection, gateway = Connection(), await new_gateway()
    API.gateway, API.operations = gateway, gateway.operations
    headers = HTTPHeaders({"Host": "x", "Content-Type": "application/json"})
    if encoding.isalnum():
        headers["Content-Encoding"] = encoding
    start = RequestStartLine(method, "/api/v1" + path, "HTTP/1.1")
    request = HTTPServerRequest(start_line=start, headers=headers)
    request.connection = connection
    call = API.find_handler(request)
    call.headers_received(start, headers)
    for at in range(0, len(body), 500):
        call.data_received(body[at : at + 500])
    call.finish()
    if hasattr(call, "_task"):  # it shows credentials, which takes a while
        await call._task
    if call.hold is not None:
        call.hold.end()
    [(status, answered)] = connection.answers
    assert not API.holds and not gateway.operations.waiting
    return call._route.operation if call._route is not None else None, status, answered, connection.body


def check(data):
    found = LOOP.run_until_complete(ask(data))
    if found is None:
        return
    operation, status, headers, body = found
    if status in (200, 204):
        assert (status == 204) == (operation is None)
        assert not body or json.loads(body) is not None
        return
    assert headers["Content-Type"] == "application/problem+json"
    if data.split(b"\n")[0].split(b" ")[0] == b"HEAD":
        assert body == b""
        return
    told = json.loads(body)
    code = CODES[told["code"]]
    assert (status, told["status"]) == (code.status, code.status) and code.name != "internal-error"
    known = codes_of(operation) if operation is not None else [*ALWAYS, *WITH_BODY, "not-found"]
    assert code.name in known, code.name
