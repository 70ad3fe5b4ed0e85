"""The table of a run, for the terminal and for RESULTS.md."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import django
import redis

from benchmarks import desk, live, partners, places, reading
from benchmarks.desk import Desk
from benchmarks.events import Recording
from benchmarks.importing import Import
from benchmarks.lists import Lists
from benchmarks.live import Live
from benchmarks.load import Result
from benchmarks.partners import Partners
from benchmarks.processes import Cost
from benchmarks.reading import Reading
from config import embedded
from config.servers import Postgres

RESULTS = Path(__file__).with_name("RESULTS.md")
GOAL_SIGNED_IN = 1 / 1.35  # of the speed of an open desk
GOAL_LISTS = 30  # times the p95 of a bare view
GOAL_RELAY = 3.0  # times what the desk makes
GOAL_RECORDING = 1 / 1.15  # of the speed without events
GOAL_STALE = 50  # ms after a change, at most
GOAL_DESK, GOAL_READING, GOAL_IMPORT, GOAL_MEMORY = 0.10, 0.60, 10.0, 120e6  # ratio, ratio, seconds, bytes


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    versions: dict[str, str]

    @classmethod
    def this(cls, postgres: Postgres) -> Machine:
        with places.connect(postgres, "postgres") as connection:
            row = connection.execute("SHOW server_version").fetchone()
        with redis.Redis.from_url(embedded.redis_url()) as client:
            valkey = client.info("server").get("valkey_version", "")
        return cls(
            _cpu(),
            os.cpu_count() or 1,
            {
                "Python": platform.python_version(),
                "Django": django.get_version(),
                "PostgreSQL": str(row[0]) if row else "",
                "Valkey": str(valkey),
                "granian": importlib.metadata.version("granian"),
            },
        )


@dataclass
class Results:
    machine: Machine
    desk: Desk = field(default_factory=Desk)
    reading: Reading = field(default_factory=Reading)
    lists: Lists = field(default_factory=Lists)
    recording: Recording = field(default_factory=Recording)
    memory: list[Cost] = field(default_factory=list)
    live: list[Live] = field(default_factory=list)
    partners: Partners = field(default_factory=Partners)
    imports: list[Import] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


def written(results: Results) -> str:
    """All of it, as Markdown that reads well as it is."""
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    parts = [
        "# What was measured",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}, on {machine.cpu}, {machine.cores} cores;\n"
        f"{versions}.",
        "Floor and service took turns in one run on the same servers, the load generator beside them on the same\n"
        "cores. Each number is the median of all turns, with the lowest and the highest behind it. Ratios are taken\n"
        "turn by turn; absolute numbers say little about other machines.\n"
        "Why it is done so: [docs/decisions/0006-benchmarks.md](../docs/decisions/0006-benchmarks.md).",
        _throughput(results),
        _latency(results),
        _stale(results.reading),
        _lists(results.lists),
        _cpu_table(results),
        _other(results),
        _memory(results.memory),
        *map(_live, results.live),
        _partners(results.partners),
    ]
    return "\n\n".join(parts) + "\n"


def _throughput(results: Results) -> str:
    measured, read = results.desk, results.reading
    floor = measured.floor[desk.MANY]
    rows = [
        _versus(f"check-out and return, {desk.MANY} clients", floor, _rates(measured.product[desk.MANY]), GOAL_DESK),
        _versus("check-out and return, 1 client", measured.floor[1], _rates(measured.product[1])),
        _versus(f"with an Idempotency-Key, {desk.MANY} clients", floor, _rates(measured.keyed)),
        _versus(f"beside the relay, {desk.MANY} clients", floor, _rates(measured.with_relay)),
        _versus(
            f"cached availability, {reading.MANY} clients",
            _rates(read.floor),
            _rates(read.product[reading.MANY]),
            GOAL_READING,
        ),
    ]
    signed_in = {way: _rates(found) for way, found in measured.signed_in.items()}
    rows += [
        _versus("signed in by token, beside an open desk", signed_in["open"], signed_in["token"], GOAL_SIGNED_IN),
        _versus("signed in by API key, beside an open desk", signed_in["open"], signed_in["key"]),
    ]
    imports = results.imports
    rows.append(
        _versus(
            f"import of {imports[0].titles:,} titles, rows",
            [one.rows / one.copy_seconds for one in imports],
            [one.rows / one.seconds for one in imports],
        )
    )
    rows += [
        _versus(
            f"published by the relay, beside what {desk.MANY} clients make",
            _rates(measured.product[desk.MANY]),
            measured.relayed,
            GOAL_RELAY,
        ),
        _versus(
            "check-outs and returns with their events, beside none",
            [2 / seconds for seconds in results.recording.without],
            [2 / seconds for seconds in results.recording.with_events],
            GOAL_RECORDING,
        ),
    ]
    return f"""## Done in a second

