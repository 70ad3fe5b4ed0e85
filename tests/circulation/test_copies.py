"""What happens to copies apart from lending."""

from datetime import timedelta

import pytest

from circulation.copies import mark_damaged, mark_found, mark_lost, mark_missing, repair, withdraw
from circulation.services import Next
from events.models import Event
from library.models import Copy
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, ReservationFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db

Status = Copy.Status
TAKING_OUT = {
    mark_lost: (Status.LOST, "lost"),
    mark_missing: (Status.MISSING, "missing"),
    mark_damaged: (Status.DAMAGED, "damaged"),
    withdraw: (Status.WITHDRAWN, "withdrawn"),
}
# From which states each of them may take a copy, apart from a loan.
ALLOWED = {
    mark_lost: {"available", "on_hold_shelf", "in_transit", "missing", "damaged"},
    mark_missing: {"available", "on_hold_shelf", "in_transit", "damaged"},
    mark_damaged: {"available", "on_hold_shelf", "in_transit", "missing", "lost"},
    withdraw: {"available", "on_hold_shelf", "in_transit", "missing", "lost", "damaged"},
}


def copy_that_is(status: str) -> Copy:
    """A copy in this state with the loan or reservation that belongs to it."""
    if status == Status.ON_LOAN:
        return LoanFactory().copy
    if status == Status.ON_HOLD_SHELF:
        return ReservationFactory(ready=True).copy
    return CopyFactory(status=status)


# --- Out of the shelf ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in Status.values if status != "on_loan"])
@pytest.mark.parametrize("operation", TAKING_OUT, ids=lambda operation: operation.__name__)
def test_a_copy_leaves_circulation_from_these_states_and_no_others(operation, status):
    copy = copy_that_is(status)
    to, kind = TAKING_OUT[operation]

    if status in ALLOWED[operation]:
        moved = operation(barcode=copy.barcode, at=NOW, reason="water")
        assert (moved.copy, moved.next) == (copy, None)
        copy.refresh_from_db()
        assert (copy.status, copy.holder, copy.due_at) == (to, None, None)
        told = Event.objects.get(kind=kind)
        assert (told.book_id, told.copy_id, told.member_id, told.loan_id) == (copy.book_id, copy.pk, None, None)
        assert told.payload == {"barcode": copy.barcode, "reason": "water"}
    else:
        with refused("INVALID_TRANSITION") as caught:
            operation(barcode=copy.barcode, at=NOW)
        assert caught.value.facts == {"status": status}
        copy.refresh_from_db()
        assert copy.status == status
        assert not Event.objects.exists()


@pytest.mark.parametrize("operation", [mark_missing, mark_damaged, withdraw], ids=lambda operation: operation.__name__)
def test_a_copy_on_loan_must_come_back_first(operation):
    loan = LoanFactory()

    with refused("COPY_ON_LOAN") as caught:
        operation(barcode=loan.copy.barcode, at=NOW)

    assert caught.value.facts == {"barcode": loan.copy.barcode}
    loan.refresh_from_db()
    assert loan.returned_at is None


def test_losing_a_copy_on_loan_ends_the_loan():
    loan = LoanFactory(overdue=True)

    mark_lost(barcode=loan.copy.barcode, reason="left on a train", at=NOW)

    loan.refresh_from_db()
    loan.copy.refresh_from_db()
    assert loan.returned_at == NOW
    assert (loan.copy.status, loan.copy.holder, loan.copy.due_at) == ("lost", None, None)
    told = Event.objects.get()
    assert (told.kind, told.copy_id, told.member_id, told.loan_id) == ("lost", loan.copy_id, loan.member_id, loan.pk)
    assert told.payload == {"barcode": loan.copy.barcode, "overdue": True, "reason": "left on a train"}


