"""Apache's own Avro client for Python, unmodified, on whatever carries its requests.

It sends parameters as they are, so the defaults of a protocol are filled in here, as its
users have to.
"""

import itertools
from base64 import b64encode

import avro.errors
import avro.ipc
import avro.protocol

from qmq.session.avro import protocol
from tests.authority import HOST

_names = itertools.count()


class Refused(Exception):
    """An error response: `error` is the record, or the text."""

    def __init__(self, error):
        super().__init__(error)
        self.error = error
        self.code = error["code"] if isinstance(error, dict) else error.partition(":")[0]


class Client:
    """Calls messages: `client("publish", messages=[...])`.

    Args:
        transceiver: What carries requests, as `avro.ipc` wants it.
        text: The client's protocol; QMQ's own by default.

    """

    def __init__(self, transceiver, text=None):
        self.protocol = avro.protocol.parse(text or protocol())
        self.transceiver = transceiver
        self.requestor = avro.ipc.Requestor(self.protocol, transceiver)

    def __call__(self, name, **parameters):
        message = self.protocol.messages[name]
        try:
            return self.requestor.request(name, _filled(message.request, parameters))
        except avro.errors.AvroRemoteException as error:
            raise Refused(error.args[0]) from None

    def close(self):
        """Closes the transport's connection."""
        self.transceiver.close()


def _filled(schema, value):
    """A value with the defaults of what it lacks."""
    if schema.type in ("record", "error", "request"):
        known = {field.name: field for field in schema.fields}
        return {
            name: _filled(field.type, value[name]) if name in value else _default(field)
            for name, field in known.items()
            if name in value or field.has_default
        }
    if schema.type == "array":
        return [_filled(schema.items, each) for each in value]
    return value


def _default(field):
    return field.default.encode("latin-1") if field.type.type == "bytes" else field.default


class Direct:
    """Carries requests to a function of the same process."""

    def __init__(self, respond):
        self.transceive = respond
        self.remote_name = f"direct {next(_names)}"  # by which the client remembers what a server knows


class OverHttp(avro.ipc.HTTPTransceiver):
    """The client's own transport; it can be made to show a token, or to use TLS.

    Args:
        port: Of the node.
        context: For TLS.
        headers: More of them.

    """

    def __init__(self, port, context=None, **headers):
        super().__init__("127.0.0.1", port, "/avro")
        self.sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if context is not None:
            self.conn.sock = context.wrap_socket(self.conn.sock, server_hostname=HOST)
        request = self.conn.request
        self.conn.request = lambda *args: request(*args[:3], {**args[3], **self.sent})


def basic(name, password):
    """An `Authorization` header."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()
