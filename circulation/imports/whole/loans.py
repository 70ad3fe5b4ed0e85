"""Open loans, as they were made elsewhere: rules of this library do not judge them. Loans that ended are left out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count

from circulation.imports import fields as values
from circulation.imports.columns import LOAN, Columns
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from circulation.imports.whole.references import Reference, References, member_in, naming_what_is_gone
from circulation.models import Loan
from events.models import Event
from events.operations import operation
from events.recording import event, record
from library import locks
from library.models import Book, Copy, LoanPolicy, Member
from library.policies import policy_for

# What the event of each such loan says was overridden.
OVERRIDDEN = {"codes": ["LOAN_LIMIT_REACHED"], "reason": "lent before this library was imported"}


@dataclass(frozen=True)
class LoanRecord:
    row: Row
    barcode: str
    member: Reference
    lent_at: datetime
    due_at: datetime
    renewals: int
    has_ended: bool
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Hashable:
        return (self.barcode, self.lent_at)


class Loans(Kind[LoanRecord, Loan | None]):
    """`zone` is that of moments which name none."""

    table = "loans"
    touches_others = True  # members and titles of before

    def __init__(self, references: References, *, zone: ZoneInfo) -> None:
        self._references, self._zone = references, zone
        self._columns = Columns(LOAN)

    def parse(self, row: Row) -> LoanRecord:
        given = self._columns[row]
        for name in ("barcode", "lent_at", "due_at"):
            if name not in given:
                raise RowError(f"There is no {name}.")
        lent_at = values.moment("lent_at", given["lent_at"], zone=self._zone)
        due_at = values.moment("due_at", given["due_at"], zone=self._zone)
        if due_at < lent_at:
            raise RowError("due_at lies before lent_at.")
        return LoanRecord(
            row,
            values.words("barcode", given["barcode"], longest=64).strip(),
            member_in(given),
            lent_at,
            due_at,
            values.whole_number("renewals", given.get("renewals", 0), lowest=0, highest=1000),
            has_ended="returned_at" in given,
        )

    def shown(self, record: LoanRecord) -> str:
        return f"The loan of {record.barcode}"

    def known(self, records: Sequence[LoanRecord]) -> Mapping[Hashable, Loan | None]:
        loans = Loan.objects.filter(copy__barcode__in=[record.barcode for record in records]).select_related("copy")
        by_key: dict[Hashable, Loan | None] = {(loan.copy.barcode, loan.lent_at): loan for loan in loans}
        ended: dict[Hashable, Loan | None] = {record.key: None for record in records if record.has_ended}
        return ended | {record.key: by_key[record.key] for record in records if record.key in by_key}

    def add(self, records: Sequence[LoanRecord], *, at: datetime) -> Sequence[str]:
        books = self._references.titles_of_copies(record.barcode for record in records)
        members = self._references.members(record.member for record in records)
        ready = [_Lending(record, members[record.member], books[record.barcode]) for record in records]
        with naming_what_is_gone():
            _lend(ready)
        return [""] * len(records)

    def revise(self, record: LoanRecord, known: Loan | None, *, at: datetime) -> Taken:
        return Taken("left out" if known is None else "unchanged")


@dataclass(frozen=True)
class _Lending:
    record: LoanRecord
    member_id: int
    book_id: int


@operation
def _lend(lendings: Sequence[_Lending]) -> None:
    """Raises MemberNotFound, BookNotFound, and RowError for a copy that is not there to be lent."""
    members = locks.lock_members(lending.member_id for lending in lendings)
    books = locks.lock_books(lending.book_id for lending in lendings)
    barcodes = [lending.record.barcode for lending in lendings]
    copies = {copy.barcode: copy for copy in Copy.objects.filter(barcode__in=barcodes)}
    active = Loan.objects.active().filter(member__in=members)
    open_loans = dict(active.values_list("member").annotate(Count("pk")).order_by())
    taken = set(active.values_list("member", "book"))

    @cache
    def terms(member_category: int, book_category: str) -> LoanPolicy:
        return policy_for(Member(category_id=member_category), Book(category=book_category))

    loans: list[Loan] = []
    facts: list[dict[str, Any]] = []  # of each check-out
    for lending in lendings:
        copy, member, book = copies[lending.record.barcode], members[lending.member_id], books[lending.book_id]
        if not copy.is_available:
            raise RowError(f"Copy {copy.barcode} is {copy.get_status_display().lower()} here.")
        if (member.pk, book.pk) in taken:
            raise RowError(f"{member} has another copy of “{book}” on loan: one at a time is possible.")
        taken.add((member.pk, book.pk))
        copy.move(Copy.Status.ON_LOAN, holder=member, due_at=lending.record.due_at)
        count = open_loans.get(member.pk, 0)
        facts.append({"open": count, "limit": terms(member.category_id, book.category).max_loans})
        open_loans[member.pk] = count + 1
        loans.append(
            Loan(
                book=book,
                copy=copy,
                member=member,
                lent_at=lending.record.lent_at,
                due_at=lending.record.due_at,
                renewals=lending.record.renewals,
            )
        )
    Loan.objects.bulk_create(loans)
    record(
        *(
            event(
                Event.Kind.CHECKOUT,
                at=loan.lent_at,
                book_id=loan.book_id,
                copy_id=loan.copy_id,
                member_id=loan.member_id,
                loan_id=loan.pk,
                barcode=loan.copy.barcode,
                due_at=loan.due_at.isoformat(),
                override=OVERRIDDEN,
                retold="import",
                **fact,
            )
            for loan, fact in zip(loans, facts, strict=True)
        )
    )
