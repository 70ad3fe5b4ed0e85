"""What settling must know of a title, asked in one statement.

SQL rather than the ORM: a return into a line asks it each time, and building three queries took 6 of its 11 ms of CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from library.models import Book, Branch, Copy, LoanPolicy, Member, written_columns
from library.rows import columns, taken
from reservations.models import Reservation

_COPY, _BRANCH, _RESERVATION, _MEMBER = map(written_columns, (Copy, Branch, Reservation, Member))
_PAIRS = f"""
WITH free AS (
    SELECT *, row_number() OVER (ORDER BY id) AS place
    FROM library_copy WHERE book_id = %(book)s AND status = 'available'
    ORDER BY id LIMIT %(most)s
), head AS (  -- as ReservationQuerySet.eligible
    SELECT r.*, row_number() OVER (ORDER BY r.priority, r.placed_at, r.id) AS place
    FROM reservations_reservation r JOIN library_member m ON m.id = r.member_id
    WHERE r.book_id = %(book)s AND r.status = 'waiting' AND r.copy_id IS NULL
      AND (r.needed_by IS NULL OR r.needed_by >= %(at)s)
      AND m.blocked_reason = '' AND (m.expires_on IS NULL OR m.expires_on >= %(today)s)
    ORDER BY r.priority, r.placed_at, r.id LIMIT (SELECT count(*) FROM free)
)
SELECT {columns(free=_COPY, home=_BRANCH)}, policy.shelf_days, head.id IS NOT NULL,
       {columns(head=_RESERVATION, member=_MEMBER, desk=_BRANCH)}
FROM free
JOIN library_branch home ON home.id = free.branch_id
LEFT JOIN head ON head.place = free.place
LEFT JOIN library_member member ON member.id = head.member_id
LEFT JOIN library_branch desk ON desk.id = head.branch_id
LEFT JOIN LATERAL (  -- as library.policies.candidates
    SELECT shelf_days FROM library_loanpolicy
    WHERE (member_category_id IS NULL OR member_category_id = member.category_id)
      AND (book_category = '' OR book_category = %(category)s)
    ORDER BY member_category_id NULLS LAST, book_category DESC
    LIMIT 1
) policy ON head.id IS NOT NULL
ORDER BY free.place
"""


@dataclass(frozen=True)
class Head:
    """Somebody who is first in line, and how many days their policy keeps a copy for them."""

    reservation: Reservation
    shelf_days: int


def free_and_first(book: Book, *, at: datetime, most: int) -> tuple[list[Copy], list[Head]]:
    """The free copies of a title, by id, and as many of those who could be given one, in the line's order."""
    today = timezone.localdate(at)
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS, {"book": book.pk, "category": book.category, "at": at, "today": today, "most": most})
        rows = cursor.fetchall()
    copies, heads = list[Copy](), list[Head]()
    for row in rows:
        values = list(row)
        copy = taken(Copy, _COPY, values)
        copy.book, copy.branch = book, taken(Branch, _BRANCH, values)
        copies.append(copy)
        shelf_days, is_waited_for = values[:2]
        del values[:2]
        if is_waited_for:
            reservation = taken(Reservation, _RESERVATION, values)
            reservation.book, reservation.member = book, taken(Member, _MEMBER, values)
            reservation.branch = taken(Branch, _BRANCH, values)
            heads.append(Head(reservation, LoanPolicy().shelf_days if shelf_days is None else shelf_days))
    return copies, heads
