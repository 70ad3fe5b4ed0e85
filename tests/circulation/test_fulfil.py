"""Fulfilment: lending what was set aside, by reservation or to the head of a title's line."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from circulation.models import Loan
from circulation.services import fulfil, fulfil_head
from events.models import Event
from library.exceptions import Override
from tests.factories import NOW, BookFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- By reservation ------------------------------------------------------------------------------------------


def test_the_copy_set_aside_is_lent_to_whoever_reserved_it():
    reservation = ReservationFactory(ready=True)

    loan = fulfil(reservation_id=reservation.pk, at=NOW)

    assert (loan.member, loan.copy, loan.book) == (reservation.member, reservation.copy, reservation.book)
    reservation.refresh_from_db()
    loan.copy.refresh_from_db()
    assert (reservation.status, reservation.closed_at, reservation.copy) == ("fulfilled", NOW, loan.copy)
    assert (loan.copy.status, loan.copy.holder) == ("on_loan", reservation.member)
    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["checkout", "fulfil"]


def test_a_hold_past_its_date_that_was_not_swept_may_still_be_collected():
    reservation = ReservationFactory(ready=True, shelf_until=NOW - timedelta(days=1))

    assert fulfil(reservation_id=reservation.pk, at=NOW).member == reservation.member


def test_nothing_set_aside_is_nothing_to_fulfil():
    reservation = ReservationFactory(book=LoanFactory().book)

    with refused("NO_COPY_TO_FULFILL") as caught:
        fulfil(reservation_id=reservation.pk, at=NOW)

    assert caught.value.kind == "conflict"
    reservation.refresh_from_db()
    assert reservation.status == "waiting"


def test_somebody_elses_hold_is_not_lent():
    book = ReservationFactory(ready=True).book
    reservation = ReservationFactory(book=book)

    with refused("NO_COPY_TO_FULFILL"):
        fulfil(reservation_id=reservation.pk, at=NOW)


def test_whoever_waits_beside_a_free_copy_may_have_it_in_their_turn():
    book = BookFactory(copies=1)
    first, second = ReservationFactory.create_batch(2, book=book)

    with refused("NO_COPY_TO_FULFILL"):
        fulfil(reservation_id=second.pk, at=NOW)
    assert fulfil(reservation_id=first.pk, at=NOW).member == first.member


def test_a_suspended_reservation_may_be_fulfilled_when_a_copy_is_free():
    reservation = ReservationFactory(book=BookFactory(copies=1), suspended=True)

    assert fulfil(reservation_id=reservation.pk, at=NOW).member == reservation.member


@pytest.mark.parametrize("ended", ["fulfilled", "cancelled", "expired"])
def test_what_has_ended_is_not_fulfilled_again(ended):
    reservation = ReservationFactory(book=BookFactory(copies=1), **{ended: True})

    with refused("RESERVATION_CLOSED") as caught:
        fulfil(reservation_id=reservation.pk, at=NOW)

    assert caught.value.facts == {"status": ended}
    assert caught.value.kind == "conflict"


def test_the_reservation_of_a_withdrawn_title_or_a_former_member_has_ended():
    withdrawn = ReservationFactory(book__withdrawn=True, cancelled=True)
    deserted = ReservationFactory(cancelled=True)
    deserted.member.delete()

    for reservation in (withdrawn, deserted):
        with refused("RESERVATION_CLOSED"):
            fulfil(reservation_id=reservation.pk, at=NOW)


def test_a_reservation_that_does_not_exist_is_said_to_be_missing():
    with refused("RESERVATION_NOT_FOUND"):
        fulfil(reservation_id=0, at=NOW)


def test_the_rules_of_a_check_out_apply():
    general_policy(max_loans=1)
    reservation = ReservationFactory(ready=True, member__blocked=True, member__expired=True)
    LoanFactory(member=reservation.member, overdue=True)

    with refused("MEMBER_BLOCKED", "MEMBER_EXPIRED", "MEMBER_HAS_OVERDUE", "LOAN_LIMIT_REACHED"):
        fulfil(reservation_id=reservation.pk, at=NOW)

    reservation.refresh_from_db()
    assert reservation.status == "ready"


def test_staff_override_and_the_event_says_why():
    reservation = ReservationFactory(ready=True, member__blocked=True)

    fulfil(reservation_id=reservation.pk, override=Override(frozenset({"MEMBER_BLOCKED"}), "moved house"), at=NOW)

    told = Event.objects.get(kind="checkout")
    assert told.payload["override"] == {"codes": ["MEMBER_BLOCKED"], "reason": "moved house"}
    assert told.reservation_id == reservation.pk


# --- To the head of the line ---------------------------------------------------------------------------------


def test_the_first_whose_copy_is_set_aside_gets_it():
    book = BookFactory()
    waiting = ReservationFactory(book=book)
    first, second = ReservationFactory.create_batch(2, book=book, ready=True)

    assert fulfil_head(book_id=book.pk, at=NOW).member == first.member
    assert fulfil_head(book_id=book.pk, at=NOW).member == second.member
    with refused("NO_COPY_TO_FULFILL"):
        fulfil_head(book_id=book.pk, at=NOW)

    waiting.refresh_from_db()
    assert waiting.status == "waiting"


def test_the_head_of_a_line_that_was_not_settled_gets_the_free_copy():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, member__blocked=True)
    head = ReservationFactory(book=book)

    assert fulfil_head(book_id=book.pk, at=NOW).member == head.member


def test_an_empty_line_has_no_head():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, cancelled=True)

    with refused("QUEUE_EMPTY") as caught:
        fulfil_head(book_id=book.pk, at=NOW)

    assert caught.value.kind == "conflict"
    assert not Loan.objects.exists()


def test_a_free_copy_is_not_lent_to_those_who_are_passed_over():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, member__blocked=True)

    with refused("NO_COPY_TO_FULFILL"):
        fulfil_head(book_id=book.pk, at=NOW)


def test_a_title_that_does_not_exist_is_said_to_be_missing():
    with refused("BOOK_NOT_FOUND"):
        fulfil_head(book_id=0, at=NOW)


def test_the_rules_of_a_check_out_apply_to_the_head():
    book = ReservationFactory(ready=True, member__blocked=True).book

    with refused("MEMBER_BLOCKED"):
        fulfil_head(book_id=book.pk, at=NOW)
    fulfil_head(book_id=book.pk, override=Override(frozenset({"MEMBER_BLOCKED"}), "moved house"), at=NOW)

    assert Loan.objects.active().get().book == book


@pytest.mark.django_db(transaction=True)
def test_the_desk_is_busy_while_the_head_is_being_served_elsewhere():
    reservation = ReservationFactory(ready=True)
    locked, done = threading.Event(), threading.Event()

    def another_desk():
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1 FROM library_member WHERE id = %s FOR NO KEY UPDATE", [reservation.member.pk])
                locked.set()
                done.wait(10)
                cursor.execute("ROLLBACK")
        finally:
            connection.close()

    desk = threading.Thread(target=another_desk)
    desk.start()
    locked.wait(10)
    try:
        with refused("BUSY") as caught:
            fulfil_head(book_id=reservation.book.pk, at=NOW)
    finally:
        done.set()
        desk.join()

    assert caught.value.kind == "busy"
    assert fulfil_head(book_id=reservation.book.pk, at=NOW).member == reservation.member


# --- What it costs -------------------------------------------------------------------------------------------


def test_what_fulfilling_costs(django_assert_max_num_queries):
    reservation = ReservationFactory(ready=True)

    with django_assert_max_num_queries(12):
        fulfil(reservation_id=reservation.pk, at=NOW)


def test_what_fulfilling_the_head_costs(django_assert_max_num_queries):
    reservation = ReservationFactory(ready=True, member=MemberFactory())

    with django_assert_max_num_queries(12):
        fulfil_head(book_id=reservation.book.pk, at=NOW)
