"""What stands at the door of a node, for all its loops: policy, counts, the lockout, the proxies that are believed.

To try a password takes tens of milliseconds on purpose. That is done in few threads, so
that no loop waits for it, and that no more memory is taken than these need. The policy is
replaced as a whole; each loop reads it anew whenever it needs it.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future, ThreadPoolExecutor

from qmq.config import Config
from qmq.errors import QmqError
from qmq.gateway.census import Census
from qmq.gateway.lockout import Lockout
from qmq.gateway.meter import Meters, limited
from qmq.gateway.origins import Origins
from qmq.gateway.proxies import Proxies
from qmq.session.auth import Principal
from qmq.session.policy import OPEN, Policy

_THREADS = 2  # that try passwords
_TOLD = 100  # connections above a limit that are told why; the others are closed without a word


class Door:
    """One for all loops of a node.

    Args:
        config: The node's configuration.
        policy: Who may come in, and what for.

    Attributes:
        policy: The one in force.
        census: Connections with a conversation, by address and principal.
        lockout: Failed logins, by address.
        secret: With it passwords and tokens are remembered, as digests that are good for this process only.
        meters: What those send in a second who come with requests, if that is limited.
        proxies: Those who are believed.
        origins: Whose pages may connect.

    """

    def __init__(self, config: Config, policy: Policy = OPEN) -> None:
        self.census = Census(1)
        self._beginning = Census(1)
        self.lockout = Lockout(1)
        self.secret = secrets.token_bytes(32)
        self._closed = False
        self._pool = ThreadPoolExecutor(_THREADS, "qmq-password")  # starts its threads when they are needed
        self.reload(config, policy)

    def reload(self, config: Config, policy: Policy) -> None:
        """Goes by another configuration and policy; who is there already, stays, until a gateway looks (`review`)."""
        self.policy = policy
        limits, some = config.limits, config.limits.connections_per_address
        self.census.most = limits.connections
        self.census.per_address = some
        self.census.per_principal = limits.connections_per_principal
        # A client that polls needs two for each of its sessions; the rest is for being told that there is no room.
        self._beginning.most = 2 * limits.connections + _TOLD
        self._beginning.per_address = 2 * some + _TOLD if some else 0
        self.lockout.free = limits.login_failures
        self.lockout.forget_proofs()
        self.meters = Meters(limits) if limited(limits) else None
        self.proxies = Proxies(config.trusted_proxies)
        self.origins = Origins(config)

    def try_password(self, login: str, passcode: str) -> Future[Principal]:
        """Tries a password. What comes of it is as of `Policy.by_password`; or it is `shutting-down`."""
        return self._pool.submit(self._try, login, passcode)

    def _try(self, login: str, passcode: str) -> Principal:
        if self._closed:
            raise QmqError("shutting-down")
        return self.policy.by_password(login, passcode)

    def close(self) -> None:
        """Tries no more passwords: whoever waits for that hears so soon."""
        self._closed = True

    def stop(self) -> None:
        """Returns when the threads are gone that try passwords."""
        self._pool.shutdown()

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