{_table(("", "floor", "service", "ratio", "goal"), rows)}

Floors: pgbench, with one prepared statement for each check-out and each return that leaves the same rows; a Django
view without middleware that sends as many bytes; COPY of the resulting rows into the same tables, with their indexes
and triggers. Floor and service have as many clients, and both web servers a worker for each core.

An event is made by each check-out and each return. The relay's floor is what the desk makes when it does nothing
else; that of recording, the same functions without the event and what its trigger adds, in one process that talks to
PostgreSQL and Redis alone.

The floor of who signs in is the service with an open desk, which asks nobody who they are and counts nobody's
requests. A token is looked up with its account, and every request counted in Valkey, in one round trip each."""


def _latency(results: Results) -> str:
    rows = []
    for name, found in (
        ("check-out and return", results.desk.product),
        ("cached availability", results.reading.product),
    ):
        for clients, each in found.items():
            rows.append(
                (
                    f"{name}, {clients} {_clients(clients)}",
                    *(_spread([getattr(one, part) for one in each], "{:.1f}") for part in ("p50", "p95", "p99")),
                )
            )
    return "## Latency in milliseconds\n\n" + _table(("", "p50", "p95", "p99"), rows)


def _stale(found: Reading) -> str:
    """Of availability. Nothing is old most of the time: the first who asks after the answer sees the change."""
    ordered = sorted(1000 * seconds for seconds in found.stale)
    p99 = ordered[int(len(ordered) * 0.99)]
    rows = [
        ("median", f"{statistics.median(ordered):.1f}", ""),
        ("p99", f"{p99:.1f}", ""),
        ("max", f"{ordered[-1]:.1f}", _met(ordered[-1] < GOAL_STALE, f"< {GOAL_STALE}")),
    ]
    return f"""## Availability after a change: for how many milliseconds the old was still seen

{_table((f"{len(ordered)} check-outs and returns", "ms", "goal"), rows)}

From the answer to a change until the last answer in which it was not seen yet, over {reading.READERS} connections; as
many clients read other titles meanwhile. 0.0: whoever asked first saw it."""


def _lists(found: Lists) -> str:
    bare = [one.p95 for one in found.floor]
    rows = []
    for kind, each in found.product.items():
        times = [one.p95 / floor for one, floor in zip(each, bare, strict=True)]
        rows.append(
            (
                kind,
                _spread([one.p50 for one in each], "{:.1f}"),
                _spread([one.p95 for one in each], "{:.1f}"),
                _spread(times, "{:.1f}"),
                _met(statistics.median(times) <= GOAL_LISTS, f"<= {GOAL_LISTS}"),
            )
        )
    return f"""## Lists and searches of 100,000 titles, in milliseconds

{_table(("", "p50", "p95", "p95, times the bare view's", "goal"), rows)}

One reader at a time. How many copies of a title are where comes from the cache, as after a day of service. Lists do
not: hardly any address is asked twice, but for the facets of everything and the statistics. “Deep”: from anywhere on.
The bare view's p95 is {_spread(bare, "{:.2f}")}."""


def _cpu_table(results: Results) -> str:
    measured, read = results.desk, results.reading
    own = [1000 * one.own_cpu / one.requests for one in measured.product[desk.MANY]]
    bare = [one.own_cpu / one.seconds for one in read.floor]
    rows = [
        ("check-out or return: web server", _spread([1000 * each for each in measured.web_cpu], "{:.2f}")),
        ("check-out or return: PostgreSQL", _spread([1000 * each for each in measured.database_cpu], "{:.2f}")),
        ("check-out or return: load generator", _spread(own, "{:.3f}")),
        ("bare view: load generator", _spread([1000 * one.own_cpu / one.requests for one in read.floor], "{:.3f}")),
    ]
    busy = _spread([100 * each for each in bare], "{:.0f}")
    return f"""## CPU in milliseconds for one request

{_table(("", "CPU"), rows)}

Against the bare view the load generator took {busy} % of one core."""


