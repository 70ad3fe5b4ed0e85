"""Locks: what they hold, what they let pass, and what they say is missing."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from library import locks
from tests.factories import BookFactory, CopyFactory, MemberFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def test_member_and_title_come_back_whole():
    member, copy = MemberFactory(email="ada@example.org"), CopyFactory(book__publisher="Secker")

    for named in ({"book_id": copy.book.pk}, {"barcode": copy.barcode}):
        locked_member, locked_book = locks.lock_member_and_book(member.pk, **named)
        assert (locked_member, locked_book) == (member, copy.book)
        for row, locked in ((member, locked_member), (copy.book, locked_book)):
            for field in row._meta.concrete_fields:
                if field.name != "search_vector":
                    assert getattr(locked, field.attname) == getattr(row, field.attname)
            assert (locked._state.adding, locked._state.db) == (False, "default")


def test_a_copy_comes_back_under_the_lock_of_its_title():
    copy = CopyFactory()

    assert locks.lock_book_of_copy(copy.barcode) == (copy.book, copy)
    assert locks.lock_book(copy.book.pk) == copy.book


def test_members_are_locked_with_and_without_waiting():
    member = MemberFactory()

    assert locks.lock_member(member.pk) == member
    assert locks.try_lock_member(member.pk) == member
    assert locks.try_lock_member(0) is None


def test_several_are_locked_by_ascending_id():
    members, books = [MemberFactory(), MemberFactory()], [BookFactory(), BookFactory()]

    with CaptureQueriesContext(connection) as statements:
        assert locks.lock_members([members[1].pk, members[0].pk]) == {member.pk: member for member in members}
        assert locks.lock_books([books[1].pk, books[0].pk, books[1].pk]) == {book.pk: book for book in books}

    ends = [query["sql"].partition("ORDER BY")[2] for query in statements]
    assert ends == [
        ' "library_member"."id" ASC FOR NO KEY UPDATE',
        ' "library_book"."id" ASC FOR NO KEY UPDATE',
    ]


def test_what_does_not_exist_or_was_withdrawn_is_said_to_be_missing():
    member, gone = MemberFactory(), BookFactory(copies=1, withdrawn=True)
    barcode = gone.copies.get().barcode

    for book_id in (0, gone.pk):
        with refused("BOOK_NOT_FOUND"):
            locks.lock_book(book_id)
        with refused("BOOK_NOT_FOUND"):
            locks.lock_books([book_id])
        with refused("BOOK_NOT_FOUND"):
            locks.lock_member_and_book(member.pk, book_id=book_id)
        with refused("MEMBER_NOT_FOUND"):
            locks.lock_member_and_book(0, book_id=book_id)
    for named in ("nowhere", barcode):
        with refused("COPY_NOT_FOUND"):
            locks.lock_book_of_copy(named)
        with refused("COPY_NOT_FOUND"):
            locks.lock_member_and_book(member.pk, barcode=named)
    with refused("MEMBER_NOT_FOUND"):
        locks.lock_member(0)
    with refused("MEMBER_NOT_FOUND"):
        locks.lock_members([member.pk, 0])


@pytest.mark.parametrize(
    "lock",
    [
        lambda member, copy: locks.lock_book(copy.book.pk),
        lambda member, copy: locks.lock_book_of_copy(copy.barcode),
        lambda member, copy: locks.lock_books([copy.book.pk]),
        lambda member, copy: locks.lock_member(member.pk),
        lambda member, copy: locks.lock_members([member.pk]),
        lambda member, copy: locks.try_lock_member(member.pk),
        lambda member, copy: locks.lock_member_and_book(member.pk, book_id=copy.book.pk),
        lambda member, copy: locks.lock_member_and_book(member.pk, barcode=copy.barcode),
    ],
    ids=[
        "book",
        "book of copy",
        "books",
        "member",
        "members",
        "try member",
        "member and book",
        "member and book of copy",
    ],
)
def test_every_lock_lets_foreign_keys_to_its_row_be_checked(lock):
    """NO KEY UPDATE in each: FOR UPDATE deadlocks against whoever inserts a row that refers to ours."""
    member, copy = MemberFactory(), CopyFactory()

    with CaptureQueriesContext(connection) as statements:
        lock(member, copy)

    (locking,) = [query["sql"] for query in statements if "UPDATE" in query["sql"]]
    assert "FOR NO KEY UPDATE" in locking


@pytest.mark.django_db(transaction=True)
def test_locks_are_taken_inside_an_operation_only():
    member, copy = MemberFactory(), CopyFactory()

    for lock in (
        lambda: locks.lock_book(copy.book.pk),
        lambda: locks.lock_book_of_copy(copy.barcode),
        lambda: locks.lock_books([copy.book.pk]),
        lambda: locks.lock_member(member.pk),
        lambda: locks.lock_members([member.pk]),
        lambda: locks.try_lock_member(member.pk),
        lambda: locks.lock_member_and_book(member.pk, book_id=copy.book.pk),
    ):
        with pytest.raises(transaction.TransactionManagementError, match="belongs inside an operation"):
            lock()
