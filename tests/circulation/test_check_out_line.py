"""Check-out and the line: who joins it, who may pass it, and what one's own reservation does."""

from datetime import timedelta

import pytest

from circulation.services import Lent, Queued, check_out
from events.models import Event
from library.exceptions import Override
from reservations.models import Reservation
from tests.circulation.lending import lend
from tests.factories import NOW, BookFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- The line ----------------------------------------------------------------------------------------------


def test_with_nothing_free_the_member_joins_the_line():
    member, book = MemberFactory(), LoanFactory().book

    result = check_out(member_id=member.pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    reservation = Reservation.objects.get()
    assert result.reservation == reservation
    assert (reservation.member, reservation.book, reservation.status) == (member, book, "waiting")
    assert (reservation.placed_at, reservation.priority, reservation.branch) == (NOW, 0, member.branch)
    told = Event.objects.get()
    assert (told.kind, told.reservation_id, told.member_id) == ("reserve", reservation.pk, member.pk)


def test_a_title_without_copies_may_be_waited_for():
    result = check_out(member_id=MemberFactory().pk, book_id=BookFactory().pk, at=NOW)

    assert isinstance(result, Queued)


def test_the_loan_limit_and_overdue_loans_do_not_keep_a_member_from_the_line():
    general_policy(max_loans=1)
    member = LoanFactory(overdue=True).member

    result = check_out(member_id=member.pk, book_id=BookFactory().pk, at=NOW)

    assert isinstance(result, Queued)


def test_with_nothing_free_the_member_may_ask_to_be_refused_instead():
    with refused("NO_COPY_AVAILABLE") as caught:
        check_out(member_id=MemberFactory().pk, book_id=LoanFactory().book.pk, on_unavailable="refuse", at=NOW)

    assert caught.value.facts == {"available": 0, "waiting": 0}
    assert caught.value.kind == "conflict"
    assert not Reservation.objects.exists()


def test_a_barcode_refuses_unless_told_to_reserve():
    copy = LoanFactory().copy

    with refused("COPY_ON_LOAN"):
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    result = check_out(member_id=MemberFactory().pk, barcode=copy.barcode, on_unavailable="reserve", at=NOW)
    assert isinstance(result, Queued)


def test_nobody_reserves_by_barcode_what_another_copy_could_give_them_now():
    book = BookFactory(copies=1)
    lent = LoanFactory(book=book).copy

    with refused("COPY_ON_LOAN"):
        check_out(member_id=MemberFactory().pk, barcode=lent.barcode, on_unavailable="reserve", at=NOW)


def test_joining_the_line_names_every_reason_against_it():
    general_policy(max_reservations=1)
    book = LoanFactory(book__out_of_circulation=True).book
    member = MemberFactory(blocked=True, expired=True)
    ReservationFactory(member=member)

    with refused("MEMBER_BLOCKED", "MEMBER_EXPIRED", "RESERVATION_LIMIT_REACHED", "COPY_NOT_CIRCULATING"):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_joining_the_line_can_be_overridden_and_the_event_says_so():
    member = MemberFactory(blocked=True)
    override = Override(frozenset({"MEMBER_BLOCKED"}), "paid yesterday")

    check_out(member_id=member.pk, book_id=BookFactory().pk, override=override, at=NOW)

    told = Event.objects.get(kind="reserve")
    assert told.payload == {"override": {"codes": ["MEMBER_BLOCKED"], "reason": "paid yesterday"}}


def test_nobody_overtakes_those_who_wait_beside_a_free_copy():
    # So it stands between a member's unblocking and the next look at the lines.
    book = BookFactory(copies=1)
    head = ReservationFactory(book=book)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    head.refresh_from_db()
    assert head.status == "ready"
    assert result.reservation.status == "waiting"


def test_whoever_joins_before_those_that_staff_moved_back_is_told_what_they_got():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, priority=5)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    assert result.reservation.status == "ready"


def test_a_free_copy_may_be_taken_when_there_are_more_of_them_than_people_waiting():
    book = BookFactory(copies=2)
    head = ReservationFactory(book=book)

    loan = lend(MemberFactory(), book).loan

    head.refresh_from_db()
    assert head.status == "ready"
    assert head.copy != loan.copy


@pytest.mark.parametrize("passed_over", ["blocked", "expired"])
def test_members_who_may_not_borrow_do_not_keep_others_from_a_free_copy(passed_over):
    book = BookFactory(copies=1)
    ReservationFactory(book=book, **{f"member__{passed_over}": True})

    assert lend(MemberFactory(), book).loan.book == book


