"""The libraries that are measured, made in a few statements: one for the desk, and a big one for lists and searches."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

BOOKS, COPIES_PER_BOOK, MEMBERS = 10_000, 2, 4_000

_MAKE = f"""
INSERT INTO library_book (id, title, authors, isbn, publisher, category, language, source, source_id, in_circulation)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'Title ' || n || ' of ' || md5(n::text), 'Author ' || n / 7, '', 'Publisher ' || n / 50,
           'Category ' || n % 20, 'en', '', '', true
    FROM generate_series(1, {BOOKS}) n;
INSERT INTO library_copy (id, book_id, barcode, branch_id, status)
    OVERRIDING SYSTEM VALUE
    SELECT n, (n - 1) / {COPIES_PER_BOOK} + 1,
           (n - 1) / {COPIES_PER_BOOK} + 1 || '-' || (n - 1) % {COPIES_PER_BOOK} + 1, branch.id, 'available'
    FROM generate_series(1, {BOOKS * COPIES_PER_BOOK}) n, library_branch branch;
INSERT INTO library_member (id, card_number, first_name, last_name, email, category_id, branch_id, blocked_reason,
                            source, source_id)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'C' || lpad(n::text, 8, '0'), 'First ' || n, 'Last ' || n, '', category.id, branch.id, '', '', ''
    FROM generate_series(1, {MEMBERS}) n, library_branch branch, library_membercategory category;
INSERT INTO events_event (kind, book_id, payload, occurred_at)
    SELECT 'book.added', id, jsonb_build_object('title', title, 'copies', {COPIES_PER_BOOK}), now() FROM library_book;
INSERT INTO events_event (kind, book_id, copy_id, payload, occurred_at)
    SELECT 'copy.added', book_id, id, jsonb_build_object('barcode', barcode), now() FROM library_copy;
INSERT INTO events_event (kind, member_id, payload, occurred_at)
    SELECT 'member.enrolled', id, '{{}}', now() FROM library_member;
TRUNCATE events_pendingevent;
"""


def make(connection: psycopg.Connection) -> None:
    """Fill a database that was just migrated."""
    connection.execute(_MAKE)
    settle(connection)


def settle(connection: psycopg.Connection) -> None:
    """Have the server do now what it would otherwise do while something is measured."""
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")


# --- The big one -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """How much of everything a big library has, of which there are several sizes."""

    titles: int

    @property
    def members(self) -> int:
        return self.titles // 5

    @property
    def line(self) -> int:
        """Those who wait for title 1: at most every second member."""
        return min(10_000, self.members // 2)

    @property
    def scale(self) -> float:
        """Different words, authors and publishers grow with the root of the titles. This is 1 for 100,000."""
        return math.sqrt(self.titles / BIG)

    def among(self, number: int) -> int:
        """How many different ones there are, of what there are so many of among 100,000 titles."""
        return int(number * self.scale)

    def __str__(self) -> str:
        return f"{self.titles:,} titles"


BIG = 100_000

# What makes loading slow, and how to have it back: foreign keys, indexes, triggers.
_IN_THE_WAY = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    UNION ALL
    SELECT 'ALTER TABLE events_event DISABLE TRIGGER USER', 'ALTER TABLE events_event ENABLE TRIGGER USER'
"""


class Cursor(Protocol):
    """Django's, or psycopg's."""

    def execute(self, query: Any, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


def fill(cursor: Cursor) -> None:
    """100,000 titles and all that belongs to them, into a database that was just migrated."""
    back = clear_the_way(cursor)
    cursor.execute(Path(__file__).with_name("big_library.sql").read_text(encoding="utf-8"))
    # If the tables were ever vacuumed while empty, PostgreSQL plans the check of each foreign key for no rows.
    cursor.execute("ANALYZE")
    for statement in back:
        cursor.execute(statement)


def clear_the_way(cursor: Cursor) -> list[str]:
    """Take away what makes loading slow. Returns the statements that bring it back."""
    cursor.execute(_IN_THE_WAY)
    away, back = zip(*cursor.fetchall(), strict=True)
    for statement in away:
        cursor.execute(statement)
    return list(back)
