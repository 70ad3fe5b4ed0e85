"""How numbers are written: their spread, ratios beside goals, tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol


class HasRate(Protocol):
    """What says how much of it there was in a second."""

    @property
    def per_second(self) -> float: ...


def made_on(found: Mapping[str, Any]) -> str:
    """When, on what machine, with what."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    note = f" ({found['note']})" if found.get("note") else ""
    return f"{found['date']}, on {machine['cpu']}, {machine['cores']} cores{note};\n{versions}"


def versus(
    what: str, floor: Sequence[float], product: Sequence[float], goal: float | None = None
) -> tuple[str, str, str, str, str]:
    ratios = [ours / theirs for ours, theirs in zip(product, floor, strict=True)]
    is_met = met(statistics.median(ratios) >= goal, f"{goal:.2f}") if goal else ""
    return what, spread(floor, "{:,.0f}"), spread(product, "{:,.0f}"), spread(ratios, "{:.3f}"), is_met


def met(is_met: bool, goal: str) -> str:
    return f"{goal} {'met' if is_met else 'MISSED'}"


def spread(values: Sequence[float], form: str) -> str:
    write: Callable[[float], str] = form.format
    if len(values) == 1:
        return write(values[0])
    return f"{write(statistics.median(values))} ({write(min(values))}-{write(max(values))})"


def rates(results: Iterable[HasRate]) -> list[float]:
    return [result.per_second for result in results]


def clients(number: int) -> str:
    return f"{number} {'client' if number == 1 else 'clients'}"


def mb(size: float) -> str:
    return f"{size / 1e6:.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])
