"""Joining the line: at which place, and every reason against it."""

from datetime import timedelta

import pytest

from events.models import Event
from library.exceptions import Override
from reservations.models import Reservation
from reservations.services import cancel, reorder, reserve, resume, suspend
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    LoanFactory,
    LoanPolicyFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)
from tests.refusals import refused
from tests.reservations.looking import status_of

pytestmark = pytest.mark.django_db


def test_a_member_joins_the_end_of_the_line():
    book, member = LoanFactory().book, MemberFactory()
    ahead = ReservationFactory(book=book)

    reservation = reserve(member_id=member.pk, book_id=book.pk, at=NOW)

    reservation.refresh_from_db()
    assert (reservation.member, reservation.book, reservation.status) == (member, book, "waiting")
    assert (reservation.placed_at, reservation.priority, reservation.copy) == (NOW, 0, None)
    assert (reservation.branch, reservation.needed_by, reservation.closed_at) == (member.branch, None, None)
    assert list(Reservation.objects.in_order()) == [ahead, reservation]
    told = Event.objects.get()
    assert (told.kind, told.book_id, told.member_id, told.reservation_id, told.copy_id, told.payload) == (
        "reserve",
        book.pk,
        member.pk,
        reservation.pk,
        None,
        {},
    )


def test_a_member_says_where_to_collect_and_until_when_it_is_of_use():
    branch, needed_by = BranchFactory(), NOW + timedelta(days=5)

    reservation = reserve(
        member_id=MemberFactory().pk, book_id=LoanFactory().book.pk, branch=branch, needed_by=needed_by, at=NOW
    )

    assert (reservation.branch, reservation.needed_by) == (branch, needed_by)


def test_nobody_reserves_what_can_be_borrowed_now():
    book = BookFactory(copies=2)

    with refused("COPY_AVAILABLE") as caught:
        reserve(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert (caught.value.facts, caught.value.kind, caught.value.overridable) == ({"available": 2}, "conflict", False)
    assert not Reservation.objects.exists()


def test_copies_that_others_are_waiting_for_are_not_free():
    book = BookFactory(copies=2)
    waiting = ReservationFactory.create_batch(2, book=book)

    reservation = reserve(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert reservation.status == "waiting"
    assert status_of(*waiting) == ["ready", "ready"]


def test_whoever_joins_before_those_that_staff_moved_back_may_be_served_at_once():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, priority=5)

    assert reserve(member_id=MemberFactory().pk, book_id=book.pk, at=NOW).status == "ready"


def test_a_member_stands_in_a_line_once():
    reservation = ReservationFactory(book=LoanFactory().book)

    with refused("RESERVATION_EXISTS") as caught:
        reserve(member_id=reservation.member.pk, book_id=reservation.book.pk, at=NOW)

    assert (caught.value.kind, caught.value.overridable, caught.value.facts) == ("conflict", False, {})


@pytest.mark.parametrize("ended", ["fulfilled", "cancelled", "expired"])
def test_a_member_may_join_again_once_the_last_reservation_ended(ended):
    former = ReservationFactory(book=LoanFactory().book, **{ended: True})

    assert reserve(member_id=former.member.pk, book_id=former.book.pk, at=NOW) != former


def test_the_reservation_limit_counts_everything_that_is_live_and_nothing_else():
    general_policy(max_reservations=3)
    member = MemberFactory()
    for status in ("suspended", "ready", "fulfilled", "cancelled", "expired"):
        ReservationFactory(member=member, **{status: True})
    reserve(member_id=member.pk, book_id=LoanFactory().book.pk, at=NOW)

    with refused("RESERVATION_LIMIT_REACHED") as caught:
        reserve(member_id=member.pk, book_id=LoanFactory().book.pk, at=NOW)

    assert (caught.value.facts, caught.value.kind, caught.value.overridable) == (
        {"open": 3, "limit": 3},
        "unprocessable",
        True,
    )


def test_the_reservation_limit_is_that_of_the_title_asked_for():
    general_policy(max_reservations=1)
    LoanPolicyFactory(book_category="film", max_reservations=2)
    member = ReservationFactory().member

    assert reserve(member_id=member.pk, book_id=LoanFactory(book__category="film").book.pk, at=NOW)


def test_whoever_has_the_title_does_not_reserve_it():
    loan = LoanFactory()

    with refused("ALREADY_BORROWED") as caught:
        reserve(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW)

    assert (caught.value.kind, caught.value.overridable) == ("conflict", False)


def test_every_reason_is_named_at_once_members_first_then_the_titles():
    general_policy(max_reservations=0)
    loan = LoanFactory(member__blocked=True, member__expired=True, book__out_of_circulation=True)

    with refused(
        "MEMBER_BLOCKED", "MEMBER_EXPIRED", "RESERVATION_LIMIT_REACHED", "ALREADY_BORROWED", "COPY_NOT_CIRCULATING"
    ):
        reserve(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW)


def test_a_title_out_of_circulation_is_not_said_to_be_free():
    book = BookFactory(copies=1, out_of_circulation=True)

    with refused("COPY_NOT_CIRCULATING"):
        reserve(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)


def test_a_member_who_may_not_borrow_learns_also_that_a_copy_is_free():
    with refused("MEMBER_BLOCKED", "COPY_AVAILABLE"):
        reserve(member_id=MemberFactory(blocked=True).pk, book_id=BookFactory(copies=1).pk, at=NOW)


def test_staff_override_and_the_event_says_why():
    general_policy(max_reservations=0)
    override = Override(frozenset({"RESERVATION_LIMIT_REACHED", "MEMBER_BLOCKED"}), "for the exam")

    reserve(member_id=MemberFactory().pk, book_id=LoanFactory().book.pk, override=override, at=NOW)

    assert Event.objects.get().payload["override"] == {"codes": ["RESERVATION_LIMIT_REACHED"], "reason": "for the exam"}


def test_what_does_not_exist_is_said_to_be_missing():
    with refused("MEMBER_NOT_FOUND"):
        reserve(member_id=0, book_id=BookFactory().pk, at=NOW)
    with refused("BOOK_NOT_FOUND"):
        reserve(member_id=MemberFactory().pk, book_id=0, at=NOW)
    with refused("BOOK_NOT_FOUND"):
        reserve(member_id=MemberFactory().pk, book_id=BookFactory(withdrawn=True).pk, at=NOW)
    for operation in (cancel, suspend, resume):
        with refused("RESERVATION_NOT_FOUND"):
            operation(reservation_id=0, at=NOW)
    with refused("RESERVATION_NOT_FOUND"):
        reorder(reservation_id=0, priority=1, reason="", at=NOW)


def test_what_joining_costs(django_assert_max_num_queries):
    member, book = MemberFactory(), LoanFactory().book

    with django_assert_max_num_queries(14):
        reserve(member_id=member.pk, book_id=book.pk, at=NOW)
