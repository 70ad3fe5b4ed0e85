"""Standing in the line: joining, leaving, pausing, being moved, and what that means for everybody else."""

from datetime import timedelta

import pytest

from events.models import Event
from library.exceptions import Override
from reservations.models import Reservation
from reservations.services import cancel, line_version, lock_reservation, reorder, reserve, resume, suspend
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

pytestmark = pytest.mark.django_db


def status_of(*reservations: Reservation) -> list[str]:
    return [Reservation.objects.get(pk=reservation.pk).status for reservation in reservations]


def kinds() -> list[str]:
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


# --- Joining -------------------------------------------------------------------------------------------------


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


# --- Leaving -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [{}, {"suspended": True}])
def test_whoever_waits_may_leave(status):
    reservation = ReservationFactory(**status)

    cancelled = cancel(reservation_id=reservation.pk, reason="found it elsewhere", at=NOW)

    assert cancelled == reservation
    reservation.refresh_from_db()
    assert (reservation.status, reservation.closed_at) == ("cancelled", NOW)
    told = Event.objects.get()
    assert (told.kind, told.reservation_id, told.payload) == (
        "cancel",
        reservation.pk,
        {"reason": "found it elsewhere"},
    )


def test_the_copy_of_whoever_leaves_goes_to_the_next():
    book = BookFactory()
    leaving, head = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)
    copy = leaving.copy

    cancel(reservation_id=leaving.pk, at=NOW)

    leaving.refresh_from_db()
    head.refresh_from_db()
    assert (leaving.status, leaving.copy, leaving.shelf_until) == ("cancelled", None, None)
    assert (head.status, head.copy) == ("ready", copy)
    told = Event.objects.order_by("id").values_list("kind", "reservation_id", "copy_id")
    assert list(told) == [
        ("release", leaving.pk, copy.pk),
        ("cancel", leaving.pk, copy.pk),
        ("hold", head.pk, copy.pk),
    ]


def test_the_copy_of_whoever_leaves_last_goes_to_the_shelf():
    leaving = ReservationFactory(ready=True)

    cancel(reservation_id=leaving.pk, at=NOW)

    copy = leaving.book.copies.get()
    assert (copy.status, copy.holder) == ("available", None)


@pytest.mark.parametrize("ended", ["fulfilled", "cancelled", "expired"])
@pytest.mark.parametrize("operation", ["cancel", "suspend", "resume", "reorder"])
def test_what_has_ended_stays_ended(operation, ended):
    reservation = ReservationFactory(**{ended: True})

    with refused("RESERVATION_CLOSED") as caught:
        if operation == "reorder":
            reorder(reservation_id=reservation.pk, priority=1, reason="", at=NOW)
        else:
            {"cancel": cancel, "suspend": suspend, "resume": resume}[operation](reservation_id=reservation.pk, at=NOW)

    assert (caught.value.facts, caught.value.kind) == ({"status": ended}, "conflict")
    assert not Event.objects.exists()


def test_the_line_of_a_withdrawn_title_has_ended():
    reservation = ReservationFactory(book__withdrawn=True, cancelled=True)

    with refused("RESERVATION_CLOSED"):
        cancel(reservation_id=reservation.pk, at=NOW)


# --- Pausing -------------------------------------------------------------------------------------------------


def test_whoever_pauses_is_passed_over():
    reservation = ReservationFactory()

    suspend(reservation_id=reservation.pk, at=NOW)

    assert status_of(reservation) == ["suspended"]
    assert kinds() == ["suspend"]


def test_whoever_comes_back_stands_at_the_old_place():
    book = LoanFactory().book
    paused, second = ReservationFactory(book=book, suspended=True), ReservationFactory(book=book)

    resumed = resume(reservation_id=paused.pk, at=NOW)

    assert resumed.status == "waiting"
    assert list(Reservation.objects.eligible(book, NOW, NOW.date()).in_order()) == [paused, second]
    assert kinds() == ["resume"]


def test_whoever_comes_back_to_a_free_copy_is_served_at_once():
    reservation = ReservationFactory(book=BookFactory(copies=1), suspended=True)

    resumed = resume(reservation_id=reservation.pk, at=NOW)

    assert resumed.status == "ready"
    assert kinds() == ["resume", "hold"]


@pytest.mark.parametrize("status", ["ready", "suspended"])
def test_only_whoever_waits_can_pause(status):
    reservation = ReservationFactory(**{status: True})

    with refused("INVALID_TRANSITION") as caught:
        suspend(reservation_id=reservation.pk, at=NOW)

    assert (caught.value.facts, caught.value.kind) == ({"status": status}, "unprocessable")


@pytest.mark.parametrize("status", ["waiting", "ready"])
def test_only_whoever_paused_can_come_back(status):
    reservation = ReservationFactory(**({} if status == "waiting" else {status: True}))

    with refused("INVALID_TRANSITION") as caught:
        resume(reservation_id=reservation.pk, at=NOW)

    assert caught.value.facts == {"status": status}
    assert status_of(reservation) == [status]


