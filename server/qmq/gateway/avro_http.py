"""`/avro`: Avro's remote calls over HTTP (docs/avro.md; Avro specification, "HTTP as Transport").

A POST carries one framed call, and its answer is one framed response, with status 200 for
errors, too. Only what is no call at all is answered with problem JSON. A GET gives the
protocol. What calls say and do is in `wire.avro_calls` and `session.avro`.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from functools import partial
from hashlib import md5
from typing import TYPE_CHECKING, Any

from tornado.web import stream_request_body

from qmq.errors import QmqError
from qmq.gateway.body import Body
from qmq.gateway.gateway import Gateway
from qmq.gateway.handlers import Problems, answer_options, preflight, refuse, shared_with_page
from qmq.gateway.hold import Hold
from qmq.loops import aside
from qmq.session.access import Rights
from qmq.session.avro import Avro, Pending, protocol
from qmq.session.batch import Batch
from qmq.wire import avro

if TYPE_CHECKING:
    from qmq.wire.avro_calls import Responder

CONTENT_TYPE = "avro/binary"

_AROUND = 64 << 10  # octets of a call around the largest body of a message


class Protocol:
    """Our protocol, and what a node knows about those of its clients.

    fastavro is loaded when the first call comes: it takes 30 ms and 8 MB, which a node
    that is never called this way keeps.

    Attributes:
        text: Of our protocol.
        hash: Its MD5.

    """

    def __init__(self) -> None:
        self.text = protocol()
        self.hash = md5(self.text.encode(), usedforsecurity=False).digest()
        self._responder: Responder | None = None

    async def responder(self) -> Responder:
        """What reads calls, and may be used by several threads.

        Raises:
            QmqError: `not-installed`.

        """
        if self._responder is None:
            try:
                self._responder = await aside(self._load)  # it reads files
            except ImportError as error:
                raise QmqError("not-installed", "fastavro") from error
        return self._responder

    def _load(self) -> Responder:
        from qmq.wire.avro_calls import Responder

        return Responder(self.text)


def routes(gateway: Gateway, protocol: Protocol) -> list[Any]:
    """The rules for Tornado."""
    calls = Avro(gateway.operations, gateway.stats)
    holds: set[Hold] = set()

    def release() -> None:
        for hold in list(holds):
            hold.end()

    gateway.releases.append(release)
    return [(r"/avro", AvroHandler, {"gateway": gateway, "protocol": protocol, "calls": calls, "holds": holds})]


@stream_request_body
class AvroHandler(Problems):
    """The requests to `/avro`."""

    def initialize(  # type: ignore[override]
        self, gateway: Gateway, protocol: Protocol, calls: Avro, holds: set[Hold]
    ) -> None:
        super().initialize(gateway.stats)
        self.gateway = gateway
        self.protocol = protocol
        self.calls = calls
        self.holds = holds
        self._body = Body(gateway.config.limits.body + _AROUND, self.request.connection)
        self._error: QmqError | None = None
        self._hold: Hold | None = None
        self._gone = False

    def prepare(self) -> None:
        self.set_header("Cache-Control", "no-store")
        try:
            self.gateway.door.origins.check(self.request)
            if not self.gateway.ready:
                raise QmqError("shutting-down")
            self._body.begin(self.request.headers)
        except QmqError as error:
            self._error = error
            return
        for name, value in shared_with_page(self.request).items():
            self.set_header(name, value)

    def data_received(self, chunk: bytes) -> None:
        if self._error is None:
            self._body.feed(chunk)

    def options(self, *path: str) -> None:
        """Answers a preflight: pages of other origins need one for this content type."""
        if self._refused():
            return
        for name, value in preflight(self.request, "GET, POST").items():
            self.set_header(name, value)
        answer_options(self)

    def get(self) -> None:
        """Gives the protocol, with its MD5, by which clients may name it."""
        if self._refused():
            return
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Content-MD5", b64encode(self.protocol.hash).decode())
        self.finish(self.protocol.text)

    head = get

    def compute_etag(self) -> str | None:
        return f'"{self.protocol.hash.hex()}"'

    async def post(self) -> None:
        """Answers a call."""
        gateway, address = self.gateway, self.request.remote_ip or ""
        try:
            gateway.check_pace(address, self._body.size, 1)
            octets = self._message()
            rights = await self._rights()  # first: to read what strangers send costs more
            call = (await self.protocol.responder()).read(octets)
            before = gateway.operations.published
            reply = self.calls.answer(rights, call)
        except QmqError as error:
            refuse(self, error, self.stats)
            return
        published = gateway.operations.published - before
        if isinstance(reply, Pending):
            await self._wait(reply)
            if self._gone:
                reply.source.abandon()
                return
            reply = self.calls.finish(call, reply)
        wait = gateway.charge(address, self._body.size, published)
        if wait:  # and no other request is read before
            await asyncio.sleep(wait)
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(avro.encode(reply))

    async def _rights(self) -> Rights:
        """What the caller may do."""
        logins = self.gateway.logins
        return logins.rights(await logins.principal(self.request))

    def _message(self) -> bytes:
        """The one message of the body.

        Raises:
            QmqError: What is wrong with the request; `unsupported-type`, `frame-too-large`,
                `bad-avro`, and what `Body` has to say.

        """
        if self._error is not None:
            raise self._error
        kind = self.request.headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != CONTENT_TYPE:
            raise QmqError("unsupported-type", f"Content-Type must be {CONTENT_TYPE}, not {kind[:64]!r}")
        decoder = avro.Decoder(self._body.most)
        messages = decoder.feed(self._body.whole())
        if decoder.error is not None:
            raise decoder.error
        if len(messages) != 1 or not decoder.idle:
            raise QmqError("bad-avro", "the body is not one message that ends with a buffer of no length")
        return messages[0]

    def _refused(self) -> bool:
        if self._error is not None:
            refuse(self, self._error, self.stats)
        return self._error is not None

    async def _wait(self, pending: Pending) -> None:
        """Waits until there is something, the time is over, the node stops, or the client is gone."""
        wait = asyncio.get_running_loop().create_future()
        seconds = pending.seconds
        if isinstance(pending.source, Batch):
            self.gateway.turns.add(pending.source)
        else:
            seconds = min(seconds, self.gateway.config.limits.poll_hold_seconds)
        self._hold = hold = Hold(pending.source, seconds, partial(wait.set_result, None))
        self.holds.add(hold)
        await wait
        self.holds.discard(hold)

    def on_connection_close(self) -> None:
        super().on_connection_close()  # who waits for the body is told that it does not come,
        # in the next pass, by an error whose frames know this request: it is not to know the error.
        asyncio.get_running_loop().call_soon(setattr, self.request, "_body_future", None)
        self._break_cycles()  # as Tornado does with what is finished
        self._gone = True
        if self._hold is not None:
            self._hold.end()
