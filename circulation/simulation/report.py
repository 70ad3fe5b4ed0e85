"""A simulation in words, numbers and a plot, 80 columns wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from textwrap import wrap

from circulation.simulation.digest import SHORT
from circulation.simulation.findings import SHOWN, Finding
from circulation.simulation.plan import Plan
from circulation.simulation.running import Run

WIDTH = 80
HEIGHT = 7  # rows of the plot
MARGIN = 7  # columns left of the plot
INDENT = 12  # columns left of what is told of a check


def report(plan: Plan, run: Run, findings: Sequence[Finding], digest: str | None, *, where: str) -> Iterator[str]:
    """Line by line."""
    yield from _heading(plan, run, where)
    yield ""
    yield from _outcomes(run)
    yield ""
    yield from _waits(run)
    yield ""
    yield from plot(run.stream.lengths)
    yield ""
    yield from _digest(digest, plan, where)
    yield ""
    yield from _checks(findings)


def _heading(plan: Plan, run: Run, where: str) -> Iterator[str]:
    done, seconds = run.tally.done, run.seconds
    workers = "1 worker" if plan.workers == 1 else f"{plan.workers} workers"
    yield f"Seed {plan.seed}: {plan.titles:,} titles, {plan.members:,} members, {workers}, {where}."
    days = len(run.stream.lengths) + 1
    speed = f"{done / seconds:,.0f} a second" if seconds else "at once"
    yield f"{done:,} events in {days:,} days of the library, {seconds:.1f} s of ours: {speed}."


def _outcomes(run: Run) -> Iterator[str]:
    tally = run.tally
    yield f"{'Events':<11}{'all':>8}{'refused':>9}   what became of the others"
    for kind, outcomes in sorted(tally.outcomes.items(), key=lambda item: (-item[1].total(), item[0])):
        counts = outcomes.copy()
        refused = counts.pop("refused", 0)
        first = f"{kind:<11}{outcomes.total():>8,}{refused:>9,}   "
        yield from wrap(_in_words(counts), WIDTH, initial_indent=first, subsequent_indent=" " * 31) or [first.rstrip()]
    if tally.refusals:
        yield ""
        yield "Refusals"
        for code, count in sorted(tally.refusals.items(), key=lambda item: (-item[1], item[0])):
            yield f"  {code:<34}{count:>7,}"
    if troubles := {name: count for name, count in run.desk.troubles.items() if count}:
        yield ""
        yield f"Tried again: {_in_words(Counter(troubles))}"


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(
        f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _waits(run: Run) -> Iterator[str]:
    days = sorted(wait / timedelta(days=1) for wait in run.stream.standing.waits)
    if not days:
        yield "Nobody collected anything that they had reserved."
        return
    median, most = days[(len(days) - 1) // 2], days[(len(days) - 1) * 9 // 10]
    yield f"Days from reservation to collection, {len(days):,} times:"
    yield f"  median {median:.1f}, 90th percentile {most:.1f}, longest {days[-1]:.1f}"


def plot(lengths: Sequence[tuple[int, int]]) -> Iterator[str]:
    """How many waited, day by day: as many columns as there are days, or as fit."""
    if not lengths or not any(total for total, _ in lengths):
        yield "Nobody waited at the end of any day."
        return
    longest = max(longest for _, longest in lengths)
    day = next(number for number, (_, length) in enumerate(lengths, 1) if length == longest)
    yield f"Waiting in all lines together, by day (the longest of them: {longest}, on day {day}):"
    columns = min(len(lengths), WIDTH - MARGIN - 1)
    heights = [
        max(total for total, _ in lengths[len(lengths) * n // columns : len(lengths) * (n + 1) // columns])
        for n in range(columns)
    ]
    top = max(heights)
    for row in range(HEIGHT, 0, -1):
        label = f"{top * row // HEIGHT:,}" if row in (HEIGHT, HEIGHT // 2 + 1) else ""
        bars = "".join("#" if height * HEIGHT > top * (row - 1) else " " for height in heights)
        yield f"{label:>{MARGIN - 1}} |{bars}".rstrip()
    yield f"{0:>{MARGIN - 1}} +{'-' * columns}"
    last = f"day {len(lengths)}"
    yield f"{'':{MARGIN}} day 1{last:>{max(columns - 5, len(last) + 1)}}"


def _digest(digest: str | None, plan: Plan, where: str) -> Iterator[str]:
    if digest is not None:
        yield f"Digest {digest[:SHORT]}, of the final state; the same for this seed and sizes anywhere:"
        yield f"  {digest}"
    elif plan.workers > 1:
        yield "No digest: with several workers, who comes first differs from run to run."
    else:
        yield "No digest: the times are those of the server."


def _checks(findings: Sequence[Finding]) -> Iterator[str]:
    yield "Checked:"
    for number, finding in enumerate(findings, 1):
        yield from _wrapped(finding.holds, f"{number:>3} {'BROKEN' if finding.problems else 'OK':<6}  ")
        more = len(finding.problems) - SHOWN
        told = [finding.note, *finding.problems[:SHOWN], f"and {more} more" if more > 0 else ""]
        for text in filter(None, told):
            yield from _wrapped(text, " " * INDENT, hanging=2)


def _wrapped(text: str, first: str, hanging: int = 0) -> Iterator[str]:
    yield from wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * (INDENT + hanging))
