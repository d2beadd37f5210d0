"""The systems that are measured, as data: how each is started, joined, subscribed to and published to.

To add one, write how it starts and append a `System` to `SYSTEMS`. A `Conversation` is what a client says: a list of
steps, each of them octets to send and the octets that tell that the server has done it.

Nothing here measures, and nothing here listens beyond loopback. A system that is not installed says so and is left out;
that is never an error.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import floor, process, wire
from bench.process import BenchError, Process

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0

Step = tuple[bytes, bytes]  # (send this, wait until the answer holds that)


@dataclass(frozen=True)
class Conversation:
    """What the generator says to one kind of server listening on `port`."""

    subscriber: list[Step]
    publisher: list[Step]
    publish: bytes  # one message, as a whole frame


@dataclass(frozen=True)
class QueueConversation:
    """What the generator says to have a work queue of its own; its ACK frames are STOMP's."""

    consumer: list[Step]
    producer: list[Step]
    destination: str


QueueTalk = Callable[[int, int, int], QueueConversation]  # for that port, prefetch count and run
Post = Callable[[int], bytes]  # for that port: a request that publishes, with all its octets


@dataclass(frozen=True)
class System:
    """One server of the comparison."""

    name: str
    label: str
    missing: Callable[[], str]  # why it cannot run here; empty if it can
    start: Callable[[Path], Process]  # in that empty directory; returns when it accepts connections
    talk: Callable[[int], Conversation]  # for that port
    subscribes: bool = True  # whether anybody can subscribe to it here
    idle_connections: int = 8000  # how many the memory measurement opens at most
    queue: QueueTalk | None = None  # nothing if it has no messages that are settled one by one
    queue_messages: int = 0  # how many the measurement of waiting messages publishes at most; 0: it keeps none
    posts: Mapping[str, Post] = field(default_factory=dict)  # by scenario: what it publishes by HTTP
    scenarios: frozenset[str] = frozenset()  # the only ones that it takes part in; empty for all that it can


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_with_ready_file(command: list[str], work: Path, env: dict[str, str]) -> Process:
    """Start one of ours: it chooses its port and writes it to a file."""
    ready = work / "ready.json"
    server = process.start([*command, str(ready)], work, env)
    try:
        server.wait_until(ready.exists, READY_SECONDS)
        listen = json.loads(ready.read_text())["listen"]
        server.port = next(each["port"] for each in listen if each["scheme"] == "http")
    except BaseException:
        server.stop()
        raise
    return server


def _start_on_port(server: Process, port: int) -> Process:
    """Wait for a server that was told its port."""
    server.port = port
    try:
        server.wait_until(lambda: _listening(port), READY_SECONDS)
    except BaseException:
        server.stop()
        raise
    return server


# ---- STOMP over WebSocket: QMQ, RabbitMQ -----------------------------------------------------------------------------


def _connect(login: Mapping[str, str]) -> bytes:
    return wire.stomp("CONNECT", {"accept-version": "1.2", "host": "/", "heart-beat": "0,0", **login})


def _subscribe(destination: str, headers: Mapping[str, str]) -> bytes:
    return wire.stomp("SUBSCRIBE", {"id": "0", "destination": destination, **headers, "receipt": "subscribed"})


def _stomp_joined(path: str, port: int, login: Mapping[str, str]) -> list[Step]:
    return [
        (wire.upgrade(path, port, "v12.stomp"), b"\r\n\r\n"),
        (wire.client_frame(_connect(login)), b"CONNECTED\n"),
    ]


def stomp_subscribed(destination: str, **headers: str) -> Step:
    """The step of one more subscription."""
    return wire.client_frame(_subscribe(destination, headers)), b"receipt-id:subscribed"


def stomp_frames(destination: str) -> bytes:
    """Login and subscription as plain octets, for who sends them without WebSocket."""
    return _connect({}) + _subscribe(destination, {})


def _stomp_talk(path: str, **login: str) -> Callable[[int], Conversation]:
    def talk(port: int) -> Conversation:
        joined = _stomp_joined(path, port, login)
        return Conversation(
            [*joined, stomp_subscribed(floor.DESTINATION)], joined, wire.client_frame(floor.PUBLISH_PAYLOAD)
        )

    return talk


def _stomp_queue(path: str, **login: str) -> QueueTalk:
    def talk(port: int, prefetch: int, run: int) -> QueueConversation:
        # A queue for each run: what one that failed has left in its queue is not the next one's. The name is as long as
        # the topic's, and so are the frames.
        destination = f"/queue/run{run:02}"
        joined = _stomp_joined(path, port, login)
        subscribed = stomp_subscribed(destination, ack="client-individual", **{"prefetch-count": str(prefetch)})
        return QueueConversation([*joined, subscribed], joined, destination)

    return talk


