"""The table of a run, for the terminal and for RESULTS.md."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import desk, kept, live, partners, reading
from benchmarks.desk import Desk
from benchmarks.events import Recording
from benchmarks.importing import Import, Peaks
from benchmarks.lists import Lists
from benchmarks.live import Live
from benchmarks.load import Result
from benchmarks.machine import Machine
from benchmarks.partners import Partners
from benchmarks.processes import Cost
from benchmarks.reading import Reading
from benchmarks.writing import clients, made_on, mb, met, rates, spread, table, versus

RESULTS = Path(__file__).with_name("RESULTS.md")
GOAL_SIGNED_IN = 1 / 1.35  # of the speed of an open desk
GOAL_LISTS = 30  # times the p95 of a bare view
GOAL_RELAY = 3.0  # times what the desk makes
GOAL_RECORDING = 1 / 1.15  # of the speed without events
GOAL_DESK, GOAL_READING, GOAL_IMPORT = 0.18, 0.60, 0.30  # of the speed of the floor
GOAL_IMPORT_SECONDS, GOAL_MEMORY = 10.0, 120e6  # bytes
GOAL_PEAK = 1.2  # times the memory, for ten times the rows
GOAL_PACED = 100.0  # milliseconds
GOAL_STALE = 50  # milliseconds after a change, at most
SERVERS = ("PostgreSQL", "Valkey")  # not ours


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
    peaks: Peaks | None = None
    starts: list[float] = field(default_factory=list)


def kept_of(results: Results) -> dict[str, Any]:
    """What pages and pictures are made of."""
    measured = results.desk
    return {
        "loads": {
            str(number): {
                "floor": [dataclasses.asdict(one) for one in measured.floor[number]],
                "service": [
                    {"per_second": one.per_second, "p50": one.p50, "p95": one.p95, "p99": one.p99}
                    for one in measured.product[number]
                ],
            }
            for number in desk.LOADS
        },
        "paced": dataclasses.asdict(measured.paced) if measured.paced else {},
        "availability": {
            "ratios": [
                product.per_second / floor.per_second
                for product, floor in zip(results.reading.product[reading.MANY], results.reading.floor, strict=True)
            ],
            "stale_ms": 1000 * max(results.reading.stale),
        },
        "imports": [dataclasses.asdict(one) for one in results.imports],
        "peaks": dataclasses.asdict(results.peaks) if results.peaks else {},
        "largest_process": max((cost.pss for cost in results.memory if cost.name not in SERVERS), default=0),
        "starts": results.starts,
    }


def written(results: Results) -> str:
    """All of it, as Markdown that reads well as it is."""
    parts = [
        "# What was measured",
        f"Written by `make bench` on {made_on(kept.stamped(results.machine))}.",
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
    floor = rates(measured.floor[desk.MANY])
    rows = [
        *(
            versus(
                f"check-out and return, {clients(number)}",
                rates(measured.floor[number]),
                rates(measured.product[number]),
                GOAL_DESK,
            )
            for number in desk.TOLD
        ),
        versus(f"with an Idempotency-Key, {desk.MANY} clients", floor, rates(measured.keyed)),
        versus(f"beside the relay, {desk.MANY} clients", floor, rates(measured.with_relay)),
        versus(
            f"cached availability, {reading.MANY} clients",
            rates(read.floor),
            rates(read.product[reading.MANY]),
            GOAL_READING,
        ),
    ]
    signed_in = {way: rates(found) for way, found in measured.signed_in.items()}
    rows += [
        versus("signed in by token, beside an open desk", signed_in["open"], signed_in["token"], GOAL_SIGNED_IN),
        versus("signed in by API key, beside an open desk", signed_in["open"], signed_in["key"]),
    ]
    imports = results.imports
    rows.append(
        versus(
            f"import of {imports[0].titles:,} titles, rows",
            [one.rows / one.copy_seconds for one in imports],
            [one.rows / one.seconds for one in imports],
            GOAL_IMPORT,
        )
    )
    rows += [
        versus(
            f"published by the relay, beside what {desk.MANY} clients make",
            rates(measured.product[desk.MANY]),
            measured.relayed,
            GOAL_RELAY,
        ),
        versus(
            "check-outs and returns with their events, beside none",
            [2 / seconds for seconds in results.recording.without],
            [2 / seconds for seconds in results.recording.with_events],
            GOAL_RECORDING,
        ),
    ]
    return f"""## Done in a second

