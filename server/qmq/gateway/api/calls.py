"""What each operation of the JSON API does: a checked request becomes an operation of the core, and its result JSON.

Each function is named in `table`, and called with the request. It returns the
answer, or None if it has arranged for it to come later. Nothing is checked here that
the table can say, and nothing decided that the core decides.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qmq import native
from qmq.core.destination import EXCHANGE, QUEUE
from qmq.errors import QmqError
from qmq.gateway.api import sse
from qmq.session import rest
from qmq.session.batch import LONGEST, Batch
from qmq.session.operations import Posting
from qmq.session.topics import Reading, Start

if TYPE_CHECKING:
    from qmq.gateway.api.request import Call

_UNSTORED = {"Content-Type": "application/json", "Cache-Control": "no-store"}
_REVALIDATED = {"Content-Type": "application/json", "Cache-Control": "private, no-cache"}

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\"?(?=$|[,;\s])")

_DEFAULT_MESSAGES = 100

# Seconds after which a request that does not wait is answered with what was found up to then.
_LONGEST_LOOKUP = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered. `whole` says that the body is all there will be."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: _UNSTORED)
    whole: bool = True


def _json(value: Any) -> Answer:
    return Answer(native.dumps(value))


# Messages


def publish(call: Call) -> Answer | None:
    if isinstance(call.body, list):
        if "Idempotency-Key" in call.given:
            raise QmqError("bad-field", "Idempotency-Key is for one message; give each an idempotencyKey")
        postings = [rest.posting_of(each, f"[{place}].") for place, each in enumerate(call.body)]
    else:
        postings = [_keyed(rest.posting_of(call.body), call.given.get("Idempotency-Key"))]
    call.charge(len(postings))
    batch = call.api.operations.begin(call.rights, postings)
    if batch.done:
        return _ids(batch)
    call.wait(batch, LONGEST, lambda: _ids(batch))
    call.api.gateway.turns.add(batch)
    return None


def _ids(batch: Batch) -> Answer:
    return _json({"ids": [each or None for each in batch.ids()]})


def _keyed(posting: Posting, key: str | None) -> Posting:
    if key is None:
        return posting
    if posting.key and posting.key != key:
        raise QmqError("bad-field", "Idempotency-Key and idempotencyKey differ")
    return Posting(posting.destination, posting.body, posting.headers, key)


def read_messages(call: Call) -> Answer | None:
    given, operations = call.given, call.api.operations
    asked = (
        call.rights,
        given["destination"],
        _start(given),
        given.get("max", _DEFAULT_MESSAGES),
        _max_bytes(call, given),
    )
    wait, preferred = _wait(call, given.get("wait"))
    found = operations.poll(*asked, rest.JSON) if wait else operations.read(*asked, rest.JSON)
    if isinstance(found, Reading):
        return _messages(call, found, preferred)
    waiter = found

    def give() -> Answer:
        reading = waiter.close()
        return _messages(call, reading, preferred, waiter.frames)

    call.wait(waiter, wait or _LONGEST_LOOKUP, give)
    return None


def _messages(call: Call, reading: Reading, more: dict[str, str], frames: list[bytes] | None = None) -> Answer:
    """What was read, or that it is what the client has already."""
    ids = "".join([message.id for message in reading.messages])
    digest = hashlib.blake2b(f"{reading.recovered} {ids}".encode(), digest_size=12).hexdigest()
    headers = {**_REVALIDATED, "ETag": f'"{digest}"', **more}
    if f'"{digest}"' in call.given.get("If-None-Match", ""):
        return Answer(b"", 304, headers)
    shown = frames if frames is not None else [rest.JSON.encode(message) for message in reading.messages]
    tail = native.dumps({"cursor": reading.cursor, "recovered": reading.recovered})[1:]
    return Answer(b'{"messages":[%b],%b' % (b",".join(shown), tail), 200, headers)


def stream_messages(call: Call) -> None:
    sse.stream(call, _start(call.given))


def consume(call: Call) -> Answer | None:
    body = call.body
    most, max_bytes = body.get("max", 1), _max_bytes(call, body)
    claim = call.api.operations.consume(call.rights, body["destination"], most, max_bytes)
    wait, more = _wait(call, body.get("wait"))

    def give() -> Answer:
        shown = b",".join([rest.show(each) for each in claim.close()])
        return Answer(b'{"deliveries":[%b]}' % shown, 200, {**_UNSTORED, **more})

    if len(claim) or not wait:
        return give()
    call.wait(claim, wait, give)
    return None


def settle(call: Call) -> Answer:
    ack, nack = call.body.get("ack", ()), call.body.get("nack", ())
    failed = call.api.operations.settle_all(call.rights, ack, nack, call.body.get("requeue", True))
    return _json({"settled": len(ack) + len(nack) - len(failed), "failed": failed})


def _start(given: dict[str, Any]) -> Start:
    cursor = given.get("Last-Event-ID") or given.get("cursor")
    return Start(cursor, given.get("from") == "earliest")


def _max_bytes(call: Call, given: dict[str, Any]) -> int:
    limits = call.api.operations.limits
    asked: int = given.get("maxBytes", limits.default_bytes)
    return min(asked, limits.max_bytes)


def _wait(call: Call, asked: int | None) -> tuple[float, dict[str, str]]:
    """How long to wait, and what the answer says about a preference (RFC 7240)."""
    longest: float = call.api.gateway.config.limits.poll_hold_seconds
    if asked is not None:
        return min(asked, longest), {}
    found = _WAIT.search(call.request.headers.get("Prefer", ""))
    if found is None:
        return 0, {}
    return min(int(found[1]), longest), {"Preference-Applied": f"wait={found[1]}"}


# Queues, exchanges, the node: what the desk does


def _manage(call: Call, operation: str, **request: Any) -> Any:
    return call.api.operations.manage(call.rights, operation, request)


def _queue(call: Call) -> str:
    return f"{QUEUE}{call.given['name']}"


def _listing(call: Call, after: str = "after") -> dict[str, Any]:
    """Which page of a list is asked for."""
    given: dict[str, Any] = {name: call.given[name] for name in ("match", "max") if name in call.given}
    return {**given, **({after: call.given["after"]} if "after" in call.given else {})}


def _of(found: dict[str, Any], what: str, following: str) -> dict[str, Any]:
    """One list of an answer that has two."""
    more = following in found
    return {what: found[what], "more": more, **({"next": found[following]} if more else {})}


def list_queues(call: Call) -> Answer:
    return _json(_of(_manage(call, "list", **_listing(call)), "queues", "next"))


def declare_queue(call: Call) -> Answer:
    return _json(_manage(call, "declare", **{**call.body, "destination": _queue(call)}))


def _of_queue(operation: str) -> Callable[[Call], Answer]:
    return lambda call: _json(_manage(call, operation, destination=_queue(call)))


show_queue = _of_queue("inspect")
delete_queue = _of_queue("delete")
purge_queue = _of_queue("purge")
pause_queue = _of_queue("pause")
resume_queue = _of_queue("resume")


def list_exchanges(call: Call) -> Answer:
    found = _manage(call, "list", **_listing(call, "after-exchange"))
    return _json(_of(found, "exchanges", "next-exchange"))


def show_exchange(call: Call) -> Answer:
    return _json(_manage(call, "inspect", destination=EXCHANGE + call.given["name"]))


def declare_exchange(call: Call) -> Answer:
    return _json(_manage(call, "declare-exchange", **{**call.body, "name": call.given["name"]}))


def delete_exchange(call: Call) -> Answer:
    return _json(_manage(call, "delete-exchange", name=call.given["name"]))


def bind(call: Call) -> Answer:
    return _json(_manage(call, "bind", **call.body))


def unbind(call: Call) -> Answer:
    request = dict(call.given)
    if "arguments" in request:
        try:
            request["arguments"] = rest.parse(request["arguments"].encode())
        except QmqError as error:
            raise QmqError("bad-field", f"arguments must be a JSON object: {error.detail}") from None
    return _json(_manage(call, "unbind", **request))


def list_connections(call: Call) -> Answer:
    return _json(_manage(call, "connections", **_listing(call)))


def kick(call: Call) -> Answer:
    return _json(_manage(call, "kick", name=call.given["name"]))


def show_stats(call: Call) -> Answer:
    return _json(_manage(call, "stats", **_listing(call)))
