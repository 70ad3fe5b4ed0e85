"""Taking over what the other service owns, each row once and never an older one.

At the admin's service rows are written as they come: nothing is decided there. At the public one a title that leaves
circulation loses its line, and a copy that comes in goes to whoever waits: the same services as at the desk see to it,
under the same locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from circulation.models import Loan
from events.models import Event, FailedMessage
from events.models import EventKind as Kind
from events.recording import event, following, record
from integrations.stores.models import Received
from integrations.stores.tables import (
    BOOK,
    BRANCH,
    CATEGORY,
    COPY,
    LOAN,
    MEMBER,
    PLACE,
    POLICY,
    RESERVATION,
    VERSION,
    WHERE_IT_IS,
    Row,
    Table,
    theirs,
)
from library.bulk import COMING_IN, NOT_ON_SHELF
from library.models import Book, Copy, Member
from library.services import BOOK_FIELDS
from reservations.models import Reservation
from reservations.serving import settle
from reservations.titles import complete_removal, follow_record

BATCH = 50  # messages in a transaction, whose titles are locked meanwhile

# Table and id -> version, and the row, or None if it is gone.
Rows = dict[tuple[str, int], tuple[int, Row | None]]


def handle(messages: Sequence[dict[str, Any]]) -> None:
    """Take over the rows of these messages."""
    take_over((name, row, message["version"], values) for message in messages for name, row, values in message["rows"])


def take_over(rows: Iterable[tuple[str, int, int, Row | None]]) -> None:
    """Take over what is newer than what is here, of rows given by table, id and version."""
    newest: Rows = {}
    for name, row, version, values in rows:
        if name in theirs() and newest.get((name, row), (-1, None))[0] < version:
            newest[name, row] = version, values
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what refers to nothing is refused here, not at the end
    fresh = _newer(newest)
    if fresh:
        (_at_admin if settings.SERVICE == "admin" else _at_public)(fresh)


def _newer(rows: Rows) -> dict[str, dict[int, Row | None]]:
    """Those that are newer than what is here, noted as taken over."""
    if not rows:
        return {}
    keys = sorted(rows)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stores_received AS known ("table", row, version)
            SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[])
            ON CONFLICT ("table", row) DO UPDATE SET version = excluded.version WHERE known.version < excluded.version
            RETURNING "table", row
            """,
            [[name for name, _ in keys], [row for _, row in keys], [rows[key][0] for key in keys]],
        )
        fresh: dict[str, dict[int, Row | None]] = {name: {} for name in theirs()}
        for name, row in cursor.fetchall():
            version, values = rows[name, row]
            fresh[name][row] = values if values is None else values | {VERSION: version}
        return fresh if any(fresh.values()) else {}


def _there(rows: dict[int, Row | None]) -> list[Row]:
    return [values for _, values in sorted(rows.items()) if values is not None]


def _gone(rows: dict[int, Row | None]) -> list[int]:
    return sorted(row for row, values in rows.items() if values is None)


def _synced(book_ids: Iterable[int]) -> None:
    """Tell whoever caches or shows what is known of these titles."""
    now = timezone.now()
    record(*(event(Event.Kind.BOOK_SYNCED, at=now, book_id=pk) for pk in sorted(book_ids)))


def _locked(book_ids: Iterable[int]) -> dict[int, Book]:
    """These titles, withdrawn ones too, locked in the right order."""
    rows = Book.objects.select_for_update(no_key=True).filter(pk__in=set(book_ids)).order_by("pk")
    return {book.pk: book for book in rows}


# --- At the admin's service ---------------------------------------------------------------------------------


def _at_admin(fresh: dict[str, dict[int, Row | None]]) -> None:
    places, loans = _there(fresh[PLACE.name]), _there(fresh[LOAN.name])
    reservations = _there(fresh[RESERVATION.name])
    titles = {row["book_id"] for row in (*places, *loans, *reservations)}
    _locked(titles)
    MEMBER.write(_there(fresh[MEMBER.name]))
    LOAN.write([row for row in loans if row["returned_at"] is not None])
    RESERVATION.write([row for row in reservations if row["member_id"] is None])
    LOAN.write([row for row in loans if row["returned_at"] is None and _has_room(LOAN, row, _rival_loans(row))])
    RESERVATION.write(
        [
            row
            for row in reservations
            if row["member_id"] is not None and _has_room(RESERVATION, row, _rival_reservations(row))
        ]
    )
    PLACE.update(places, WHERE_IT_IS)
    for member_id in _gone(fresh[MEMBER.name]):
        Member.objects.filter(pk=member_id).delete()
        FailedMessage.objects.filter(message__rows__contains=[[MEMBER.name, member_id]]).delete()
    _synced(titles)