{table(("", "floor", "service", "ratio", "goal"), rows)}

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
        ("floor of the desk", results.desk.floor),
        ("check-out and return", results.desk.product),
        ("cached availability", results.reading.product),
    ):
        for number, each in found.items():
            percentiles = [[getattr(one, part) for one in each] for part in ("p50", "p95", "p99")]
            rows.append([f"{name}, {clients(number)}", *(spread(part, "{:.1f}") for part in percentiles)])
    text = "## Latency in milliseconds\n\n" + table(("", "p50", "p95", "p99"), rows)
    return text + _paced(results.desk.paced) if results.desk.paced else text


def _paced(found: Result) -> str:
    is_met = met(found.p95 < GOAL_PACED, f"p95 below {GOAL_PACED:.0f} ms, nothing refused:")
    return f"""

The profile that FOLIO publishes: {desk.PACED_CLIENTS} clients that together lend and take back
{desk.PACED_RATE:.0f} times a second, by chance, for {desk.PACED_SECONDS:.0f} seconds, with the relay and a worker
beside; each counted from when it was meant to be sent. Of {found.requests:,} requests
p50 {found.p50:.1f}, p95 {found.p95:.1f}, p99 {found.p99:.1f} ms. Goal: {is_met}."""


def _stale(found: Reading) -> str:
    """Of availability. Nothing is old most of the time: the first who asks after the answer sees the change."""
    ordered = sorted(1000 * seconds for seconds in found.stale)
    p99 = ordered[int(len(ordered) * 0.99)]
    rows = [
        ("median", f"{statistics.median(ordered):.1f}", ""),
        ("p99", f"{p99:.1f}", ""),
        ("max", f"{ordered[-1]:.1f}", met(ordered[-1] < GOAL_STALE, f"< {GOAL_STALE}")),
    ]
    return f"""## Availability after a change: for how many milliseconds the old was still seen

{table((f"{len(ordered)} check-outs and returns", "ms", "goal"), rows)}

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
                spread([one.p50 for one in each], "{:.1f}"),
                spread([one.p95 for one in each], "{:.1f}"),
                spread(times, "{:.1f}"),
                met(statistics.median(times) <= GOAL_LISTS, f"<= {GOAL_LISTS}"),
            )
        )
    return f"""## Lists and searches of 100,000 titles, in milliseconds

{table(("", "p50", "p95", "p95, times the bare view's", "goal"), rows)}

One reader at a time. How many copies of a title are where comes from the cache, as after a day of service. Lists do
not: hardly any address is asked twice, but for the facets of everything and the statistics. “Deep”: from anywhere on.
The bare view's p95 is {spread(bare, "{:.2f}")}."""


def _cpu_table(results: Results) -> str:
    measured, read = results.desk, results.reading
    own = [1000 * one.own_cpu / one.requests for one in measured.product[desk.MANY]]
    bare = [one.own_cpu / one.seconds for one in read.floor]
    rows = [
        ("check-out or return: web server", spread([1000 * each for each in measured.web_cpu], "{:.2f}")),
        ("check-out or return: PostgreSQL", spread([1000 * each for each in measured.database_cpu], "{:.2f}")),
        ("check-out or return: load generator", spread(own, "{:.3f}")),
        ("bare view: load generator", spread([1000 * one.own_cpu / one.requests for one in read.floor], "{:.3f}")),
    ]
    busy = spread([100 * each for each in bare], "{:.0f}")
    return f"""## CPU in milliseconds for one request

{table(("", "CPU"), rows)}

Against the bare view the load generator took {busy} % of one core."""


