"""What a check-out and a return must know, each asked in one statement after the locks are held.

SQL rather than the ORM: separate questions would cost as many round trips on the desk's hottest path, and building
each of them several times what asking it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from circulation.models import Loan
from library.models import Book, Branch, Copy, LoanPolicy, Member, written_columns
from library.rows import columns, taken

_FACTS = """
WITH own AS (  -- the member's own reservation, and the place it gives: none once its date has passed
    SELECT id, status, priority, placed_at, needed_by, branch_id
    FROM reservations_reservation
    WHERE book_id = %(book)s AND member_id = %(member)s AND status IN ('waiting', 'suspended', 'ready')
), place AS (
    SELECT priority, placed_at, id FROM own WHERE status = 'ready' OR needed_by IS NULL OR needed_by >= %(at)s
), eligible AS (  -- as ReservationQuerySet.eligible
    SELECT r.id, r.priority, r.placed_at
    FROM reservations_reservation r JOIN library_member m ON m.id = r.member_id
    WHERE r.book_id = %(book)s AND r.status = 'waiting' AND r.copy_id IS NULL AND r.member_id <> %(member)s
      AND (r.needed_by IS NULL OR r.needed_by >= %(at)s)
      AND m.blocked_reason = '' AND (m.expires_on IS NULL OR m.expires_on >= %(today)s)
), policy AS (  -- as library.policies.candidates
    SELECT loan_days, max_loans, max_renewals, max_reservations, shelf_days, lend_while_overdue
    FROM library_loanpolicy
    WHERE (member_category_id IS NULL OR member_category_id = %(category)s)
      AND (book_category = '' OR book_category = %(book_category)s)
    ORDER BY member_category_id NULLS LAST, book_category DESC
    LIMIT 1
), chosen AS (  -- the copy asked for; else the one set aside for the member; else the first that is free
    SELECT c.id, c.barcode, c.status, c.holder_id, c.due_at, c.branch_id
    FROM library_copy c
    WHERE c.book_id = %(book)s
      AND (c.barcode = %(barcode)s
           OR %(barcode)s::text IS NULL
              AND (c.status = 'available' AND (c.branch_id = %(branch)s OR %(branch)s::bigint IS NULL)
                   OR c.status = 'on_hold_shelf' AND c.holder_id = %(member)s
                      AND ((SELECT branch_id FROM own) = %(branch)s OR %(branch)s::bigint IS NULL)))
    ORDER BY c.status = 'on_hold_shelf' DESC, c.id
    LIMIT 1
), loans AS (
    SELECT count(*) AS open, count(*) FILTER (WHERE due_at < %(at)s) AS overdue,
           count(*) FILTER (WHERE book_id = %(book)s) AS of_title
    FROM circulation_loan
    WHERE member_id = %(member)s AND returned_at IS NULL
)
SELECT loans.*,
       (SELECT count(*) FROM library_copy WHERE book_id = %(book)s AND status = 'available') AS available,
       (SELECT count(*) FROM eligible) AS waiting,
       (SELECT count(*) FROM eligible
        WHERE NOT EXISTS (SELECT FROM place)
           OR (priority, placed_at, id) < (SELECT priority, placed_at, id FROM place)) AS ahead,
       own.id AS own_id, own.status = 'ready' AS own_ready,
       chosen.id AS copy_id, chosen.barcode, chosen.status AS copy_status, chosen.holder_id, chosen.due_at,
       branch.id AS branch_id, branch.name AS branch_name, branch.time_zone, branch.closing_times, branch.closed_on,
       policy.*
FROM loans
LEFT JOIN own ON true
LEFT JOIN policy ON true
LEFT JOIN chosen ON true
LEFT JOIN library_branch branch ON branch.id = chosen.branch_id
"""

_LOAN, _ITEM, _BRANCH, _MEMBER = map(written_columns, (Loan, Copy, Branch, Member))
_OPEN_LOAN = f"""
SELECT EXISTS (  -- as ReservationQuerySet.eligible
           SELECT FROM reservations_reservation r JOIN library_member m ON m.id = r.member_id
           WHERE r.book_id = %(book)s AND r.status = 'waiting' AND r.copy_id IS NULL
             AND (r.needed_by IS NULL OR r.needed_by >= %(at)s)
             AND m.blocked_reason = '' AND (m.expires_on IS NULL OR m.expires_on >= %(today)s)
       ), loan.id IS NOT NULL,
       {columns(copy=_ITEM, branch=_BRANCH, loan=_LOAN, member=_MEMBER)}
