"""A node: configuration in, a running gateway out. This is also how one embeds QMQ.

    node = qmq.Node(qmq.load_config({"listen": ("http://127.0.0.1:0",)}))
    await node.start()

A node owns its core, its listeners, its threads if it has several, and leaves nothing
behind when it has stopped. It lives on the loop that started it, which is its first.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import ssl
import string
from collections.abc import Callable
from typing import Any

from tornado.netutil import bind_sockets

from qmq import native, ready
from qmq.branch import Branch
from qmq.certificates import server_context
from qmq.client.body import Headers, frame, texts
from qmq.config import Config, parse_listen
from qmq.core.destination import check_name
from qmq.core.hub import Hub
from qmq.core.message import Envelope, Message, Origin
from qmq.core.registry import Registry
from qmq.demo import Demo
from qmq.errors import ConfigError, QmqError
from qmq.gateway.avro_http import Protocol
from qmq.gateway.door import Door
from qmq.gateway.gateway import Gateway
from qmq.gateway.homes import Homes
from qmq.loops import Loop, LoopThread, aside
from qmq.policies import check_not_open, policy_of, reloaded
from qmq.session.policy import Policy
from qmq.stats import Stats, Sum
from qmq.trunk import Trunk
from qmq.watch import Watch

log = logging.getLogger("qmq")

_BACKLOG = 4096  # connections that may wait to be accepted
_PROTOCOLS = {"https": ("http/1.1",), "stomps": ()}  # what TLS clients are offered, by scheme

Bound = list[tuple[str, list[socket.socket]]]  # what one loop listens on, with the schemes


class Node:
    """One QMQ node.

    Args:
        config: See `qmq.config`; all defaults if left out.
        reread: Reads the configuration again, for `reload`.

    Attributes:
        stats: Its counters, of all threads together.
        branches: What it has on each of its loops, once it is open.
        door: Who may come, and what for; the same for all loops.
        listen: After `start`: what it listens on, as dictionaries with `scheme`,
            `host` and `port`.

    """

    def __init__(self, config: Config | None = None, reread: Callable[[], Config] | None = None) -> None:
        self.config = config or Config()
        self.stats = Stats() if self.config.threads == 1 else Sum([])
        self._reread = reread
        self._reloading = asyncio.Lock()
        self._queued: asyncio.Future[None] | None = None  # a reload whose turn has not come
        self._watches: list[Watch] = []
        self.branches: list[Branch] = []
        self.listen: list[dict[str, Any]] = []
        self._demo: Demo | None = None
        self._registry: Registry | None = None
        self._loops: list[Loop] = []

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
        assert self.branches, "the node has not been started"
        return self.branches[0]

    def routes(self) -> list[Any]:
        """Tornado rules that mount this node in somebody's own application.

        The application's own listeners then take the place of `start`; `open`
        must have been called on the loop that serves them.
        """
        return self.branch.routes()

    def open(self, policy: Policy | None = None) -> None:
        """Makes the node ready on the running loop alone, without listening.

        Args:
            policy: What `policy_of` makes of its configuration; else the files with keys are read here.

        Raises:
            ConfigError: If a rule or a key of tokens is wrong.

        """
        self.door = Door(self.config, policy or policy_of(self.config))
        self._loops = [Loop()]
        self._plant()
        protocol = Protocol()
        self.branches = [
            Branch(self.config, self.registry, self.stats, self._why_not_ready, self._why_not_live, self.door, protocol)
        ]
        self._watches = [Watch(0, self.registry.hub)]

    async def start(self) -> None:
        """Opens the node, on as many loops as it is to have, and accepts connections.

        Raises:
            ConfigError: If a certificate is wrong, or an address cannot be listened on.

        """
        await aside(ready.remove, self.config.ready_file)
        # To read keys and certificates, and to resolve names, may take a while: nothing waits for it but this.
        policy, contexts = await aside(lambda: (policy_of(self.config), _contexts(self.config)))
        sockets = await aside(self._bind)
        try:
            await self._open_all(policy)
            for loop, branch in zip(self._loops, self.branches, strict=True):
                await loop.run(branch.serve, contexts)
            self._settle_in()
            for loop, branch, own in zip(self._loops, self.branches, sockets, strict=True):
                for scheme, bound in own:
                    await loop.run(branch.listen, scheme, bound)
            await aside(ready.write, self.config.ready_file, self.config.name, self.listen)
        except BaseException:
            await self.stop()
            _close(sockets)
            raise
        _tell_how(self.config.threads)
        if self.config.demo:
            self._demo = Demo(self.publish)

    async def stop(self) -> None:
        """Sends clients away, closes everything, and returns when all of it is gone."""
        if self._demo is not None:
            self._demo.stop()
        if self.listen:
            await aside(ready.remove, self.config.ready_file, True)
        if self.branches:
            self.door.close()
        pairs = list(zip(self._loops, self.branches, strict=False))  # some may be missing if `start` has failed
        for loop, branch in pairs:
            await loop.run(branch.close_listeners)
        await asyncio.gather(*[loop.run(branch.drain) for loop, branch in pairs])
        await asyncio.gather(*[loop.run(branch.close) for loop, branch in pairs])
        for loop, watch in zip(self._loops, self._watches, strict=False):
            await loop.run(watch.stop)
        loops, self._loops = self._loops, []
        for loop in loops:
            await loop.stop()
        if self.branches:
            self.door.stop()

    async def _open_all(self, policy: Policy) -> None:
        if self.config.threads == 1:
            self.open(policy)
            return
        self.door = Door(self.config, policy)
        self._loops = [Loop()]
        for number in range(1, self.config.threads):
            thread = LoopThread(f"{self.config.name}-{number}")
            await thread.start()
            self._loops.append(thread)
        trunk, door, protocol = self._plant(), self.door, Protocol()
        for loop, view, stats in zip(self._loops, trunk.views, trunk.stats, strict=True):
            health = self._why_not_ready, self._why_not_live
            self.branches.append(await loop.run(Branch, self.config, view, stats, *health, door, protocol))
            self._watches.append(await loop.run(Watch, len(self._watches), view.hub))

    def _settle_in(self) -> None:
        """Lets several branches know of each other, before anybody comes."""
        if len(self.branches) == 1:
            return
        family = [branch.gateway for branch in self.branches]
        loops = [(loop, branch.app.take) for loop, branch in zip(self._loops, self.branches, strict=True)]
        for index, branch in enumerate(self.branches):
            branch.gateway.family = family
            branch.gateway.home = f"{index}-"
            branch.app.homes = Homes(index, loops)

    def _read_again(self) -> tuple[Config, list[str], Policy, dict[str, ssl.SSLContext]]:
        config, fixed = reloaded(self.config, self._reread() if self._reread is not None else self.config)
        policy = policy_of(config)
        check_not_open(self.door.policy, policy, self.config, config)
        return config, fixed, policy, _contexts(config)

    def _plant(self) -> Trunk:
        trunk = Trunk(self.config, Origin(self.config.name, _new_epoch()), self._loops, self.stats)
        self._registry = trunk.registry
        return trunk

    async def reload(self) -> None:
        """Reads users, rules, keys of tokens, limits and certificates again (see `reloaded`).

        What is now forbidden ends at once. If anything is wrong with the configuration or one of its files, everything
        stays as it was, and the log says why.
        """
        if self._queued is None:
            self._queued = asyncio.ensure_future(self._reload_in_turn())
        await asyncio.shield(self._queued)  # who asks while one waits for its turn, has that one

    async def _reload_in_turn(self) -> None:
        async with self._reloading:
            self._queued = None
            await self._reload()

    async def _reload(self) -> None:
        try:
            # Whatever files may take, nobody waits for them but this.
            config, fixed, policy, contexts = await aside(self._read_again)
        except ConfigError as error:
            self.stats.add("reloads_refused")
            log.warning("reload-refused: the configuration stays as it was: %s", error)
            return
        except Exception:
            self.stats.add("reloads_refused")
            log.exception("reload-refused: the configuration stays as it was")
            return
        self.config = config
        self.door.reload(config, policy)
        for loop, branch in zip(self._loops, self.branches, strict=True):
            loop.post(branch.renew, config, contexts)
        log.info("the configuration was read again")
        if fixed:
            log.warning("only a restart changes %s", ", ".join(fixed))

    def publish(self, destination: str, body: bytes | str, headers: Headers | None = None) -> Message:
        """Publishes from within the process. Only on the node's own loop.

        Raises:
            QmqError: `bad-destination` or `bad-pattern`; `bad-header`; `queue-full`.
            TypeError: If a header is neither text nor a number, or the body neither bytes nor text.

        """
        fields = texts(headers or {})
        frame("SEND", fields)  # what no frame can carry is refused here, not where it is to be delivered
        envelope = Envelope(check_name(destination), fields)
        octets = body.encode() if isinstance(body, str) else bytes(memoryview(body))
        return self.registry.publish(envelope, octets, isinstance(body, str))

    def _why_not_live(self) -> QmqError | None:
        return next(filter(None, [watch.why_not_live() for watch in self._watches]), None)

    def _why_not_ready(self) -> QmqError | None:
        if not self.gateway.ready:
            return QmqError("shutting-down")
        return QmqError("memory-full") if self.registry.memory.full else None

    def _bind(self) -> list[Bound]:
        """Sockets for each loop, with their schemes: each loop has its own for each address, and the kernel chooses."""
        threads = self.config.threads
        bound: list[Bound] = [[] for _ in range(threads)]
        try:
            for url in self.config.listen:
                scheme, host, port = parse_listen(url)
                if threads > 1 and port:  # else two nodes could listen on one port, and not know
                    for each in _sockets(url, host, port):
                        each.close()
                for own in bound:
                    sockets = _sockets(url, host, port, threads > 1)
                    port = sockets[0].getsockname()[1]
                    own.append((scheme, sockets))
        except ConfigError:
            _close(bound)
            raise
        for (scheme, sockets), url in zip(bound[0], self.config.listen, strict=True):
            host = parse_listen(url)[1]
            self.listen += [{"scheme": scheme, "host": host, "port": each.getsockname()[1]} for each in sockets]
        return bound

    def __repr__(self) -> str:
        return f"<node {self.config.name} {self._registry!r}>"


def _contexts(config: Config) -> dict[str, ssl.SSLContext]:
    tls = config.tls
    return {scheme: server_context(tls, names) for scheme, names in _PROTOCOLS.items()} if tls.certificate else {}


def _sockets(url: str, host: str, port: int, shared: bool = False) -> list[socket.socket]:
    try:
        return bind_sockets(port, host, backlog=_BACKLOG, reuse_port=shared)
    except (OSError, UnicodeError) as error:
        why = f"cannot listen on {url}: {getattr(error, 'strerror', None) or error}"
    raise ConfigError(why)  # by itself: what came before holds the socket


def _tell_how(threads: int) -> None:
    without = f", without {' and '.join(native.left_out)}" if native.left_out else ""
    log.info("%d thread%s%s", threads, "s" * (threads > 1), without)
    if native.FREE_THREADED and native.gil():
        log.warning("threads take turns: an extension has turned the global interpreter lock on")


def _close(bound: list[Bound]) -> None:
    for own in bound:
        for _, sockets in own:
            for each in sockets:
                each.close()


def _new_epoch() -> str:
    alphabet = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(6))
