"""What came out: samples by system and scenario, and the questions the report asks of them.

Every figure is a median over the rounds. A ratio is the median of the rounds' ratios, not the ratio of two medians: the
two systems of one round ran within seconds of each other, so a machine that is slow for a minute slows both.

It neither measures nor prints.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.backlog import Backlog
from bench.idle import Idle
from bench.load import Sample
from bench.plan import (
    BACKLOG,
    CROWDED,
    FLOOR,
    GOALS,
    IDLE,
    PEER,
    POSTS,
    QUEUES,
    SUBJECT,
    BacklogGoal,
    Goal,
    IdleGoal,
    Limit,
    PostScenario,
    QueueScenario,
    Scenario,
)

BUSY = 0.95  # of its core: from here on the generator may be what limits the rate


@dataclass
class Outcome:
    """One system in one scenario: a sample, or the reason that there is none, for each round."""

    rounds: list[Sample | str] = field(default_factory=list)

    @property
    def samples(self) -> list[Sample]:
        return [each for each in self.rounds if isinstance(each, Sample)]

    @property
    def errors(self) -> list[str]:
        return [each for each in self.rounds if isinstance(each, str)]

    def median(self, of: Callable[[Sample], float]) -> float | None:
        return statistics.median(map(of, self.samples)) if self.samples else None

    @property
    def rate(self) -> float | None:
        return self.median(lambda sample: sample.rate)


@dataclass(frozen=True)
class Figure:
    """What one measurement of QMQ alone gave: the number that is judged, and the same in words."""

    value: float
    words: str


@dataclass
class Verdict:
    """A goal, what was measured, and whether that is enough; `reached` is None if it was not measured."""

    text: str
    measured: str
    reached: bool | None

    @property
    def word(self) -> str:
        return {True: "reached", False: "NOT reached", None: "not measured"}[self.reached]


@dataclass
class Results:
    """All of one run of the benchmark."""

    labels: dict[str, str]  # by system, in the order of the table
    scenarios: list[Scenario]
    queues: list[QueueScenario]
    posts: list[PostScenario]
    conditions: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)  # by system: why it was not run, in a word or two
    trouble: list[str] = field(default_factory=list)  # what a word or two could not tell
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    idle: dict[str, Idle | str] = field(default_factory=dict)
    backlog: dict[str, Backlog | str] = field(default_factory=dict)
    figures: dict[str, list[Figure | str]] = field(default_factory=dict)  # by limit, one for each round

    def add(self, system: str, scenario: str, round_: Sample | str) -> None:
        self.outcomes.setdefault((system, scenario), Outcome()).rounds.append(round_)

    def outcome(self, system: str, scenario: str) -> Outcome:
        """What there is; an empty one for what was not run."""
        return self.outcomes.get((system, scenario)) or Outcome()

    def ratio(self, system: str, against: str, scenario: str) -> float | None:
        """How many times the other's rate; None unless both have a sample of the same round."""
        pairs = zip(self.outcome(system, scenario).rounds, self.outcome(against, scenario).rounds, strict=False)
        ratios = [a.rate / b.rate for a, b in pairs if isinstance(a, Sample) and isinstance(b, Sample) and b.rate]
        return statistics.median(ratios) if ratios else None

    def figure(self, limit: str) -> Figure | None:
        """The round in the middle."""
        figures = [each for each in self.figures.get(limit, []) if isinstance(each, Figure)]
        figures.sort(key=lambda each: each.value)
        return figures[len(figures) // 2] if figures else None

    def verdicts(self) -> list[Verdict]:
        return [self._judge(goal) for goal in GOALS]

    def _judge(self, goal: Goal) -> Verdict:
        if isinstance(goal, IdleGoal):
            idle = self.idle.get(SUBJECT)
            if not isinstance(idle, Idle):
                return Verdict(goal.text, "-", None)
            measured = f"{idle.kb_per_connection:.1f} KB over {idle.connections:,} connections"
            return Verdict(goal.text, measured, idle.kb_per_connection <= goal.most_kb)
        if isinstance(goal, BacklogGoal):
            backlog = self.backlog.get(SUBJECT)
            if not isinstance(backlog, Backlog):
                return Verdict(goal.text, "-", None)
            measured = f"{backlog.octets_per_message:,.0f} octets over {backlog.messages:,} messages"
            return Verdict(goal.text, measured, backlog.octets_per_message <= goal.most_octets)
        if isinstance(goal, Limit):
            figure = self.figure(goal.name)
            if figure is None:
                return Verdict(goal.text, "-", None)
            return Verdict(goal.text, figure.words, figure.value <= goal.most)
        if goal.against:
            value = self.ratio(goal.of, goal.against, goal.scenario)
        else:
            value = self.outcome(goal.of, goal.scenario).rate
        if value is None:
            return Verdict(goal.text, "-", None)
        measured = f"{value:.2f} times" if goal.against else f"{value:,.0f}"
        return Verdict(goal.text, measured, value > goal.least if goal.more else value >= goal.least)

    def notes(self) -> list[str]:
        """What a reader must know beside the tables: failures, losses, and where the generator was the limit."""
        notes = list(self.trouble)
        for (system, scenario), outcome in self.outcomes.items():
            label = self.labels[system]
            notes += [f"{label}, {scenario}: {error}" for error in dict.fromkeys(outcome.errors)]
            if lost := sum(sample.missing for sample in outcome.samples):
                notes.append(f"{label}, {scenario}: {lost:,} deliveries never came")
        for weighed, what in ((self.idle, IDLE), (self.backlog, BACKLOG)):
            notes += [f"{self.labels[name]}, {what}: {why}" for name, why in weighed.items() if isinstance(why, str)]
        for name, rounds in self.figures.items():
            notes += [f"{self.labels[SUBJECT]}, {name}: {why}" for why in rounds if isinstance(why, str)]
        if any(self.load_bound(*key) for key in self.outcomes):
            notes.append("* the load generator used its whole core: the server may be faster than this")
        runs = [sample.crowd for outcome in self.outcomes.values() for sample in outcome.samples]
        if crowded := sum(crowd > CROWDED for crowd in runs):
            notes.append(
                f"other processes took more than {CROWDED:.0%} of the two cores in {crowded} of {len(runs)} runs, "
                f"up to {max(runs):.0%}: the machine was not quiet, and the figures are too low"
            )
        return notes

    def load_bound(self, system: str, scenario: str) -> bool:
        busy = self.outcome(system, scenario).median(lambda sample: sample.load_busy)
        return busy is not None and busy >= BUSY

    def as_data(self) -> dict[str, Any]:
        """Everything, for the JSON file."""
        outcomes = [
            {
                "system": system,
                "scenario": scenario,
                _rate_of(scenario): outcome.rate,
                "ratio_to_floor": self.ratio(system, FLOOR, scenario),
                "ratio_to_rabbitmq": self.ratio(system, PEER, scenario),
                "rounds": [each if isinstance(each, str) else asdict(each) for each in outcome.rounds],
            }
            for (system, scenario), outcome in self.outcomes.items()
        ]
        goals = [{**asdict(verdict), "verdict": verdict.word} for verdict in self.verdicts()]
        return {
            "conditions": self.conditions,
            "missing": self.missing,
            "outcomes": outcomes,
            "idle": _weights(self.idle),
            "backlog": _weights(self.backlog),
            "figures": {name: [_plain(each) for each in rounds] for name, rounds in self.figures.items()},
            "goals": goals,
            "notes": self.notes(),
        }


def _rate_of(scenario: str) -> str:
    if scenario in POSTS:
        return "published_per_second"
    return "settled_per_second" if scenario in QUEUES else "deliveries_per_second"


def _weights(weighed: Mapping[str, Idle | Backlog | str]) -> dict[str, Any]:
    return {name: _plain(each) for name, each in weighed.items()}


def _plain(each: Any) -> Any:
    return each if isinstance(each, str) else asdict(each)
