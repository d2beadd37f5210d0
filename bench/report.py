"""The report: aligned text for the terminal, the same in Markdown, and all figures in JSON.

It formats `Results` and computes nothing of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bench.idle import Idle
from bench.plan import FLOOR
from bench.results import Results

Table = list[list[str]]  # the first row is the heading; the first column is text, the others are figures


def rates(results: Results) -> Table:
    """Thousands of deliveries per second, and how many times the floor's."""

    def cell(system: str, scenario: str) -> str:
        rate = results.outcome(system, scenario).rate
        if rate is None:
            return "failed" if results.outcome(system, scenario).errors else "-"
        ratio = results.ratio(system, FLOOR, scenario)
        times = "" if ratio is None else f" ({ratio:.2f})"
        return f"{_thousands(rate)}{times}{'*' if results.load_bound(system, scenario) else ' '}"

    return _by_scenario(results, cell)


def latencies(results: Results) -> Table:
    """Milliseconds at the median and at the 99th percentile."""

    def cell(system: str, scenario: str) -> str:
        outcome = results.outcome(system, scenario)
        p50, p99 = outcome.median(lambda each: each.p50), outcome.median(lambda each: each.p99)
        return "-" if p50 is None or p99 is None else f"{p50:.2f} / {p99:.2f}"

    return _by_scenario(results, cell)


def memory(results: Results) -> Table:
    """Resident memory of idle connections."""
    table = [["system", "KB per connection", "connections", "server before, MB", "and with them, MB"]]
    for name, label in results.labels.items():
        idle = results.idle.get(name)
        if isinstance(idle, Idle):
            figures = [f"{idle.kb_per_connection:.1f}", f"{idle.connections:,}", f"{idle.empty_mb:.0f}"]
            table.append([label, *figures, f"{idle.full_mb:.0f}"])
        elif name not in results.missing:
            table.append([label, "failed" if idle else "-", "", "", ""])
    return table


def goals(results: Results) -> Table:
    """The figures that the project set itself."""
    rows = [[verdict.text, verdict.measured, verdict.word] for verdict in results.verdicts()]
    return [["figure to reach", "measured", ""], *rows]


def _by_scenario(results: Results, cell: Callable[[str, str], str]) -> Table:
    table = [["system", *(scenario.title for scenario in results.scenarios)]]
    for name, label in results.labels.items():
        if name in results.missing:
            table.append([label, results.missing[name], *([""] * (len(results.scenarios) - 1))])
        else:
            table.append([label, *(cell(name, scenario.name) for scenario in results.scenarios)])
    return table


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
