"""Whose request it is, when proxies stand in between.

Only proxies that the configuration names are believed. On HTTP they say so in
`X-Forwarded-For` and `X-Forwarded-Proto`, of which the rightmost entry that no trusted
proxy has written counts: what stands left of it anybody can have made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from tornado.httputil import HTTPServerRequest

from qmq.addresses import parse_address

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
        for hop in reversed(hops):
            found = parse_address(hop.strip())
            if found is None:
                break  # a trusted proxy wrote nonsense, or nothing: what it is left of is the best that we know
            request.remote_ip = str(found)
            if not self.trusts(request.remote_ip):
                break
        protocol = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        if protocol in ("http", "https"):
            request.protocol = protocol
