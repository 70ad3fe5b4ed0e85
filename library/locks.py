"""Row locks. The order is always member, then book; several of a kind by ascending id.

All are NO KEY UPDATE: plain FOR UPDATE deadlocks against the foreign-key check of a row that refers to ours.
Whatever is asked under a lock is asked in a later statement: under READ COMMITTED the statement that waited
still sees the world from before its wait.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from events.operations import require_transaction
from library.exceptions import BookNotFound, CopyNotFound, MemberNotFound
from library.models import Book, Copy, Member, written_columns

_MEMBER, _BOOK = written_columns(Member), written_columns(Book)
_BOOK_COLUMNS = ", ".join(f"b.{name}" for name in _BOOK)
_COLUMNS = ", ".join(f"m.{name}" for name in _MEMBER) + f", {_BOOK_COLUMNS}"

# copy.book_id never changes, so finding a book through its unlocked copy is safe.
#
# SQL rather than the ORM, here and below: these stand on the desk's hottest path, where building a query takes
# several times as long as asking it.
_BOOK_BY_ID = f"""
    SELECT {_BOOK_COLUMNS} FROM library_book b
    WHERE b.id = %s AND b.withdrawn_at IS NULL
    FOR NO KEY UPDATE
"""
_BOOK_BY_BARCODE = f"""
    SELECT {_BOOK_COLUMNS} FROM library_copy c JOIN library_book b ON b.id = c.book_id
    WHERE c.barcode = %s AND b.withdrawn_at IS NULL
    FOR NO KEY UPDATE OF b
"""

# Both rows in one round trip; the rows are locked in the order in which OF names them.
_BY_BOOK = f"""
    SELECT {_COLUMNS} FROM library_member m CROSS JOIN library_book b
    WHERE m.id = %s AND b.id = %s AND b.withdrawn_at IS NULL
    FOR NO KEY UPDATE OF m, b
"""
_BY_BARCODE = f"""
    SELECT {_COLUMNS} FROM library_member m CROSS JOIN library_copy c JOIN library_book b ON b.id = c.book_id
    WHERE m.id = %s AND c.barcode = %s AND b.withdrawn_at IS NULL
    FOR NO KEY UPDATE OF m, b
"""


def lock_book(book_id: int) -> Book:
    """The title, locked until the operation ends. Raises BookNotFound, also for a withdrawn title."""
    book = _locked_book(_BOOK_BY_ID, book_id)
    if book is None:
        raise BookNotFound(book_id)
    return book


def lock_book_by_barcode(barcode: str) -> Book:
    """The title of a copy, locked. Raises CopyNotFound, also for a copy of a withdrawn title."""
    book = _locked_book(_BOOK_BY_BARCODE, barcode)
    if book is None:
        raise CopyNotFound(barcode)
    return book


def lock_book_of_copy(barcode: str) -> tuple[Book, Copy]:
    """The title of a copy, locked, and the copy as it is under that lock. Raises CopyNotFound."""
    book = lock_book_by_barcode(barcode)
    copy = Copy.objects.select_related("branch").filter(book=book, barcode=barcode).first()
    if copy is None:  # given another barcode while we waited
        raise CopyNotFound(barcode)
    return book, copy


def _locked_book(statement: str, named: int | str) -> Book | None:
    require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(statement, [named])
        row = cursor.fetchone()
    return Book.from_db("default", _BOOK, row) if row else None


def lock_member(member_id: int) -> Member:
    """The member, locked until the operation ends. Raises MemberNotFound."""
    require_transaction()
    member = Member.objects.select_for_update(no_key=True).filter(pk=member_id).first()
    if member is None:
        raise MemberNotFound(member_id)
    return member


def lock_members(member_ids: Iterable[int]) -> dict[int, Member]:
    """Several, by id, locked in the right order. Raises MemberNotFound."""
    require_transaction()
    wanted = set(member_ids)
    members = Member.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    locked = {member.pk: member for member in members}
    for gone in wanted - locked.keys():
        raise MemberNotFound(gone)
    return locked


def lock_books(book_ids: Iterable[int]) -> dict[int, Book]:
    """Several titles, by id, locked in the right order. Raises BookNotFound, also for a withdrawn one."""
    require_transaction()
    wanted = set(book_ids)
    books = Book.objects.held().select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    locked = {book.pk: book for book in books}
    for gone in wanted - locked.keys():
        raise BookNotFound(gone)
    return locked


def try_lock_member(member_id: int) -> Member | None:
    """The member, locked if nobody else holds it. For members learned only under a book's lock.

    Waiting here, book first, would deadlock against those who wait member first.
    """
    require_transaction()
    return Member.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=member_id).first()


def lock_member_and_book(
    member_id: int, *, book_id: int | None = None, barcode: str | None = None
) -> tuple[Member, Book]:
    """Both, locked in the right order. The title is named by its id or by the barcode of a copy.

    Raises MemberNotFound, BookNotFound or CopyNotFound.
    """
    require_transaction()
    with connection.cursor() as cursor:
        if book_id is not None:
            cursor.execute(_BY_BOOK, [member_id, book_id])
        else:
            cursor.execute(_BY_BARCODE, [member_id, barcode])
        row = cursor.fetchone()
    if row is None:
        if not Member.objects.filter(pk=member_id).exists():
            raise MemberNotFound(member_id)
        raise BookNotFound(book_id) if book_id is not None else CopyNotFound(barcode or "")
    split = len(_MEMBER)
    return Member.from_db("default", _MEMBER, row[:split]), Book.from_db("default", _BOOK, row[split:])
