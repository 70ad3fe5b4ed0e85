"""What must hold of the database of a simulation, while no worker is at work."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.utils import timezone

from circulation.housekeeping import stranded
from circulation.invariants import INVARIANTS, broken
from circulation.simulation.desk import Holdings
from circulation.simulation.findings import COPIES, LOANS, MEMBERS, PLACES, SHOWN, Finding, Recorded, once_each
from circulation.simulation.running import Tally
from events import redis
from events.models import Event
from events.relay import relay_pending
from library.models import Book
from reservations import availability
from reservations.models import Reservation
from reservations.services import settle_titles


class CacheFailures(logging.Handler):
    """Counts when the cache could not be asked, and so perhaps did not hear of a change."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def watching_the_cache() -> Iterator[CacheFailures]:
    failures = CacheFailures()
    redis.logger.addHandler(failures)
    try:
        yield failures
    finally:
        redis.logger.removeHandler(failures)


def check(
    tally: Tally, holdings: Holdings, failures: CacheFailures, *, at: datetime, several_workers: bool, at_the_end: bool
) -> Sequence[Finding]:
    """Everything. `at_the_end` housekeeping publishes what is still to be published, and that is looked at, too.

    Where several workers were at work, a member may have been unblocked at the moment that a copy came in, and then
    waits for the next sweep; that is looked at, swept, and told.
    """
    cached = _cached_availability(holdings, failures)
    acknowledged = once_each(tally.acknowledged, _recorded(), kinds=(*LOANS, *PLACES, *COPIES, *MEMBERS))
    swept, note = _sweep(at) if several_workers else ([], "")
    while at_the_end and relay_pending():
        pass
    violations = broken(at=at)
    findings = []
    for number, invariant in INVARIANTS.items():
        problems = [f"{v.problem}: {_some(v.ids)}" for v in violations if v.invariant == number]
        if number == 2:
            problems = [*swept, *problems]
        findings.append(Finding(invariant, problems, note if number == 2 else ""))
    return [*findings, cached, acknowledged]


def _sweep(at: datetime) -> tuple[list[str], str]:
    """Problems, and what to say of lines that were excusably left to the sweep."""
    unblocked = set(Event.objects.filter(kind=Event.Kind.MEMBER_EDITED).values_list("member_id", flat=True))
    problems, excused = [], []
    for book_id in stranded(at=at):
        waiting = Reservation.objects.eligible(Book(pk=book_id), at, timezone.localdate(at))
        if set(waiting.values_list("member_id", flat=True)) & unblocked:
            excused.append(book_id)
        else:
            problems.append(f"title {book_id}: somebody waits beside an available copy, and nobody was just unblocked")
    settle_titles(excused, at=at)
    return problems, f"{len(excused)} served by the sweep, after a member was unblocked" if excused else ""


def _cached_availability(holdings: Holdings, failures: CacheFailures) -> Finding:
    ids = list(holdings.book_ids.values())
    note = f"{len(ids):,} titles"
    if failures.count:
        while relay_pending():  # what the cache did not hear then it is told now, as housekeeping does
            pass
        note += "; the cache did not always answer"
    fresh, cached = availability.count(ids), availability.of_many(ids)
    problems = [
        f"title {book_id}: cached {_differing(cached.get(book_id), fresh[book_id])}"
        for book_id in sorted(fresh)
        if cached.get(book_id) != fresh[book_id]
    ]
    return Finding("The cached availability of every title equals a fresh count.", problems, note)


def _differing(cached: availability.Availability | None, fresh: availability.Availability) -> str:
    if cached is None:
        return "nothing"
    told, true = dict(cached), dict(fresh)
    return ", ".join(f"{name} {told.get(name)} for {value}" for name, value in true.items() if told.get(name) != value)


def _recorded() -> Iterator[Recorded]:
    events = Event.objects.order_by("id")
    columns = ("kind", "loan_id", "reservation_id", "member_id", "payload__barcode")
    for row in events.values_list(*columns).iterator():
        yield Recorded(*row)


def _some(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:SHOWN]))
    return shown if len(ids) <= SHOWN else f"{shown} and {len(ids) - SHOWN} more"
