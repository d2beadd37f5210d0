"""What is measured and what is to be reached, as data.

Scenarios and goals are rows here and nothing else: a new one needs no new code as long as it is a fan-out to N
subscribers or a work queue with one consumer, or a ratio between two systems in one scenario. Nothing here runs
anything.
"""

from __future__ import annotations

from dataclasses import dataclass

IDLE = "idle"  # in `--scenarios`: the memory of idle connections
BACKLOG = "queue-memory"  # and that of messages waiting in a queue
SUBJECT, FLOOR, PEER = "qmq", "floor", "rabbitmq"
HTTP_PEER = "rabbitmq-http"


@dataclass(frozen=True)
class Scenario:
    """So many subscribers of one topic, so many messages in flight."""

    subscribers: int
    window: int

    unit = "deliveries/s"

    @property
    def name(self) -> str:
        return f"{self.subscribers}x{self.window}"

    @property
    def title(self) -> str:
        return f"{self.subscribers:,} sub{'s' * (self.subscribers != 1)}, {self.window}"

    @property
    def words(self) -> str:
        return f"{self.title} in flight"


@dataclass(frozen=True)
class QueueScenario:
    """One producer and one consumer of a work queue, who settles each message by itself."""

    name: str
    prefetch: int  # messages that the consumer may have and not have settled
    window: int  # messages published and not yet settled

    unit = "settled/s"

    @property
    def title(self) -> str:
        return f"prefetch {self.prefetch:,}, {self.window:,} unsettled"

    @property
    def words(self) -> str:
        return f"work queue, {self.title}"


@dataclass(frozen=True)
class PostScenario:
    """Publishers that send requests of so many messages each, one after the other."""

    name: str
    what: str
    batch: int  # messages in a request
    connections: int = 4

    unit = "messages/s"

    @property
    def title(self) -> str:
        return f"{self.what}, {self.batch} a request"

    @property
    def words(self) -> str:
        return f"published by {self.title}"


SCENARIOS = {
    each.name: each
    for each in (
        Scenario(1, 1),
        Scenario(1, 100),
        Scenario(100, 1),
        Scenario(100, 10),
        Scenario(1000, 1),
        Scenario(900, 100),
    )
}

AnyScenario = Scenario | QueueScenario | PostScenario

# The window is far above the prefetch count, so that there is always a queue; and bounded, so that no system is
# measured while it throttles or swaps.
QUEUES = {each.name: each for each in (QueueScenario("queue", prefetch=100, window=2000),)}

POSTS = {
    each.name: each
    for each in (
        PostScenario("json-1", "JSON", batch=1),
        PostScenario("json-100", "JSON", batch=100),
        PostScenario("avro-100", "Avro", batch=100),
    )
}


@dataclass(frozen=True)
class Limit:
    """Something that only QMQ is asked for, since its peers have nothing like it; the less, the better."""

    name: str
    words: str
    most: float
    unit: str

    @property
    def text(self) -> str:
        return f"{self.words}: at most {self.most:g} {self.unit}"


LIMITS = {
    each.name: each
    for each in (
        Limit("poll-memory", "waiting long-poll with one subscription", 12, "KB"),
        Limit("poll-reach", "a message to 1,000 waiting long-polls", 3, "times as long as to WebSockets"),
        Limit("streams", "2,000 event streams, a message a second each: p99", 200, "ms"),
        Limit("return", "5,000 come back, 50 messages behind: p99 of who stayed", 5, "times that before"),
        Limit("stuck", "one of 4 threads is busy for 200 ms: p99 of a message between clients of the others", 25, "ms"),
    )
}


@dataclass(frozen=True)
class Effort:
    """How long and how often."""

    rounds: int
    warm_up: float  # seconds
    seconds: float
    idle_connections: int
    queue_messages: int
    attempts: int  # at a run that other processes disturb


CROWDED = 0.1  # of both cores: from here on other processes disturb what is measured

FULL = Effort(rounds=3, warm_up=1.0, seconds=3.0, idle_connections=8000, queue_messages=1_000_000, attempts=3)
QUICK = Effort(rounds=1, warm_up=0.3, seconds=1.0, idle_connections=2000, queue_messages=100_000, attempts=1)


@dataclass(frozen=True)
class RateGoal:
    """QMQ's rate in one scenario: at least so much, or so many times that of another system."""

    scenario: str
    least: float
    against: str = ""  # a system; empty if `least` is a rate
    more: bool = False  # to be passed, not only to be reached
    of: str = SUBJECT  # whose rate

    @property
    def text(self) -> str:
        words = "more than" if self.more else "at least"
        scenario: AnyScenario = {**SCENARIOS, **QUEUES, **POSTS}[self.scenario]
        amount = f"{self.least:g} times {self.against}" if self.against else f"{self.least:,.0f} {scenario.unit}"
        whose = "" if self.of == SUBJECT else f", {self.of}"
        return f"{scenario.words}{whose}: {words} {amount}"


@dataclass(frozen=True)
class IdleGoal:
    """QMQ's resident memory per idle connection with one subscription."""

    most_kb: float

    @property
    def text(self) -> str:
        return f"idle connection with one subscription: at most {self.most_kb:g} KB"


@dataclass(frozen=True)
class BacklogGoal:
    """QMQ's resident memory per waiting message, without its body."""

    most_octets: float

    @property
    def text(self) -> str:
        return f"small message waiting in a queue: at most {self.most_octets:g} octets besides its body"


Goal = RateGoal | IdleGoal | BacklogGoal | Limit

GOALS: tuple[Goal, ...] = (
    RateGoal("1000x1", 0.7, FLOOR),
    RateGoal("1000x1", 1.0, "nats"),
    RateGoal("100x10", 0.6, FLOOR),
    RateGoal("100x10", 1.0, "nats", more=True),
    # "80,000, or 0.35 of the floor, whichever is higher" is to reach both.
    RateGoal("1x100", 80_000),
    RateGoal("1x100", 0.35, FLOOR),
    IdleGoal(10),
    RateGoal("queue", 40_000),
    RateGoal("queue", 2.0, PEER),
    RateGoal("json-1", 4_000),
    RateGoal("json-100", 60_000),
    RateGoal("avro-100", 60_000),
    BacklogGoal(700),
    RateGoal("100x10", 0.7, SUBJECT, of="qmq-4"),
    RateGoal("1000x1", 0.7, SUBJECT, of="qmq-4"),
    *LIMITS.values(),
)
