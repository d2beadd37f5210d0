"""Who is there: how many connections each address and each principal has, over all loops.

One census serves all loops of a node; every change is one short step under its lock. An
IPv6 client has a whole /64 network to choose addresses from, so that counts as one.
"""

from __future__ import annotations

from threading import Lock

from qmq.addresses import place
from qmq.errors import QmqError


class Census:
    """Counts of connections.

    Args:
        most: Connections of the node.
        per_address: Connections of one address; 0 for as many as there is room for.
        per_principal: Connections of one principal; 0 likewise. May be changed at any time, as may the others.

    """

    __slots__ = ("_addresses", "_lock", "_principals", "most", "per_address", "per_principal", "total")

    def __init__(self, most: int, per_address: int = 0, per_principal: int = 0) -> None:
        self.most = most
        self.per_address = per_address
        self.per_principal = per_principal
        self.total = 0
        self._lock = Lock()
        self._addresses: dict[str, int] = {}
        self._principals: dict[str, int] = {}

    def check(self, address: str) -> None:
        """Checks that there is room for one more from there; nothing is counted yet.

        Raises:
            QmqError: `too-many-connections`, of the node or of the address.

        """
        with self._lock:
            self._check(place(address))

    def has_room(self, address: str, more: int = 0) -> bool:
        """Whether there is room for one more from there, if the limits were `more` higher."""
        with self._lock:
            here = self._addresses.get(place(address), 0)
        return self.total < self.most + more and (not self.per_address or here < self.per_address + more)

    def enter(self, address: str) -> QmqError | None:
        """Counts a connection, which `leave` must be called for. Says why it may not stay, if it may not."""
        where = place(address)
        with self._lock:
            try:
                self._check(where)
                refusal = None
            except QmqError as error:
                refusal = error
            self.total += 1
            self._addresses[where] = self._addresses.get(where, 0) + 1
        return refusal

    def move(self, before: str, now: str) -> bool:
        """Counts a connection at another address. Returns whether there was room for it, else nothing has changed."""
        there, here = place(before), place(now)
        with self._lock:
            if there != here:
                if self.per_address and self._addresses.get(here, 0) >= self.per_address:
                    return False
                _take_one(self._addresses, there)
                self._addresses[here] = self._addresses.get(here, 0) + 1
        return True

    def leave(self, address: str) -> None:
        """A connection is gone."""
        with self._lock:
            self.total -= 1
            _take_one(self._addresses, place(address))

    def log_in(self, principal: str) -> None:
        """Counts a connection for a principal; `log_out` must be called for it, unless this raises.

        Raises:
            QmqError: `too-many-connections`.

        """
        with self._lock:
            count = self._principals.get(principal, 0)
            if self.per_principal and count >= self.per_principal:
                raise QmqError("too-many-connections", f"{self.per_principal} of one principal are allowed")
            self._principals[principal] = count + 1

    def log_out(self, principal: str) -> None:
        """A connection of a principal is gone, or has another principal now."""
        with self._lock:
            _take_one(self._principals, principal)

    def snapshot(self) -> tuple[dict[str, int], dict[str, int]]:
        """Connections by address and by principal."""
        with self._lock:
            return dict(self._addresses), dict(self._principals)

    def _check(self, where: str) -> None:
        if self.total >= self.most:
            raise QmqError("too-many-connections", f"{self.most} are allowed")
        if self.per_address and self._addresses.get(where, 0) >= self.per_address:
            raise QmqError("too-many-connections", f"{self.per_address} from one address are allowed")

    def __repr__(self) -> str:
        return f"<census {self.total} from {len(self._addresses)} addresses, {len(self._principals)} principals>"


def _take_one(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
