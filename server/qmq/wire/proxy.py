"""The header with which a proxy tells whose connection it passes on (PROXY protocol, sections 2.1 and 2.2).

It is a line of text (version 1) or octets (version 2), stands before everything else on a
connection, TLS included, and is read once. Whether who sent it is to be believed is not
known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import unpack

from qmq.errors import QmqError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16  # octets that every header has: signature, version and command, family, length
MAX_EXTRA = 2048  # octets that may follow them: addresses, and what proxies add for each other

WORD = b"PROXY "  # version 1
MAX_LINE = 107  # octets of the longest line, its end included
LEAST = len(b"PROXY UNKNOWN\r\n")  # of the shortest header of all

_LOCAL, _PROXY = 0x20, 0x21  # version 2, and whether the proxy speaks for itself
_INET, _INET6 = 0x11, 0x21  # TCP over IPv4, over IPv6
_UNKNOWN = (0x00, 0x12, 0x22, 0x31, 0x32)  # other families of the specification: no address of use to us


@dataclass(frozen=True, slots=True)
class Header:
    """Whose connection it is.

    Attributes:
        size: Octets of the whole header.
        address: IP address and port of the client; None if the proxy speaks for itself.

    """

    size: int
    address: tuple[str, int] | None


def length(start: bytes) -> int | None:
    """How many octets the header has that begins so; None as long as that cannot be told.

    Raises:
        QmqError: `bad-proxy-header` as soon as it is certain that it is none, or too long.

    """
    beginning = WORD if start[:1] == WORD[:1] else SIGNATURE
    if start[: len(beginning)] != beginning[: len(start)]:
        raise QmqError("bad-proxy-header", "the connection does not begin with one")
    if beginning is WORD:
        return _line_length(start)
    if len(start) < FIXED:
        return None
    extra: int = unpack(">H", start[14:16])[0]
    if extra > MAX_EXTRA:
        raise QmqError("bad-proxy-header", f"it has {extra} octets behind its beginning, {MAX_EXTRA} are allowed")
    return FIXED + extra


def _line_length(start: bytes) -> int | None:
    end = start.find(b"\r\n", 0, MAX_LINE)
    if end < 0 and len(start) >= MAX_LINE:
        raise QmqError("bad-proxy-header", f"its line has no end within {MAX_LINE} octets")
    return end + 2 if end >= 0 else None


def missing(start: bytes) -> int:
    """How many octets of the header are certainly still to come. More may belong to what follows it.

    Raises:
        QmqError: As `length`.

    """
    size = length(start)
    if size is not None:
        return max(size - len(start), 0)
    if len(start) < LEAST:
        return LEAST - len(start)
    if start[:1] == SIGNATURE[:1]:
        return FIXED - len(start)
    return 1 if start.endswith(b"\r") else 2


def parse(data: bytes) -> Header | None:
    """The header at the beginning of what came; None as long as it is not complete.

    Raises:
        QmqError: `bad-proxy-header`.

    """
    size = length(data)
    if size is None or len(data) < size:
        return None
    if data[:1] == WORD[:1]:
        return Header(size, _address_in_words(data[: size - 2].split(b" ")))
    command, family = data[12], data[13]
    if command not in (_LOCAL, _PROXY):
        raise QmqError("bad-proxy-header", f"version and command are {command:#04x}")
    if command == _LOCAL or family in _UNKNOWN:
        return Header(size, None)
    return Header(size, _address(family, data[FIXED:size]))


def _address(family: int, block: bytes) -> tuple[str, int]:
    if family == _INET and len(block) >= 12:
        return str(IPv4Address(block[:4])), unpack(">H", block[8:10])[0]
    if family == _INET6 and len(block) >= 36:
        return str(IPv6Address(block[:16])), unpack(">H", block[32:34])[0]
    raise QmqError("bad-proxy-header", f"no addresses of family {family:#04x} in {len(block)} octets")


def _address_in_words(words: list[bytes]) -> tuple[str, int] | None:
    """That of the client; None if the proxy does not know it."""
    if words[1] == b"UNKNOWN":
        return None
    kind = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(words[1])
    if kind is None or len(words) != 6:
        raise QmqError("bad-proxy-header", "its line is none of TCP4, TCP6 or UNKNOWN")
    try:
        client, _ = kind(words[2].decode("ascii")), kind(words[3].decode("ascii"))
    except ValueError:
        raise QmqError("bad-proxy-header", "its line has no two addresses of its family") from None
    port, _ = _port(words[4]), _port(words[5])
    return str(client), port


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or int(word) > 0xFFFF:
        raise QmqError("bad-proxy-header", "its line has no two ports")
    return int(word)


def encode(source: tuple[str, int] | None, target: tuple[str, int] = ("0.0.0.0", 0), extra: bytes = b"") -> bytes:  # noqa: S104
    """A header of version 2, as a proxy sends it; with `source` None it speaks for itself."""
    block, family = b"", 0
    if source is not None:
        six = ":" in source[0]
        family = _INET6 if six else _INET
        kind = IPv6Address if six else IPv4Address
        there = target[0] if (":" in target[0]) == six else "::" if six else "0.0.0.0"  # noqa: S104
        block = kind(source[0]).packed + kind(there).packed
        block += source[1].to_bytes(2, "big") + target[1].to_bytes(2, "big")
    block += extra
    command = _LOCAL if source is None else _PROXY
    return SIGNATURE + bytes((command, family)) + len(block).to_bytes(2, "big") + block