FROM library_copy copy
JOIN library_branch branch ON branch.id = copy.branch_id
LEFT JOIN circulation_loan loan ON loan.copy_id = copy.id AND loan.returned_at IS NULL
LEFT JOIN library_member member ON member.id = loan.member_id
WHERE copy.book_id = %(book)s AND """
# One statement for each way to name the loan: a single one with three alternatives could use no index.
_BY_BARCODE = _OPEN_LOAN + "copy.barcode = %(named)s"
_BY_LOAN = _OPEN_LOAN + "loan.id = %(named)s"
_BY_MEMBER = _OPEN_LOAN + "loan.book_id = %(book)s AND loan.member_id = %(named)s"


@dataclass(frozen=True)
class LoanFacts:
    """A copy and its open loan, as of after the lock of their title was obtained."""

    copy: Copy | None
    loan: Loan | None
    has_line: bool  # somebody eligible waits for the title


@dataclass(frozen=True)
class Facts:
    """The state of a member, a title and a copy, as of after their locks were obtained."""

    policy: LoanPolicy
    open_loans: int
    overdue_loans: int
    has_title: bool
    available: int
    waiting: int  # eligible reservations of others
    ahead: int  # those of them that go before this member
    reservation_id: int | None
    holds_copy: bool  # a copy is set aside for this member
    copy: Copy | None

    @property
    def is_free(self) -> bool:
        """Whether an available copy may be taken: there are more of them than people ahead."""
        return self.available > self.ahead


def facts_for(
    member: Member, book: Book, *, at: datetime, barcode: str | None = None, branch: Branch | None = None
) -> Facts:
    """Ask everything that decides whether this member may take this title, or this very copy of it, now.

    With a branch, only copies that stand there are chosen from.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS,
            {
                "member": member.pk,
                "book": book.pk,
                "category": member.category_id,
                "book_category": book.category,
                "barcode": barcode,
                "branch": None if branch is None else branch.pk,
                "at": at,
                "today": timezone.localdate(at),
            },
        )
        names = [column.name for column in cursor.description]
        row: dict[str, Any] = dict(zip(names, cursor.fetchone(), strict=True))
    return Facts(
        policy=_policy(row),
        open_loans=row["open"],
        overdue_loans=row["overdue"],
        has_title=bool(row["of_title"]),
        available=row["available"],
        waiting=row["waiting"],
        ahead=row["ahead"],
        reservation_id=row["own_id"],
        holds_copy=bool(row["own_ready"]),
        copy=_copy(row, book),
    )


def open_loan(
    book: Book, *, at: datetime, barcode: str | None = None, loan_id: int | None = None, member_id: int | None = None
) -> LoanFacts:
    """The open loan of a copy with this barcode, of this id, or of this member; of this title in any case.

    Only a barcode finds a copy without one.
    """
    named: str | int | None
    if barcode is not None:
        statement, named = _BY_BARCODE, barcode
    elif loan_id is not None:
        statement, named = _BY_LOAN, loan_id
    else:
        statement, named = _BY_MEMBER, member_id
    with connection.cursor() as cursor:
        cursor.execute(statement, {"book": book.pk, "at": at, "today": timezone.localdate(at), "named": named})
        row = cursor.fetchone()
    if row is None:
        return LoanFacts(None, None, False)
    has_line, is_lent, *values = row
    copy, branch = taken(Copy, _ITEM, values), taken(Branch, _BRANCH, values)
    loan, member = taken(Loan, _LOAN, values), taken(Member, _MEMBER, values)
    copy.book, copy.branch = book, branch
    if not is_lent:
        return LoanFacts(copy, None, has_line)
    loan.book, loan.copy, loan.member = book, copy, member
    return LoanFacts(copy, loan, has_line)


def _policy(row: dict[str, Any]) -> LoanPolicy:
    if row["loan_days"] is None:
        return LoanPolicy()
    terms = ("loan_days", "max_loans", "max_renewals", "max_reservations", "shelf_days", "lend_while_overdue")
    return LoanPolicy(**{name: row[name] for name in terms})


def _copy(row: dict[str, Any], book: Book) -> Copy | None:
    if row["copy_id"] is None:
        return None
    names = ["id", "book_id", "barcode", "branch_id", "status", "holder_id", "due_at"]
    values = [
        row["copy_id"],
        book.pk,
        row["barcode"],
        row["branch_id"],
        row["copy_status"],
        row["holder_id"],
        row["due_at"],
    ]
    copy = Copy.from_db("default", names, values)
    copy.book = book
    copy.branch = Branch.from_db(
        "default",
        ["id", "name", "time_zone", "closing_times", "closed_on"],
        [row["branch_id"], row["branch_name"], row["time_zone"], row["closing_times"], row["closed_on"]],
    )
    return copy