def _avro(batch: int) -> Post:
    """A call of `publish` by a client that speaks the server's own protocol (Avro specification, "Call Format")."""

    def text(value: bytes) -> bytes:
        return wire.zigzag(len(value)) + value

    def post(port: int) -> bytes:
        protocol = (ROOT / "server/qmq/session/qmq.avpr").read_bytes()
        known = hashlib.md5(protocol, usedforsecurity=False).digest() + b"\0"  # and its text need not be sent
        posting = text(floor.DESTINATION.encode()) + text(wire.BODY) + b"\0\0\0"
        messages = wire.zigzag(batch) + posting * batch + b"\0"
        call = known * 2 + b"\0" + text(b"publish") + messages
        body = len(call).to_bytes(4, "big") + call + bytes(4)
        return wire.post("/avro", port, "avro/binary", body)

    return post


def _json(batch: int) -> Post:
    """A request to publish so many messages, as QMQ's JSON API has it."""

    def post(port: int) -> bytes:
        message = {"destination": floor.DESTINATION, "body": wire.BODY.decode()}
        body = json.dumps([message] * batch if batch > 1 else message).encode()
        return wire.post("/api/v1/publish", port, "application/json", body)

    return post


def _start_qmq(work: Path, *options: str) -> Process:
    # The name is part of each message id: a given one makes the frames as long on every machine, and as the floor's.
    command = [
        sys.executable,
        "-m",
        "qmq",
        "serve",
        "--name",
        "node-a",
        "--listen",
        "http://127.0.0.1:0",
        *options,
        "--ready-file",
    ]
    path = os.pathsep.join(filter(None, [str(ROOT / "server"), os.environ.get("PYTHONPATH", "")]))
    return start_with_ready_file(command, work, {"PYTHONPATH": path})


def _qmq_with_threads(count: int) -> System:
    def start(work: Path) -> Process:
        return _start_qmq(work, "--threads", str(count))

    few = frozenset({"1x100", "100x10", "1000x1"})
    return System(f"qmq-{count}", f"QMQ, {count} threads", _qmq_missing, start, _stomp_talk("/stomp"), scenarios=few)


def _qmq_missing() -> str:
    return "" if (ROOT / "server/qmq/__main__.py").exists() else "not installed"


RABBITMQ_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

RABBITMQ_CONF = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
web_stomp.tcp.listener = 127.0.0.1:{port}
log.console.level = warning
log.file = false
"""


# Apart from the other, since its statistics cost it something in whatever it does.
RABBITMQ_HTTP_CONF = "management.tcp.port = {http}\nmanagement.tcp.ip = 127.0.0.1\n"


def _rabbitmq_missing() -> str:
    # The script of the package's library directory: the one on the path insists on a system user.
    return "" if RABBITMQ_SCRIPT.exists() and shutil.which("epmd") else "not installed"


def _start_rabbitmq(work: Path, http: int = 0) -> Process:
    """A node of our own beside any that the machine may run: own name, own port mapper, own directories.

    With `http`, its management answers requests on that port.
    """
    port, amqp, stomp, epmd, dist = (process.free_port() for _ in range(5))
    conf = RABBITMQ_CONF + (RABBITMQ_HTTP_CONF if http else "")
    (work / "rabbitmq.conf").write_text(conf.format(port=port, amqp=amqp, stomp=stomp, http=http))
    (work / "plugins").write_text(f"[rabbitmq_web_stomp{',rabbitmq_management' if http else ''}].\n")
    env = {
        "HOME": str(work),  # where the Erlang cookie is made
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"qmqbench{os.getpid()}@localhost",
        "RABBITMQ_DIST_PORT": str(dist),
        "RABBITMQ_CONFIG_FILE": str(work / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(work / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(work / "mnesia"),
        "RABBITMQ_LOG_BASE": str(work / "log"),
        "RABBITMQ_CONF_ENV_FILE": str(work / "none"),
        # One scheduler, as everybody has one thread here; and no name or port of it on any other interface.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        # Makes the script exec the Erlang VM, so that the process we started is the one to weigh and to end.
        "RUNNING_UNDER_SYSTEMD": "true",
    }
    mapper = process.start(["epmd", "-port", str(epmd), "-address", "127.0.0.1"], work, name="epmd")
    try:
        _start_on_port(mapper, epmd)
        server = process.start([str(RABBITMQ_SCRIPT)], work, env)
    except BaseException:
        mapper.stop()
        raise
    server.helpers.append(mapper)
    server.http_port = http
    return _start_on_port(server, http or port)


def _start_rabbitmq_http(work: Path) -> Process:
    return _start_rabbitmq(work, process.free_port())


def _rabbitmq_post(port: int) -> bytes:
    """A request of RabbitMQ's management to publish one message."""
    message = {"properties": {}, "routing_key": "bench", "payload": wire.BODY.decode(), "payload_encoding": "string"}
    login = "Basic " + base64.b64encode(b"guest:guest").decode()
    path = "/api/exchanges/%2F/amq.topic/publish"
    return wire.post(path, port, "application/json", json.dumps(message).encode(), Authorization=login)


# ---- nchan: nginx ----------------------------------------------------------------------------------------------------

NGINX_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

