"""What stands at the door of a node, for all its loops: counts, the lockout, and the proxies that are believed."""

from __future__ import annotations

from qmq.config import Config
from qmq.gateway.census import Census
from qmq.gateway.lockout import Lockout
from qmq.gateway.proxies import Proxies

_TOLD = 100  # connections above a limit that are told why; the others are closed without a word


class Door:
    """One for all loops of a node.

    Args:
        config: The node's configuration.

    Attributes:
        census: Connections with a conversation, by address and principal.
        lockout: Failed logins, by address.
        proxies: Those who are believed.

    """

    def __init__(self, config: Config) -> None:
        self.census = Census(1)
        self._beginning = Census(1)
        self.lockout = Lockout(1)
        self.reload(config)

    def reload(self, config: Config) -> None:
        """Takes limits and proxies from another configuration; who is there already, stays."""
        limits, some = config.limits, config.limits.connections_per_address
        self.census.most = limits.connections
        self.census.per_address = some
        self.census.per_principal = limits.connections_per_principal
        # A client that polls needs two for each of its sessions; the rest is for being told that there is no room.
        self._beginning.most = 2 * limits.connections + _TOLD
        self._beginning.per_address = 2 * some + _TOLD if some else 0
        self.lockout.free = limits.login_failures
        self.proxies = Proxies(config.trusted_proxies)

    def begin(self, address: str) -> bool:
        """Counts a connection that has yet to say what it wants, or carries HTTP requests; false if there is no room.

        If there is, `end` must be called when it is gone, or counted in the census.
        """
        if self._beginning.enter(address) is None or self.proxies.trusts(address):  # a proxy speaks for many
            return True
        self._beginning.leave(address)
        return False

    def end(self, address: str) -> None:
        """What `begin` has counted is gone."""
        self._beginning.leave(address)

    def flooded(self, address: str) -> bool:
        """Whether so many are sent away already that another one need not be told why."""
        return not self.census.has_room(address, _TOLD)
