"""An undoing against whatever else is done to the copy at that moment: one of them comes first, and both are right."""

from functools import partial

import pytest

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, return_copy
from circulation.undoing import undo
from events.models import Event
from library.models import Copy
from reservations.models import Reservation
from reservations.services import cancel, reserve
from tests.concurrency.library import new_member, new_title
from tests.concurrency.races import race, without_row_locks
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 12


def lent():
    book = new_title(copies=1)
    return book, check_out(member_id=new_member().pk, book_id=book.pk, at=NOW).loan


def undoing(kind):
    return partial(undo, event_id=Event.objects.filter(kind=kind).latest("pk").pk, at=NOW)


def test_a_check_out_undone_sixteen_times_at_once_is_undone_once():
    lent()

    outcomes = race([undoing("checkout")] * 16)

    assert (len(outcomes.done), outcomes.refused) == (1, {"INVALID_TRANSITION": 15})
    assert Event.objects.filter(kind="return").count() == 1
    assert broken(at=NOW) == []


def test_control_without_locks_it_is_undone_many_times():
    lent()

    outcomes = race([undoing("checkout")] * 16, around=without_row_locks)

    assert len(outcomes.done) > 1
    assert Event.objects.filter(kind="return").count() > 1


def test_an_undone_check_out_and_a_return_end_the_loan_once():
    for _ in range(ROUNDS):
        _, loan = lent()

        outcomes = race([undoing("checkout"), partial(return_copy, loan_id=loan.pk, at=NOW)] * 4)

        assert len(outcomes.done) == 1
        assert set(outcomes.refused) <= {"INVALID_TRANSITION", "COPY_NOT_ON_LOAN"}
        assert Event.objects.filter(kind="return", loan_id=loan.pk).count() == 1
    assert broken(at=NOW) == []


def test_an_undone_return_and_a_check_out_by_others_lend_the_copy_once():
    for _ in range(ROUNDS):
        book, loan = lent()
        return_copy(loan_id=loan.pk, at=NOW)
        others = [partial(check_out, member_id=new_member().pk, barcode=loan.copy.barcode, at=NOW) for _ in range(3)]

        outcomes = race([undoing("return"), *others, undoing("return")])

        assert len(outcomes.done) == 1
        assert Loan.objects.active().filter(book=book).count() == 1
    assert broken(at=NOW) == []


def test_an_undone_return_and_a_cancelled_reservation_leave_nobody_beside_a_free_copy():
    for _ in range(ROUNDS):
        book, loan = lent()
        first = reserve(member_id=new_member().pk, book_id=book.pk, at=NOW)
        second = reserve(member_id=new_member().pk, book_id=book.pk, at=NOW)
        return_copy(loan_id=loan.pk, at=NOW)

        race([undoing("return"), partial(cancel, reservation_id=first.pk, at=NOW)])

        copy = Copy.objects.get(book=book)
        second.refresh_from_db()
        assert (copy.status, second.status) in {("on_loan", "waiting"), ("on_hold_shelf", "ready")}
        assert Reservation.objects.get(pk=first.pk).status == "cancelled"
    assert broken(at=NOW) == []