NGINX_CONF = """\
load_module {module};
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /pub {{ nchan_publisher http websocket; nchan_channel_id bench; nchan_message_buffer_length 1000; }}
    location = /sub {{ nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest; }}
  }}
}}
"""


def _nginx() -> str | None:
    return shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def _nchan_missing() -> str:
    return "" if NGINX_MODULE.exists() and _nginx() else "not installed"


def _start_nchan(work: Path) -> Process:
    binary, port = _nginx(), process.free_port()
    if binary is None:
        raise BenchError("not installed")
    (work / "nginx.conf").write_text(NGINX_CONF.format(module=NGINX_MODULE, port=port))
    return _start_on_port(process.start([binary, "-p", str(work), "-c", "nginx.conf"], work), port)


def _nchan_talk(port: int) -> Conversation:
    joined: list[Step] = [(wire.upgrade("/pub", port), b"\r\n\r\n")]
    return Conversation([(wire.upgrade("/sub", port), b"\r\n\r\n")], joined, wire.client_frame(wire.BODY))


def _nchan_post(port: int) -> bytes:
    return wire.post("/pub", port, "text/plain", wire.BODY)


# ---- NATS ------------------------------------------------------------------------------------------------------------

NATS_CONF = """\
listen: "127.0.0.1:{tcp}"
websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}
"""


def _nats_missing() -> str:
    return "" if _nats_binary() else "not installed"


def _nats_binary() -> str | None:
    return shutil.which("nats-server", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def _start_nats(work: Path) -> Process:
    binary = _nats_binary()
    if binary is None:
        raise BenchError("not installed")
    port, tcp = process.free_port(), process.free_port()
    (work / "nats.conf").write_text(NATS_CONF.format(port=port, tcp=tcp))
    return _start_on_port(process.start([binary, "-c", "nats.conf"], work, {"GOMAXPROCS": "1"}), port)


def _nats_talk(port: int) -> Conversation:
    def frame(text: bytes) -> bytes:
        return wire.client_frame(text, wire.BINARY)

    connect = b'CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"0","protocol":1}\r\nPING\r\n'
    joined: list[Step] = [(wire.upgrade("/", port), b"\r\n\r\n"), (frame(connect), b"PONG\r\n")]
    return Conversation(
        [*joined, (frame(b"SUB bench 1\r\nPING\r\n"), b"PONG\r\n")],
        joined,
        frame(b"PUB bench %d\r\n%s\r\n" % (wire.BODY_OCTETS, wire.BODY)),
    )


# ---- the floor -------------------------------------------------------------------------------------------------------


def _start_floor(work: Path) -> Process:
    return start_with_ready_file([sys.executable, "-m", "bench.floor"], work, {"PYTHONPATH": str(ROOT)})


def _floor_talk(port: int) -> Conversation:
    joined: list[Step] = [(wire.upgrade("/", port), b"\r\n\r\n")]
    subscriber = [*joined, (floor.SUBSCRIBE, floor.READY)]
    return Conversation(subscriber, joined, wire.client_frame(floor.PUBLISH_PAYLOAD))


def _floor_queue(port: int, prefetch: int, _: int) -> QueueConversation:
    joined: list[Step] = [(wire.upgrade("/", port), b"\r\n\r\n")]
    return QueueConversation([*joined, (b"%s %d" % (floor.CONSUME, prefetch), floor.READY)], joined, floor.DESTINATION)


def _never_missing() -> str:
    return ""


SYSTEMS = {
    system.name: system
    for system in (
        System("floor", "floor (bare asyncio)", _never_missing, _start_floor, _floor_talk, queue=_floor_queue),
        System(
            "qmq",
            "QMQ",
            _qmq_missing,
            _start_qmq,
            _stomp_talk("/stomp"),
            queue=_stomp_queue("/stomp"),
            queue_messages=1_000_000,
            posts={"json-1": _json(1), "json-100": _json(100), "avro-100": _avro(100)},
        ),
        *(_qmq_with_threads(count) for count in (2, 4)),
        System("nats", "NATS WebSocket", _nats_missing, _start_nats, _nats_talk),
        # It needs minutes for 8,000 connections on one scheduler, and the figure per connection does not change. A
        # million messages take it nearly as long.
        System(
            "rabbitmq",
            "RabbitMQ web-stomp",
            _rabbitmq_missing,
            _start_rabbitmq,
            _stomp_talk("/ws", login="guest", passcode="guest"),
            idle_connections=1000,
            queue=_stomp_queue("/ws", login="guest", passcode="guest"),
            queue_messages=200_000,
        ),
        System(
            "rabbitmq-http",
            "RabbitMQ management",
            _rabbitmq_missing,
            _start_rabbitmq_http,
            _stomp_talk("/ws", login="guest", passcode="guest"),
            subscribes=False,
            posts={"json-1": _rabbitmq_post},
        ),
        System("nchan", "nchan", _nchan_missing, _start_nchan, _nchan_talk, posts={"json-1": _nchan_post}),
    )
}
