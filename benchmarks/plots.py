"""The pictures of docs/proof.md: SVG that takes its colours from the reader's theme, and does without them."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

mpl.use("svg")
mpl.rcParams |= {
    "svg.fonttype": "none",  # text stays text: small, found by a search, in the reader's font
    "svg.hashsalt": "circdesk",  # the same picture for the same numbers
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# What is drawn stands for a variable, which is given a colour for light pages, and one for dark ones.
INK, FAINT = "#010101", "#020202"
SERIES = ("#030303", "#040404", "#050505", "#060606")
LIGHT_AND_DARK = {
    INK: ("#1f2328", "#e6edf3"),
    FAINT: ("#d0d7de", "#3d444d"),
    SERIES[0]: ("#0550ae", "#79c0ff"),
    SERIES[1]: ("#a04100", "#ffa657"),
    SERIES[2]: ("#6639ba", "#d2a8ff"),
    SERIES[3]: ("#116329", "#7ee787"),
}
# Each line has a mark and a stroke of its own: nobody needs the colours.
STYLES: tuple[Mapping[str, Any], ...] = (
    {"color": SERIES[0], "marker": "o", "linestyle": "-"},
    {"color": SERIES[1], "marker": "s", "linestyle": "--"},
    {"color": SERIES[2], "marker": "^", "linestyle": "-."},
    {"color": SERIES[3], "marker": "D", "linestyle": ":"},
)
WIDTH, HEIGHT = 9.0, 4.2  # inches, of 72 points
PERCENTILES = ("p50", "p95", "p99")


def latency_against_load(loads: Mapping[str, Mapping[str, Sequence[Mapping[str, float]]]]) -> str:
    """Of the service, by the number of clients, with the floor's beside."""
    figure, axes = _picture()
    clients = [int(number) for number in loads]
    for who, percentile, style in (
        ("service", "p99", STYLES[2]),
        ("service", "p95", STYLES[1]),
        ("service", "p50", STYLES[0]),
        ("floor", "p95", STYLES[3]),
    ):
        turns = [[turn[percentile] for turn in load[who]] for load in loads.values()]
        _line(axes, clients, turns, f"{who}, {percentile}" if who == "floor" else percentile, style)
    _logarithmic(axes, clients)
    axes.set_xlabel("clients that ask without a pause")
    axes.set_ylabel("milliseconds")
    return _svg(figure, "How long check-outs and returns take, by the number of clients")


def growth(lines: Mapping[str, Mapping[str, Sequence[float]]], goal: float) -> str:
    """How many times as long something takes as in the smallest library. `lines`: name -> titles -> each turn."""
    figure, axes = _picture()
    sizes = [int(size) for size in next(iter(lines.values()))]
    for (name, found), style in zip(lines.items(), STYLES, strict=False):
        _line(axes, sizes, list(found.values()), name, style)
    axes.plot(sizes, [size / sizes[0] for size in sizes], color=FAINT, linewidth=1)
    axes.annotate("as the library grows", (sizes[-1], sizes[-1] / sizes[0]), ha="right", va="bottom", color=INK)
    axes.axhline(goal, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.annotate(f"goal of check-out: {goal}", (sizes[0], goal), va="bottom", color=INK, fontsize=9)
    _logarithmic(axes, sizes)
    axes.set_xlabel("titles")
    axes.set_ylabel("times as long")
    return _svg(figure, "How many times as long things take as in the smallest library")


def storm(found: Mapping[str, Any]) -> str:
    """What was answered in each second and how fast, with a numbered line where something was struck."""
    figure = Figure(figsize=(WIDTH, HEIGHT * 1.3), layout="constrained")
    answered, took = figure.subplots(2, 1, sharex=True)
    at = [each["at"] for each in found["each"]]
    answered.plot(at, [each["requests"] for each in found["each"]], label="answered", **_plain(0))
    retried = [each["retried"] for each in found["each"]]
    answered.plot(at, retried, label="tried again", **_plain(1))
    for place, percentile in ((0, "p50_ms"), (1, "p99_ms")):
        # A second in which nothing was answered has no latency.
        times = [each[percentile] or float("nan") for each in found["each"]]
        took.plot(at, times, label=percentile.removesuffix("_ms"), **_plain(place))
    took.set_yscale("log")
    _round_steps(took)
    for axes, what in ((answered, "requests in a second"), (took, "milliseconds")):
        _quiet(axes)
        axes.set_ylabel(what)
        _legend(axes)
        for number, strike in enumerate(found["strikes"], 1):
            axes.axvline(strike["at"], color=INK, linewidth=0.8, linestyle=(0, (1, 2)))
            if axes is answered:
                axes.annotate(
                    str(number), (strike["at"], 1.0), xycoords=("data", "axes fraction"), ha="center", color=INK
                )
    took.set_xlabel("seconds")
    return _svg(figure, "The storm: requests and latency in each second, and when something was struck")


# --- How they look ---------------------------------------------------------------------------------------------------


def _picture() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    return figure, figure.subplots()


def _line(axes: Axes, places: Sequence[float], turns: Sequence[Sequence[float]], name: str, style: Any) -> None:
    """The median of all turns, with the lowest and the highest."""
    middle = [statistics.median(each) for each in turns]
    reach = [
        [median - min(each) for median, each in zip(middle, turns, strict=True)],
        [max(each) - median for median, each in zip(middle, turns, strict=True)],
    ]
    axes.errorbar(places, middle, yerr=reach, label=name, linewidth=1.6, markersize=6, elinewidth=1, **style)


def _plain(place: int) -> dict[str, Any]:
    return {"color": SERIES[place], "linestyle": STYLES[place]["linestyle"], "linewidth": 1.4}


def _logarithmic(axes: Axes, places: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
    _round_steps(axes)
    _quiet(axes)
    _legend(axes)


def _round_steps(axes: Axes) -> None:
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _quiet(axes: Axes) -> None:
    axes.grid(visible=True, axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", color=FAINT, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def _legend(axes: Axes) -> None:
    """Beside the drawing, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, labelcolor=INK, handlelength=3.2)


def _number(value: float, _place: object) -> str:
    return f"{value:g}" if value < 1000 else f"{value:,.0f}"


def _svg(figure: Figure, title: str) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(out.getvalue(), title)


def themed(drawn: str, title: str) -> str:
    """The same drawing in colours that follow the page, with its title for those who hear it."""
    for number, colour in enumerate(LIGHT_AND_DARK):
        drawn = drawn.replace(colour, f"var(--c{number})")
    light, dark = (
        "".join(f"--c{number}:{pair[shade]};" for number, pair in enumerate(LIGHT_AND_DARK.values()))
        for shade in (0, 1)
    )
    style = f"<style>:root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    drawn = re.sub(r"(<svg [^>]*)>", rf'\1 role="img">\n <title>{escape(title)}</title>\n {style}', drawn, count=1)
    return re.sub(r"(?m)[ \t]+$", "", drawn)


def write(directory: Path, name: str, drawing: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.svg").write_text(drawing, encoding="utf-8")
