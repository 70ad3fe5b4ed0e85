"""Return: which loan ends, and what becomes of the copy."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation.models import Loan
from circulation.services import Next, return_copy
from events.models import Event
from library.exceptions import Override
from library.models import Copy
from reservations.models import Reservation
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    LoanPolicyFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- Which loan ----------------------------------------------------------------------------------------------


def test_a_copy_comes_back_by_its_barcode():
    loan = LoanFactory()

    result = return_copy(barcode=loan.copy.barcode, at=NOW)

    assert (result.loan, result.next) == (loan, Next("shelve"))
    loan.refresh_from_db()
    loan.copy.refresh_from_db()
    assert loan.returned_at == NOW
    assert (loan.copy.status, loan.copy.holder, loan.copy.due_at) == ("available", None, None)


def test_a_copy_comes_back_by_its_loan():
    loan = LoanFactory()

    assert return_copy(loan_id=loan.pk, at=NOW).loan.returned_at == NOW


def test_a_copy_comes_back_by_who_returns_which_title():
    loan = LoanFactory()
    LoanFactory(member=loan.member)
    LoanFactory(book=loan.book)

    assert return_copy(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW).loan == loan


def test_the_present_loan_of_a_copy_ends_not_a_former_one():
    former = LoanFactory(returned=True)
    Copy.objects.filter(pk=former.copy_id).update(status="on_loan", holder=MemberFactory(), due_at=NOW)
    present = LoanFactory(book=former.book, copy=former.copy)

    assert return_copy(barcode=former.copy.barcode, at=NOW).loan == present


def test_the_event_of_a_return_tells_whose_loan_ended():
    loan = LoanFactory()

    return_copy(barcode=loan.copy.barcode, at=NOW)

    told = Event.objects.get()
    assert (told.kind, told.book_id, told.copy_id, told.member_id, told.loan_id) == (
        "return",
        loan.book_id,
        loan.copy_id,
        loan.member_id,
        loan.pk,
    )
    assert told.payload == {"barcode": loan.copy.barcode, "overdue": False}


def test_the_event_of_a_late_return_says_so():
    loan = LoanFactory(overdue=True)

    return_copy(barcode=loan.copy.barcode, at=NOW)

    assert Event.objects.get().payload["overdue"] is True


def test_a_copy_of_a_title_out_of_circulation_comes_back_to_the_shelf():
    loan = LoanFactory(book__out_of_circulation=True)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).next == Next("shelve")


def test_blocked_and_expired_members_may_return():
    loan = LoanFactory(member__blocked=True, member__expired=True)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).loan == loan


# --- Nothing on loan -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["available", "in_transit", "missing", "lost", "damaged", "withdrawn"])
def test_what_is_not_on_loan_cannot_be_returned(status):
    copy = CopyFactory(status=status)

    with refused("COPY_NOT_ON_LOAN") as caught:
        return_copy(barcode=copy.barcode, at=NOW)

    assert caught.value.kind == "conflict"
    assert caught.value.message == f"Copy {copy.barcode} is not on loan. It is {copy.get_status_display().lower()}."


def test_a_copy_set_aside_cannot_be_returned():
    with refused("COPY_NOT_ON_LOAN"):
        return_copy(barcode=ReservationFactory(ready=True).copy.barcode, at=NOW)


def test_a_loan_ends_once():
    loan = LoanFactory()
    return_copy(loan_id=loan.pk, at=NOW)

    for way in (
        {"loan_id": loan.pk},
        {"barcode": loan.copy.barcode},
        {"member_id": loan.member.pk, "book_id": loan.book.pk},
    ):
        with refused("COPY_NOT_ON_LOAN"):
            return_copy(at=NOW + timedelta(hours=1), **way)

    loan.refresh_from_db()
    assert loan.returned_at == NOW


def test_a_member_returns_only_what_they_have():
    loan = LoanFactory()

    with refused("COPY_NOT_ON_LOAN"):
        return_copy(member_id=MemberFactory().pk, book_id=loan.book.pk, at=NOW)


def test_the_loan_of_a_withdrawn_title_has_ended():
    loan = LoanFactory(returned=True, book__withdrawn=True)

    with refused("COPY_NOT_ON_LOAN"):
        return_copy(loan_id=loan.pk, at=NOW)
    with refused("COPY_NOT_FOUND"):
        return_copy(barcode=loan.copy.barcode, at=NOW)
    with refused("BOOK_NOT_FOUND"):
        return_copy(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW)


def test_what_does_not_exist_is_said_to_be_missing():
    with refused("COPY_NOT_FOUND"):
        return_copy(barcode="nowhere", at=NOW)
    with refused("LOAN_NOT_FOUND"):
        return_copy(loan_id=0, at=NOW)
    with refused("MEMBER_NOT_FOUND"):
        return_copy(member_id=0, book_id=BookFactory().pk, at=NOW)
    with refused("BOOK_NOT_FOUND"):
        return_copy(member_id=MemberFactory().pk, book_id=0, at=NOW)


# --- What becomes of the copy: hold ----------------------------------------------------------------------------


def test_a_returned_copy_is_set_aside_for_the_head_of_the_line():
    loan = LoanFactory()
    head, second = ReservationFactory.create_batch(2, book=loan.book)

    result = return_copy(barcode=loan.copy.barcode, at=NOW)

    assert result.next == Next("hold", head)
    head.refresh_from_db()
    second.refresh_from_db()
    assert (head.status, head.copy, second.status, second.copy) == ("ready", loan.copy, "waiting", None)
    assert head.shelf_until == datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)
    copy = loan.book.copies.get()
    assert (copy.status, copy.holder, copy.due_at) == ("on_hold_shelf", head.member, None)
    returned, held = Event.objects.order_by("id")
    assert (returned.kind, held.kind) == ("return", "hold")
    assert (held.copy_id, held.member_id, held.reservation_id) == (copy.pk, head.member_id, head.pk)
    assert held.payload == {"shelf_until": "2026-03-09T23:59:59+00:00"}


def test_how_long_a_copy_stays_set_aside_depends_on_whom_it_waits_for_and_where():
    copy = CopyFactory(on_loan=True, branch=BranchFactory(time_zone="Europe/Berlin"))
    loan = LoanFactory(copy=copy, book=copy.book, member=copy.holder)
    head = ReservationFactory(book=copy.book, branch=copy.branch)
    LoanPolicyFactory(member_category=head.member.category, shelf_days=30)

    return_copy(barcode=copy.barcode, at=NOW)

    head.refresh_from_db()
    assert head.shelf_until == datetime(2026, 4, 1, 21, 59, 59, tzinfo=UTC)  # summer time by then
    assert loan.member != head.member


def test_members_who_may_not_borrow_are_passed_over_and_keep_their_place():
    loan = LoanFactory()
    blocked = ReservationFactory(book=loan.book, member__blocked=True)
    expired = ReservationFactory(book=loan.book, member__expired=True)
    suspended = ReservationFactory(book=loan.book, suspended=True)
    too_late = ReservationFactory(book=loan.book, needed_by=NOW - timedelta(seconds=1))
    served = ReservationFactory(book=loan.book)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).next == Next("hold", served)

    assert list(Reservation.objects.filter(book=loan.book).in_order()) == [
        blocked,
        expired,
        suspended,
        too_late,
        served,
    ]
    for passed_over in (blocked, expired, suspended, too_late):
        before = passed_over.status
        passed_over.refresh_from_db()
        assert passed_over.status == before


def test_a_copy_nobody_may_take_goes_to_the_shelf():
    loan = LoanFactory()
    ReservationFactory(book=loan.book, member__blocked=True)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).next == Next("shelve")


def test_the_loan_limit_does_not_keep_a_copy_from_being_set_aside():
    general_policy(max_loans=1)
    loan = LoanFactory()
    head = ReservationFactory(book=loan.book)
    LoanFactory(member=head.member, overdue=True)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).next == Next("hold", head)


# --- What becomes of the copy: loan ----------------------------------------------------------------------------


def test_a_returned_copy_is_lent_to_the_head_of_the_line():
    loan = LoanFactory()
    head, second = ReservationFactory.create_batch(2, book=loan.book)

    result = return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW)

    assert result.next == Next("lend", head)
    assert result.next.reservation.status == "fulfilled"
    lent = Loan.objects.active().get()
    assert (lent.member, lent.copy, lent.lent_at) == (head.member, loan.copy, NOW)
    second.refresh_from_db()
    assert second.status == "waiting"
    assert list(Event.objects.order_by("id").values_list("kind", flat=True)) == ["return", "checkout", "fulfil"]


def test_what_a_return_does_for_the_line_can_be_set_for_the_whole_library(settings):
    settings.FULFIL_ON_RETURN = "loan"
    loan = LoanFactory()
    ReservationFactory(book=loan.book)

    assert return_copy(barcode=loan.copy.barcode, at=NOW).next.action == "lend"


def test_with_nobody_in_the_line_the_copy_is_shelved():
    loan = LoanFactory()

    assert return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW).next == Next("shelve")


@pytest.mark.parametrize("reason", ["limit", "overdue"])
def test_a_head_who_may_not_borrow_now_gets_the_copy_set_aside(reason):
    loan = LoanFactory()
    head = ReservationFactory(book=loan.book)
    LoanFactory(member=head.member, overdue=reason == "overdue")
    general_policy(max_loans=1 if reason == "limit" else 5)

    result = return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW)

    assert result.next == Next("hold", head)
    assert result.next.reservation.status == "ready"
    assert Loan.objects.active().of(head.member).count() == 1


def test_staff_override_what_keeps_the_head_from_borrowing_and_the_event_says_why():
    general_policy(max_loans=1)
    loan = LoanFactory()
    head = ReservationFactory(book=loan.book)
    LoanFactory(member=head.member, overdue=True)
    codes = ["LOAN_LIMIT_REACHED", "MEMBER_HAS_OVERDUE"]

    result = return_copy(
        barcode=loan.copy.barcode, fulfil_on_return="loan", override=Override(frozenset(codes), "here already"), at=NOW
    )

    assert result.next == Next("lend", head)
    assert Event.objects.get(kind="checkout").payload["override"] == {"codes": codes, "reason": "here already"}


def test_the_title_out_of_circulation_is_not_lent_on():
    loan = LoanFactory(book__out_of_circulation=True)
    ReservationFactory(book=loan.book)

    assert return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW).next == Next("shelve")


def test_lending_on_serves_whoever_else_waits_beside_a_free_copy():
    loan = LoanFactory(book=BookFactory(copies=1))
    first, second = ReservationFactory.create_batch(2, book=loan.book)

    result = return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW)

    assert result.next == Next("lend", first)
    second.refresh_from_db()
    assert second.status == "ready"


# --- What it costs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("way", "round_trips"), [("barcode", 10), ("loan", 9), ("member and title", 8)])
def test_what_a_return_to_the_shelf_costs(way, round_trips, django_assert_max_num_queries):
    loan = LoanFactory()
    how = {
        "barcode": {"barcode": loan.copy.barcode},
        "loan": {"loan_id": loan.pk},
        "member and title": {"member_id": loan.member.pk, "book_id": loan.book.pk},
    }[way]

    with django_assert_max_num_queries(round_trips):
        return_copy(at=NOW, **how)


def test_what_a_return_to_the_hold_shelf_costs(django_assert_max_num_queries):
    loan = LoanFactory()
    ReservationFactory.create_batch(20, book=loan.book)

    # BEGIN, lock, facts, return, free copies and first in line, hold, COMMIT
    with django_assert_max_num_queries(7):
        return_copy(barcode=loan.copy.barcode, at=NOW)


def test_what_a_return_that_lends_costs(django_assert_max_num_queries):
    loan = LoanFactory()
    ReservationFactory.create_batch(20, book=loan.book)

    with django_assert_max_num_queries(19):
        return_copy(barcode=loan.copy.barcode, fulfil_on_return="loan", at=NOW)
