"""Whose request it is, when proxies stand in between.

Only proxies that the configuration names are believed. On HTTP they say so in
`X-Forwarded-For` and `X-Forwarded-Proto`, of which the rightmost entry that no trusted
proxy has written counts: what stands left of it anybody can have made up. Other headers of
the kind are not looked at.

A proxy may know no address, or not tell it. Such a client must not have the proxy's
address, which all others without one would share: limits and lockouts would be for all
of them together. So it has a name instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network
from itertools import count

from tornado.httputil import HTTPServerRequest

from qmq.addresses import parse_address

_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}|\[([0-9A-Fa-f:.%\w]+)\](?::(?:[0-9]{1,5}|_[\w.-]+))?")
_HIDDEN = re.compile(r"(_[A-Za-z0-9._-]{1,64})(?::(?:[0-9]{1,5}|_[\w.-]+))?", re.ASCII)
_unknown = count(1)
_MAX_HOPS = 100  # entries of X-Forwarded-For that are looked at


class Proxies:
    """The proxies that are believed.

    Args:
        trusted: Addresses and networks, such as `10.0.0.0/8`; checked by the configuration.

    """

    __slots__ = ("_networks",)

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._networks = [ip_network(each) for each in trusted]

    def trusts(self, address: str) -> bool:
        """Whether it is the address of one of them."""
        found = parse_address(address) if self._networks else None
        return found is not None and any(found in network for network in self._networks)

    def apply(self, request: HTTPServerRequest) -> None:
        """Sets `remote_ip` and `protocol` of a request to what trusted proxies say of the client."""
        if not self._networks or not self.trusts(request.remote_ip or ""):
            return
        hops = request.headers.get("X-Forwarded-For", "").split(",")[-_MAX_HOPS:]
        for hop in filter(None, map(str.strip, reversed(hops))):
            request.remote_ip = _client(hop)
            if not self.trusts(request.remote_ip):
                break
        protocol = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        if protocol in ("http", "https"):
            request.protocol = protocol


def _client(hop: str) -> str:
    """Who an entry says it is: an address without port and brackets, what a proxy calls it, or a name of its own.

    Quotes, brackets, ports and names are as in RFC 7239, section 6; proxies write them here as well.
    """
    hop = hop.strip('"').strip()
    found = parse_address(hop)
    if found is None and (match := _WITH_PORT.fullmatch(hop)) is not None:
        found = parse_address(match[1] or match[2])
    if found is not None:
        return str(found)
    hidden = _HIDDEN.fullmatch(hop)
    return hidden[1] if hidden is not None else f"unknown-{next(_unknown)}"