def _rival_loans(row: Row) -> QuerySet[Loan]:
    """Open loans that cannot be beside this one."""
    same = Q(copy=row["copy_id"]) | Q(member=row["member_id"], book=row["book_id"])
    return Loan.objects.active().filter(same).exclude(pk=row["id"])


def _rival_reservations(row: Row) -> QuerySet[Reservation]:
    same = Q(member=row["member_id"], book=row["book_id"])
    if row["copy_id"] is not None:
        same |= Q(copy=row["copy_id"])
    return Reservation.objects.live().filter(same).exclude(pk=row["id"])


def _has_room(table: Table, row: Row, rivals: QuerySet[Any]) -> bool:
    """Whether a row may be written beside what is here. What is older goes: it has ended, and comes again to say so."""
    ids = list(rivals.values_list("pk", flat=True))
    if ids and Received.objects.filter(table=table.name, row__in=ids, version__gt=row[VERSION]).exists():
        return False  # it is this one that has ended
    rivals.filter(pk__in=ids).delete()
    return True


# --- At the public service ----------------------------------------------------------------------------------


def _at_public(fresh: dict[str, dict[int, Row | None]]) -> None:
    now = timezone.now()
    with following():
        for table in (BRANCH, CATEGORY, POLICY):
            _take_over_settings(table, _there(fresh[table.name]), _gone(fresh[table.name]), at=now)
    books, copies = BOOK.uncontested(_there(fresh[BOOK.name])), _there(fresh[COPY.name])
    known = _locked({row["id"] for row in books} | {row["book_id"] for row in copies})
    with following():
        known |= _take_over_new_titles([row for row in books if row["id"] not in known], at=now)
        _take_over_copies(copies, at=now)
        _take_over_titles(books, known, at=now)
        for book in known.values():  # a copy may come after the removal of its title
            complete_removal(book, at=now)
    waiting = Reservation.objects.filter(book__in=known, status=Reservation.Status.WAITING)
    for book_id in waiting.order_by("book").values_list("book", flat=True).distinct():
        settle(known[book_id], at=now)


def _take_over_settings(table: Table, rows: list[Row], gone: list[int], *, at: datetime) -> None:
    table.write(rows)
    kept: type[Any] = table.model
    for row in kept._default_manager.filter(pk__in=[row["id"] for row in rows]):
        record(event(kept.SAVED, at=at, record=row.pk, name=str(row)))
    for row in kept._default_manager.filter(pk__in=gone):
        record(event(kept.DELETED, at=at, record=row.pk, name=str(row)))
    kept._default_manager.filter(pk__in=gone).delete()


def _take_over_new_titles(rows: list[Row], *, at: datetime) -> dict[int, Book]:
    """New titles by id, as they were before they were removed, if they were."""
    BOOK.write([row | {"withdrawn_at": None} for row in rows])
    record(*(event(Kind.BOOK_ADDED, at=at, book_id=row["id"], title=row["title"]) for row in rows))
    return _locked(row["id"] for row in rows)


def _take_over_titles(rows: list[Row], known: dict[int, Book], *, at: datetime) -> None:
    for row in rows:
        withdrawn_at = parse_datetime(row["withdrawn_at"]) if row["withdrawn_at"] else None
        fields = {name: row[name] for name in (*BOOK_FIELDS, "source", "source_id")}
        follow_record(known[row["id"]], fields, withdrawn_at=withdrawn_at, at=at)


def _take_over_copies(rows: list[Row], *, at: datetime) -> None:
    there = set(Copy.objects.filter(pk__in=[row["id"] for row in rows]).values_list("pk", flat=True))
    COPY.update([row for row in rows if row["id"] in there], ["barcode", "branch_id"])
    # Where it is now, this service decides; it counts how a copy comes in.
    new = [row for row in rows if row["id"] not in there]
    COPY.write([row if row["status"] in COMING_IN else row | {"status": Copy.Status.AVAILABLE} for row in new])
    for row in rows:
        kind = Kind.COPY_EDITED if row["id"] in there else Kind.COPY_ADDED
        told = event(kind, at=at, book_id=row["book_id"], copy_id=row["id"], barcode=row["barcode"])
        not_on_shelf = None if row["id"] in there else NOT_ON_SHELF.get(row["status"])
        record(told, *([event(not_on_shelf, at=at, book_id=row["book_id"], copy_id=row["id"])] if not_on_shelf else []))
