"""QMQ's protocol over Avro, `qmq.avpr`: calls become operations, and what comes of them responses.

What is done is done by `operations`, the same as for JSON; here values only change their
form. A call that has to wait is handed out as something `Pending`: there is no clock here,
and no HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from qmq import native
from qmq.core.claims import Claim, Claimed
from qmq.core.destination import EXCHANGE
from qmq.core.message import Message
from qmq.errors import QmqError
from qmq.session.access import Rights
from qmq.session.batch import LONGEST, Batch
from qmq.session.desk import request_of
from qmq.session.operations import MAX_MESSAGES, MAX_TOKENS, Operations, Posting
from qmq.session.topics import Reading, Start
from qmq.session.waiter import Waiter
from qmq.stats import Stats
from qmq.wire.avro_calls import Call

# Seconds after which a poll that does not wait is answered with what was found up to then.
_LONGEST_LOOKUP = 10.0

_KEPT = "avro"  # in envelopes: the content type and the other headers

Values: TypeAlias = Mapping[str, Any]


_PROTOCOL = Path(__file__).with_name("qmq.avpr").read_text("utf-8")


def protocol() -> str:
    """The text of our protocol."""
    return _PROTOCOL


@dataclass(frozen=True, slots=True)
class Pending:
    """What has to wait.

    Attributes:
        source: What for.
        seconds: How long, if it were for the client.
        finish: What there is then.

    """

    source: Waiter | Claim | Batch
    seconds: float
    finish: Callable[[], Any]


class Avro:
    """Answers calls.

    Args:
        operations: What does what they ask for.
        stats: Where errors are counted.

    """

    def __init__(self, operations: Operations, stats: Stats) -> None:
        self._operations = operations
        self._stats = stats

    def answer(self, rights: Rights, call: Call) -> bytes | Pending:
        """Does what a call asks for. Errors are responses, too, and counted.

        Returns:
            The response; or what has to wait before `finish` gives it.

        """
        if call.error is not None:
            return self._refuse(call, call.error)
        if not call.message:
            return call.answer()
        try:
            value = MESSAGES[call.message](self, rights, call.parameters)
        except QmqError as error:
            return self._refuse(call, error)
        return value if isinstance(value, Pending) else call.answer(value)

    def finish(self, call: Call, pending: Pending) -> bytes:
        """The response to a call that has waited."""
        try:
            return call.answer(pending.finish())
        except QmqError as error:
            return self._refuse(call, error)

    def _refuse(self, call: Call, error: QmqError) -> bytes:
        self._stats.add(f"errors_{error.code.name}")
        return call.refuse(error)

    # The messages of the protocol

    def publish(self, rights: Rights, values: Values) -> list[str] | Pending:
        messages = values["messages"]
        if len(messages) > MAX_MESSAGES:
            raise QmqError("bad-field", f"messages: {MAX_MESSAGES} are allowed at once")
        batch = self._operations.begin(rights, [_posting(message) for message in messages])
        return batch.ids() if batch.done else Pending(batch, LONGEST, batch.ids)

    def send(self, rights: Rights, values: Values) -> Pending | None:
        sent = self.publish(rights, values)
        if not isinstance(sent, Pending):
            return None

        def finish() -> None:
            sent.finish()

        return Pending(sent.source, sent.seconds, finish)

    def poll(self, rights: Rights, values: Values) -> Values | Pending:
        pattern, most = values["destination"], _number(values, "max", MAX_MESSAGES)
        if values["from"] not in ("latest", "earliest"):
            raise QmqError("bad-field", f"from is latest or earliest, not {values['from'][:32]!r}")
        start = Start(values["cursor"] or None, values["from"] == "earliest")
        asked = (rights, pattern, start, most, self._max_bytes(values))
        seconds = _seconds(values)
        found = self._operations.poll(*asked) if seconds else self._operations.read(*asked)
        if isinstance(found, Reading):
            return _page(found)
        return Pending(found, seconds or _LONGEST_LOOKUP, lambda: _page(found.close()))

    def consume(self, rights: Rights, values: Values) -> list[Values] | Pending:
        most = _number(values, "max", MAX_MESSAGES)
        claim = self._operations.consume(rights, values["destination"], most, self._max_bytes(values))
        seconds = _seconds(values)
        if len(claim) or not seconds:
            return _deliveries(claim.close())
        return Pending(claim, seconds, lambda: _deliveries(claim.close()))

    def settle(self, rights: Rights, values: Values) -> Values:
        if len(values["ack"]) + len(values["nack"]) > MAX_TOKENS:
            raise QmqError("bad-field", f"ack and nack: {MAX_TOKENS} tokens are allowed at once")
        failed = self._operations.settle_all(rights, values["ack"], values["nack"], values["requeue"])
        return {"settled": len(values["ack"]) + len(values["nack"]) - len(failed), "failed": failed}

    def declare(self, rights: Rights, values: Values) -> Values:
        request = {**values["properties"], "destination": values["destination"]}
        return _queue(self._operations.manage(rights, "declare", request))

    def inspect(self, rights: Rights, values: Values) -> Values:
        destination = values["destination"]
        if destination.startswith(EXCHANGE):
            raise QmqError("bad-destination", f"{destination[:64]!r} is no queue; manage inspects exchanges, too")
        return _queue(self._operations.manage(rights, "inspect", {"destination": destination}))

    def manage(self, rights: Rights, values: Values) -> str:
        request = request_of(values["request"].encode())
        return native.dumps(self._operations.manage(rights, values["operation"], request)).decode()

    def _max_bytes(self, values: Values) -> int:
        return min(_number(values, "maxBytes"), self._operations.limits.max_bytes)


MESSAGES: dict[str, Callable[[Avro, Rights, Values], Any]] = {
    method.__name__: method
    for method in (
        Avro.publish, Avro.send, Avro.poll, Avro.consume, Avro.settle, Avro.declare, Avro.inspect, Avro.manage,
    )
}  # fmt: skip


def _seconds(values: Values) -> float:
    wait: float = values["wait"]
    return wait if wait > 0 else 0  # what is not a number is not above 0


def _number(values: Values, name: str, most: int | None = None) -> int:
    value: int = values[name]
    if value < 1 or (most is not None and value > most):
        raise QmqError("bad-field", f"{name} is at least 1{f' and at most {most}' if most else ''}, not {value}")
    return value


def _posting(message: Values) -> Posting:
    headers, kind = message["headers"], message["contentType"]
    if kind:
        headers = {**headers, "content-type": kind}
    return Posting(message["destination"], message["body"], headers, message["idempotencyKey"])


def _page(reading: Reading) -> Values:
    messages = [_show(message) for message in reading.messages]
    return {"messages": messages, "cursor": reading.cursor, "recovered": reading.recovered}


def _deliveries(claimed: list[Claimed]) -> list[Values]:
    return [{"token": each.token, "deliveries": each.deliveries, **_show(each.message)} for each in claimed]


def _show(message: Message) -> Values:
    envelope = message.envelope
    kept = envelope.encoded.get(_KEPT)
    if kept is None:
        headers = dict(envelope.headers)
        kept = headers.pop("content-type", ""), headers
        envelope.keep(_KEPT, kept)
    kind, headers = kept
    return {
        "id": message.id,
        "destination": envelope.destination,
        "body": message.body,
        "contentType": kind,
        "headers": headers,
    }


def _queue(found: Values) -> Values:
    """A queue as the desk shows it; its properties as text, as `declare` takes them."""
    properties = {name: str(each).lower() if isinstance(each, bool) else str(each)
                  for name, each in found["properties"].items()}  # fmt: skip
    return {**found, "properties": properties}
