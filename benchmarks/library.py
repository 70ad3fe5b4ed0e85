"""The library that the desk is measured on, made in a few statements."""

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
