"""Avro's frames: a message as a series of buffers (Avro specification, "Message Framing").

A buffer is its length in four octets, the highest first, and so many octets. A buffer
of no length ends the message. Nothing here knows what a message says; that is in
`avro_calls`.
"""

from __future__ import annotations

from qmq.errors import QmqError

_LENGTH = 4
_END = bytes(_LENGTH)


class Decoder:
    """Turns a byte stream into messages.

    After the first buffer that is too large it returns nothing more, and `error` says
    why; messages that came before it in the same call are still returned. A length is
    refused when it is read, not when its octets have come.

    Args:
        max_message: Octets of one message, without its lengths.

    """

    __slots__ = ("_buffers", "_size", "_tail", "error", "max_message")

    def __init__(self, max_message: int = 1 << 20) -> None:
        self.error: QmqError | None = None
        self.max_message = max_message
        self._tail = b""  # what is not a whole buffer yet
        self._buffers: list[bytes] = []  # of the message that is not complete yet
        self._size = 0  # of these

    @property
    def idle(self) -> bool:
        """Whether nothing has begun that is not complete."""
        return not self._tail and not self._buffers

    def feed(self, data: bytes) -> list[bytes]:
        """Takes some octets and returns the messages that they complete.

        Args:
            data: The next octets of the stream, cut anywhere.

        """
        messages: list[bytes] = []
        data, at = self._tail + data, 0
        while self.error is None and len(data) - at >= _LENGTH:
            length = int.from_bytes(data[at : at + _LENGTH], "big")
            if length > self.max_message - self._size:
                self.error = QmqError("frame-too-large", f"a message has at most {self.max_message} octets")
                break
            end = at + _LENGTH + length
            if end > len(data):
                break
            if length:
                self._buffers.append(data[at + _LENGTH : end])
                self._size += length
            else:
                messages.append(b"".join(self._buffers))
                self._buffers, self._size = [], 0
            at = end
        self._tail = data[at:]
        return messages


def encode(message: bytes) -> bytes:
    """Makes one message ready to send. An empty one has no buffer but the last."""
    return b"".join((len(message).to_bytes(_LENGTH, "big"), message, _END)) if message else _END