def test_suspended_reservations_do_not_keep_others_from_a_free_copy():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, suspended=True)

    assert lend(MemberFactory(), book).loan.book == book


@pytest.mark.parametrize(("needed_by", "lent"), [(NOW - timedelta(seconds=1), True), (NOW, False)])
def test_whoever_needed_the_title_by_now_is_passed_over_only_after_that_moment(needed_by, lent):
    book = BookFactory(copies=1)
    ReservationFactory(book=book, needed_by=needed_by)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Lent) == lent


# --- One's own reservation -----------------------------------------------------------------------------------


def test_the_copy_set_aside_is_the_one_lent_and_the_reservation_ends():
    book = BookFactory(copies=1)
    reservation = ReservationFactory(book=book, ready=True)

    loan = lend(reservation.member, book).loan

    assert loan.copy == reservation.copy
    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy, reservation.closed_at) == ("fulfilled", loan.copy, NOW)
    assert reservation.shelf_until is None
    checkout, fulfilled = Event.objects.order_by("id")
    assert (checkout.kind, checkout.reservation_id) == ("checkout", reservation.pk)
    assert (fulfilled.kind, fulfilled.reservation_id, fulfilled.loan_id) == ("fulfil", reservation.pk, loan.pk)


def test_the_copy_set_aside_is_lent_by_its_barcode():
    reservation = ReservationFactory(ready=True)

    assert lend(reservation.member, barcode=reservation.copy.barcode).loan.copy == reservation.copy


def test_taking_another_copy_frees_the_one_set_aside_for_the_next_in_line():
    book = BookFactory(copies=1)
    other = book.copies.get()
    reservation, waiting = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)
    held = reservation.copy
    # One copy is free and one person waits, so only whoever has a copy set aside may take it.
    loan = lend(reservation.member, barcode=other.barcode).loan

    assert loan.copy == other
    waiting.refresh_from_db()
    assert (waiting.status, waiting.copy) == ("ready", held)
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["checkout", "release", "fulfil", "hold"]


def test_a_hold_past_its_date_may_still_be_collected_until_it_is_swept():
    reservation = ReservationFactory(ready=True, shelf_until=NOW - timedelta(days=3))

    assert lend(reservation.member, reservation.book).loan.copy == reservation.copy


def test_a_copy_set_aside_past_the_date_it_was_needed_by_may_still_be_collected():
    book = BookFactory(copies=1)
    other = book.copies.get()
    reservation = ReservationFactory(ready=True, book=book, needed_by=NOW - timedelta(days=1))
    ReservationFactory(book=book)

    assert lend(reservation.member, barcode=other.barcode).loan.copy == other


def test_the_head_of_the_line_takes_a_free_copy_and_leaves_the_line():
    book = BookFactory(copies=1)
    head, second = ReservationFactory(book=book), ReservationFactory(book=book)

    lend(head.member, book)

    head.refresh_from_db()
    second.refresh_from_db()
    assert (head.status, second.status) == ("fulfilled", "waiting")


def test_the_second_in_line_cannot_take_the_only_free_copy():
    book = BookFactory(copies=1)
    ReservationFactory(book=book)
    second = ReservationFactory(book=book)

    with refused("NO_COPY_AVAILABLE") as caught:
        check_out(member_id=second.member.pk, book_id=book.pk, on_unavailable="refuse", at=NOW)

    assert caught.value.facts == {"available": 1, "waiting": 1}


def test_a_place_whose_date_has_passed_is_no_place():
    book = BookFactory(copies=1)
    lapsed = ReservationFactory(book=book, needed_by=NOW - timedelta(days=1))
    ReservationFactory(book=book)

    with refused("RESERVATION_EXISTS"):
        check_out(member_id=lapsed.member.pk, book_id=book.pk, at=NOW)


def test_whoever_already_waits_cannot_join_again():
    reservation = ReservationFactory(book=LoanFactory().book)

    with refused("RESERVATION_EXISTS"):
        check_out(member_id=reservation.member.pk, book_id=reservation.book.pk, at=NOW)


def test_lending_to_somebody_serves_whoever_else_waits_beside_a_free_copy():
    book = BookFactory(copies=2)
    first, second = ReservationFactory(book=book), ReservationFactory(book=book)

    lend(first.member, book)

    second.refresh_from_db()
    assert second.status == "ready"
