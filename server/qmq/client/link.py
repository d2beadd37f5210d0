"""Keeps one connection at a time to one of the gateways, until it is closed or there is no use.

It is one task: a connection has ended before the next is made, so nothing is ever heard of
an older one. What was said on a connection it neither knows nor repeats.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from qmq.client.backoff import Backoff
from qmq.client.connection import Connection, Ended
from qmq.client.dial import dial
from qmq.client.options import Options
from qmq.errors import QmqError
from qmq.wire import stomp

_PATIENCE = 30.0  # seconds that a try may take once others have failed: a slow network is no dead one
_STABLE = 0.5  # seconds; a connection that lasted for less did not really work


class Owner(Protocol):
    """Whoever hears of a link. After `lose` with `final` nothing follows."""

    def dialing(self) -> None:
        """A try begins."""

    def resume(self, connection: Connection) -> None:
        """A server took the login."""

    def take(self, frame: stomp.Frame) -> None:
        """A frame came."""

    def lose(self, ended: Ended) -> None:
        """A connection ended, or none could be made."""


class Link:
    """The connections of one client, one after the other.

    Args:
        options: Where to, and how.
        owner: Who hears of it.

    Attributes:
        connection: That of now, if there is one.
        generation: How many there have been.

    """

    def __init__(self, options: Options, owner: Owner) -> None:
        self.connection: Connection | None = None
        self.generation = 0
        self._options = options
        self._seconds = options.seconds  # that the next try may take
        self._owner = owner
        self._next = 0  # which address is the next
        self._ended = asyncio.get_running_loop().create_future()
        self._last: Connection | None = None
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Its owner hears nothing from now on; returns when the socket is closed."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.connection = None
        if self._last is not None:
            self._last.end(Ended(QmqError("closed")))
            await self._last.gone()

    # What a connection tells

    def take(self, frame: stomp.Frame) -> None:
        """Passes a frame on."""
        self._owner.take(frame)

    def lose(self, ended: Ended) -> None:
        """The connection has ended: at once there is none any more."""
        self.connection = None
        if not self._ended.done():
            self._ended.set_result(None)
            self._owner.lose(self._judge(ended))

    async def _keep(self) -> None:
        backoff, options = Backoff(), self._options
        loop = asyncio.get_running_loop()
        while True:
            self._owner.dialing()
            try:
                self._last = await self._dial_each()
            except QmqError as error:
                self._seconds = max(min(2 * self._seconds, _PATIENCE), options.seconds)
                ended = self._judge(Ended.of(error))
                self._owner.lose(ended)
            else:
                self._seconds = options.seconds
                since = loop.time()
                ended = await self._use(self._last)
                if loop.time() - since >= _STABLE:
                    backoff.reset()
            if ended.final:
                return
            await asyncio.sleep(backoff.next(ended.error.retry_after / 1000))

    async def _use(self, connection: Connection) -> Ended:
        """Lets the owner have a connection until its end."""
        self._ended = asyncio.get_running_loop().create_future()
        self.generation += 1
        self.connection = connection
        self._owner.resume(connection)
        connection.own(self)
        await self._ended
        assert connection.ended is not None
        return self._judge(connection.ended)

    async def _dial_each(self) -> Connection:
        """Tries one address after the other, beginning with the one after that of the last connection.

        Raises:
            QmqError: If none gives a connection; at once if it says that there is no use.

        """
        addresses = self._options.addresses
        begin, failures, cause = self._next, [], None
        for place in range(begin, begin + len(addresses)):
            address = addresses[place % len(addresses)]
            self._next = (place + 1) % len(addresses)
            try:
                return await dial(address, self._options, self._seconds)
            except QmqError as error:
                if error.code.name != "connect-failed" and (len(addresses) == 1 or not error.code.retry):
                    raise
                failures.append(f"{address.url}: {error.detail or error.code.text}")
                cause = error
        raise QmqError("connect-failed", "; ".join(failures)) from cause

    def _judge(self, ended: Ended) -> Ended:
        """Whether it is the end of all: so is a first try, unless the client was told to be patient, and a token's
        last moment, if the program has given a text and no function."""
        options = self._options
        again = options.reconnect and (self.generation > 0 or options.patient)
        if ended.error.code.name == "token-expired" and (isinstance(options.token, str) or options.passcode):
            again = False  # it would be the same one
        return Ended(ended.error, ended.culprit, ended.final or not again)
