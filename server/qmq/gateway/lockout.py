"""Guessing passwords takes longer and longer, and what is right passes all the same.

Some failures are free; from then on each one doubles the time for which an address counts as
one that guesses. Meanwhile what is known to be wrong is refused without a look, a few others
are still looked at, and whatever is right passes: so one broken script does not lock an office
out. What costs next to nothing to look at (a token) is always looked at. A login that succeeds
forgives nothing, or one account would buy guesses at all others. Nor do many guesses at once
get around it: only so many are looked at at the same time. The table is bounded: when it is
full, whoever failed longest ago is forgotten. It serves all loops of a node.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from qmq.addresses import place
from qmq.errors import QmqError

_AT_ONCE = 100  # logins from one address that are looked at at the same time; as after a restart of the node
_ADDRESSES = 10_000  # remembered at the same time
_FIRST = 1.0  # seconds of the first wait
_LONGEST = 900.0  # seconds of the longest
_FORGIVEN = 3600.0  # seconds without a failure after which an address begins anew
_TRIALS = 10.0  # logins that are looked at although their address guesses,
_TRIAL_SECONDS = 5.0  # and seconds until there is one more of them
_WRONG = 64  # wrong logins of one address that are known again


@dataclass(slots=True)
class _Failures:
    """Those of one address: how many, when the last was, which they were, and what may still be tried."""

    count: int = 0
    last: float = 0.0
    trials: float = _TRIALS
    refilled: float = 0.0
    wrong: OrderedDict[bytes, None] = field(default_factory=OrderedDict)


class Lockout:
    """Failed logins by address.

    Args:
        free: Failures that cost nothing; 0 means that nobody ever has to wait.
        clock: Seconds that only grow.

    """

    __slots__ = ("_clock", "_failures", "_lock", "_trying", "free")

    def __init__(self, free: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.free = free
        self._clock = clock
        self._lock = Lock()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._trying: dict[str, int] = {}  # logins that are being looked at

    def left(self, address: str) -> float:
        """How many more seconds an address counts as one that guesses; 0 if it does not."""
        with self._lock:
            found = self._failures.get(place(address))
            if found is None or not self.free or found.count < self.free:
                return 0.0
            return max(found.last + self._wait(found.count) - self._clock(), 0.0)

    def crowded(self, address: str, proof: bytes) -> bool:
        """Whether a login from an address that guesses could be looked at once others of it have been found right."""
        if not self.left(address):
            return False
        where = place(address)
        with self._lock:
            found = self._failures.get(where)
            if found is None or proof in found.wrong or not self._trying.get(where):
                return False
            return self._trials(found) < 1

    @contextmanager
    def trying(self, address: str, proof: bytes, cheap: bool = False) -> Iterator[None]:
        """While a login is looked at, which takes a while; it has failed if an error leaves that has no `retry`.

        Args:
            address: Where it comes from.
            proof: Tells one login from another; what it is need not be told.
            cheap: Whether to look at it costs next to nothing.

        Raises:
            QmqError: `too-many-logins`, with the time to wait in `retry_after`: from an address that guesses, for
                what is wrong, or could not be looked at.

        """
        guesses = self.left(address) > 0
        if guesses and not self._may_try(address, proof, cheap):
            raise self._too_many(address)
        where = place(address)
        with self._lock:
            count = self._trying.get(where, 0)
            if count >= _AT_ONCE:
                raise QmqError("too-many-logins", f"{count} are being looked at", int(_FIRST * 1000))
            self._trying[where] = count + 1
        try:
            yield
            if guesses and not cheap:
                self._give_back(where)
        except QmqError as error:
            if error.code.retry:
                raise
            self.failed(address, proof)
            if guesses:  # and is told nothing that it could not be told without a look
                raise self._too_many(address) from error
            raise
        finally:
            with self._lock:
                self._trying[where] -= 1
                if not self._trying[where]:
                    del self._trying[where]

    def failed(self, address: str, proof: bytes = b"") -> None:
        """Counts a login that failed."""
        if not self.free:
            return
        where, now = place(address), self._clock()
        with self._lock:
            found = self._failures.pop(where, None)
            if found is None or now - found.last > _FORGIVEN:
                found = _Failures(refilled=now)
            if len(self._failures) >= _ADDRESSES:
                self._failures.popitem(last=False)
            found.count += 1
            found.last = now
            found.wrong[proof] = None
            if len(found.wrong) > _WRONG:
                found.wrong.popitem(last=False)
            self._failures[where] = found

    def forget_proofs(self) -> None:
        """What was wrong may be right from now on: the policy is another one."""
        with self._lock:
            for found in self._failures.values():
                found.wrong.clear()

    def _may_try(self, address: str, proof: bytes, cheap: bool) -> bool:
        with self._lock:
            found = self._failures[place(address)]
            if proof in found.wrong:
                return False
            if cheap:
                return True
            if self._trials(found) < 1:
                return False
            found.trials -= 1
            return True

    def _trials(self, found: _Failures) -> float:
        """What may be tried by now. Under the lock."""
        now = self._clock()
        found.trials = min(found.trials + (now - found.refilled) / _TRIAL_SECONDS, _TRIALS)
        found.refilled = now
        return found.trials

    def _give_back(self, where: str) -> None:
        """What was right cost nothing: an office may log in as often as it likes."""
        with self._lock:
            found = self._failures.get(where)
            if found is not None:
                found.trials = min(found.trials + 1, _TRIALS)

    def _too_many(self, address: str) -> QmqError:
        left = self.left(address)
        return QmqError("too-many-logins", f"wait {left:.1f} seconds", int(left * 1000) + 1)

    def _wait(self, count: int) -> float:
        return min(_FIRST * 2.0 ** min(count - self.free, 30), _LONGEST)

    def __len__(self) -> int:
        return len(self._failures)

    def __repr__(self) -> str:
        return f"<lockout {len(self)} addresses>"
