"""The report: aligned text for the terminal, the same in Markdown, and all figures in JSON.

It formats `Results` and computes nothing of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.backlog import BODY_OCTETS, Backlog
from bench.idle import Idle
from bench.plan import FLOOR, HTTP_PEER, PEER, PostScenario, QueueScenario
from bench.results import Results

Table = list[list[str]]  # the first row is the heading; the first column is text, the others are figures


def rates(results: Results) -> Table:
    """Thousands of deliveries per second, and how many times the floor's."""
    scenarios = results.scenarios
    return _by_system(
        results,
        [scenario.title for scenario in scenarios],
        lambda system: [_rate(results, system, scenario.name, FLOOR) for scenario in scenarios],
    )


def latencies(results: Results) -> Table:
    """Milliseconds at the median and at the 99th percentile."""
    scenarios = results.scenarios
    return _by_system(
        results,
        [scenario.title for scenario in scenarios],
        lambda system: [_latency(results, system, scenario.name) for scenario in scenarios],
    )


def queues(results: Results) -> Table:
    """Thousands of messages settled per second, how many times RabbitMQ's, and the latency."""
    return _beside_the_peer(results, results.queues, PEER)


def posts(results: Results) -> Table:
    """Thousands of messages published per second by HTTP requests, how many times RabbitMQ's, and the latency."""
    return _beside_the_peer(results, results.posts, HTTP_PEER)


def _beside_the_peer(results: Results, scenarios: Sequence[QueueScenario | PostScenario], peer: str) -> Table:
    return _by_system(
        results,
        [title for scenario in scenarios for title in (scenario.title, "p50 / p99, ms")],
        lambda system: [
            cell
            for scenario in scenarios
            for cell in (_rate(results, system, scenario.name, peer), _latency(results, system, scenario.name))
        ],
    )


def memory(results: Results) -> Table:
    """Resident memory of idle connections."""

    def cells(system: str) -> list[str]:
        idle = results.idle.get(system)
        if not isinstance(idle, Idle):
            return ["failed" if idle else "-", "", "", ""]
        figures = [f"{idle.kb_per_connection:.1f}", f"{idle.connections:,}"]
        return [*figures, f"{idle.empty_mb:.0f}", f"{idle.full_mb:.0f}"]

    return _by_system(results, ["KB per connection", "connections", "server before, MB", "and with them, MB"], cells)


def backlog(results: Results) -> Table:
    """Resident memory of waiting messages, and how many times RabbitMQ's."""

    def cells(system: str) -> list[str]:
        backlog = results.backlog.get(system)
        if not isinstance(backlog, Backlog):
            return ["failed" if backlog else "-", "", "", ""]
        peer = results.backlog.get(PEER)
        times = _times(backlog.octets_per_message / peer.octets_per_message) if isinstance(peer, Backlog) else ""
        figures = [f"{backlog.octets_per_message:,.0f}{times}", f"{backlog.messages:,}"]
        return [*figures, f"{backlog.empty_mb:.0f}", f"{backlog.full_mb:,.0f}"]

    return _by_system(results, ["octets per message", "messages", "server before, MB", "and with them, MB"], cells)


def goals(results: Results) -> Table:
    """The figures that the project set itself."""
    rows = [[verdict.text, verdict.measured, verdict.word] for verdict in results.verdicts()]
    return [["figure to reach", "measured", ""], *rows]


def _by_system(results: Results, titles: list[str], cells: Callable[[str], list[str]]) -> Table:
    table = [["system", *titles]]
    for name, label in results.labels.items():
        if name in results.missing:
            table.append([label, results.missing[name], *([""] * (len(titles) - 1))])
        else:
            table.append([label, *cells(name)])
    return table


def _rate(results: Results, system: str, scenario: str, against: str) -> str:
    outcome = results.outcome(system, scenario)
    if outcome.rate is None:
        return "failed" if outcome.errors else "-"
    ratio = results.ratio(system, against, scenario)
    times = "" if ratio is None else _times(ratio)
    return f"{_thousands(outcome.rate)}{times}{'*' if results.load_bound(system, scenario) else ' '}"


def _latency(results: Results, system: str, scenario: str) -> str:
    outcome = results.outcome(system, scenario)
    p50, p99 = outcome.median(lambda each: each.p50), outcome.median(lambda each: each.p99)
    return "-" if p50 is None or p99 is None else f"{p50:.2f} / {p99:.2f}"


def _times(ratio: float) -> str:
    return f" ({ratio:.2f})"


def _thousands(rate: float) -> str:
    return f"{rate / 1000:,.1f}k" if rate < 100_000 else f"{rate / 1000:,.0f}k"


def _sections(results: Results) -> list[tuple[str, Table]]:
    sections = []
    if results.scenarios:
        sections += [
            ("Deliveries per second (times the floor); N subscribers, messages in flight", rates(results)),
            ("End-to-end latency in ms, p50 / p99", latencies(results)),
        ]
    if results.idle:
        sections.append(("Resident memory of idle WebSocket connections with one subscription each", memory(results)))
    if results.queues:
        title = "Work queue: messages settled per second (times RabbitMQ); one producer, one consumer"
        sections.append((title, queues(results)))
    if results.posts:
        title = "Messages published per second by HTTP requests (times RabbitMQ)"
        sections.append((title, posts(results)))
    if results.backlog:
        title = f"Resident memory of waiting messages without their {BODY_OCTETS} octets of body (times RabbitMQ)"
        sections.append((title, backlog(results)))
    return [*sections, ("The figures to reach", goals(results))]


def text(results: Results) -> str:
    """For the terminal."""
    parts = ["  ".join(f"{key}: {value}" for key, value in results.conditions.items())]
    parts += [f"{title}\n\n{_aligned(table)}" for title, table in _sections(results)]
    if notes := results.notes():
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def _aligned(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells[1:]]).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def markdown(results: Results) -> str:
    """For a file, or for an issue."""
    parts = ["# QMQ benchmark", "\n".join(f"* {key}: {value}" for key, value in results.conditions.items())]
    parts += [f"## {title}\n\n{_markdown_table(table)}" for title, table in _sections(results)]
    if notes := results.notes():
        parts.append("## Notes\n\n" + "\n".join("* " + note.replace("*", "\\*") for note in notes))
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: Table) -> str:
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in [table[0], rule, *table[1:]])


def write(results: Results, out: Path) -> list[Path]:
    """Write the Markdown, the JSON and, where matplotlib is installed, the plot; returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    written = [out / "bench.md", out / "bench.json"]
    written[0].write_text(markdown(results))
    written[1].write_text(json.dumps(results.as_data(), indent=1) + "\n")
    try:
        from bench import plot  # only now: matplotlib may be missing, and it costs more to import than a warm-up
    except ImportError:
        return written
    plot.draw(results, out / "bench.png")
    return [*written, out / "bench.png"]