# --- Being moved ---------------------------------------------------------------------------------------------


def test_staff_move_somebody_forward_and_back_with_a_reason():
    book = LoanFactory().book
    first, second, third = ReservationFactory.create_batch(3, book=book)

    moved = reorder(reservation_id=third.pk, priority=-1, reason="exam on Friday", at=NOW)
    assert (moved, moved.priority) == (third, -1)
    assert list(Reservation.objects.in_order()) == [third, first, second]

    reorder(reservation_id=first.pk, priority=1, reason="in no hurry", at=NOW)
    assert list(Reservation.objects.in_order()) == [third, second, first]

    told = Event.objects.order_by("id").first()
    assert told is not None
    assert (told.kind, told.reservation_id) == ("reorder", third.pk)
    assert told.payload == {"before": 0, "priority": -1, "reason": "exam on Friday"}


def test_copies_already_set_aside_stay_where_they_are():
    book = BookFactory()
    ready, waiting = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)

    reorder(reservation_id=waiting.pk, priority=-5, reason="", at=NOW)

    assert status_of(ready, waiting) == ["ready", "waiting"]


def test_whoever_is_moved_before_others_in_an_unsettled_line_is_served():
    book = BookFactory(copies=1)
    ahead, moved = ReservationFactory.create_batch(2, book=book)

    assert reorder(reservation_id=moved.pk, priority=-1, reason="", at=NOW).status == "ready"
    assert status_of(ahead) == ["waiting"]


def test_the_line_must_be_as_staff_read_it():
    reservation = ReservationFactory(book=LoanFactory().book)
    read = line_version(reservation.book)
    reserve(member_id=MemberFactory().pk, book_id=reservation.book.pk, at=NOW)
    last = Event.objects.get().pk

    with refused("STALE_QUEUE") as caught:
        reorder(reservation_id=reservation.pk, priority=1, reason="", queue_version=read, at=NOW)
    assert (read, caught.value.kind, caught.value.details) == (0, "conflict", {"version": last})

    assert reorder(reservation_id=reservation.pk, priority=1, reason="", queue_version=last, at=NOW).priority == 1


# --- Positions -----------------------------------------------------------------------------------------------


def test_a_position_counts_those_who_wait_before_and_nobody_else():
    book = LoanFactory().book
    ReservationFactory(book=book, ready=True)
    ReservationFactory(book=book, cancelled=True)
    ReservationFactory()  # of another title
    first, paused, tie, tie_too = (
        ReservationFactory(book=book),
        ReservationFactory(book=book, suspended=True),
        ReservationFactory(book=book, placed_at=NOW),
        ReservationFactory(book=book, placed_at=NOW),
    )
    preferred = ReservationFactory(book=book, placed_at=NOW, priority=-1)

    positions = {reservation: reservation.position for reservation in Reservation.objects.with_position()}

    assert [positions[r] for r in (preferred, first, paused, tie, tie_too)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("status", "position"), [("ready", 0), ("fulfilled", None), ("cancelled", None), ("expired", None)]
)
def test_whoever_does_not_wait_has_no_place_in_the_count(status, position):
    ReservationFactory(book=BookFactory(), **{status: True})

    assert Reservation.objects.with_position().get().position == position


# --- Inside an operation -------------------------------------------------------------------------------------


def test_a_reservation_that_was_locked_knows_its_title():
    reservation = ReservationFactory()

    book, locked = lock_reservation(reservation.pk)

    assert (book, locked) == (reservation.book, reservation)
    assert locked.book is book


# --- What it costs -------------------------------------------------------------------------------------------


def test_what_joining_costs(django_assert_max_num_queries):
    member, book = MemberFactory(), LoanFactory().book

    with django_assert_max_num_queries(14):
        reserve(member_id=member.pk, book_id=book.pk, at=NOW)


@pytest.mark.parametrize(("operation", "round_trips"), [(cancel, 8), (suspend, 7)], ids=["cancel", "suspend"])
def test_what_leaving_and_pausing_cost(operation, round_trips, django_assert_max_num_queries):
    reservation = ReservationFactory(book=LoanFactory().book)

    with django_assert_max_num_queries(round_trips):
        operation(reservation_id=reservation.pk, at=NOW)


def test_what_coming_back_costs(django_assert_max_num_queries):
    reservation = ReservationFactory(book=LoanFactory().book, suspended=True)

    with django_assert_max_num_queries(10):
        resume(reservation_id=reservation.pk, at=NOW)


def test_what_passing_a_copy_on_costs(django_assert_max_num_queries):
    reservation = ReservationFactory(ready=True)
    ReservationFactory.create_batch(20, book=reservation.book)

    with django_assert_max_num_queries(15):
        cancel(reservation_id=reservation.pk, at=NOW)
