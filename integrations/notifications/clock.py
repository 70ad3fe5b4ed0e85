"""Notices of what is near or past: queued by the calendar of the branch at which a copy stands.

Each looks a few days back at most, so that a pause of the clock is made good and nobody is written to about old times.
Days are those of the branch's time zone as it is now, whatever zone a due date was made in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet

from circulation.models import Loan
from events.models import Event
from events.operations import operation
from events.recording import is_ours
from integrations.notifications.keeping import keep, unwanted_by_readers
from integrations.notifications.kinds import OF_LOANS, Kind
from integrations.notifications.models import Notice, new_notice
from library.models import Branch
from reservations.models import Reservation

BATCH = 1000
OVERDUE_DAYS = 3  # after which nobody is told any more that something became overdue

_WITH_ADDRESS = ~Q(member__email="")
_Told = set[tuple[int | None, datetime]]


@dataclass(frozen=True)
class _Here:
    """A time zone, and what time it is there."""

    zone: ZoneInfo
    at: datetime

    @property
    def today(self) -> date:
        return self.at.astimezone(self.zone).date()

    @property
    def is_day(self) -> bool:
        return self.at.astimezone(self.zone).hour >= settings.NOTICE_HOUR

    def begin(self, days: int) -> datetime:
        """When the day begins that lies so many days ahead. Of a midnight that is left out, the moment of the jump."""
        return datetime.combine(self.today + timedelta(days=days), time(), self.zone)

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()


def queue_due_notices(at: datetime) -> int:
    """Queue what is due soon, overdue, or set aside until tomorrow or today, from an hour of the morning on.

    Returns how many. Safe to run twice, or on two machines at once.
    """
    if not is_ours(Event.Kind.CHECKOUT):
        return 0
    queued = 0
    for name in Branch.objects.order_by("time_zone").values_list("time_zone", flat=True).distinct():
        here = _Here(ZoneInfo(name), at)
        if here.is_day:
            queued += _due_soon(here) + _overdue(here) + _expiring(here)
    return queued


def _due_soon(here: _Here) -> int:
    days = settings.DUE_SOON_DAYS
    since, until = here.at, here.begin(days + 1)
    told = _told(Kind.DUE_SOON, since, until)
    return sum(
        _keep(
            here,
            Kind.DUE_SOON,
            # A loan that is no longer than this was due soon when it was made.
            [loan for loan in batch if here.day_of(loan["due_at"]) - here.day_of(loan["lent_at"]) > timedelta(days)],
            told,
        )
        for batch in _batches(_loans(here, since, until), "due_at")
    )


def _overdue(here: _Here) -> int:
    since, until = here.begin(-OVERDUE_DAYS), here.begin(0)
    told = _told(Kind.OVERDUE, since, until)
    return sum(_keep(here, Kind.OVERDUE, batch, told) for batch in _batches(_loans(here, since, until), "due_at"))


def _expiring(here: _Here) -> int:
    """Not on the day on which they were told that the copy is there."""
    since, until = here.at, here.begin(2)
    told = _told(Kind.EXPIRING, since, until) | _told(Kind.READY, since, until, created_at__gte=here.begin(0))
    ready = Reservation.objects.filter(
        _WITH_ADDRESS,
        status=Reservation.Status.READY,
        branch__time_zone=here.zone.key,
        shelf_until__gte=since,
        shelf_until__lt=until,
    )
    rows = ready.values("id", "member_id", "shelf_until")
    return sum(_keep(here, Kind.EXPIRING, batch, told) for batch in _batches(rows, "shelf_until"))


def _loans(here: _Here, since: datetime, until: datetime) -> QuerySet[Any, Any]:
    """Open loans that became due, or will, in this time."""
    loans: QuerySet[Loan] = Loan.objects.active().filter(
        _WITH_ADDRESS, copy__branch__time_zone=here.zone.key, due_at__gte=since, due_at__lt=until
    )
    return loans.values("id", "member_id", "due_at", "lent_at")


def _told(kind: Kind, since: datetime, until: datetime, **when: datetime) -> _Told:
    """The loans, or reservations, of which there is a notice about a moment in this time, with that moment.

    A statement of its own: on the first morning PostgreSQL, which knows nothing yet of a table that was just filled,
    would otherwise compare every loan with every notice.
    """
    notices = Notice.objects.filter(kind=kind, moment__gte=since, moment__lt=until, **when)
    return set(notices.order_by().values_list(_matter(kind), "moment"))


def _batches(rows: QuerySet[Any, Any], by: str) -> Iterator[list[dict[str, Any]]]:
    """By the index over this moment and id, never passing a row twice."""
    rows = rows.order_by(by, "id")
    following = rows
    while batch := list(following[:BATCH]):
        yield batch
        last = batch[-1]
        following = rows.filter(
            Q(**{f"{by}__gt": last[by]}) | Q(**{by: last[by]}, id__gt=last["id"]), **{f"{by}__gte": last[by]}
        )


@operation
def _keep(here: _Here, kind: Kind, rows: list[dict[str, Any]], told: _Told) -> int:
    """Queue notices of those of which there are none."""
    moment = "shelf_until" if kind == Kind.EXPIRING else "due_at"
    rows = [row for row in rows if (row["id"], row[moment]) not in told]
    unwanted = unwanted_by_readers({row["member_id"] for row in rows})
    return keep(
        [
            new_notice(kind, row["member_id"], moment=row[moment], at=here.at, **{_matter(kind): row["id"]})
            for row in rows
            if kind not in unwanted.get(row["member_id"], [kind])
        ]
    )


def _matter(kind: Kind) -> str:
    return "loan_id" if kind in OF_LOANS else "reservation_id"
