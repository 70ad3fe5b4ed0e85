"""What must hold whenever nothing is in progress, checked in the database: `broken()` names whatever does not.

Everything is asked in sets, so a library of some hundred thousand rows takes seconds. What once happened is judged
by the events in the order of their ids: those of a title were recorded under its lock and those of a member's
check-outs under the member's, so that is the order in which they took effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from circulation.housekeeping import stranded
from events.models import Event
from events.recording import is_ours

INVARIANTS = {
    1: "A copy is on loan exactly when it has an open loan, on the hold shelf exactly when it is set aside, and in "
    "transit while it is sent to somebody.",
    2: "Nobody who could be served waits beside an available copy.",
    3: "A check-out takes an available copy only if there are more of them than people ahead in the line.",
    4: "No loan was made at or above the limit then in force unless overridden, and nobody has two copies of a title.",
    5: "The events replay to the present state.",
    6: "Every change has its event, and the events of a title are published in order.",
}


@dataclass(frozen=True)
class Check:
    """One way to break an invariant: a query for the ids of what breaks it, and what these are."""

    invariant: int
    problem: str
    query: str


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold: in what way, and the ids of what breaks it."""

    invariant: int
    problem: str
    ids: tuple[int, ...]


def broken(*, at: datetime | None = None) -> list[Violation]:
    """Every violation, by invariant; an empty list for a sound library. `at` is now unless given.

    After a member was unblocked or renewed, the second invariant may be broken until the next sweep.
    """
    with _through_whole_tables():
        is_desk = is_ours(Event.Kind.CHECKOUT)
        checks = CHECKS if is_desk else AT_ADMIN
        found = [Violation(check.invariant, check.problem, ids) for check in checks if (ids := _ids(check))]
        if is_desk and (titles := stranded(at=at or timezone.now())):
            found.append(Violation(2, "titles with somebody waiting beside an available copy", tuple(titles)))
    return sorted(found, key=lambda violation: violation.invariant)


@contextmanager
def _through_whole_tables() -> Iterator[None]:
    """No row by row comparisons: after a large import PostgreSQL may still believe that the tables are small.

    For this transaction only: behind PgBouncer the session is somebody else's in the next moment.
    """
    with transaction.atomic():
        _row_by_row("off")
        yield
        _row_by_row("DEFAULT")


