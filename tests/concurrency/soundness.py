"""What must hold whenever nothing is running."""

from django.db import connection

_BREACHES = {
    "on loan without an open loan, or the other way": """
        SELECT c.barcode FROM library_copy c
        WHERE (c.status = 'on_loan') <> EXISTS (
            SELECT FROM circulation_loan l WHERE l.copy_id = c.id AND l.returned_at IS NULL
              AND l.member_id = c.holder_id AND l.due_at = c.due_at)
    """,
    "open loan of a copy that is not on loan": """
        SELECT l.id FROM circulation_loan l JOIN library_copy c ON c.id = l.copy_id
        WHERE l.returned_at IS NULL AND c.status <> 'on_loan'
    """,
    "on the hold shelf without a ready reservation, or the other way": """
        SELECT c.barcode FROM library_copy c
        WHERE (c.status = 'on_hold_shelf') <> EXISTS (
            SELECT FROM reservations_reservation r WHERE r.copy_id = c.id AND r.status = 'ready'
              AND r.member_id = c.holder_id)
    """,
    "stranded beside a free copy": """
        SELECT r.id FROM reservations_reservation r
        JOIN library_member m ON m.id = r.member_id JOIN library_book b ON b.id = r.book_id
        WHERE r.status = 'waiting' AND r.needed_by IS NULL AND m.blocked_reason = '' AND m.expires_on IS NULL
          AND b.in_circulation AND EXISTS (
            SELECT FROM library_copy c WHERE c.book_id = r.book_id AND c.status = 'available')
    """,
    "live reservation or open loan of a withdrawn title": """
        SELECT b.id FROM library_book b WHERE b.withdrawn_at IS NOT NULL AND (
            EXISTS (SELECT FROM reservations_reservation r WHERE r.book_id = b.id AND r.closed_at IS NULL)
            OR EXISTS (SELECT FROM circulation_loan l WHERE l.book_id = b.id AND l.returned_at IS NULL))
    """,
    "loan and its events do not match": """
        SELECT l.id FROM circulation_loan l
        WHERE (SELECT count(*) FROM events_event e WHERE e.loan_id = l.id AND e.kind = 'checkout') <> 1
           OR (SELECT count(*) FROM events_event e WHERE e.loan_id = l.id AND e.kind IN ('return', 'lost'))
              <> CASE WHEN l.returned_at IS NULL THEN 0 ELSE 1 END
    """,
    "loan at or above the limit": """
        SELECT id FROM events_event WHERE kind = 'checkout' AND NOT payload ? 'override'
          AND (payload->>'open')::int >= (payload->>'limit')::int
    """,
}


def breaches() -> dict[str, list]:
    """The invariants that do not hold, with the rows that break them."""
    with connection.cursor() as cursor:
        found = {}
        for name, sql in _BREACHES.items():
            cursor.execute(sql)
            if rows := [value for (value,) in cursor.fetchall()]:
                found[name] = rows
        return found
