"""What a check-out and a return change: copy, loan and event, in one statement each.

SQL rather than the ORM, on the desk's hottest path: three statements would be two more round trips, and the ORM takes
longer to build each of them than PostgreSQL takes to carry out all three.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from circulation.models import Loan
from events.models import Event
from events.recording import announce
from events.statements import parameters_of, with_event
from library.models import Copy

_LEND = with_event(
    """
WITH copy AS (
    UPDATE library_copy SET status = %(status)s, holder_id = %(member)s, due_at = %(due_at)s WHERE id = %(copy)s
), loan AS (
    INSERT INTO circulation_loan (book_id, copy_id, member_id, lent_at, due_at, renewals)
    VALUES (%(book)s, %(copy)s, %(member)s, %(at)s, %(due_at)s, 0)
    RETURNING id
)""",
    changed="loan",
    loan_id="loan.id",
    returning="id, loan_id",
)
_TAKE_BACK = with_event(
    """
WITH copy AS (
    UPDATE library_copy SET status = %(status)s, holder_id = NULL, due_at = NULL WHERE id = %(copy)s
), loan AS (
    UPDATE circulation_loan SET returned_at = %(at)s WHERE id = %(loan)s
    RETURNING id
)""",
    changed="loan",
    returning="id, loan_id",
)


def write_lending(loan: Loan, copy: Copy, told: Event) -> None:
    """A new loan of a copy that was handed over, and the event that tells of it. Both get their ids."""
    loan.pk = _write(_LEND, copy, told, due_at=loan.due_at)
    loan._state.adding, loan._state.db = False, copy._state.db


def write_return(loan: Loan, copy: Copy, told: Event) -> None:
    """A loan that ended, with its copy, and the event that tells of it."""
    _write(_TAKE_BACK, copy, told)


def _write(statement: str, copy: Copy, told: Event, **more: datetime) -> int:
    """Returns the id of the loan."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {**parameters_of(told), "status": copy.status, **more})
        told.pk, loan_id = cursor.fetchone()
    told.loan_id = loan_id
    announce(told)
    found: int = loan_id
    return found
