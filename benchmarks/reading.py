"""Availability from the cache, beside a bare Django view that sends as many bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks import load, places
from benchmarks.progress import Progress

MANY = 16
SECONDS = 4.0
TITLES = 1_000


@dataclass
class Reading:
    floor: list[load.Result] = field(default_factory=list)
    product: dict[int, list[load.Result]] = field(default_factory=lambda: {MANY: [], 1: []})


def warm_up(web: places.Web) -> bytes:
    """Have every title in the cache. Returns one answer."""
    for book in range(1, TITLES + 1):
        answer = places.get(web.port, f"/api/books/{book}/availability/")
    return answer


def measure(into: Reading, web: places.Web, bare: places.Web, turn: int, progress: Progress) -> None:
    progress.step("availability: bare view")
    into.floor.append(_asked(bare, MANY, turn))
    for clients in (MANY, 1):
        progress.step(f"availability: service, {clients} clients")
        into.product[clients].append(_asked(web, clients, turn))


def _asked(server: places.Web, clients: int, turn: int) -> load.Result:
    return load.run(load.Plan(server.port, "availability", clients, SECONDS, seed=turn, titles=TITLES))
