"""The plot: rates, latencies and memory, of topics and of queues, as bars with one colour per system.

Rates and latencies span four powers of ten, so both are on a logarithmic scale, with the figures written above the
bars. It needs matplotlib, and it is only imported once everything is measured: the import costs more than a warm-up.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench.backlog import Backlog
from bench.idle import Idle
from bench.results import Results

COLOURS = {"floor": "#9aa0a6", "qmq": "#d9480f", "nats": "#1c7ed6", "rabbitmq": "#2b8a3e"}
OTHER = "#862e9c"
GROUP = 0.84  # of the distance between two groups


def draw(results: Results, path: Path) -> None:
    """Draw what was measured into a PNG."""
    figure = Figure(figsize=(16, 9.5), layout="constrained")  # not pyplot's: a file, never a window
    grid = figure.add_gridspec(2, 5)
    _rates(results, figure.add_subplot(grid[0, :4]))
    _queues(results, figure.add_subplot(grid[0, 4]))
    _latencies(results, figure.add_subplot(grid[1, :3]))
    _memory(results, figure.add_subplot(grid[1, 3]))
    _backlog(results, figure.add_subplot(grid[1, 4]))
    names = _present(results)
    handles = [Patch(color=COLOURS.get(name, OTHER), label=results.labels[name]) for name in names]
    figure.legend(handles=handles, loc="outside upper center", ncols=max(1, len(names)), frameon=False)
    figure.savefig(path, dpi=110)


def _present(results: Results) -> list[str]:
    return [name for name in results.labels if name not in results.missing]


def _groups(results: Results, axes: Axes) -> list[tuple[str, list[float], float]]:
    """For each system: its name, where its bars stand, and how wide they are. Labels the groups."""
    names = _present(results)
    width = GROUP / max(1, len(names))
    axes.set_xticks(range(len(results.scenarios)), [each.title + "\nin flight" for each in results.scenarios])
    middle = (len(names) - 1) / 2
    return [
        (name, [at + (place - middle) * width for at in range(len(results.scenarios))], width)
        for place, name in enumerate(names)
    ]


def _rates(results: Results, axes: Axes) -> None:
    axes.set_title("Deliveries per second, 128-octet bodies, one thread (logarithmic; higher is better)")
    for name, places, width in _groups(results, axes):
        heights = [results.outcome(name, scenario.name).rate or 0 for scenario in results.scenarios]
        bars = axes.bar(places, heights, width * 0.94, color=COLOURS.get(name, OTHER))
        axes.bar_label(bars, [_short(height) for height in heights], fontsize=8, padding=2)
    _logarithmic(axes)


def _latencies(results: Results, axes: Axes) -> None:
    axes.set_title("End-to-end latency in ms: p50 solid, p99 pale (logarithmic; lower is better)")
    for name, places, width in _groups(results, axes):
        outcomes = [results.outcome(name, scenario.name) for scenario in results.scenarios]
        p50 = [outcome.median(lambda each: each.p50) or 0 for outcome in outcomes]
        p99 = [outcome.median(lambda each: each.p99) or 0 for outcome in outcomes]
        colour = COLOURS.get(name, OTHER)
        bars = axes.bar(places, p99, width * 0.94, color=colour, alpha=0.35)
        axes.bar(places, p50, width * 0.94, color=colour)
        axes.bar_label(bars, [_few_digits(each) for each in p99], fontsize=7, padding=2)
    _logarithmic(axes)


def _memory(results: Results, axes: Axes) -> None:
    axes.set_title("KB per idle connection\n(log.; lower is better)")
    measured = {name: results.idle.get(name) for name in _present(results)}
    weights = {name: idle.kb_per_connection for name, idle in measured.items() if isinstance(idle, Idle)}
    _one_each(axes, weights, lambda weight: f"{weight:.1f}")


def _queues(results: Results, axes: Axes) -> None:
    axes.set_title("Settled per second\n(log.; higher is better)")
    measured = {
        name: rate
        for name in _present(results)
        for queue in results.queues[:1]
        if (rate := results.outcome(name, queue.name).rate)
    }
    _one_each(axes, measured, _short)


def _backlog(results: Results, axes: Axes) -> None:
    axes.set_title("Octets per waiting message\n(log.; lower is better)")
    measured = {name: results.backlog.get(name) for name in _present(results)}
    weights = {name: each.octets_per_message for name, each in measured.items() if isinstance(each, Backlog)}
    _one_each(axes, weights, lambda weight: f"{weight:,.0f}")


def _one_each(axes: Axes, figures: dict[str, float], text: Callable[[float], str]) -> None:
    """One bar for each system that has a figure."""
    places = range(len(figures))
    bars = axes.bar(places, list(figures.values()), 0.7, color=[COLOURS.get(name, OTHER) for name in figures])
    axes.set_xticks(places, list(figures))
    axes.bar_label(bars, list(map(text, figures.values())), fontsize=9, padding=2)
    _logarithmic(axes)


def _logarithmic(axes: Axes) -> None:
    if not axes.dataLim.y1 > 0:  # nothing was measured here
        axes.set_axis_off()
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 1.6)  # room for the figures above the bars
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _short(rate: float) -> str:
    if rate >= 1_000_000:
        return f"{rate / 1_000_000:.1f}M"
    return f"{rate / 1000:.0f}k" if rate >= 10_000 else f"{rate / 1000:.1f}k" if rate else ""


def _few_digits(milliseconds: float) -> str:
    if milliseconds >= 10:
        return f"{milliseconds:,.0f}"
    return f"{milliseconds:.2g}" if milliseconds else ""
