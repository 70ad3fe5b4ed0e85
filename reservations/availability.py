"""How many copies of a title are where, and how many people wait.

Lending never reads this: it is for people and machines that look. Counts come from one statement on the primary
and are kept in Redis until the title changes (library/cache.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypedDict, cast

from django.db import connection, transaction

from events.models import Event, Publication
from library import cache
from library.exceptions import BookNotFound
from library.nearby import Entry
from reservations.estimates import wait_in_days


class BranchAvailability(TypedDict):
    branch: str
    total: int
    available: int


class Availability(TypedDict):
    """Of one title. `total` counts the copies that the library has: all but lost, missing and withdrawn ones.
    `available` are those on the shelf, for whoever comes: none of a title that is out of circulation.

    `version` is the id of the title's last event; `due_at` lists when the copies on loan are due, soonest first.
    """

    book_id: int
    total: int
    available: int
    on_loan: int
    on_hold_shelf: int
    waiting: int
    next_due_at: str | None
    due_at: list[str]
    version: int
    branches: list[BranchAvailability]


_COUNTS = """
SELECT b.id AS book_id,
       coalesce(sum(c.total), 0)::int AS total,
       coalesce(sum(c.available), 0)::int AS available,
       coalesce(sum(c.on_loan), 0)::int AS on_loan,
       coalesce(sum(c.on_hold_shelf), 0)::int AS on_hold_shelf,
       (SELECT count(*) FROM reservations_reservation r WHERE r.book_id = b.id AND r.status = 'waiting') AS waiting,
       (SELECT coalesce(json_agg(d.due_at ORDER BY d.due_at), '[]')
        FROM library_copy d WHERE d.book_id = b.id AND d.status = 'on_loan') AS due_at,
       coalesce((SELECT max(e.id) FROM events_event e WHERE e.book_id = b.id), 0) AS version,
       coalesce(json_agg(json_build_object('branch', c.branch, 'total', c.total, 'available', c.available)
                         ORDER BY c.branch) FILTER (WHERE c.branch IS NOT NULL), '[]') AS branches
FROM library_book b
LEFT JOIN LATERAL (
    SELECT branch.name AS branch,
           count(*) FILTER (WHERE copy.status NOT IN ('lost', 'missing', 'withdrawn')) AS total,
           count(*) FILTER (WHERE copy.status = 'available' AND b.in_circulation) AS available,
           count(*) FILTER (WHERE copy.status = 'on_loan') AS on_loan,
           count(*) FILTER (WHERE copy.status = 'on_hold_shelf') AS on_hold_shelf
    FROM library_copy copy JOIN library_branch branch ON branch.id = copy.branch_id
    WHERE copy.book_id = b.id
    GROUP BY branch.name
) c ON true
WHERE b.id = ANY(%s) AND b.withdrawn_at IS NULL
GROUP BY b.id
"""


def count(book_ids: Iterable[int]) -> dict[int, Availability]:
    """The present numbers, from PostgreSQL. Titles that do not exist or were withdrawn are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [list(book_ids)])
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["due_at"] = [_written(moment) for moment in row["due_at"]]
        row["next_due_at"] = next(iter(row["due_at"]), None)
    return {row["book_id"]: cast(Availability, row) for row in rows}


def _written(moment: str) -> str:
    """As all moments are written: PostgreSQL leaves out the last zeros of a second."""
    return datetime.fromisoformat(moment).isoformat().replace("+00:00", "Z")


def of_many(book_ids: Iterable[int]) -> dict[int, Availability]:
    """The same through the cache: one round trip to Redis when warm, no SQL."""
    return cache.read_many("availability", {book_id: cache.title_group(book_id) for book_id in book_ids}, count)


def of(book_id: int) -> Availability:
    """One title's numbers through the cache. Raises BookNotFound."""
    found = of_many([book_id])
    if book_id not in found:
        raise BookNotFound(book_id)
    return found[book_id]


def nearby(book_id: int) -> Entry:
    """The same for whoever looks and does nothing: warm, without asking Redis. The value is an Availability.

    Another process may have changed it some milliseconds ago. Raises BookNotFound.
    """
    entry = cache.read_nearby("availability", book_id, cache.title_group(book_id), count)
    if entry is None:
        raise BookNotFound(book_id)
    return entry


def estimated_wait_days(title: Availability, *, at: datetime) -> int | None:
    """How long somebody who asks for the title now would wait, in days; None when nothing tells."""
    return wait_at(title["waiting"] + 1 - title["available"], title, at=at)


def wait_at(position: int, title: Availability, *, at: datetime) -> int | None:
    """How long the reservation at this position may wait, in days; None when nothing tells."""
    return wait_in_days(position, [datetime.fromisoformat(moment) for moment in title["due_at"]], at=at)


# --- Forgetting what changed ------------------------------------------------------------------------


def forget_after_commit(sender: type[Event], *, events: Iterable[Event], **_: Any) -> None:
    """Receiver of `recorded`: drop what is cached of these titles as soon as the change is visible."""
    if groups := _groups(events):
        transaction.on_commit(partial(cache.forget, groups))


def forget_published(publications: Sequence[Publication]) -> bool:
    """The relay's turn: drop it again, in case the process that changed it died between commit and forgetting."""
    return cache.forget(_groups(publication.event for publication in publications), insist=True)


def _groups(events: Iterable[Event]) -> set[str]:
    groups: set[str] = set()
    for event in events:
        if event.book_id is not None:
            groups.add(cache.title_group(event.book_id))
        if event.kind.startswith("branch."):  # whose names stand in the numbers of every title
            groups.add(cache.EVERYTHING)
        # Lists of titles may come with how many titles each branch has.
        if event.kind.startswith(("book.", "copy.")) or event.kind == Event.Kind.WITHDRAWN:
            groups.add(cache.CATALOGUE)
    return groups
