"""How a message looks to a STOMP subscriber: the MESSAGE frame, ready for its transport.

An encoder stands for (transport framing, STOMP version, subscription id). Equal
encoders are interchangeable, so the hub serves all their subscribers with the
same octets. What does not change from message to message is encoded once: the
beginning here, the headers in the message's envelope.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qmq.core.message import Envelope, Message, Origin
from qmq.wire import stomp

# Puts one STOMP frame into a transport's own framing. The flag says that the
# frame is valid UTF-8, so that a WebSocket may carry it as text.
Framing = Callable[[bytes, bool], bytes]


_NO_TAIL = (-1, b"")

# Headers, as name, tab, value, that older versions have no escapes for: they cannot carry them.
_UNSPEAKABLE = {"1.0": re.compile(r"[^\t]*:|[^\0]*[\r\n]").match, "1.1": re.compile(r"[^\0]*\r").match}


class Encoder:
    """Makes MESSAGE frames for one subscription id, STOMP version and transport."""

    __slots__ = ("_key", "_origin", "_tail_key", "_with_origin", "framing", "lead", "version")

    def __init__(self, framing: Framing, version: str, subscription_id: str) -> None:
        self.framing = framing
        self.version = version
        self._key = (framing, version, subscription_id)
        self._origin: Origin | None = None
        self._with_origin = b""
        self._tail_key = f"stomp-{version}"
        subscription = {"subscription": subscription_id} if subscription_id else {}
        self.lead = b"MESSAGE\n" + stomp.header_lines(subscription, version) + b"message-id:"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Encoder) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def encode(self, message: Message) -> bytes:
        """The octets of one delivery, as the transport wants them."""
        body = message.body
        length, tail = message.envelope.encoded.get(self._tail_key, _NO_TAIL)
        if length != len(body):
            tail = self.tail(message)
        if message.origin is not self._origin:
            self._origin = message.origin
            self._with_origin = self.lead + message.origin.prefix
        return self.framing(b"%b%d%b%b\0" % (self._with_origin, message.offset, tail, body), message.text)

    def tail(self, message: Message) -> bytes:
        """All that is between the message's number and its body."""
        envelope, octets = message.envelope, len(message.body)
        tail: bytes
        length, tail = envelope.encoded.get(self._tail_key, _NO_TAIL)
        if length != octets:
            # Kept for the last length only: a publisher's bodies often have the same.
            tail = self._make_tail(envelope, octets)
            envelope.keep(self._tail_key, (octets, tail))
        return tail

    def _make_tail(self, envelope: Envelope, length: int) -> bytes:
        headers = {"destination": envelope.destination, **envelope.headers}
        unspeakable = _UNSPEAKABLE.get(self.version)
        if unspeakable is not None:
            headers = {name: value for name, value in headers.items() if not unspeakable(f"{name}\t{value}")}
        return b"\n%bcontent-length:%d\n\n" % (stomp.header_lines(headers, self.version), length)
