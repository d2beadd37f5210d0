"""Headers by which other brokers' clients ask for what QMQ does otherwise, or not at all.

A subscription that would mean something else here than its client believes is refused,
with what to say instead: a filter that does not filter or a durable subscription that
loses messages is noticed too late. What changes nothing that a client could notice is
passed over. To add one: a row in `_REFUSED` or `_HARMLESS`.

Nothing here acts on a header.
"""

from __future__ import annotations

from collections.abc import Mapping

from qmq.core.destination import EXCHANGE, TOPIC
from qmq.errors import QmqError

# By header: what to do instead. A value in `_OFF` asks for nothing.
_OFF = frozenset({"", "0", "false", "none"})
_REFUSED = {
    "selector": "there are no selectors: bind a queue to an exchange of kind headers, or use topics with more words",
    "no-local": "a client gets what it publishes itself",
    "transformation": "bodies are passed on as they are",
    "persistent": "on SUBSCRIBE it asks for a durable subscription: use x-queue-name, or a cursor",
    "durable-subscription-name": "use x-queue-name with ack:client, or a cursor",
    "durable-subscriber-name": "use x-queue-name with ack:client, or a cursor",
    "subscription-type": "/topic/ and /queue/ say which it is",
    "x-stream-offset": "there are no streams: use a cursor, or from:earliest",
    "x-stream-filter": "there are no streams and no filters",
    "x-priority": "consumers have no priority",
}
_ACTIVEMQ = "activemq."
_INSTEAD = {
    "subscriptionname": "use x-queue-name with ack:client, or a cursor",
    "subcriptionname": "use x-queue-name with ack:client, or a cursor",  # as some of its documents spell it
    "nolocal": "a client gets what it publishes itself",
    "exclusive": "use single-active-consumer:true",
    "retroactive": "use from:earliest, or a cursor",
    "maximumpendingmessagelimit": "use max-messages",
    "prefetchsize": "use prefetch-count",
}
_HARMLESS = frozenset({"activemq.dispatchAsync"})

# Properties of a queue, which a plain subscription to a topic does not have.
_OF_QUEUE = ("x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-overflow", "x-dead-letter-exchange",
             "x-max-priority", "x-delivery-limit", "x-single-active-consumer")  # fmt: skip


def check(pattern: str, headers: Mapping[str, str], mode: str) -> None:
    """Refuses a SUBSCRIBE that asks for what it would not get.

    Args:
        pattern: What it subscribes to.
        headers: Of the frame. Of an exchange of kind `headers` they may speak of messages; then they are not given.
        mode: How it acknowledges.

    Raises:
        QmqError: `not-supported`, which names the header.

    """
    for name, value in headers.items():
        wanted = value.strip().lower() not in _OFF
        if wanted and name in _REFUSED:
            raise _refusal(name, value, _REFUSED[name])
        if wanted and name.startswith(_ACTIVEMQ) and name not in _HARMLESS:
            raise _refusal(name, value, _INSTEAD.get(name[len(_ACTIVEMQ) :].lower(), "it has no meaning here"))
    if headers.get("x-queue-type", "classic") != "classic":
        raise _refusal("x-queue-type", headers["x-queue-type"], "there are classic queues only")
    if pattern.startswith((TOPIC, EXCHANGE)) and "x-queue-name" not in headers:
        _check_lasting(headers)
        if pattern.startswith(TOPIC) and mode == "auto":
            for name in _OF_QUEUE:
                if name in headers:
                    raise _refusal(name, headers[name], "a topic has no queue: name one with x-queue-name")


def _check_lasting(headers: Mapping[str, str]) -> None:
    """Refuses what is to outlive its connection and has no name by which it could be found again."""
    for name, off in (("durable", "false"), ("x-durable", "false"), ("auto-delete", "true"), ("x-auto-delete", "true")):
        value = headers.get(name, off).strip().lower()
        if value != off and value not in (("1",) if off == "true" else _OFF):
            raise _refusal(name, headers[name], "it needs x-queue-name, or a cursor instead")


def _refusal(name: str, value: str, instead: str) -> QmqError:
    return QmqError("not-supported", f"{name}:{value[:64]} is not done here; {instead}")
