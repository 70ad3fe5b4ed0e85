"""The tables of `make bench-large`, for the terminal and for LARGE.md."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.writing import made_on, met, spread, table

RESULTS = Path(__file__).with_name("LARGE.md")
GOAL_CHECK_OUT, GOAL_DEEP, GOAL_LINE = 1.25, 1.5, 1.5  # times as long
GOAL_PACED = 100.0  # milliseconds
P50, P95 = 0, 1  # where they stand in what is kept
Turns = Sequence[Sequence[float]]


def written(found: Mapping[str, Any]) -> str:
    """All of it, as Markdown that reads well as it is."""
    parts = [
        "# What grows with the library",
        f"Written by `make bench-large` on {made_on(found)}.",
        "Libraries of several sizes took turns in one run on the same servers: three copies of each title, ten\n"
        "events, members and loans in proportion. How many times as long it took as in the smallest one is taken\n"
        "turn by turn; each number is the median of all turns, with the lowest and the highest behind it. All is in\n"
        "memory, and the numbers of every title are in the cache.\n"
        "Why it is done so: [docs/decisions/0006-benchmarks.md](../docs/decisions/0006-benchmarks.md).",
        _growth("The desk", found["desk"], found["sizes"], goal_for="check-out"),
        _returns(found),
        _pages(found),
        _growth("Lists, searches and histories", found["lists"], found["sizes"]),
        _paced(found),
    ]
    return "\n\n".join(parts) + "\n"


def factors(small: Turns, large: Turns, percentile: int) -> list[float]:
    """How many times as long, turn by turn."""
    return [theirs[percentile] / ours[percentile] for ours, theirs in zip(small, large, strict=True)]


def _growth(title: str, found: Mapping[str, Mapping[str, Turns]], sizes: Sequence[int], goal_for: str = "") -> str:
    first, *others = map(str, sizes)
    rows = []
    for what, times in found.items():
        row = [what, _of(times[first], P50), _of(times[first], P95)]
        for size in others:
            row += [_times(factors(times[first], times[size], percentile)) for percentile in (P50, P95)]
        if goal_for:
            row.append(_goal(times[first], times[str(sizes[-1])], GOAL_CHECK_OUT) if what.startswith(goal_for) else "")
        rows.append(row)
    head = ["", f"p50 at {sizes[0]:,}, ms", "p95"]
    head += [f"{percentile} at {size:,}" for size in sizes[1:] for percentile in ("p50", "p95")]
    return f"## {title}\n\n" + table([*head, *(["goal"] if goal_for else [])], rows)


def _returns(found: Mapping[str, Any]) -> str:
    rows = []
    for size in map(str, found["sizes"]):
        none = found["returns"]["no line"][size]
        for what in ("a line of 10", "the long line"):
            turns = found["returns"][what][size]
            row = [f"{int(size):,} titles, {what}", _of(none, P50), _of(turns, P50), _of(turns, P95)]
            row += [_times(factors(none, turns, percentile)) for percentile in (P50, P95)]
            rows.append([*row, _goal(none, turns, GOAL_LINE) if what == "the long line" else ""])
    return f"""## A return into a line

{table(["", "no line: p50, ms", "p50", "p95", "p50, times", "p95, times", "goal"], rows)}

In the long line stand {found["line"]:,}, or half of the members where there are fewer. A return that somebody waits for
sets the copy aside for them, and records that, too: so a line of ten stands beside."""


def _pages(found: Mapping[str, Any]) -> str:
    rows = []
    for kind, first in found["first_pages"].items():
        for size in map(str, found["sizes"]):
            deep = found["deep_pages"][kind][size]
            row = [f"{kind}, {int(size):,} titles", _of(first[size], P50), _of(deep, P50)]
            row += [_times(factors(first[size], deep, percentile)) for percentile in (P50, P95)]
            rows.append([*row, _goal(first[size], deep, GOAL_DEEP)])
    return "## Pages from anywhere, beside the first ones\n\n" + table(
        ["", "first: p50, ms", "deep: p50, ms", "p50, times", "p95, times", "goal"], rows
    )


def _paced(found: Mapping[str, Any]) -> str:
    paced = found["paced"]
    is_met = met(paced["p95"] < GOAL_PACED, f"p95 below {GOAL_PACED:.0f} ms, nothing refused:")
    return f"""## 75 clients, 25 circulations a second

With {found["paced_size"]:,} titles, the relay beside: {paced["requests"]:,} requests in {paced["seconds"]:.0f} seconds,
by chance, each counted from when it was meant to be sent:
p50 {paced["p50"]:.1f}, p95 {paced["p95"]:.1f}, p99 {paced["p99"]:.1f} ms.

Goal: {is_met}."""


def _of(turns: Turns, percentile: int) -> str:
    return spread([turn[percentile] for turn in turns], "{:.1f}")


def _times(values: Sequence[float]) -> str:
    return spread(values, "{:.2f}")


def _goal(small: Turns, large: Turns, goal: float) -> str:
    p50, p95 = (statistics.median(factors(small, large, percentile)) <= goal for percentile in (P50, P95))
    return f"<= {goal}: p50 {'met' if p50 else 'MISSED'}, p95 {'met' if p95 else 'MISSED'}"
