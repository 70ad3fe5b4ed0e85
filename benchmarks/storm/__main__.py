"""`make storm`: what is acknowledged holds, whatever is killed meanwhile."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import kept, places
from benchmarks.storm import after, clients
from benchmarks.storm.checking import ages, contradictions
from benchmarks.storm.histories import Asked, Found
from benchmarks.storm.service import running
from benchmarks.storm.strikes import Strike, Striking, planned
from config import embedded

TITLES, COPIES, MEMBERS = 8, 3, 24
SHOWN = 20  # contradictions
KEPT = Path(os.environ.get("STORM_DIR", kept.DIRECTORY))  # where the time line is, for docs/proof.md
SEEN = Path(os.environ.get("STORM_DIR", ".local/bench"))  # and what clients saw, of a bad end


@dataclass(frozen=True)
class Weather:
    seconds: float
    seed: int
    clients: int
    patience: float = 45.0  # seconds after the storm within which every client is answered
    strikes: bool = True
    application: str = places.PRODUCT[0]


@dataclass(frozen=True)
class Outcome:
    weather: Weather
    strikes: list[tuple[float, str]]
    histories: list[Asked]
    found: Found
    problems: list[str]


def storm(weather: Weather, say: Callable[[str], None]) -> Outcome:
    """From the first process to the verdict. Raises RuntimeError if the storm itself went wrong."""
    with running(weather.application) as service:
        say(f"{len(service.names)} processes run; a library of {TITLES} titles, {MEMBERS} members")
        library = clients.stocked(service.ports[0], TITLES, COPIES, MEMBERS)
        began = time.monotonic()
        several = [
            clients.Client(
                number, weather.seed, service.ports, library, began, weather.seconds, weather.seconds + weather.patience
            )
            for number in range(weather.clients)
        ]

        def tell(what: str) -> None:
            done = sum(len(client.history) for client in several)
            say(f"{time.monotonic() - began:6.1f} s  {done:6,} operations  {what}")

        strikes: list[Strike] = planned(weather.seed, weather.seconds, service.names) if weather.strikes else []
        striking = Striking(service, strikes, began, tell)
        striking.start()
        for client in several:
            client.start()
        striking.join(weather.seconds + places.PATIENCE * 4)
        for client in several:
            client.join(weather.seconds + weather.patience + clients.PATIENCE * 2)
        if striking.failed or striking.is_alive() or any(client.is_alive() for client in several):
            raise RuntimeError(f"The storm itself went wrong: {striking.failed or 'it does not end'}")
        after.wait_for_calm(service, lambda: places.connect(service.postgres, service.postgres.database), tell)
        histories = [asked for client in several for asked in client.history]
        looks = [look for client in several for look in client.looks] + after.shown(service, library.books, began)
        with places.connect(service.postgres, service.postgres.database) as connection:
            found = after.found(connection, service.post.taken, looks)
        return Outcome(weather, striking.done, histories, found, contradictions(histories, found))


# --- What is told of it -----------------------------------------------------------------------------------


def time_line(outcome: Outcome) -> dict[str, Any]:
    """Second by second, for the plot of docs/proof.md."""
    by_second: dict[int, list[Asked]] = {}
    for asked in outcome.histories:
        if asked.ended is not None:
            by_second.setdefault(int(asked.ended), []).append(asked)
    each = []
    for second in range(int(outcome.weather.seconds)):
        done = by_second.get(second, [])
        took = sorted(1000 * ((asked.ended or 0) - asked.begun) for asked in done) or [0.0]
        each.append(
            {
                "at": second,
                "requests": len(done),
                "p50_ms": round(statistics.median(took), 1),
                "p99_ms": round(took[int(len(took) * 0.99)], 1),
                "retried": sum(asked.tries > 1 for asked in done),
            }
        )
    return {
        "seconds": outcome.weather.seconds,
        "seed": outcome.weather.seed,
        "each": each,
        "strikes": [{"at": at, "what": what} for at, what in outcome.strikes],
        "verdict": {"operations": len(outcome.histories), "contradictions": len(outcome.problems)},
    }


def verdict(outcome: Outcome) -> str:
    histories = outcome.histories
    lines = [
        f"{len(histories):,} operations of {outcome.weather.clients} clients in {outcome.weather.seconds:g} s, "
        f"{len(outcome.strikes)} strikes, seed {outcome.weather.seed}:",
        f"  {sum(asked.is_acknowledged for asked in histories):,} acknowledged, "
        f"{sum(asked.is_refused for asked in histories):,} refused, "
        f"{sum(asked.status is None for asked in histories):,} never answered, "
        f"{sum(asked.tries > 1 for asked in histories):,} sent more than once.",
        "  "
        + ", ".join(f"{count} {name}" for name, count in Counter(one.operation for one in histories).most_common()),
    ]
    old = [age for _, age in ages(histories, outcome.found) if age]
    lines.append(
        f"  Availability was looked at {len(outcome.found.looks):,} times, and was behind what was acknowledged in "
        f"{len(old):,}: by at most {max(old, default=0):.1f} s."
    )
    if outcome.problems:
        lines += [f"  {len(outcome.problems)} CONTRADICTIONS:", *(f"    {text}" for text in outcome.problems[:SHOWN])]
    else:
        lines.append("  Nothing acknowledged is missing, nothing was done twice, nobody was overtaken, all was told.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=None, help="Of the strikes and of what clients ask.")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--patience", type=float, default=45, help="Seconds in which every client is answered.")
    parser.add_argument("--calm", action="store_true", help="Without strikes.")
    parser.add_argument("--application", default=places.PRODUCT[0], help="Of the web servers.")
    given = parser.parse_args()
    seed = secrets.randbelow(10_000) if given.seed is None else given.seed
    weather = Weather(given.seconds, seed, given.clients, given.patience, not given.calm, given.application)
    try:
        outcome = storm(weather, lambda told: print(told, flush=True))
    except (embedded.ServerError, RuntimeError) as error:
        sys.exit(f"\nSeed {seed}: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / "storm.json").write_text(json.dumps(time_line(outcome), indent=1), encoding="utf-8")
    print(verdict(outcome))
    if outcome.problems:
        seen = SEEN / "storm-history.json"
        seen.write_text(clients.written(outcome.histories), encoding="utf-8")
        sys.exit(f"Again with --seed {seed}. What clients saw: {seen}")


if __name__ == "__main__":
    os.chdir(embedded.BASE_DIR)
    embedded.end_in_order()
    main()