@pytest.mark.parametrize("operation", TAKING_OUT, ids=lambda operation: operation.__name__)
def test_whoever_the_copy_was_set_aside_for_waits_again_at_the_old_place(operation):
    book = BookFactory()
    first, second = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)
    placed_at, copy = first.placed_at, first.copy

    operation(barcode=copy.barcode, at=NOW)

    first.refresh_from_db()
    assert (first.status, first.copy, first.shelf_until, first.placed_at) == ("waiting", None, None, placed_at)
    assert first.placed_at < second.placed_at
    kinds = Event.objects.order_by("id").values_list("kind", "reservation_id", "copy_id")
    assert list(kinds) == [(TAKING_OUT[operation][1], None, copy.pk), ("release", first.pk, copy.pk)]


def test_whoever_lost_their_copy_gets_another_that_is_free():
    book = BookFactory(copies=1)
    free = book.copies.get()
    reservation = ReservationFactory(book=book, ready=True)

    mark_damaged(barcode=reservation.copy.barcode, at=NOW)

    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy) == ("ready", free)


def test_the_other_copies_of_the_title_stay_as_they_are():
    book = BookFactory(copies=1)
    lost = LoanFactory(book=book).copy

    mark_lost(barcode=lost.barcode, at=NOW)

    assert set(book.copies.values_list("status", flat=True)) == {"available", "lost"}


# --- Back to the shelf ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status.values)
@pytest.mark.parametrize(
    ("operation", "origins", "kind"),
    [(mark_found, {"lost", "missing"}, "found"), (repair, {"damaged"}, "repaired")],
    ids=["mark_found", "repair"],
)
def test_a_copy_comes_back_from_these_states_and_no_others(operation, origins, kind, status):
    copy = copy_that_is(status)

    if status in origins:
        moved = operation(barcode=copy.barcode, at=NOW)
        assert (moved.copy, moved.copy.status, moved.next) == (copy, "available", Next("shelve"))
        told = Event.objects.get()
        assert (told.kind, told.book_id, told.copy_id) == (kind, copy.book_id, copy.pk)
        assert told.payload == {"barcode": copy.barcode}
    else:
        with refused("INVALID_TRANSITION") as caught:
            operation(barcode=copy.barcode, at=NOW)
        assert caught.value.facts == {"status": status}
        assert not Event.objects.exists()


@pytest.mark.parametrize(("status", "operation"), [("missing", mark_found), ("lost", mark_found), ("damaged", repair)])
def test_a_copy_that_came_back_goes_to_the_line_first(status, operation):
    copy = CopyFactory(status=status)
    ReservationFactory(book=copy.book, needed_by=NOW - timedelta(days=1))
    head = ReservationFactory(book=copy.book)

    moved = operation(barcode=copy.barcode, at=NOW)

    assert moved.next == Next("hold", head)
    assert (moved.copy.status, moved.copy.holder) == ("on_hold_shelf", head.member)


def test_a_copy_lost_by_a_member_is_on_the_shelf_again_once_found():
    loan = LoanFactory()
    mark_lost(barcode=loan.copy.barcode, at=NOW)

    assert mark_found(barcode=loan.copy.barcode, at=NOW).copy.status == "available"

    loan.refresh_from_db()
    assert loan.returned_at == NOW


@pytest.mark.parametrize("operation", [*TAKING_OUT, mark_found, repair], ids=lambda operation: operation.__name__)
def test_what_does_not_exist_is_said_to_be_missing(operation):
    with refused("COPY_NOT_FOUND"):
        operation(barcode="nowhere", at=NOW)


# --- What it costs -------------------------------------------------------------------------------------------


def test_what_taking_a_copy_out_costs(django_assert_max_num_queries):
    copy = CopyFactory()

    with django_assert_max_num_queries(7):
        mark_lost(barcode=copy.barcode, at=NOW)


def test_what_bringing_a_copy_back_costs(django_assert_max_num_queries):
    copy = CopyFactory(lost=True)

    with django_assert_max_num_queries(9):
        mark_found(barcode=copy.barcode, at=NOW)
