"""From figures to shapes: percentages of a drawing, so that it fits every width and its text keeps its size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from circulation.overview.figures import LATE, LINES

BY_WEEK = 60  # days; of more, weeks are shown
ROUND = (1, 2, 4, 5, 6, 8, 10)
TOP, BOTTOM = 8.0, 88.0  # where the drawing's values begin and end, in percent


@dataclass(frozen=True)
class Span:
    """A day, or a week, and what happened in it."""

    first: date
    last: date
    loans: int
    returns: int

    @property
    def label(self) -> str:
        return _day(self.first) if self.first == self.last else f"{_day(self.first)}–{_day(self.last)}"


def _day(day: date) -> str:
    return date_format(day, "MONTH_DAY_FORMAT")


def spans(days: list[dict[str, Any]]) -> list[Span]:
    """Days as they are; many of them by weeks that end today."""
    each = [Span(date.fromisoformat(d["day"]), date.fromisoformat(d["day"]), d["loans"], d["returns"]) for d in days]
    if len(each) <= BY_WEEK:
        return each
    ends = range(len(each), 0, -7)
    weeks = [each[max(0, end - 7) : end] for end in ends]
    return [
        Span(week[0].first, week[-1].last, sum(d.loans for d in week), sum(d.returns for d in week))
        for week in reversed(weeks)
    ]


def ceiling(most: int) -> int:
    """A round number that nothing is above."""
    size = 1
    while most > 10 * size:
        size *= 10
    return next(number * size for number in ROUND if number * size >= most)


def by_day(days: list[dict[str, Any]]) -> dict[str, Any]:
    """Loans as bars, returns as a line with points; a scale, and some dates below."""
    found = spans(days)
    highest = ceiling(max(1, *(max(span.loans, span.returns) for span in found)))
    step = 100 / len(found)

    def height(count: int) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * count / highest, 2)

    middles = [round(step * (number + 0.5), 2) for number in range(len(found))]
    bars = [
        {"x": round(step * number + step * 0.14, 2), "width": round(step * 0.72, 2), "y": height(span.loans),
         "height": round(BOTTOM - height(span.loans), 2), "span": span}
        for number, span in enumerate(found)
    ]  # fmt: skip
    points = [{"x": x, "y": height(span.returns), "span": span} for x, span in zip(middles, found, strict=True)]
    lines = [{"x1": one["x"], "y1": one["y"], "x2": other["x"], "y2": other["y"]} for one, other in pairwise(points)]
    shown = (0, len(found) // 2, len(found) - 1) if len(found) > 2 else range(len(found))
    anchors = ("start", "middle", "end")
    dates = [
        {"x": (0, middles[number], 100)[place], "anchor": anchors[place], "text": _day(found[number].first)}
        for place, number in enumerate(shown)
    ]
    scale = [{"y": height(value), "text": f"{value:,}"} for value in sorted({0, highest // 2, highest})]
    return {
        "spans": found,
        "is_weekly": found[0].first != found[0].last or len(days) > BY_WEEK,
        "bars": bars,
        "points": [point for point, span in zip(points, found, strict=True) if span.returns],
        "lines": lines,
        "dates": dates,
        "scale": scale,
        "loans": f"{sum(span.loans for span in found):,}",
        "returns": f"{sum(span.returns for span in found):,}",
    }


def rows(labels: list[str], counts: list[int]) -> list[dict[str, Any]]:
    """Bars beside their names, the longest of full width."""
    most = max([1, *counts])
    return [
        {"label": label, "count": count, "width": round(100 * count / most, 1)}
        for label, count in zip(labels, counts, strict=True)
    ]


def lengths(counts: list[int]) -> list[dict[str, Any]]:
    names = [f"{low}" if low == high else f"{low}–{high}" if high else _("%(n)s or more") % {"n": low}
             for low, high in LINES]  # fmt: skip
    return rows(names, counts)


def lateness(counts: list[int]) -> list[dict[str, Any]]:
    names = [
        _("up to %(n)s days") % {"n": high} if not low
        else _("%(low)s to %(high)s days") % {"low": low, "high": high} if high
        else _("more than %(n)s days") % {"n": low}
        for low, high in LATE
    ]  # fmt: skip
    return rows(names, counts)


def wanted(titles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two bars each, on one scale: who waits, and the copies that serve them."""
    most = max([1, *(max(title["waiting"], title["copies"]) for title in titles)])
    return [
        {**title, "width": round(100 * title["waiting"] / most, 1), "beside": round(100 * title["copies"] / most, 1)}
        for title in titles
    ]


def turnover(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ordered = sorted(found, key=lambda one: -one["turnover"])
    most = max([0.01, *(one["turnover"] for one in ordered)])
    return [{**one, "width": round(100 * one["turnover"] / most, 1)} for one in ordered]


def share(reads: dict[str, int]) -> dict[str, Any] | None:
    """How much was found in the cache, of what was looked for; None before anything was."""
    total = sum(reads.values())
    if not total:
        return None
    hits = reads.get("hit", 0)
    return {"total": total, "hits": hits, "percent": round(100 * hits / total), **reads}
