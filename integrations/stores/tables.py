"""Which rows travel from the service that owns them to the other one, and in which form.

Only its owner inserts into a table, so ids never collide; the other service copies rows with their ids. A copy is
shared: its record is the admin's, and where it is now is the public service's. Who had what is not sent once it ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django.conf import settings
from django.db import connection
from django.db.models import Model
from psycopg.types.json import Jsonb

from circulation.models import Loan
from events.models import Event
from events.models import EventKind as Kind
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory, written_columns
from reservations.models import Reservation

Row = dict[str, Any]
VERSION = "_version"  # beside the columns of a row that is taken over

_OF_TITLE = "SELECT max(e.id) FROM events_event e WHERE e.book_id = t.book_id"


def _of_record(kind: str) -> str:
    return f"SELECT max(e.id) FROM events_event e WHERE e.kind = '{kind}' AND (e.payload ->> 'record')::bigint = t.id"


@dataclass(frozen=True)
class Unique:
    """A column of which no two rows have the same value, beside equal ones in other columns. Empty is no value.

    `instead` is what a row gets whose value another one has in a newer version. It has given that value up, as a
    message will say that has not come yet: two copies may have exchanged their barcodes.
    """

    name: str
    instead: str = ""
    beside: tuple[str, ...] = ()
    while_none: tuple[str, ...] = ()  # only among rows where these are empty
    ignores_case: bool = False

    def key(self, row: Row) -> tuple[Any, ...] | None:
        """Equal for rows that cannot be beside each other."""
        if not row[self.name] or any(row[name] is not None for name in self.while_none):
            return None
        value = str(row[self.name])
        return (value.lower() if self.ignores_case else value, *(row[name] for name in self.beside))

    @property
    def condition(self) -> str:
        """The same in SQL, for rows `t` and `r`."""
        fold = "lower" if self.ignores_case else ""
        return " AND ".join(
            [
                f"{fold}(t.{self.name}) = {fold}(r.{self.name}) AND r.{self.name} <> ''",
                *(f"t.{name} IS NOT DISTINCT FROM r.{name}" for name in self.beside),
                *(f"t.{name} IS NULL AND r.{name} IS NULL" for name in self.while_none),
            ]
        )


@dataclass(frozen=True, eq=False)
class Table:
    """A table, or some columns of it. `version` asks for the last event of a row `t`; `instead` hides columns."""

    name: str
    model: type[Model]
    version: str
    columns: Sequence[str] = ()
    instead: dict[str, str] = field(default_factory=dict)
    unique: tuple[Unique, ...] = ()

    @property
    def sql_name(self) -> str:
        return self.model._meta.db_table

    @property
    def selected(self) -> str:
        return ", ".join(f"{self.instead.get(name, f't.{name}')} AS {name}" for name in self.columns)

    def present(self, ids: Iterable[int]) -> dict[int, Row]:
        """These rows as they are now. Those that are gone are left out."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT row_to_json(r) FROM (SELECT {self.selected} FROM {self.sql_name} t WHERE id = ANY (%s)) r",  # nosec B608  # names of ours
                [list(ids)],
            )
            return {row["id"]: row for (row,) in cursor.fetchall()}

    def page(self, after: int, count: int) -> list[tuple[Row, int]]:
        """The rows that follow this id, each with its version."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT row_to_json(r), coalesce(({self.version}), 0)
                FROM (SELECT {self.selected} FROM {self.sql_name} t WHERE id > %s ORDER BY id LIMIT %s) r
                JOIN {self.sql_name} t ON t.id = r.id
                ORDER BY t.id
                """,  # nosec B608  # names of ours
                [after, count],
            )
            return [(row, version) for row, version in cursor.fetchall()]

    def write(self, rows: Sequence[Row]) -> None:
        """Insert these rows, or update those that are there. Each has its version beside its columns."""
        columns = ", ".join(self.columns)
        changes = ", ".join(f"{name} = excluded.{name}" for name in self.columns if name != "id")
        self._execute(
            f"""
            INSERT INTO {self.sql_name} ({columns}) SELECT {columns}
            FROM jsonb_populate_recordset(NULL::{self.sql_name}, %s)
            ON CONFLICT (id) DO UPDATE SET {changes}
            """,
            self.uncontested(rows),
        )

    def update(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Change these columns of rows that are there."""
        changes = ", ".join(f"{name} = r.{name}" for name in columns)
        self._execute(
            f"""
            UPDATE {self.sql_name} t SET {changes}
            FROM jsonb_populate_recordset(NULL::{self.sql_name}, %s) r WHERE r.id = t.id
            """,
            self.uncontested(rows),
        )

    def uncontested(self, rows: Sequence[Row]) -> list[Row]:
        """The rows, with what is unique parked here or there wherever two would have the same."""
        written = [dict(row) for row in rows]
        own = ", ".join(str(row["id"]) for row in written)
        for unique in self.unique:
            for row in written:
                rivals = [other for other in written if unique.key(other) == unique.key(row) is not None]
                if any(row[VERSION] < other[VERSION] for other in rivals):
                    row[unique.name] = unique.instead.format(**row)
            contested = f"""
                FROM (SELECT (jsonb_populate_record(NULL::{self.sql_name}, e)).*, (e ->> '{VERSION}')::bigint AS version
                      FROM jsonb_array_elements(%s) e) r
                JOIN {self.sql_name} t ON t.id <> r.id AND {unique.condition}
                LEFT JOIN stores_received known ON known."table" = '{self.name}' AND known.row = t.id
            """
            # Those that are written as well give their old value up at once.
            older = f"SELECT t.id {contested} WHERE t.id IN ({own}) OR coalesce(known.version, -1) < r.version"
            parked = "'" + unique.instead.format(id="' || id || '") + "'"
            self._execute(f"UPDATE {self.sql_name} SET {unique.name} = {parked} WHERE id IN ({older})", written)
            late = {pk for (pk,) in self._execute(f"SELECT r.id {contested}", written)}
            for row in written:
                if row["id"] in late:
                    row[unique.name] = unique.instead.format(**row)
        return written

    def _execute(self, statement: str, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        if not rows:
            return []
        with connection.cursor() as cursor:
            cursor.execute(statement, cast(Any, [Jsonb(list(rows))]))
            return cursor.fetchall() if cursor.description else []


def _columns(model: type[Model], *, but: Sequence[str] = ()) -> list[str]:
    return [name for name in written_columns(model) if name not in but]


WHERE_IT_IS = ("status", "holder_id", "due_at")  # of a copy: the public service's business
LIVE = "('waiting', 'suspended', 'ready')"

MOVED = "{id}.moved"
SOURCE = Unique("source_id", beside=("source",))
NAME = Unique("name", MOVED, ignores_case=True)

BRANCH = Table("branch", Branch, _of_record(Kind.BRANCH_SAVED), _columns(Branch), unique=(NAME,))
CATEGORY = Table("category", MemberCategory, _of_record(Kind.CATEGORY_SAVED), _columns(MemberCategory), unique=(NAME,))
POLICY = Table(
    "policy",
    LoanPolicy,
    _of_record(Kind.POLICY_SAVED),
    _columns(LoanPolicy),
    unique=(Unique("book_category", MOVED, beside=("member_category_id",)),),
)
BOOK = Table(
    "book",
    Book,
    "SELECT max(e.id) FROM events_event e WHERE e.book_id = t.id",
    _columns(Book, but=["removal_asked_at"]),
    unique=(Unique("isbn", while_none=("withdrawn_at",)), SOURCE),
)
# With the state in which a new copy comes in.
COPY = Table(
    "copy",
    Copy,
    _OF_TITLE,
    ["id", "book_id", "barcode", "branch_id", "status"],
    unique=(Unique("barcode", MOVED),),
)
MEMBER = Table(
    "member",
    Member,
    "SELECT max(e.id) FROM events_event e WHERE e.member_id = t.id AND e.kind LIKE 'member.%%'",
    _columns(Member, but=["user_id"]),
    unique=(Unique("card_number", MOVED), Unique("email", ignores_case=True), SOURCE),
)
PLACE = Table("place", Copy, _OF_TITLE, ["id", "book_id", *WHERE_IT_IS])
LOAN = Table(
    "loan",
    Loan,
    _OF_TITLE,
    _columns(Loan),
    instead={"member_id": "CASE WHEN t.returned_at IS NULL THEN t.member_id END"},
)
RESERVATION = Table(
    "reservation",
    Reservation,
    _OF_TITLE,
    _columns(Reservation),
    instead={"member_id": f"CASE WHEN t.status IN {LIVE} THEN t.member_id END"},
)

# In the order in which they refer to each other.
OWNED = {
    "admin": (BRANCH, CATEGORY, POLICY, BOOK, COPY),
    "public": (MEMBER, PLACE, LOAN, RESERVATION),
}
RECORDS = {
    Kind.BRANCH_SAVED: BRANCH,
    Kind.BRANCH_DELETED: BRANCH,
    Kind.CATEGORY_SAVED: CATEGORY,
    Kind.CATEGORY_DELETED: CATEGORY,
    Kind.POLICY_SAVED: POLICY,
    Kind.POLICY_DELETED: POLICY,
}
DELETED = {
    Kind.MEMBER_DELETED: MEMBER,
    Kind.BRANCH_DELETED: BRANCH,
    Kind.CATEGORY_DELETED: CATEGORY,
    Kind.POLICY_DELETED: POLICY,
}


def ours() -> tuple[Table, ...]:
    """The tables that this service owns."""
    return OWNED[settings.SERVICE]


def theirs() -> dict[str, Table]:
    """The tables of the other service, by name."""
    return {table.name: table for table in OWNED["public" if settings.SERVICE == "admin" else "admin"]}


def named_by(event: Event) -> list[tuple[Table, int]]:
    """The rows of ours that an event tells of."""
    kind = Kind(event.kind)
    if kind in RECORDS:
        found = [(RECORDS[kind], event.payload["record"])]
    elif kind.startswith("member."):
        found = [(MEMBER, event.member_id)]
    else:
        found = [
            (BOOK, event.book_id if kind.startswith("book.") and kind != Kind.BOOK_SYNCED else None),
            (COPY, event.copy_id),
            (PLACE, event.copy_id),
            (LOAN, event.loan_id),
            (RESERVATION, event.reservation_id),
        ]
    return [(table, row) for table, row in found if row is not None and table in ours()]
