"""Titles and members that leave while somebody borrows or reserves."""

from functools import partial

import pytest
from django.db import IntegrityError

from circulation.invariants import broken
from circulation.members import delete
from circulation.models import Loan
from circulation.services import check_out, return_copy
from library.models import Book, Member
from library.services import edit_copy
from reservations.models import Reservation
from reservations.services import cancel, expire_everywhere, reserve
from reservations.titles import edit_title, withdraw_title
from tests.concurrency.library import new_member, new_title, new_titles, violated
from tests.concurrency.races import race, without_row_locks
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


def borrowing(member, book):
    return partial(check_out, member_id=member.pk, book_id=book.pk, at=NOW)


def reserving(member, book):
    return partial(reserve, member_id=member.pk, book_id=book.pk, at=NOW)


# --- Members -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("join", "kept"), [(borrowing, "MEMBER_HAS_OPEN_LOANS"), (reserving, "RESERVATION_EXISTS")])
def test_a_member_borrows_or_is_deleted_but_not_both(join, kept, begun_again):
    for _ in range(ROUNDS):
        member, book = new_member(), new_title(copies=1 if join is borrowing else 0)

        outcomes = race([partial(delete, member_id=member.pk, at=NOW), join(member, book)])

        if Member.objects.filter(pk=member.pk).exists():
            assert outcomes.refused == {kept: 1}
        else:
            assert outcomes.refused == {"MEMBER_NOT_FOUND": 1}
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_only_constraints_keep_a_loan_from_losing_its_member():
    member, book = new_member(), new_title()

    outcomes = race([partial(delete, member_id=member.pk, at=NOW), borrowing(member, book)], around=without_row_locks)

    (error,) = outcomes.errors
    assert isinstance(error, IntegrityError)  # the check, or the foreign key, depending on who was faster


# --- Titles --------------------------------------------------------------------------------------------------------


def test_a_title_is_lent_or_withdrawn_but_not_both(begun_again):
    for _ in range(ROUNDS):
        book = new_title()

        outcomes = race([partial(withdraw_title, book_id=book.pk, at=NOW), borrowing(new_member(), book)])

        if Loan.objects.active().filter(book=book).exists():
            assert outcomes.refused == {"BOOK_HAS_OPEN_LOANS": 1}
        else:
            assert outcomes.refused == {"BOOK_NOT_FOUND": 1}
            assert set(book.copies.values_list("status", flat=True)) == {"withdrawn"}
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_a_title_is_withdrawn_while_it_is_lent():
    book = new_title()

    race([partial(withdraw_title, book_id=book.pk, at=NOW), borrowing(new_member(), book)], around=without_row_locks)

    assert violated() != set()


def test_nobody_stands_in_the_line_of_a_withdrawn_title(begun_again):
    for _ in range(ROUNDS):
        book = new_title(0)

        outcomes = race([partial(withdraw_title, book_id=book.pk, at=NOW), reserving(new_member(), book)])

        assert outcomes.refused in ({}, {"BOOK_NOT_FOUND": 1})
        assert not Reservation.objects.live().filter(book=book).exists()
        assert not Book.objects.held().filter(pk=book.pk).exists()
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_somebody_stands_in_the_line_of_a_withdrawn_title():
    book = new_title(0)

    race([partial(withdraw_title, book_id=book.pk, at=NOW), reserving(new_member(), book)], around=without_row_locks)

    assert not Book.objects.held().filter(pk=book.pk).exists()
    assert Reservation.objects.live().filter(book=book).exists()


def test_a_reservation_that_is_cancelled_while_its_title_goes_ends_once(begun_again):
    for _ in range(ROUNDS):
        book = new_title(0)
        reservation = reserve(member_id=new_member().pk, book_id=book.pk, at=NOW)

        outcomes = race(
            [
                partial(withdraw_title, book_id=book.pk, at=NOW),
                partial(cancel, reservation_id=reservation.pk, at=NOW),
            ]
        )

        assert outcomes.refused in ({}, {"RESERVATION_CLOSED": 1})
    assert begun_again == []


def test_whoever_borrows_while_a_title_leaves_circulation_keeps_the_loan(begun_again):
    for _ in range(ROUNDS):
        book = new_title()
        leaving = partial(edit_title, book_id=book.pk, fields={"in_circulation": False}, at=NOW)

        outcomes = race([leaving, borrowing(new_member(), book)])

        assert outcomes.refused in ({}, {"COPY_NOT_CIRCULATING": 1})
        lent = Loan.objects.active().filter(book=book).count()
        assert lent + outcomes.refused["COPY_NOT_CIRCULATING"] == 1
    assert begun_again == []
    assert broken(at=NOW) == []


# --- Copies --------------------------------------------------------------------------------------------------------


def test_a_copy_that_gets_another_barcode_while_it_is_returned_is_returned_or_not_found(begun_again):
    for _ in range(ROUNDS):
        old = new_title().copies.get().barcode
        new = f"{old}-new"
        check_out(member_id=new_member().pk, barcode=old, at=NOW)

        outcomes = race(
            [
                partial(edit_copy, barcode=old, fields={"barcode": new}, at=NOW),
                partial(return_copy, barcode=old, at=NOW),
            ]
        )

        assert outcomes.refused in ({}, {"COPY_NOT_FOUND": 1})
        assert Loan.objects.active().count() == outcomes.refused["COPY_NOT_FOUND"]
        if outcomes.refused:
            return_copy(barcode=new, at=NOW)
    assert begun_again == []
    assert broken(at=NOW) == []


def test_the_sweep_goes_on_when_a_title_is_withdrawn_under_its_hands(begun_again):
    for _ in range(ROUNDS):
        books = new_titles(3, copies=0)
        for book in books:
            reserve(member_id=new_member().pk, book_id=book.pk, needed_by=NOW, at=NOW)
        later = NOW.replace(year=2027)

        race(
            [
                partial(expire_everywhere, at=later),
                *(partial(withdraw_title, book_id=book.pk, at=later) for book in books[:2]),
            ]
        )

        assert not Reservation.objects.live().exists()
    assert begun_again == []
