"""Standing in the line: leaving, pausing, being moved, and what that means for everybody else."""

import pytest

from events.models import Event
from reservations.models import Reservation
from reservations.services import cancel, line_version, lock_reservation, reorder, reserve, resume, suspend
from tests.factories import NOW, BookFactory, LoanFactory, MemberFactory, ReservationFactory
from tests.refusals import refused
from tests.reservations.looking import kinds, status_of

pytestmark = pytest.mark.django_db


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
