"""What PostgreSQL itself refuses to store about a line."""

import pytest
from django.db import IntegrityError, transaction

from events.operations import constraint_of, operation
from reservations.models import Reservation
from reservations.services import join_line
from tests.factories import NOW, CopyFactory, LoanFactory, ReservationFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def violated(**fields) -> str | None:
    """The constraint that refuses these values in a reservation."""
    reservation = ReservationFactory(book=CopyFactory().book)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        Reservation.objects.filter(pk=reservation.pk).update(**fields)
    return constraint_of(caught.value)


def test_a_ready_reservation_has_its_copy_and_its_date():
    assert violated(status="ready", shelf_until=NOW) == "ready_has_copy_and_date"
    assert violated(status="ready", copy=CopyFactory()) == "ready_has_copy_and_date"


@pytest.mark.parametrize("status", Reservation.CLOSED)
def test_a_reservation_that_has_ended_says_when(status):
    assert violated(status=status) == "closed_reservation_has_date"


def test_a_live_reservation_has_not_ended():
    assert violated(closed_at=NOW) == "closed_reservation_has_date"


def test_a_live_reservation_has_its_member():
    assert violated(member=None) == "closed_reservation_has_date"


@pytest.mark.parametrize("first", [{}, {"suspended": True}, {"ready": True}])
@pytest.mark.parametrize("second", [{}, {"suspended": True}, {"ready": True}])
def test_a_member_stands_in_a_line_once(first, second):
    there = ReservationFactory(**first)

    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        ReservationFactory(book=there.book, member=there.member, **second)

    assert constraint_of(caught.value) == "one_live_reservation_per_member"


def test_a_copy_is_set_aside_once():
    there = ReservationFactory(ready=True)

    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        ReservationFactory(book=there.book, status="ready", copy=there.copy, shelf_until=NOW)

    assert constraint_of(caught.value) == "one_live_reservation_per_copy"


def test_a_broken_constraint_is_told_as_the_refusal_that_it_guards():
    there = ReservationFactory(book=LoanFactory().book)
    join_without_asking = operation(join_line)

    with refused("RESERVATION_EXISTS") as caught:
        join_without_asking(there.member, there.book, at=NOW)

    assert isinstance(caught.value.__cause__, IntegrityError)