def _other(results: Results) -> str:
    first, *later = results.starts
    imports = [one.seconds for one in results.imports]
    rows = [
        (
            f"import of {results.imports[0].titles:,} titles, seconds",
            spread(imports, "{:.1f}"),
            met(statistics.median(imports) < GOAL_IMPORT_SECONDS, f"< {GOAL_IMPORT_SECONDS:.0f}"),
        ),
        ("COPY of the same rows, seconds", spread([one.copy_seconds for one in results.imports], "{:.1f}"), ""),
        *_peaks(results.peaks),
        ("`make run` to the first answer, the first time, seconds", f"{first:.1f}", ""),
        ("`make run` to the first answer, later, seconds", spread(later, "{:.1f}"), ""),
    ]
    return "## Import and start\n\n" + table(("", "", "goal"), rows)


def _peaks(found: Peaks | None) -> list[tuple[str, str, str]]:
    if found is None:
        return []
    is_met = met(found.long / found.short <= GOAL_PEAK, f"<= {GOAL_PEAK}")
    return [
        (f"memory of an import of {found.rows:,} rows at most, MB", mb(found.short), ""),
        (f"of one of {found.rows * 10:,}, MB", mb(found.long), ""),
        ("the second for each of the first", f"{found.long / found.short:.2f}", is_met),
    ]


def _memory(costs: Sequence[Cost]) -> str:
    ours = [cost for cost in costs if cost.name not in SERVERS]
    rows = [(cost.name, mb(cost.pss), mb(cost.rss)) for cost in ours]
    for name in SERVERS:
        parts = [cost for cost in costs if cost.name == name]
        rows.append((f"{name}, {len(parts)} {'process' if len(parts) == 1 else 'processes'}", mb(pss(parts)), ""))
    rows.append(("everything together", mb(pss(costs)), ""))
    python = max(cost.pss for cost in ours)
    is_met = met(python < GOAL_MEMORY, f"no process of ours above {mb(GOAL_MEMORY)} MB:")
    return f"""## Memory after the load, in MB

{table(("process", "PSS", "RSS"), rows)}

Goal: {is_met}."""


def _live(found: Live) -> str:
    heard = [1000 * seconds for seconds in found.heard]
    rows = [
        ("memory of the process with nobody there, MB", mb(found.alone)),
        ("memory for each listener, kB", f"{found.each / 1000:.1f}"),
        ("CPU while nothing happens, % of a core", f"{100 * found.idle:.1f}"),
        (f"a change until all have heard, median of {len(heard)}, ms", f"{statistics.median(heard):.0f}"),
        ("the same, p95, ms", f"{1000 * found.p95:.0f}"),
    ]
    return f"""## Live availability: {live.LISTENERS} listen to one title

{table(("", ""), rows)}

One process holds all. A change is one from the sending of a check-out or a return on."""


def _partners(found: Partners) -> str:
    rows = []
    for name in ("p50", "p95", "p99"):
        without, silent = ([getattr(result, name) for result in results] for results in (found.without, found.silent))
        ratios = [beside / alone for beside, alone in zip(silent, without, strict=True)]
        rows.append((f"{name}, ms", spread(without, "{:.1f}"), spread(silent, "{:.1f}"), spread(ratios, "{:.2f}")))
    return f"""## Partner libraries: {partners.ASKERS} ask for titles, and one partner never answers

{table(("check-out and return", "without a partner", "with it", "ratio"), rows)}

{partners.CLIENTS} clients lend and take back meanwhile, from the moment on at which nothing is known of the partner.
Of {found.asked:,} requests for what partners have, the slowest took {found.slowest:.2f} s."""


def pss(costs: Iterable[Cost]) -> int:
    return sum(cost.pss for cost in costs)
