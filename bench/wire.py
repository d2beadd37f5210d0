"""The bytes the benchmark sends, built once before anything is measured.

Client WebSocket frames, the upgrade request, and the few STOMP and NATS frames the systems need, with the marked body
by which deliveries are counted.

It is no codec: it never parses, and it only knows the frames of this benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping

BODY_OCTETS = 128

# Sixteen octets: `count` skips nearly a whole marker at a time, so a longer marker is a faster count. None of them is
# an octet that ends a frame of any system here (NUL, CR, LF), so a read that ends with one has cut a marker in two.
MARKER = b"<~QMQ/BENCH/~!>{"

BODY = MARKER + b"." * (BODY_OCTETS - len(MARKER))

# RFC 6455 5.3 wants a fresh random key per frame, for the sake of proxies between; there are none here. It is not zero,
# so that no server can save the unmasking.
MASK_KEY = b"\x37\xfa\x21\x3d"

# For what is masked while the clock runs, a key of one octet four times: what it does to an octet does not depend on
# the place, so that `bytes.translate` masks any number of them in one call. To a server it is a key like any other.
PLAIN_KEY = b"\x37" * 4
MASKED = bytes(octet ^ PLAIN_KEY[0] for octet in range(256))  # for `translate`

LAST = "last"  # the receipt that tells that a server has done all that was asked before it

TEXT, BINARY = 0x1, 0x2


def mask(payload: bytes, offset: int = 0, key: bytes = MASK_KEY) -> bytes:
    """The payload as it travels from a client; `offset` is where it begins in its frame."""
    return bytes(octet ^ key[(offset + at) & 3] for at, octet in enumerate(payload))


def client_frame(payload: bytes, opcode: int = TEXT, key: bytes = MASK_KEY) -> bytes:
    """One whole masked WebSocket frame."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        raise ValueError("the benchmark has no frames this large")
    return bytes([0x80 | opcode]) + length + key + mask(payload, key=key)


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One whole WebSocket frame as a server sends it, unmasked; the floor needs it."""
    size = len(payload)
    length = bytes([size]) if size < 126 else bytes([126]) + size.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + payload


def masked_marker(payload: bytes) -> bytes:
    """The marker as it looks on the wire inside `client_frame(payload)`: the key and the frame are always the same."""
    return mask(MARKER, payload.index(MARKER))


def upgrade(path: str, port: int, protocol: str = "") -> bytes:
    """The opening handshake; the answer's Sec-WebSocket-Accept is not checked, so the key may be fixed."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    if protocol:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def stomp(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """One STOMP frame. No header here needs escaping."""
    head = "".join(f"{key}:{value}\n" for key, value in headers.items())
    return f"{command}\n{head}\n".encode() + body + b"\0"


def publication(destination: str, body: bytes = BODY, **headers: str) -> bytes:
    """The STOMP frame that publishes one message."""
    return stomp("SEND", {"destination": destination, "content-length": str(len(body)), **headers}, body)


def acknowledgement(ack: bytes, **headers: str) -> bytes:
    """The WebSocket frame that settles one message, masked with the plain key. The id stays escaped as it came."""
    return client_frame(stomp("ACK", {"id": ack.decode(), **headers}), key=PLAIN_KEY)


def post(path: str, port: int, kind: str, body: bytes, **headers: str) -> bytes:
    """An HTTP request with a body of this content type."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    more = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
    return f"{head}{more}\r\n\r\n".encode() + body


def get(path: str, port: int) -> bytes:
    """An HTTP request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def zigzag(number: int) -> bytes:
    """A number that is not negative, as Avro has it."""
    octets, rest = b"", number * 2
    while rest > 127:
        octets += bytes((rest & 127 | 128,))
        rest >>= 7
    return octets + bytes((rest,))
