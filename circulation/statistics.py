"""Figures of the desk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate

from circulation.models import Loan
from library.models import Book, Copy
from reservations.models import Reservation

DAYS = 30
TOP = 10


def statistics(*, at: datetime) -> dict[str, Any]:
    """Loans and returns of the last 30 days, by day in the library's time zone, and how things stand now.

    `turnover` is the number of loans in that time per copy.
    """
    since = at - timedelta(days=DAYS)
    lent = _by_day("lent_at", since)
    returned = _by_day("returned_at", since)
    recent = Loan.objects.filter(lent_at__gte=since)
    copies = Copy.objects.exclude(status=Copy.Status.WITHDRAWN).count()
    loans = recent.count()
    waiting = Reservation.objects.filter(status=Reservation.Status.WAITING)
    return {
        "as_of": at,
        "since": since,
        "days": [
            {"day": day, "loans": lent.get(day, 0), "returns": returned.get(day, 0)}
            for day in sorted({*lent, *returned})
        ],
        "top_titles": _most(recent, "loans"),
        "longest_lines": _most(waiting, "waiting"),
        "titles": Book.objects.held().count(),
        "copies": copies,
        "open_loans": Loan.objects.active().count(),
        "overdue": Loan.objects.overdue(at).count(),
        "waiting": waiting.count(),
        "ready": Reservation.objects.filter(status=Reservation.Status.READY).count(),
        "turnover": round(loans / copies, 3) if copies else 0.0,
    }


def _most(rows: QuerySet[Any], name: str) -> list[dict[str, Any]]:
    """The titles of most of these rows, and how many there are of each. Only theirs are looked up."""
    most = dict(rows.values_list("book_id").annotate(n=Count("pk")).order_by("-n", "book_id")[:TOP])
    titles = dict(Book.objects.filter(pk__in=most).values_list("pk", "title"))
    return [{"book_id": book_id, "title": titles[book_id], name: n} for book_id, n in most.items()]


def _by_day(field: str, since: datetime) -> dict[Any, int]:
    rows = Loan.objects.filter(Q(**{f"{field}__gte": since})).values(day=TruncDate(field)).annotate(n=Count("pk"))
    return {row["day"]: row["n"] for row in rows.order_by("day")}
