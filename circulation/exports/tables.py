"""What a library consists of, table by table: as it stands at one moment, by names that an import knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Lower

from circulation.models import Loan
from library.models import Book, Branch, Copy, LoanPolicy, Member
from reservations.models import Reservation

Row = Mapping[str, Any]

TITLE_FIELDS = (
    "title", "authors", "isbn", "publisher", "category", "language", "published_year", "in_circulation", "source",
    "source_id",
)  # fmt: skip
_POLICY_FIELDS = (
    "book_category", "loan_days", "max_loans", "max_renewals", "max_reservations", "shelf_days", "lend_while_overdue",
)  # fmt: skip
_MANY = 2000  # rows fetched at a time


def branches() -> Iterator[Row]:
    for branch in Branch.objects.order_by(Lower("name")):
        times = ("-" if closing is None else closing.isoformat() for closing in branch.closing_times)
        days = (day.isoformat() for day in branch.closed_on)
        yield {
            "name": branch.name,
            "time_zone": branch.time_zone,
            "closing_times": " ".join(times),
            "closed_on": " ".join(days),
        }


def policies() -> Iterator[Row]:
    own = {name: name for name in _POLICY_FIELDS}
    yield from _rows(LoanPolicy.objects.order_by("pk"), member_category="member_category__name", **own)


def titles() -> Iterator[Row]:
    """Those that the library still has."""
    own = {name: name for name in TITLE_FIELDS}
    yield from _rows(Book.objects.held().order_by("pk"), circdesk_id="pk", **own)


def copies(*, by_title: bool = False) -> Iterator[Row]:
    """In any state: a withdrawn copy's barcode must not be given again."""
    yield from _rows(
        Copy.objects.filter(book__withdrawn_at=None).order_by(*["book_id"] * by_title, "pk"),
        barcode="barcode",
        circdesk_book_id="book_id",
        branch="branch__name",
        status="status",
    )


def members() -> Iterator[Row]:
    own = (
        "card_number", "first_name", "last_name", "email", "expires_on", "blocked_reason", "source", "source_id",
    )  # fmt: skip
    yield from _rows(
        Member.objects.order_by("pk"),
        circdesk_id="pk",
        **{name: name for name in own},
        category="category__name",
        branch="branch__name",
    )


def loans() -> Iterator[Row]:
    """Those that are open."""
    yield from _rows(
        Loan.objects.active().order_by("pk"),
        barcode="copy__barcode",
        card_number="member__card_number",
        lent_at="lent_at",
        due_at="due_at",
        renewals="renewals",
    )


def reservations() -> Iterator[Row]:
    """Those that are live, in the order in which they were made."""
    yield from _rows(
        Reservation.objects.live().order_by("pk"),
        circdesk_book_id="book_id",
        card_number="member__card_number",
        placed_at="placed_at",
        status="status",
        priority="priority",
        needed_by="needed_by",
        branch="branch__name",
        barcode="copy__barcode",
        shelf_until="shelf_until",
    )


TABLES: Mapping[str, tuple[Callable[[], Iterator[Row]], Callable[[], QuerySet[Any]]]] = {
    "branches": (branches, Branch.objects.all),
    "policies": (policies, LoanPolicy.objects.all),
    "titles": (titles, Book.objects.held),
    "copies": (copies, lambda: Copy.objects.filter(book__withdrawn_at=None)),
    "members": (members, Member.objects.all),
    "loans": (loans, Loan.objects.active),
    "reservations": (reservations, Reservation.objects.live),
}


def _rows(records: QuerySet[Any], **columns: str) -> Iterator[Row]:
    for values in records.values_list(*columns.values()).iterator(chunk_size=_MANY):
        yield dict(zip(columns, values, strict=True))
