"""What setting a copy aside changes: the copy, the place in the line and the event, in one statement.

SQL rather than the ORM, for the same reason as in circulation/writing.py: a return into a line does this each time.
"""

from __future__ import annotations

from django.db import connection

from events.models import Event
from events.recording import announce
from events.statements import parameters_of, with_event
from library.models import Copy
from reservations.models import Reservation

_SET_ASIDE = with_event(
    """
WITH copy AS (
    UPDATE library_copy SET status = %(copy_status)s, holder_id = %(member)s, due_at = NULL WHERE id = %(copy)s
), place AS (
    UPDATE reservations_reservation
    SET status = %(status)s, copy_id = %(copy)s, shelf_until = %(shelf_until)s, to_pull = %(to_pull)s, closed_at = NULL
    WHERE id = %(reservation)s
    RETURNING id
)""",
    changed="place",
)


def write_hold(reservation: Reservation, copy: Copy, told: Event) -> None:
    """A copy that is set aside for a reservation, and the event that tells of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SET_ASIDE,
            {
                **parameters_of(told),
                "copy_status": copy.status,
                "status": reservation.status,
                "shelf_until": reservation.shelf_until,
                "to_pull": reservation.to_pull,
            },
        )
        [told.pk] = cursor.fetchone()
    announce(told)
