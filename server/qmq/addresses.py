"""Addresses as text: IP addresses and networks, and the origins of pages.

Only what is said in the text counts here: nothing is looked up.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::([0-9]{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; IPv4 within IPv6 is IPv4. None if it is no address."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def parse_network(text: str) -> IPv4Network | IPv6Network | None:
    """A network such as `10.0.0.0/8`, or that of one address; None if it is none."""
    try:
        return ip_network(text)
    except ValueError:
        return None


def place(address: str) -> str:
    """What counts as one client: an IPv4 address, or a network of 64 bits, all of which an IPv6 client has.

    Text that is no address stands for itself.
    """
    if ":" not in address:
        return address
    found = parse_address(address)
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return str(found) if found is not None else address


def is_loopback(host: str) -> bool:
    """Whether a host of a URL can be reached from this machine only."""
    if host == "localhost":
        return True
    found = parse_address(host)
    return found is not None and found.is_loopback


def normal_origin(text: str) -> str | None:
    """An origin (RFC 6454) in the one form that can be compared: small letters, no port that goes without saying.

    None if it is none, such as `null`, the origin of pages that have no address.
    """
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{scheme}://{host}:{port}"


_PATTERN = re.compile(
    r"([a-z][a-z0-9+.-]*)://(\*\.)?(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\*]+)(?::(\*|[0-9]{1,5}))?", re.ASCII
)
_LABELS = r"(?:[^\s/?#@:\[\]\\.]+\.)+"


def origin_pattern(text: str) -> str | None:
    """A regular expression for the origins that an entry of the configuration stands for, in their normal form.

    An entry is an origin; `https://*.HOST`, for all names below a host; `https://HOST:*`, for all ports of one; `null`,
    for pages that have no address; or `file://`, which some that show files say instead. None if it is nothing of that.
    """
    text = text.lower()
    if text in ("null", "file://"):
        return re.escape(text)
    match = _PATTERN.fullmatch(text)
    if match is None:
        return None
    scheme, below, host, port = match.groups()
    start = re.escape(f"{scheme}://") + (_LABELS if below else "") + re.escape(host)
    if port == "*":
        return start + r"(?::[0-9]{1,5})?"
    return start if port in (None, _DEFAULT_PORTS.get(scheme)) else f"{start}:{port}"


def same_host(origin: str, host: str) -> bool:
    """Whether an origin is that of the host that a request names, whatever TLS a proxy in between adds.

    Args:
        origin: In its normal form.
        host: The `Host` header.

    """
    scheme = origin.partition("://")[0]
    return normal_origin(f"{scheme}://{host}") == origin
