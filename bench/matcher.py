"""`python -m bench.matcher`: what it costs to find the subscriptions of a name, with few and with many of them.

Unlike the rest of the benchmark it starts no server: it imports the matcher, since a few hundred nanoseconds are not
to be seen through a socket. Each figure is the best of several rounds, as what disturbs can only make it larger. It
takes a few seconds and leaves nothing behind.
"""

from __future__ import annotations

import sys
import time
import timeit
from collections.abc import Callable, Iterable
from itertools import chain, islice

from qmq.core.matcher import Matcher

NAME = "/topic/prices.eur.usd"
MANY = 100_000
PATTERNS = 1_000
ROUNDS = 5
_ROUND_SECONDS = 0.05

Pairs = Iterable[tuple[str, int]]


def distinct_names() -> Pairs:
    """Many subscriptions to names; one of them is the one that is published to."""
    yield NAME, -1
    for number in range(MANY - 1):
        yield f"/topic/prices.eur.n{number}", number


def alike() -> Pairs:
    """Patterns that do not match, all of one shape."""
    for number in range(PATTERNS):
        yield f"/topic/prices.{number}.*.x", number


def mixed() -> Pairs:
    """Patterns that do not match, of every shape: also those that must be followed to the name's last word."""
    shapes = [
        "prices.{}.*.x",
        "prices.*.{}",
        "*.eur.{}",
        "#.{}",
        "prices.#.{}.#",
        "{}.#",
        "*.*.*.{}",
        "prices.eur.*.{}",
    ]
    for number in range(PATTERNS):
        yield "/topic/" + shapes[number % len(shapes)].format(number), number


def ten_that_match() -> Pairs:
    """As many patterns, ten of which match."""
    matching = ["#", "*.#", "prices.#", "prices.*.*", "*.eur.*", "#.usd", "*.*.usd", "prices.#.usd", "#.eur.#", "*.*.*"]
    for number, pattern in enumerate(matching):
        yield "/topic/" + pattern, MANY + number
    yield from islice(mixed(), PATTERNS - len(matching))


def distinct_first_words() -> Pairs:
    """Many patterns that have nothing in common."""
    for number in range(MANY):
        yield f"/topic/w{number}.*.x", number


CASES: dict[str, tuple[Pairs, int]] = {
    # What is in the matcher, and how many of it the name has to find.
    "(a) 1 name": ([(NAME, 1)], 1),
    f"(b) {MANY:,} names": (distinct_names(), 1),
    f"(c) as (b), and {PATTERNS:,} patterns like prices.N.*.x": (chain(distinct_names(), alike()), 1),
    f"    as (b), and {PATTERNS:,} mixed ones that do not match": (chain(distinct_names(), mixed()), 1),
    f"(d) {PATTERNS:,} mixed patterns, 10 of which match": (ten_that_match(), 10),
    f"(e) {MANY:,} patterns with distinct first words": (distinct_first_words(), 0),
}


def seconds_per_call(call: Callable[[], object]) -> float:
    """The best of some rounds, each of which is about as long."""
    timer = timeit.Timer(call)
    number = max(1, int(_ROUND_SECONDS / max(timer.timeit(100) / 100, 1e-9)))
    return min(timer.repeat(ROUNDS, number)) / number


def seconds_per_change(matcher: Matcher[int], pairs: list[tuple[str, int]]) -> tuple[float, float]:
    """The best of some times of adding and removing all pairs; fewer times if they are many."""
    times = max(1, MANY // len(pairs) // 10)
    both = [(_all(matcher.add, pairs), _all(matcher.remove, pairs)) for _ in range(times)]
    return min(added for added, _ in both), min(removed for _, removed in both)


def _all(change: Callable[[str, int], object], pairs: list[tuple[str, int]]) -> float:
    began = time.perf_counter()
    for pattern, value in pairs:
        change(pattern, value)
    return (time.perf_counter() - began) / len(pairs)


def measure(pairs: Pairs, expected: int) -> tuple[float, float, float]:
    """Seconds to match, to add and to remove."""
    matcher: Matcher[int] = Matcher()
    listed = list(pairs)
    changes = seconds_per_change(matcher, listed)
    for pair in listed:
        matcher.add(*pair)
    found = len(matcher.match(NAME))
    assert found == expected, f"found {found}, not {expected}"
    return seconds_per_call(lambda: matcher.match(NAME)), *changes


def main() -> int:
    width = max(map(len, CASES))
    print(f"{'':{width}}  {'match, us':>10}  {'ratio':>6}  {'add, us':>8}  {'remove, us':>10}")
    seconds_per_call(lambda: None)  # wakes the processor up
    first = 0.0
    for label, (pairs, expected) in CASES.items():
        matched, added, removed = measure(pairs, expected)
        first = first or matched
        figures = f"{matched * 1e6:10.2f}  {matched / first:6.1f}  {added * 1e6:8.2f}  {removed * 1e6:10.2f}"
        print(f"{label:{width}}  {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
