"""What all connections of one loop share: registry, limits, counters, and the list of them.

It admits connections, knows which are there, and sends them away when the node
stops. It never looks at what they say.
"""

from __future__ import annotations

import asyncio
import heapq
import secrets
import sys
from collections.abc import Callable
from random import randrange
from typing import Any

from qmq.config import Config
from qmq.core.hub import Hub
from qmq.core.memory import Memory
from qmq.core.message import Origin
from qmq.core.registry import Registry
from qmq.core.timers import Timers
from qmq.errors import QmqError
from qmq.gateway.connection import Connection
from qmq.gateway.conversation import Timing
from qmq.gateway.door import Door
from qmq.gateway.hold import Turns
from qmq.gateway.logins import Logins
from qmq.gateway.meter import Meter, counted
from qmq.session import stomp
from qmq.session.desk import Desk
from qmq.session.operations import Operations
from qmq.session.stomp_encoder import Framing
from qmq.session.stomp_headers import Limits
from qmq.stats import Stats

_LAST_WORDS = 0.5  # seconds that a client has at least to read them, if the node has as long to stop


class Gateway:
    """The shared part of a loop's connections.

    Args:
        config: The node's configuration.
        registry: The node's queues and exchanges, with the loop's hub.
        stats: The node's counters.
        server: How the server introduces itself.
        door: Counts and limits of all loops together; one of its own if left out.

    Attributes:
        family: The gateways of all the node's loops, this one included.
        home: What the names of its sessions begin with, so that requests find them; empty if there is one loop.
        loop: Where its connections live.
        logins: Finds out who comes.

    """

    def __init__(
        self, config: Config, registry: Registry, stats: Stats, server: str = "qmq", door: Door | None = None
    ) -> None:
        self.registry = registry
        self.stats = stats
        self.door = door or Door(config)
        self.logins = Logins(self.door)
        self.ready = True
        self._server = server
        self._connections: set[Connection] = set()
        self.family = [self]
        self.home = ""
        self.loop = asyncio.get_running_loop()
        self._empty = asyncio.Event()
        self._empty.set()
        self._desk = Desk(registry, self.describe, self.kick) if config.manage else None
        self._take(config)
        self.turns = Turns()
        self.operations = Operations(registry, self._stomp_limits, stats, self._desk, config.limits.connections)
        self.releases: list[Callable[[], None]] = []  # each lets go of requests that wait

    @classmethod
    def alone(cls, config: Config | None = None) -> Gateway:
        """A gateway on the running loop with queues and topics of its own, for tests and other people's servers.

        Args:
            config: Its limits and rules; the defaults if left out.

        """
        config, stats, loop = config or Config(), Stats(), asyncio.get_running_loop()
        timers = Timers(loop.time, lambda when: loop.call_at(when, timers.run))
        origin = Origin(config.name or "qmq", secrets.token_hex(3))
        hub = Hub(origin, lambda: loop.call_soon(hub.flush), stats)
        return cls(config, Registry(hub, timers, Memory(config.limits.memory), stats), stats)

    def use(self, config: Config) -> None:
        """Goes by another configuration, with connections and requests that are still to come."""
        self._take(config)
        self.operations.limits = self._stomp_limits

    def _take(self, config: Config) -> None:
        limits = config.limits
        self.config = config
        self.timing = Timing(limits.connect_seconds, limits.ping_seconds, limits.linger_seconds)
        self._stomp_limits = Limits(
            max_body=limits.body,
            max_headers=limits.headers,
            max_header_bytes=limits.header_bytes,
            max_subscriptions=limits.subscriptions,
            default_messages=min(limits.default_messages, limits.messages),
            default_bytes=min(limits.default_bytes, limits.bytes),
            max_messages=limits.messages,
            max_bytes=limits.bytes,
            default_prefetch=min(limits.default_prefetch, limits.prefetch),
            max_prefetch=limits.prefetch,
            max_transactions=limits.transactions,
            transaction_messages=limits.transaction_messages,
            transaction_bytes=limits.transaction_bytes,
            heartbeat_min=limits.heartbeat_ms,
            counted=counted(limits),
        )

    @property
    def connections(self) -> int:
        """How many there are, of all the family."""
        return sum([len(gateway._connections) for gateway in self.family])

    def admit(self, address: str) -> None:
        """Checks whether there is room for one more from this address.

        Raises:
            QmqError: `too-many-connections`, or `shutting-down`.

        """
        if not self.ready:
            raise QmqError("shutting-down")
        self.door.census.check(address)

    def enter(self, connection: Connection) -> QmqError | None:
        """Adds a connection; it takes itself out when it ends. Says why it is to be sent away at once, if it is."""
        self.stats.add("connections_opened")
        self._connections.add(connection)
        if self._stomp_limits.counted:
            connection.meter = Meter(self.config.limits, asyncio.get_running_loop().time)
        self._empty.clear()
        connection.on_end = self._leave
        return self.door.census.enter(connection.address)

    def follow(self, connection: Connection, address: str) -> None:
        """Counts a connection at the address that its client has now, if there is room; else it stays counted at the
        one before, so that none can gather more than are allowed."""
        if self.door.census.move(connection.address, address):
            connection.address = address

    def check_pace(self, address: str, octets: int, messages: int) -> None:
        """Checks that a request may be taken, where those who are too fast are refused.

        Raises:
            QmqError: `too-fast`.

        """
        if self.door.meters is not None:
            try:
                self.door.meters.check(address, octets, messages)
            except QmqError:
                self.stats.add("clients_too_fast")
                raise

    def charge(self, address: str, octets: int, messages: int) -> float:
        """Charges for a request; returns the seconds after which it is to be answered, and no other read before."""
        wait = self.door.meters.take(address, octets, messages) if self.door.meters is not None else 0.0
        if wait:
            self.stats.add("clients_too_fast")
        return wait

    def stomp_session(self, connection: Connection, framing: Framing) -> stomp.Session:
        """A new STOMP conversation for a connection."""
        return stomp.Session(
            self.registry,
            connection.outbox,
            framing,
            self._stomp_limits,
            connection.stats,
            self._server,
            self._desk,
            self.logins,
            connection.principal,
        )

    def review(self) -> None:
        """Looks again at who is there and what they do, after the node's policy has changed."""
        self._release()  # they ask again, and are looked at then
        self.logins.review(self._connections)

    def _release(self) -> None:
        for release in self.releases:
            release()

    def describe(self, after: str = "", most: int = sys.maxsize) -> list[dict[str, Any]]:
        """What an operator may know about connections: those whose names come after one, in order."""
        talking = (connection for gateway in self.family for connection in gateway._talking())
        found = ((connection.conversation.name, id(connection), connection) for connection in talking)
        return [each[2].describe() for each in heapq.nsmallest(most, (each for each in found if each[0] > after))]

    def kick(self, name: str) -> bool:
        """Sends the connection of this name away, after what is on its way; returns whether there is one."""
        for gateway in self.family:
            for connection in gateway._talking():
                if connection.conversation.name == name:
                    gateway.loop.call_soon_threadsafe(connection.hang_up, QmqError("kicked"))
                    return True
        return False

    def _talking(self) -> list[Connection]:
        """Those that have begun. From any thread, so it may be that one is about to."""
        return [connection for connection in self._connections.copy() if hasattr(connection, "conversation")]

    async def drain(self, seconds: float) -> None:
        """Tells every client to come back elsewhere, spread over the time, and waits until they are gone.

        When each is to come back is left to chance, so that no more than about a thousand do in a second.
        """
        self.ready = False
        self._release()
        count = len(self._connections)
        pause = min(seconds / (count or 1), 0.01)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for number, connection in enumerate(list(self._connections)):
            connection.fail(QmqError("shutting-down", retry_after=randrange(count)))
            if number % 10 == 9:
                await asyncio.sleep(pause * 10)
        try:
            await asyncio.wait_for(self._empty.wait(), max(end - loop.time(), min(seconds, _LAST_WORDS)))
        except TimeoutError:
            self.abort()
            await self._empty.wait()
        await self.logins.settle()

    def abort(self) -> None:
        """Closes what is still open, without another word."""
        for connection in list(self._connections):
            connection.abort()

    def _leave(self, connection: Connection) -> None:
        self.door.census.leave(connection.address)
        if connection.logged_in:
            self.door.census.log_out(connection.logged_in)
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