def _other(results: Results) -> str:
    first, *later = results.starts
    imports = [one.seconds for one in results.imports]
    rows = [
        (
            f"import of {results.imports[0].titles:,} titles, seconds",
            _spread(imports, "{:.1f}"),
            _met(statistics.median(imports) < GOAL_IMPORT, f"< {GOAL_IMPORT:.0f}"),
        ),
        ("COPY of the same rows, seconds", _spread([one.copy_seconds for one in results.imports], "{:.1f}"), ""),
        ("`make run` to the first answer, the first time, seconds", f"{first:.1f}", ""),
        ("`make run` to the first answer, later, seconds", _spread(later, "{:.1f}"), ""),
    ]
    return "## Import and start\n\n" + _table(("", "", "goal"), rows)


def _memory(costs: Sequence[Cost]) -> str:
    ours = [cost for cost in costs if cost.name not in ("PostgreSQL", "Valkey")]
    rows = [(cost.name, _mb(cost.pss), _mb(cost.rss)) for cost in ours]
    for name in ("PostgreSQL", "Valkey"):
        parts = [cost for cost in costs if cost.name == name]
        rows.append((f"{name}, {len(parts)} {'process' if len(parts) == 1 else 'processes'}", _mb(_pss(parts)), ""))
    rows.append(("everything together", _mb(_pss(costs)), ""))
    python = max(cost.pss for cost in ours)
    met = _met(python < GOAL_MEMORY, f"no process of ours above {_mb(GOAL_MEMORY)} MB:")
    return f"""## Memory after the load, in MB

{_table(("process", "PSS", "RSS"), rows)}

Goal: {met}."""


def _live(found: Live) -> str:
    heard = [1000 * seconds for seconds in found.heard]
    rows = [
        ("memory of the process with nobody there, MB", _mb(found.alone)),
        ("memory for each listener, kB", f"{found.each / 1000:.1f}"),
        ("CPU while nothing happens, % of a core", f"{100 * found.idle:.1f}"),
        (f"a change until all have heard, median of {len(heard)}, ms", f"{statistics.median(heard):.0f}"),
        ("the same, p95, ms", f"{1000 * found.p95:.0f}"),
    ]
    return f"""## Live availability: {live.LISTENERS} listen to one title

{_table(("", ""), rows)}

One process holds all. A change is one from the sending of a check-out or a return on."""


def _partners(found: Partners) -> str:
    rows = []
    for name in ("p50", "p95", "p99"):
        without, silent = ([getattr(result, name) for result in results] for results in (found.without, found.silent))
        ratios = [beside / alone for beside, alone in zip(silent, without, strict=True)]
        rows.append((f"{name}, ms", _spread(without, "{:.1f}"), _spread(silent, "{:.1f}"), _spread(ratios, "{:.2f}")))
    return f"""## Partner libraries: {partners.ASKERS} ask for titles, and one partner never answers

{_table(("check-out and return", "without a partner", "with it", "ratio"), rows)}

{partners.CLIENTS} clients lend and take back meanwhile, from the moment on at which nothing is known of the partner.
Of {found.asked:,} requests for what partners have, the slowest took {found.slowest:.2f} s."""


# --- How numbers are written -------------------------------------------------------------------------------


def _versus(
    what: str, floor: Sequence[float], product: Sequence[float], goal: float | None = None
) -> tuple[str, str, str, str, str]:
    ratios = [ours / theirs for ours, theirs in zip(product, floor, strict=True)]
    met = _met(statistics.median(ratios) >= goal, f"{goal:.2f}") if goal else ""
    return what, _spread(floor, "{:,.0f}"), _spread(product, "{:,.0f}"), _spread(ratios, "{:.3f}"), met


def _met(is_met: bool, goal: str) -> str:
    return f"{goal} {'met' if is_met else 'MISSED'}"


def _spread(values: Sequence[float], form: str) -> str:
    write: Callable[[float], str] = form.format
    if len(values) == 1:
        return write(values[0])
    return f"{write(statistics.median(values))} ({write(min(values))}-{write(max(values))})"


def _rates(results: Iterable[Result]) -> list[float]:
    return [result.per_second for result in results]


def _clients(number: int) -> str:
    return "client" if number == 1 else "clients"


def _pss(costs: Iterable[Cost]) -> int:
    return sum(cost.pss for cost in costs)


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
