"""The messages of one queue that wait for a consumer, in the order in which they are due.

Each priority is a lane: first what came back from a consumer, by its old place, then
what has not been delivered yet. So a message that comes back stands exactly where it
stood before. A message that is taken out of the middle (because it expired) is only
marked, and swept out when marks are many. Nothing here decides anything.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from qmq.core.message import Message


class Entry:
    """One message's stay in one queue.

    Attributes:
        message: None once it has left.
        place: Its number in the queue.
        deliveries: How often it was given to a consumer.
        expires: When it is too old, by the queue's clock; 0 for never.
        given: While a consumer has it: since when; else 0.

    """

    __slots__ = ("deliveries", "expires", "given", "message", "place")

    def __init__(self, message: Message, place: int, expires: float) -> None:
        self.message: Message | None = message
        self.place = place
        self.deliveries = 0
        self.expires = expires
        self.given = 0.0

    def __repr__(self) -> str:
        return f"<entry {self.place}: {self.message!r}, {self.deliveries} deliveries>"


class _Lane:
    __slots__ = ("fresh", "priority", "returned")

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.returned: list[tuple[int, Entry]] = []  # a heap
        self.fresh: deque[Entry] = deque()

    def pop(self) -> Entry | None:
        while self.returned:
            entry = heapq.heappop(self.returned)[1]
            if entry.message is not None:
                return entry
        while self.fresh:
            entry = self.fresh.popleft()
            if entry.message is not None:
                return entry
        return None

    def sweep(self) -> None:
        self.fresh = deque(entry for entry in self.fresh if entry.message is not None)
        self.returned = [pair for pair in self.returned if pair[1].message is not None]
        heapq.heapify(self.returned)


class Ready:
    """Messages in order of priority, then of place.

    Args:
        max_priority: Messages with a higher priority count as having this one.

    Attributes:
        count: Messages that wait.
        octets: Their bodies together.

    """

    __slots__ = ("_expiries", "_lanes", "_lowest", "_marks", "_top", "count", "octets")

    def __init__(self, max_priority: int) -> None:
        self.count = self.octets = 0
        self._top = max_priority
        self._lowest = _Lane(0)
        self._lanes = [self._lowest]  # one for each priority that there was; the most urgent first
        self._marks = 0  # entries in the lanes whose message is gone
        self._expiries: list[tuple[float, int, Entry]] = []  # a heap, with some that have left long ago

    def append(self, entry: Entry) -> None:
        """Adds what was just published."""
        message = entry.message
        assert message is not None
        self.count += 1
        self.octets += len(message.body)
        (self._lane(message.envelope.priority) if self._top else self._lowest).fresh.append(entry)
        if entry.expires:
            self._note_expiry(entry)

    def put_back(self, entry: Entry) -> None:
        """Adds what came back from a consumer, at its old place."""
        message = entry.message
        assert message is not None
        entry.given = 0.0
        self.count += 1
        self.octets += len(message.body)
        heapq.heappush(self._lane(message.envelope.priority).returned, (entry.place, entry))
        if entry.expires:
            self._note_expiry(entry)

    def pop(self) -> Entry | None:
        """Takes out the first."""
        for lane in self._lanes:
            entry = lane.pop()
            if entry is not None:
                return self._taken(entry)
        return None

    def pop_least(self) -> Entry | None:
        """Takes out the first of those with the lowest priority."""
        for lane in reversed(self._lanes):
            entry = lane.pop()
            if entry is not None:
                return self._taken(entry)
        return None

    def pop_expired(self, now: float) -> Entry | None:
        """Takes out one that has waited too long, if there is one. The caller clears its message."""
        expiries = self._expiries
        while expiries and expiries[0][0] <= now:
            entry = heapq.heappop(expiries)[2]
            if entry.message is not None and not entry.given:
                self._marks += 1
                return self._taken(entry)
        return None

    def sweep(self) -> None:
        """Lets go of the marks of those that have expired, if they are many."""
        if self._marks > 64 and self._marks > self.count:
            for lane in self._lanes:
                lane.sweep()
            self._marks = 0

    @property
    def next_expiry(self) -> float:
        """When to look for expired ones; 0 for never."""
        expiries = self._expiries
        while expiries and (expiries[0][2].message is None or expiries[0][2].given):
            heapq.heappop(expiries)
        return expiries[0][0] if expiries else 0.0

    def clear(self) -> list[Entry]:
        """Takes out all."""
        entries = list(self)
        for lane in self._lanes:
            lane.fresh.clear()
            lane.returned.clear()
        self._expiries.clear()
        self.count = self.octets = self._marks = 0
        return entries

    def __iter__(self) -> Iterator[Entry]:
        """All, in order, without taking them out."""
        for lane in self._lanes:
            for _, entry in sorted(lane.returned):
                if entry.message is not None:
                    yield entry
            for entry in lane.fresh:
                if entry.message is not None:
                    yield entry

    def _lane(self, priority: int) -> _Lane:
        priority = max(0, min(priority, self._top))
        place = 0
        while self._lanes[place].priority > priority:
            place += 1
        if self._lanes[place].priority != priority:
            self._lanes.insert(place, _Lane(priority))
        return self._lanes[place]

    def _taken(self, entry: Entry) -> Entry:
        assert entry.message is not None
        self.count -= 1
        self.octets -= len(entry.message.body)
        return entry

    def _note_expiry(self, entry: Entry) -> None:
        expiries = self._expiries
        if len(expiries) > 64 and len(expiries) > 2 * self.count:
            # One that came back several times is there several times: once is enough.
            places = {each[1]: each for each in expiries if each[2].message is not None and not each[2].given}
            self._expiries = expiries = list(places.values())
            heapq.heapify(expiries)
        heapq.heappush(expiries, (entry.expires, entry.place, entry))
