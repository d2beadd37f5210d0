"""A node: configuration in, a running gateway out. This is also how one embeds QMQ.

    node = qmq.Node(qmq.load_config({"listen": ("http://127.0.0.1:0",)}))
    await node.start()

A node owns its hub, its gateway and its listeners, and leaves nothing behind when
it has stopped. It lives on the loop that started it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import ssl
import string
from pathlib import Path
from typing import Any

from tornado.netutil import bind_sockets

from qmq.branch import Branch
from qmq.certificates import server_context
from qmq.config import Config, parse_listen
from qmq.core.destination import check_name
from qmq.core.history import History
from qmq.core.hub import Hub
from qmq.core.memory import Memory
from qmq.core.message import Envelope, Message, Origin
from qmq.core.registry import Registry
from qmq.core.timers import Timers
from qmq.demo import Demo
from qmq.errors import ConfigError, QmqError
from qmq.gateway.avro_http import Protocol
from qmq.gateway.door import Door
from qmq.gateway.gateway import Gateway
from qmq.rules import history_rules, rules_of
from qmq.stats import Stats

log = logging.getLogger("qmq")

_BACKLOG = 4096  # connections that may wait to be accepted
_PROTOCOLS = {"https": ("http/1.1",), "stomps": ()}  # what TLS clients are offered, by scheme


class Node:
    """One QMQ node.

    Args:
        config: See `qmq.config`; all defaults if left out.

    Attributes:
        stats: Its counters.
        listen: After `start`: what it listens on, as dictionaries with `scheme`,
            `host` and `port`.

    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.stats = Stats()
        self.listen: list[dict[str, Any]] = []
        self._demo: Demo | None = None
        self._registry: Registry | None = None
        self._branch: Branch | None = None

    @property
    def hub(self) -> Hub:
        """The switchboard of the running node."""
        return self.registry.hub

    @property
    def registry(self) -> Registry:
        """The queues and exchanges of the running node."""
        assert self._registry is not None, "the node has not been started"
        return self._registry

    @property
    def gateway(self) -> Gateway:
        """What the running node's connections share."""
        return self.branch.gateway

    @property
    def branch(self) -> Branch:
        """What it has on the loop that started it."""
        assert self._branch is not None, "the node has not been started"
        return self._branch

    def routes(self) -> list[Any]:
        """Tornado rules that mount this node in somebody's own application.

        The application's own listeners then take the place of `start`; `open`
        must have been called on the loop that serves them.
        """
        return self.branch.routes()

    def open(self) -> None:
        """Makes the node ready on the running loop, without listening."""
        loop = asyncio.get_running_loop()
        origin = Origin(self.config.name, _new_epoch())

        def wake() -> None:
            loop.call_soon(hub.flush)

        def alarm(when: float) -> None:
            loop.call_at(when, timers.run)

        timers = Timers(loop.time, alarm)
        limits = self.config.limits
        history = History(timers, history_rules(self.config), limits.history, limits.topics, self.stats)
        hub = Hub(origin, wake, self.stats, history)
        memory = Memory(limits.memory)
        self._registry = Registry(hub, timers, memory, self.stats, rules_of(self.config))
        door, protocol = Door(self.config), Protocol()
        self._branch = Branch(self.config, self._registry, self.stats, self._why_not_ready, door, protocol)

    async def start(self) -> None:
        """Opens the node and accepts connections.

        Raises:
            ConfigError: If a certificate is wrong, or an address cannot be listened on.

        """
        contexts = self._contexts()
        self.open()
        self.branch.serve(contexts)
        try:
            for url in self.config.listen:
                self._listen(url)
            if self.config.ready_file:
                self._write_ready_file(Path(self.config.ready_file))
        except ConfigError:
            self.branch.close_listeners()
            raise
        if self.config.demo:
            self._demo = Demo(self.publish)

    async def stop(self) -> None:
        """Sends clients away, closes everything, and returns when all of it is gone."""
        if self._demo is not None:
            self._demo.stop()
        await self.branch.stop()

    def reload(self) -> None:
        """Reads certificate, key and client authorities again; only new connections are concerned.

        If one of the files is wrong, everything stays as it was, and the log says why.
        """
        try:
            contexts = self._contexts()
        except ConfigError as error:
            log.warning("certificates stay as they were: %s", error)
            return
        self.branch.renew(contexts)
        log.info("certificates read again" if contexts else "no certificates to read again")

    def publish(self, destination: str, body: bytes | str, headers: dict[str, str] | None = None) -> Message:
        """Publishes from within the process. Only on the node's own loop.

        Raises:
            QmqError: `bad-destination` or `bad-pattern`; `queue-full`.

        """
        envelope = Envelope(check_name(destination), dict(headers or {}))
        octets = body.encode() if isinstance(body, str) else body
        return self.registry.publish(envelope, octets, isinstance(body, str))

    def _why_not_ready(self) -> QmqError | None:
        if not self.gateway.ready:
            return QmqError("shutting-down")
        return QmqError("memory-full") if self.registry.memory.full else None

    def _contexts(self) -> dict[str, ssl.SSLContext]:
        tls = self.config.tls
        return {scheme: server_context(tls, names) for scheme, names in _PROTOCOLS.items()} if tls.certificate else {}

    def _listen(self, url: str) -> None:
        scheme, host, port = parse_listen(url)
        try:
            sockets = bind_sockets(port, host, backlog=_BACKLOG)
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"cannot listen on {url}: {getattr(error, 'strerror', None) or error}") from error
        self.branch.listen(scheme, sockets)
        for bound in sockets:
            self.listen.append({"scheme": scheme, "host": host, "port": bound.getsockname()[1]})

    def _write_ready_file(self, path: Path) -> None:
        ready = {"name": self.config.name, "pid": os.getpid(), "listen": self.listen}
        temporary = path.with_name(path.name + ".new")  # so that nobody ever reads half of it
        try:
            temporary.write_text(json.dumps(ready) + "\n", "utf-8")
            temporary.replace(path)
        except OSError as error:
            raise ConfigError(f"ready_file: cannot write {path}: {error.strerror}") from error

    def __repr__(self) -> str:
        return f"<node {self.config.name} {self._registry!r}>"


def _new_epoch() -> str:
    alphabet = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(6))