def _row_by_row(setting: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL enable_nestloop TO {setting}")


def _ids(check: Check) -> tuple[int, ...]:
    with connection.cursor() as cursor:
        cursor.execute(check.query, {"time_zone": settings.TIME_ZONE})
        return tuple(row[0] for row in cursor.fetchall())


# --- Now -------------------------------------------------------------------------------------------------

_OPEN_LOANS = "library_copy c LEFT JOIN circulation_loan l ON l.copy_id = c.id AND l.returned_at IS NULL"
_HOLDS = "library_copy c LEFT JOIN reservations_reservation r ON r.copy_id = c.id AND r.status = 'ready'"

_STATE = (
    Check(
        1,
        "copies on loan without an open loan, or the other way round",
        f"SELECT c.id FROM {_OPEN_LOANS} WHERE (c.status = 'on_loan') <> (l.id IS NOT NULL) ORDER BY 1",
    ),
    Check(
        1,
        "copies whose holder, due date or title is not that of their loan",
        f"""
        SELECT c.id FROM {_OPEN_LOANS}
        WHERE c.status = 'on_loan' AND (c.holder_id, c.due_at, c.book_id) <> (l.member_id, l.due_at, l.book_id)
        ORDER BY 1
        """,
    ),
    Check(
        1,
        "copies on the hold shelf without a ready reservation, or the other way round",
        f"SELECT c.id FROM {_HOLDS} WHERE (c.status = 'on_hold_shelf') <> (r.id IS NOT NULL) ORDER BY 1",
    ),
    Check(
        1,
        "copies that were sent to somebody and are not in transit, or of another title",
        """
        SELECT c.id FROM reservations_reservation r JOIN library_copy c ON c.id = r.copy_id
        WHERE r.status = 'waiting' AND (c.status <> 'in_transit' OR c.book_id <> r.book_id)
        ORDER BY 1
        """,
    ),
    Check(
        1,
        "copies whose holder or title is not that of the reservation they are set aside for",
        f"""
        SELECT c.id FROM {_HOLDS}
        WHERE c.status = 'on_hold_shelf' AND (c.holder_id, c.book_id) <> (r.member_id, r.book_id)
        ORDER BY 1
        """,
    ),
)

# --- What once happened ----------------------------------------------------------------------------------

# The states of copies one after another. A copy that fails on the hold shelf is recorded as lost, say, and then
# its reservation as released: that release brings nothing back.
_COPY_STATES = """
    steps AS (
        SELECT *, lag(kind) OVER (PARTITION BY copy_id ORDER BY id) AS before
        FROM events_event
        WHERE copy_id IS NOT NULL AND kind IN ('copy.added', 'return', 'found', 'repaired', 'release', 'hold',
                                               'checkout', 'lost', 'missing', 'damaged', 'withdrawn',
                                               'transit', 'receive')
    ), copy_states AS (
        SELECT id, book_id, copy_id, member_id, loan_id, reservation_id, kind, occurred_at,
               CASE WHEN kind = 'checkout' THEN 'on_loan'
                    WHEN kind = 'hold' THEN 'on_hold_shelf'
                    WHEN kind = 'transit' THEN 'in_transit'
                    WHEN kind IN ('lost', 'missing', 'damaged', 'withdrawn') THEN kind
                    ELSE 'available' END AS state,
               lag(id) OVER copy AS before_id, lag(kind) OVER copy AS before_kind,
               lag(member_id) OVER copy AS before_member_id, lead(id) OVER copy AS until
        FROM steps WHERE kind <> 'release' OR before = 'hold'
        WINDOW copy AS (PARTITION BY copy_id ORDER BY id)
    )
"""
_RESERVATION_STATES = """
    reservation_states AS (
        SELECT id, book_id, member_id, reservation_id, kind,
               CASE WHEN kind IN ('reserve', 'resume', 'release') THEN 'waiting'
                    WHEN kind = 'hold' THEN 'ready'
                    WHEN kind = 'transit' THEN 'sent for'
                    WHEN kind = 'suspend' THEN 'suspended'
                    WHEN kind = 'fulfil' THEN 'fulfilled'
                    WHEN kind = 'cancel' THEN 'cancelled'
                    ELSE 'expired' END AS state,
               lead(id) OVER (PARTITION BY reservation_id ORDER BY id) AS until
        FROM events_event
        WHERE reservation_id IS NOT NULL
          AND kind IN ('reserve', 'hold', 'transit', 'release', 'suspend', 'resume', 'fulfil', 'cancel', 'expire')
    )
"""

# Left out is what the events cannot decide: reservations that staff moved, and members whose block or expiry
# changed after they joined the line.
_OVERTAKING = f"""
    WITH {_COPY_STATES}, {_RESERVATION_STATES}, moved AS (
        SELECT DISTINCT reservation_id FROM events_event WHERE kind = 'reorder'
    ), undoing AS (
        SELECT id FROM events_event WHERE kind = 'checkout' AND payload ? 'undoes'
    ), taken AS (  -- from the shelf, by a member for whom no copy was set aside
        SELECT c.id, c.book_id, c.member_id, c.occurred_at, own.placed_at, own.id AS own_id
        FROM copy_states c
        LEFT JOIN reservations_reservation own ON own.id = c.reservation_id
             AND (own.needed_by IS NULL OR own.needed_by >= c.occurred_at)
        WHERE c.kind = 'checkout' AND c.id NOT IN (TABLE undoing)  -- who had it has it back
          AND c.before_kind IN ('copy.added', 'return', 'found', 'repaired', 'release', 'receive')
          AND NOT EXISTS (SELECT FROM reservation_states s WHERE s.reservation_id = c.reservation_id
                          AND s.state = 'ready' AND s.id < c.id AND (s.until IS NULL OR s.until > c.id))
          AND c.reservation_id NOT IN (TABLE moved) IS NOT FALSE
    ), overtaken AS (
        SELECT t.id, t.book_id, count(*) AS ahead
        FROM taken t
        JOIN reservation_states s ON s.book_id = t.book_id AND s.member_id <> t.member_id AND s.state = 'waiting'
             AND s.id < t.id AND (s.until IS NULL OR s.until > t.id)
        JOIN reservations_reservation r ON r.id = s.reservation_id
             AND (r.needed_by IS NULL OR r.needed_by >= t.occurred_at)
        JOIN library_member m ON m.id = s.member_id AND m.blocked_reason = ''
             AND (m.expires_on IS NULL OR m.expires_on >= (t.occurred_at AT TIME ZONE %(time_zone)s)::date)
        WHERE (t.own_id IS NULL OR (r.placed_at, r.id) < (t.placed_at, t.own_id))
          AND r.id NOT IN (TABLE moved)
          AND NOT EXISTS (SELECT FROM events_event e WHERE e.member_id = m.id AND e.id > s.id
                          AND e.kind = 'member.edited' AND e.payload -> 'changed' ?| '{{blocked_reason,expires_on}}')
        GROUP BY t.id, t.book_id
    )
    SELECT o.id FROM overtaken o
    JOIN copy_states c ON c.book_id = o.book_id AND c.state = 'available'
         AND c.id < o.id AND (c.until IS NULL OR c.until >= o.id)
    GROUP BY o.id, o.ahead HAVING count(*) <= o.ahead
    ORDER BY 1
"""

# Each check-out with how many loans the member, and how many of the title, was open just before it.
_COUNTED = """
    WITH moves AS (
        SELECT *, CASE kind WHEN 'checkout' THEN 1 ELSE -1 END AS change,
               coalesce(member_id, -loan_id) AS person  -- of a loan that was anonymised nobody knows the others
        FROM events_event WHERE kind IN ('checkout', 'return') OR kind = 'lost' AND loan_id IS NOT NULL
    ), counted AS (
        SELECT id, kind, payload, sum(change) OVER (PARTITION BY person ORDER BY id) - 1 AS open,
               sum(change) OVER (PARTITION BY person, book_id ORDER BY id) - 1 AS of_title
        FROM moves
    )
"""
_NOT_OVERRIDDEN = """NOT coalesce(payload #> '{override,codes}' @> '["LOAN_LIMIT_REACHED"]', false)"""

_HISTORY = (
    Check(3, "check-outs that overtook the line (events)", _OVERTAKING),
    Check(
        3,
        "check-outs of a copy that was set aside for somebody else (events)",
        f"""
        WITH {_COPY_STATES}
        SELECT id FROM copy_states
        WHERE kind = 'checkout' AND before_kind = 'hold' AND before_member_id <> member_id
        ORDER BY 1
        """,
    ),
    Check(
        4,
        "check-outs that do not say how many loans were open, and what the limit was (events)",
        "SELECT id FROM events_event WHERE kind = 'checkout' AND NOT payload ?& '{open,limit}' ORDER BY 1",
    ),
    Check(
        4,
        "check-outs at or above the limit that nobody overrode (events)",
        f"""
        {_COUNTED}
        SELECT id FROM counted
        WHERE kind = 'checkout' AND greatest(open, (payload ->> 'open')::int) >= (payload ->> 'limit')::int
          AND {_NOT_OVERRIDDEN}
        ORDER BY 1
        """,
    ),
    Check(
        4,
        "check-outs of a title that the member had already (events)",
        f"{_COUNTED} SELECT id FROM counted WHERE kind = 'checkout' AND of_title > 0 ORDER BY 1",
    ),
    Check(
        5,
        "open loans without a check-out of that copy to that member until that date",
        """
        SELECT l.id FROM circulation_loan l
        LEFT JOIN events_event c ON c.loan_id = l.id AND c.kind = 'checkout'
             AND (c.book_id, c.copy_id, c.member_id) = (l.book_id, l.copy_id, l.member_id)
        LEFT JOIN (SELECT DISTINCT ON (loan_id) loan_id, payload ->> 'due_at' AS due_at FROM events_event
                   WHERE kind IN ('checkout', 'renew') ORDER BY loan_id, id DESC) d ON d.loan_id = l.id
        WHERE l.returned_at IS NULL AND (c.id IS NULL OR d.due_at::timestamptz IS DISTINCT FROM l.due_at)
        ORDER BY 1
        """,
    ),
    Check(
        5,
        "loans that ended without one return or loss, or go on after one",
        """
        SELECT l.id FROM circulation_loan l
        LEFT JOIN events_event e ON e.loan_id = l.id AND e.kind IN ('return', 'lost')
        GROUP BY l.id, l.returned_at HAVING count(e.id) <> (l.returned_at IS NOT NULL)::int
        ORDER BY 1
        """,
    ),
    Check(
        5,
        "check-outs, returns and other events of loans that do not exist (events)",
        """
        SELECT e.id FROM events_event e LEFT JOIN circulation_loan l ON l.id = e.loan_id
        WHERE l.id IS NULL AND (e.loan_id IS NOT NULL OR e.kind IN ('checkout', 'return', 'renew'))
        ORDER BY 1
        """,
    ),
    Check(
        5,
        "reservations that are not in the state that their events leave them in",
        f"""
        WITH {_RESERVATION_STATES}
        SELECT r.id FROM reservations_reservation r
        LEFT JOIN reservation_states s ON s.reservation_id = r.id AND s.until IS NULL
        WHERE CASE s.state WHEN 'sent for' THEN 'waiting' ELSE s.state END IS DISTINCT FROM r.status
           OR (s.state = 'sent for') <> (r.status = 'waiting' AND r.copy_id IS NOT NULL)
        ORDER BY 1
        """,
    ),
    Check(
        5,
        "copies that are not in the state that their events leave them in",
        f"""
        WITH {_COPY_STATES}
        SELECT c.id FROM library_copy c JOIN library_book b ON b.id = c.book_id
        LEFT JOIN copy_states s ON s.copy_id = c.id AND s.until IS NULL
        WHERE c.status IS DISTINCT FROM CASE WHEN b.withdrawn_at IS NULL THEN s.state ELSE 'withdrawn' END
        ORDER BY 1
        """,
    ),
    Check(
        5,
        "check-outs of a copy that was neither available nor set aside (events)",
        f"""
        WITH {_COPY_STATES}
        SELECT id FROM copy_states
        WHERE kind = 'checkout'
          AND (before_kind IS NULL
               OR before_kind IN ('checkout', 'transit', 'lost', 'missing', 'damaged', 'withdrawn'))
        ORDER BY 1
        """,
    ),
)


def _without_event(table: str, kind: str, column: str) -> str:
    return f"""
        SELECT t.id FROM {table} t LEFT JOIN events_event e ON e.{column} = t.id AND e.kind = '{kind}'
        WHERE e.id IS NULL
        ORDER BY 1
    """


_CATALOGUE = (
    Check(6, "titles that were never recorded", _without_event("library_book", "book.added", "book_id")),
    Check(6, "copies that were never recorded", _without_event("library_copy", "copy.added", "copy_id")),
)
_MEMBERS = (
    Check(6, "members who were never recorded", _without_event("library_member", "member.enrolled", "member_id")),
    Check(
        6,
        "reservations that were never recorded",
        _without_event("reservations_reservation", "reserve", "reservation_id"),
    ),
    Check(
        6,
        "loans that were never recorded",
        _without_event("circulation_loan", "checkout", "loan_id"),
    ),
)
_PUBLISHING = (
    Check(
        6,
        "events to be published that do not exist",
        "SELECT p.event_id FROM events_pendingevent p LEFT JOIN events_event e ON e.id = p.event_id WHERE e.id IS NULL",
    ),
    Check(
        6,
        "publications of events that do not exist",
        "SELECT p.event_id FROM events_publication p LEFT JOIN events_event e ON e.id = p.event_id WHERE e.id IS NULL",
    ),
    Check(
        6,
        "events not yet published, though a later one of their title was",
        """
        WITH published AS (
            SELECT e.book_id, max(e.id) AS last FROM events_event e
            LEFT JOIN events_pendingevent p ON p.event_id = e.id
            WHERE p.event_id IS NULL AND e.book_id IS NOT NULL
            GROUP BY e.book_id
        )
        SELECT e.id FROM events_pendingevent p JOIN events_event e ON e.id = p.event_id
        JOIN published ON published.book_id = e.book_id AND published.last > e.id
        ORDER BY 1
        """,
    ),
)

CHECKS = (*_STATE, *_HISTORY, *_CATALOGUE, *_MEMBERS, *_PUBLISHING)
# Of two services: what happens at the desk is the public one's, and recorded there.
AT_ADMIN = (*_STATE, *_CATALOGUE, *_PUBLISHING)
