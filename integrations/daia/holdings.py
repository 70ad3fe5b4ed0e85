"""Where the copies of titles are, and how many people wait for each title: in two statements, however many titles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from library.models import Book, Copy
from reservations.models import Reservation, ReservationQuerySet

MOST = 1000  # copies of a title that are shown, those on the shelf first

# What the library has, as reservations.availability counts it in `total`.
_NOT_HERE = [Copy.Status.LOST, Copy.Status.MISSING, Copy.Status.WITHDRAWN]


@dataclass(frozen=True)
class Holdings:
    """A title with its copies, those on the shelf first."""

    book: Book
    copies: list[Copy]
    waiting: int  # in the line, as reservations.availability counts them
    free: int  # copies on the shelf that nobody waits for: whoever comes may borrow so many

    @property
    def lendable(self) -> set[int]:
        """The ids of the copies that whoever comes may borrow."""
        return {copy.pk for copy in self.copies[: self.free]}


def holdings(book_ids: Iterable[int], *, at: datetime) -> dict[int, Holdings]:
    """Those of the titles that the library still has."""
    waiting = Reservation.objects.filter(book=OuterRef("pk"), status=Reservation.Status.WAITING)
    eligible = Reservation.objects.eligible(OuterRef("pk"), at, timezone.localdate(at))
    books = list(
        Book.objects.held().filter(pk__in=set(book_ids)).annotate(waiting=_number(waiting), eligible=_number(eligible))
    )
    copies = _copies(books)
    found = {}
    for book in books:
        here = copies.get(book.pk, [])
        on_shelf: int = here[0].on_shelf if here and book.in_circulation else 0  # type: ignore[attr-defined]
        numbers: tuple[int, int] = (book.waiting, book.eligible)  # type: ignore[attr-defined]
        found[book.pk] = Holdings(book, here, waiting=numbers[0], free=max(0, on_shelf - numbers[1]))
    return found


def _number(line: ReservationQuerySet) -> Coalesce:
    return Coalesce(Subquery(line.order_by().values("book").annotate(n=Count("pk")).values("n")), 0)


def _copies(books: list[Book]) -> dict[int, list[Copy]]:
    """The copies of each title, as the library numbered them; and with each, how many of its title are on the shelf."""
    on_shelf = Q(status=Copy.Status.AVAILABLE)
    rows = (
        Copy.objects.filter(book__in=books)
        .exclude(status__in=_NOT_HERE)
        .annotate(is_on_shelf=on_shelf)
        .annotate(
            on_shelf=Window(Count("pk", filter=on_shelf), partition_by=F("book")),
            place=Window(RowNumber(), partition_by=F("book"), order_by=[F("is_on_shelf").desc(), F("pk").asc()]),
        )
        .filter(place__lte=MOST)
        .select_related("branch")
        .order_by("book", "place")
    )
    found: dict[int, list[Copy]] = defaultdict(list)
    for copy in rows:
        found[copy.book_id].append(copy)
    return found
