"""The numbers of the overview. Each is read from an index or from what was kept day by day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from circulation.models import DayFigures, Loan
from circulation.statistics import DAYS, STANDING, day_by_day, most, standing
from library import cache
from library.models import Copy
from reservations.models import Reservation

LINES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, None))  # waiting
LATE = ((0, 7), (7, 14), (14, 30), (30, 90), (90, None))  # days
CATEGORIES = 8  # that are shown
GONE = (Copy.Status.WITHDRAWN, Copy.Status.LOST)

Figures = dict[str, Any]


def midnight(day: date) -> datetime:
    """When a day of the library begins."""
    return timezone.make_aware(datetime.combine(day, time()))


def today(at: datetime) -> Figures:
    """The day so far and how things stand now; never from the cache, so that a loan shows at once."""
    began = midnight(timezone.localdate(at))
    return {
        "loans": Loan.objects.filter(lent_at__gte=began).count(),
        "returns": Loan.objects.filter(returned_at__gte=began).count(),
        **standing(at),
    }


def week_ago(at: datetime) -> Figures | None:
    """The figures of the same weekday last week, if they were kept: the whole day, and how it ended."""
    day = timezone.localdate(at) - timedelta(days=7)
    found: Figures | None = DayFigures.objects.filter(day=day).values("loans", "returns", *STANDING).first()
    return found


def charts(at: datetime, days: int) -> Figures:
    """What the charts show, no older than a minute, and when it was counted."""

    def count() -> Figures:
        return {
            "at": at.isoformat(),
            "days": _days(at, days),
            "wanted": _wanted(),
            "lines": _lines(),
            "late": _late(at),
            "turnover": _turnover(at),
        }

    return cache.read("overview", "overview", count, name=str(days))


def _days(at: datetime, days: int) -> list[Figures]:
    """Every day of so many until today, those on which nothing happened as well."""
    day = timezone.localdate(at)
    first = day - timedelta(days=days - 1)
    live = midnight(day - timedelta(days=min(days, DAYS) - 1))
    found = {one["day"]: one for one in day_by_day(live, midnight(first))}
    nothing = {"loans": 0, "returns": 0}
    every = [first + timedelta(days=number) for number in range(days)]
    return [{"day": one.isoformat(), **{name: found.get(one, nothing)[name] for name in nothing}} for one in every]


def _wanted() -> list[Figures]:
    """The longest lines, beside how many copies there are to serve them."""
    lines = most(Reservation.objects.filter(status=Reservation.Status.WAITING), "waiting")
    there = Copy.objects.filter(book__in=[line["book_id"] for line in lines]).exclude(status__in=GONE)
    copies = dict(there.order_by().values_list("book_id").annotate(n=Count("pk")))
    return [{**line, "copies": copies.get(line["book_id"], 0)} for line in lines]


def _lines() -> list[int]:
    """How many titles have a line of each length of LINES."""
    waiting = Reservation.objects.filter(status=Reservation.Status.WAITING).order_by()
    lines = waiting.values("book_id").annotate(n=Count("pk"))
    lengths = {
        f"n{number}": Count("book_id", filter=Q(n__gte=low) & (Q(n__lte=high) if high else Q()))
        for number, (low, high) in enumerate(LINES)
    }
    return list(lines.aggregate(**lengths).values())


def _late(at: datetime) -> list[int]:
    """How many loans are overdue for each of LATE."""
    spans = {
        f"n{number}": Count(
            "pk",
            filter=Q(due_at__lt=at - timedelta(days=low)) & (Q(due_at__gte=at - timedelta(days=high)) if high else Q()),
        )
        for number, (low, high) in enumerate(LATE)
    }
    return list(Loan.objects.overdue(at).aggregate(**spans).values())


def _turnover(at: datetime) -> list[Figures]:
    """Loans of the last thirty days per copy, of the categories that are lent most."""
    recent = Loan.objects.filter(lent_at__gte=at - timedelta(days=DAYS)).order_by()
    loans = dict(recent.values_list("book__category").annotate(n=Count("pk")).order_by("-n")[:CATEGORIES])
    copies = cache.read("holdings", "holdings", _holdings)
    if loans.keys() - copies.keys():  # lent of what is new
        cache.forget(["holdings"])
        copies = cache.read("holdings", "holdings", _holdings)
    return [
        {"category": name, "loans": n, "copies": copies.get(name, 0), "turnover": round(n / (copies.get(name) or n), 2)}
        for name, n in loans.items()
    ]


def _holdings() -> dict[str, int]:
    """Copies by category of their titles. Of all, so it is kept for an hour."""
    there = Copy.objects.exclude(status__in=GONE).order_by()
    return dict(there.values_list("book__category").annotate(n=Count("pk")))
