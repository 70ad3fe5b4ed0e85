"""Figures of the desk."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from circulation.models import DayFigures, Loan
from events.models import Event
from events.recording import is_ours
from library.models import Book, Copy
from reservations.models import Reservation

DAYS = 30
LONGEST = 3 * 366  # days
TOP = 10
AFTERWARDS = timedelta(hours=6)  # within which a day's end can still be told from how things stand
STANDING = ("open_loans", "overdue", "waiting", "ready")


def statistics(*, at: datetime, days: int = DAYS) -> dict[str, Any]:
    """Loans and returns of the last so many days, by day in the library's time zone, and how things stand now.

    `turnover` is the number of loans in the last 30 days per copy, and `top_titles` are of that time, too. What is
    longer ago comes from the figures that were kept day by day.
    """
    since = at - timedelta(days=DAYS)
    recent = Loan.objects.filter(lent_at__gte=since)
    copies = Copy.objects.exclude(status=Copy.Status.WITHDRAWN).count()
    loans = recent.count()
    return {
        "as_of": at,
        "since": at - timedelta(days=days),
        "days": day_by_day(since, at - timedelta(days=days)),
        "top_titles": most(recent, "loans"),
        "longest_lines": most(Reservation.objects.filter(status=Reservation.Status.WAITING), "waiting"),
        "titles": Book.objects.held().count(),
        "copies": copies,
        **standing(at),
        "turnover": round(loans / copies, 3) if copies else 0.0,
    }


def count_days(*, at: datetime) -> None:
    """Keep the figures of every day that ended and has none yet, and of the last thirty once more.

    Loans of those may have come in since, with dates of the past. Safe to run twice, or on two machines at once.
    """
    if not is_ours(Event.Kind.CHECKOUT):
        return
    today = timezone.localdate(at)
    midnight = timezone.make_aware(datetime.combine(today, time()))
    counted = DayFigures.objects.order_by("-day").first()
    first = min(today - timedelta(days=DAYS), counted.day if counted else _first_day(today))
    began = timezone.make_aware(datetime.combine(first, time()))
    lent, returned = _by_day("lent_at", began), _by_day("returned_at", began)
    figures = [
        DayFigures(day=day, loans=lent.get(day, 0), returns=returned.get(day, 0))
        for day in (first + timedelta(days=n) for n in range((today - first).days))
    ]
    DayFigures.objects.bulk_create(
        figures, update_conflicts=True, unique_fields=["day"], update_fields=["loans", "returns"], batch_size=1000
    )
    if at - midnight < AFTERWARDS:
        yesterday = DayFigures.objects.filter(day=today - timedelta(days=1), open_loans=None)
        yesterday.update(**standing(midnight))


def _first_day(today: date) -> date:
    """The day of the first loan, or today."""
    first = Loan.objects.order_by("lent_at").values_list("lent_at", flat=True).first()
    return timezone.localdate(first) if first else today


def standing(at: datetime) -> dict[str, int]:
    return {
        "open_loans": Loan.objects.active().count(),
        "overdue": Loan.objects.overdue(at).count(),
        "waiting": Reservation.objects.filter(status=Reservation.Status.WAITING).count(),
        "ready": Reservation.objects.filter(status=Reservation.Status.READY).count(),
    }


def day_by_day(since: datetime, from_: datetime) -> list[dict[str, Any]]:
    """The days on which something happened: counted now from the first moment on, before it as they were kept."""
    lent, returned = _by_day("lent_at", since), _by_day("returned_at", since)
    kept = {row.day: row for row in DayFigures.objects.filter(day__gte=timezone.localdate(from_))}
    found = {day: (lent.get(day, 0), returned.get(day, 0)) for day in {*lent, *returned}}
    for day, row in kept.items():
        if day <= timezone.localdate(since) and (row.loans or row.returns):
            found[day] = (row.loans, row.returns)
    return [
        {
            "day": day,
            "loans": loans,
            "returns": returns,
            **{name: getattr(kept[day], name) if day in kept else None for name in STANDING},
        }
        for day, (loans, returns) in sorted(found.items())
    ]


def most(rows: QuerySet[Any], name: str) -> list[dict[str, Any]]:
    """The titles of most of these rows, and how many there are of each. Only theirs are looked up."""
    found = dict(rows.values_list("book_id").annotate(n=Count("pk")).order_by("-n", "book_id")[:TOP])
    titles = dict(Book.objects.filter(pk__in=found).values_list("pk", "title"))
    return [{"book_id": book_id, "title": titles[book_id], name: n} for book_id, n in found.items()]


def _by_day(field: str, since: datetime) -> dict[date, int]:
    rows = Loan.objects.filter(Q(**{f"{field}__gte": since})).values(day=TruncDate(field)).annotate(n=Count("pk"))
    return {row["day"]: row["n"] for row in rows.order_by("day")}
