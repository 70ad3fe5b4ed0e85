"""docs/proof.md: its pictures are drawn, and its numbers put between its words, from what was kept.

`python -m benchmarks.proof` does this after each run. What is not between marks was written by hand and stays.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import kept, report
from benchmarks.large_report import GOAL_CHECK_OUT, GOAL_DEEP, GOAL_LINE, GOAL_PACED, P50, P95, Turns, factors
from benchmarks.writing import clients, made_on, table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "proof.md"
PICTURES = ROOT / "docs" / "images" / "proof"
STORM = kept.DIRECTORY / "storm.json"  # where `make storm` leaves it
GROWING = {  # in the picture, by what they are called in the results
    "check-out": ("desk", "check-out, 1 client"),
    "a search for a word": ("lists", "a search for a word"),
    "titles by title, deep": ("lists", "titles by title, deep"),
    "a member's history": ("lists", "a member's loans"),
}
TOLD_LOADS = (1, 16, 75)  # clients
MISSING = "*Not measured here yet.*"


@dataclass(frozen=True)
class Aim:
    what: str
    goal: float
    found: float
    at_least: bool = False  # else at most
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.found >= self.goal if self.at_least else self.found <= self.goal

    @property
    def verdict(self) -> str:
        """Met or missed, and by how many percent of the goal."""
        off = abs(self.found - self.goal) / self.goal
        return f"{'met' if self.is_met else '**missed**'}, by {off:.0%}"

    def row(self) -> list[str]:
        sign = "at least" if self.at_least else "at most"
        return [self.what, f"{sign} {self.goal:g}{self.unit}", f"{self.found:.3g}{self.unit}", self.verdict]


def aims(bench: Mapping[str, Any], large: Mapping[str, Any]) -> Iterator[Aim]:
    """Each with what was found, of what was measured."""
    if bench:
        for number in TOLD_LOADS:
            load = bench["loads"][str(number)]
            ratio = statistics.median(_by_turn(load["service"], load["floor"], "per_second"))
            what = f"check-outs and returns beside the floor's, {clients(number)}"
            yield Aim(what, report.GOAL_DESK, ratio, at_least=True)
        if paced := bench.get("paced"):
            yield Aim("FOLIO's profile for a minute: p95", GOAL_PACED, paced["p95"], unit=" ms")
        if availability := bench.get("availability"):
            what = "cached availability beside a bare view, 16 clients"
            yield Aim(what, report.GOAL_READING, statistics.median(availability["ratios"]), at_least=True)
            what = "after a change, until nobody is shown the old"
            yield Aim(what, report.GOAL_STALE, availability["stale_ms"], unit=" ms")
        ratios = [one["copy_seconds"] / one["seconds"] for one in bench["imports"]]
        yield Aim(
            "rows imported in a second, beside COPY's", report.GOAL_IMPORT, statistics.median(ratios), at_least=True
        )
        if peaks := bench.get("peaks"):
            yield Aim(
                "memory of an import, for ten times the rows",
                report.GOAL_PEAK,
                peaks["long"] / peaks["short"],
                unit=" times",
            )
        yield Aim("memory of the largest process", report.GOAL_MEMORY / 1e6, bench["largest_process"] / 1e6, unit=" MB")
    if large:
        smallest, *_, largest = map(str, large["sizes"])
        for name, percentile in (("p50", P50), ("p95", P95)):
            times = large["desk"]["check-out, 1 client"]
            what = f"check-out of {int(largest):,} titles beside {int(smallest):,}: {name}"
            yield Aim(what, GOAL_CHECK_OUT, _factor(times[smallest], times[largest], percentile), unit=" times")
        worst, kind = max(
            (_factor(large["first_pages"][kind][size], large["deep_pages"][kind][size], P50), kind)
            for kind in large["deep_pages"]
            for size in map(str, large["sizes"])
        )
        yield Aim(f"a deep page beside one of the first, at worst ({kind}): p50", GOAL_DEEP, worst, unit=" times")
        for beside, told in (("no line", "none"), ("a line of 10", "one of 10")):
            less, line = (large["returns"][what][largest] for what in (beside, "the long line"))
            for name, percentile in (("p50", P50), ("p95", P95)):
                what = f"a return into a line of {large['line']:,} beside {told}: {name}"
                yield Aim(what, GOAL_LINE, _factor(less, line, percentile), unit=" times")
        minutes = large["paced"]["seconds"] / 60
        what = f"FOLIO's profile for {minutes:.0f} min, {large['paced_size']:,} titles: p95"
        yield Aim(what, GOAL_PACED, large["paced"]["p95"], unit=" ms")


def blocks(bench: Mapping[str, Any], large: Mapping[str, Any], storm: Mapping[str, Any]) -> dict[str, str]:
    """What stands between the marks of each name."""
    found = [aim.row() for aim in aims(bench, large)]
    made = [
        f"`{command}`: {made_on(results).replace(chr(10), ' ')}."
        for command, results in (("make bench", bench), ("make bench-large", large))
        if results
    ]
    return {
        "made": "\n\n".join(made) or MISSING,
        "aims": table(["", "goal", "measured", ""], found) if found else MISSING,
        "load": _loads(bench) if bench else MISSING,
        "growth": _growth(large) if large else MISSING,
        "storm": _storm(storm) if storm else MISSING,
    }


def _loads(bench: Mapping[str, Any]) -> str:
    rows = []
    for number, load in bench["loads"].items():
        row = [number]
        for who in ("floor", "service"):
            row.append(f"{_median(load[who], 'per_second'):,.0f}")
            row += [f"{_median(load[who], part):.1f}" for part in ("p50", "p95", "p99")]
        rows.append([*row, f"{statistics.median(_by_turn(load['service'], load['floor'], 'per_second')):.3f}"])
    return table(
        ["clients", "floor, 1/s", "p50, ms", "p95", "p99", "service, 1/s", "p50, ms", "p95", "p99", "ratio, 1/s"], rows
    )


def _growth(large: Mapping[str, Any]) -> str:
    smallest, *others = map(str, large["sizes"])
    rows = []
    for part, kind in GROWING.values():
        times = large[part][kind]
        row = [kind, f"{statistics.median(turn[P50] for turn in times[smallest]):.1f}"]
        rows.append([*row, *(f"{_factor(times[smallest], times[size], P50):.2f}" for size in others)])
    head = ["p50", f"{int(smallest):,} titles, ms", *(f"{int(size):,}, times" for size in others)]
    return table(head, rows)


def _storm(storm: Mapping[str, Any]) -> str:
    answered = sum(each["requests"] for each in storm["each"])
    retried = sum(each["retried"] for each in storm["each"])
    lines = [
        f"Seed {storm['seed']}, {storm['seconds']} seconds: {answered:,} requests answered, {retried:,} tried again.",
        "\n".join(
            f"{number}. at {strike['at']:.0f} s: {strike['what']}" for number, strike in enumerate(storm["strikes"], 1)
        ),
        table(["verdict", ""], [[str(name), str(value)] for name, value in storm["verdict"].items()]),
    ]
    return "\n\n".join(line for line in lines if line)


def filled(page: str, texts: Mapping[str, str]) -> str:
    """The page with each text between its marks. Raises ValueError where one is without the other."""
    marks = re.compile(r"<!-- numbers: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
    if (there := sorted(marks.findall(page))) != sorted(texts):
        raise ValueError(f"The page has marks for {there}, and there are texts for {sorted(texts)}.")
    return marks.sub(lambda found: f"<!-- numbers: {found[1]} -->\n{texts[found[1]]}\n<!-- end -->", page)


def _by_turn(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]], what: str) -> list[float]:
    return [one[what] / other[what] for one, other in zip(ours, theirs, strict=True)]


def _factor(small: Turns, large: Turns, percentile: int) -> float:
    """How many times as long: the median of all turns."""
    return statistics.median(factors(small, large, percentile))


def _median(turns: Sequence[Mapping[str, float]], what: str) -> float:
    return statistics.median(turn[what] for turn in turns)


def draw(bench: Mapping[str, Any], large: Mapping[str, Any], storm: Mapping[str, Any]) -> None:
    from benchmarks import plots  # which needs requirements-bench.txt; all else does not

    if bench:
        plots.write(PICTURES, "load", plots.latency_against_load(bench["loads"]))
    if large:
        lines = {}
        for name, (part, kind) in GROWING.items():
            smallest = large[part][kind][str(large["sizes"][0])]
            lines[name] = {size: factors(smallest, turns, P50) for size, turns in large[part][kind].items()}
        plots.write(PICTURES, "growth", plots.growth(lines, GOAL_CHECK_OUT))
    if storm:
        plots.write(PICTURES, "storm", plots.storm(storm))


def main() -> None:
    storm_kept = kept.read("storm")
    if (ROOT / STORM).exists():
        storm_kept = json.loads((ROOT / STORM).read_text(encoding="utf-8"))
        kept.write("storm", storm_kept)
    found = kept.read("bench"), kept.read("large"), storm_kept
    try:
        draw(*found)
    except ImportError as error:
        sys.exit(f"{error}: pip install -r requirements-bench.txt. The page stays as it is.")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks(*found)), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} has the numbers of the last runs.")


if __name__ == "__main__":
    main()
