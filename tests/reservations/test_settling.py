"""Settling: who gets the copies that come free, and for how long they are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from events.models import Event
from events.signals import recorded
from library.policies import policy_for
from reservations.exceptions import ReservationClosed
from reservations.models import Reservation
from reservations.services import available, expire, expire_everywhere, join_line, settle_title, unserved
from reservations.serving import SETTLE_BATCH, settle
from tests.factories import (
    NOW,
    TODAY,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanPolicyFactory,
    MemberCategoryFactory,
    MemberFactory,
    ReservationFactory,
)

pytestmark = pytest.mark.django_db


def ready_of(book) -> list[Reservation]:
    return list(Reservation.objects.filter(book=book, status="ready").in_order())


def test_whoever_listens_hears_of_a_hold():
    heard = []

    def listen(sender, events, **_):
        heard.extend(events)

    book = BookFactory(copies=1)
    reservation = ReservationFactory(book=book)
    recorded.connect(listen)
    try:
        settle_title(book_id=book.pk, at=NOW)
    finally:
        recorded.disconnect(listen)

    [told] = heard
    assert told == Event.objects.get()
    assert (told.kind, told.reservation_id, told.copy_id) == ("hold", reservation.pk, book.copies.get().pk)


# --- Who ---------------------------------------------------------------------------------------------------


def test_copies_go_to_the_line_in_its_order():
    book = BookFactory(copies=2)
    first, second, third = ReservationFactory.create_batch(3, book=book)
    one, other = book.copies.order_by("id")

    assert settle_title(book_id=book.pk, at=NOW) == [first, second]

    assert [(r, r.copy) for r in ready_of(book)] == [(first, one), (second, other)]
    third.refresh_from_db()
    assert third.status == "waiting"


def test_the_order_is_priority_then_time_then_number():
    book = BookFactory()
    same_time = NOW - timedelta(days=1)
    late = ReservationFactory(book=book, placed_at=NOW)
    tie, tie_too = ReservationFactory.create_batch(2, book=book, placed_at=same_time)
    preferred = ReservationFactory(book=book, placed_at=NOW, priority=-1)
    deferred = ReservationFactory(book=book, placed_at=NOW - timedelta(days=9), priority=1)
    served = []
    for _ in range(5):
        CopyFactory(book=book)
        served += settle_title(book_id=book.pk, at=NOW)

    assert served == [preferred, tie, tie_too, late, deferred]


def test_those_who_may_not_borrow_are_passed_over_and_keep_their_place():
    book = BookFactory(copies=5)
    passed_over = [
        ReservationFactory(book=book, member__blocked=True),
        ReservationFactory(book=book, member__expired=True),
        ReservationFactory(book=book, needed_by=NOW - timedelta(microseconds=1)),
        ReservationFactory(book=book, suspended=True),
    ]
    served = [
        ReservationFactory(book=book, needed_by=NOW),
        ReservationFactory(book=book, member__expires_on=TODAY),
    ]

    assert settle_title(book_id=book.pk, at=NOW) == served

    places = [(r.pk, r.placed_at, r.priority, r.copy_id) for r in passed_over]
    assert (
        list(
            Reservation.objects.filter(pk__in=[r.pk for r in passed_over])
            .in_order()
            .values_list("pk", "placed_at", "priority", "copy")
        )
        == places
    )


def test_whoever_already_has_a_copy_on_its_way_gets_no_other():
    book = BookFactory()
    ReservationFactory(book=book, copy=CopyFactory(book=book, in_transit=True))
    second = ReservationFactory(book=book)
    CopyFactory(book=book)

    assert settle_title(book_id=book.pk, at=NOW) == [second]


def test_a_title_out_of_circulation_serves_nobody():
    book = BookFactory(copies=1, out_of_circulation=True)
    ReservationFactory(book=book)

    assert settle_title(book_id=book.pk, at=NOW) == []


def test_a_line_longer_than_a_batch_is_served_to_its_end():
    book = BookFactory(copies=SETTLE_BATCH + 2)
    line = ReservationFactory.create_batch(SETTLE_BATCH + 3, book=book)

    assert settle_title(book_id=book.pk, at=NOW) == line[:-1]


def test_a_full_batch_of_copies_and_nobody_left_ends_the_settling():
    book = BookFactory(copies=SETTLE_BATCH)
    line = ReservationFactory.create_batch(SETTLE_BATCH, book=book)

    assert settle_title(book_id=book.pk, at=NOW) == line


def test_what_is_unserved_counts_eligible_members_against_free_copies():
    book = BookFactory(copies=2)
    assert (unserved(book, at=NOW), available(book)) == (-2, 2)
    ReservationFactory.create_batch(3, book=book)
    ReservationFactory(book=book, suspended=True)
    ReservationFactory(book=book, ready=True)
    assert (unserved(book, at=NOW), available(book)) == (1, 2)


# --- Until when --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_zone", "shelf_until"),
    [
        ("UTC", datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 9, 22, 59, 59, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 10, 3, 59, 59, tzinfo=UTC)),  # summer time began on the 8th
        ("Pacific/Kiritimati", datetime(2026, 3, 10, 9, 59, 59, tzinfo=UTC)),  # where it was Tuesday already
    ],
)
def test_a_copy_is_kept_until_the_end_of_a_day_where_it_is_collected(time_zone, shelf_until):
    copy = CopyFactory(branch=BranchFactory(time_zone=time_zone))
    reservation = ReservationFactory(book=copy.book, branch=copy.branch)

    settle_title(book_id=copy.book.pk, at=NOW)

    reservation.refresh_from_db()
    assert reservation.shelf_until == shelf_until
    assert datetime.fromisoformat(Event.objects.get().payload["shelf_until"]) == shelf_until


@pytest.mark.parametrize("kinds", [(), ("book",), ("member", "book"), ("both", "member", "book")])
def test_how_long_it_is_kept_is_what_the_most_specific_policy_says(kinds):
    book, students = BookFactory(copies=1, category="Maps"), MemberCategoryFactory()
    reservation = ReservationFactory(book=book, member__category=students)
    fits = {
        "both": {"member_category": students, "book_category": "Maps"},
        "member": {"member_category": students},
        "book": {"book_category": "Maps"},
    }
    for days, kind in enumerate(kinds, 1):
        LoanPolicyFactory(**fits[kind], shelf_days=days)
    LoanPolicyFactory(member_category=MemberCategoryFactory(), book_category="Maps", shelf_days=20)
    LoanPolicyFactory(member_category=students, book_category="Plays", shelf_days=30)

    settle_title(book_id=book.pk, at=NOW)

    reservation.refresh_from_db()
    days = policy_for(reservation.member, book).shelf_days
    assert days == (1 if kinds else 7)
    assert reservation.shelf_until == datetime(2026, 3, 2 + days, 23, 59, 59, tzinfo=UTC)


def test_of_more_copies_than_people_the_one_is_taken_that_stands_where_it_is_collected():
    book, harbour = BookFactory(copies=2), BranchFactory(name="Harbour")
    there = CopyFactory(book=book, branch=harbour)
    reservation = ReservationFactory(book=book, branch=harbour)

    settle_title(book_id=book.pk, at=NOW)

    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy) == ("ready", there)


def test_how_many_days_a_copy_is_kept_depends_on_who_it_is_for():
    book, children = BookFactory(copies=2), MemberCategoryFactory()
    LoanPolicyFactory(member_category=children, shelf_days=0)
    adult, child = ReservationFactory(book=book), ReservationFactory(book=book, member__category=children)

    settle_title(book_id=book.pk, at=NOW)

    adult.refresh_from_db()
    child.refresh_from_db()
    assert adult.shelf_until == datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)
    assert child.shelf_until == datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)


# --- Expiry ------------------------------------------------------------------------------------------------


def test_what_was_not_collected_in_time_goes_to_the_next():
    book = BookFactory()
    late, head = (
        ReservationFactory(book=book, ready=True, shelf_until=NOW - timedelta(seconds=1)),
        ReservationFactory(book=book),
    )
    copy = late.copy

    assert expire(book_id=book.pk, at=NOW) == [late]

    late.refresh_from_db()
    head.refresh_from_db()
    assert (late.status, late.closed_at, late.copy) == ("expired", NOW, None)
    assert (head.status, head.copy) == ("ready", copy)
    told = Event.objects.order_by("id").values_list("kind", "reservation_id", "copy_id")
    assert list(told) == [("release", late.pk, copy.pk), ("expire", late.pk, copy.pk), ("hold", head.pk, copy.pk)]
    assert Event.objects.get(kind="expire").payload == {"reason": "not collected"}


def test_a_hold_lasts_through_the_moment_that_was_promised():
    reservation = ReservationFactory(ready=True, shelf_until=NOW)

    assert expire(book_id=reservation.book.pk, at=NOW) == []


@pytest.mark.parametrize("status", [{}, {"suspended": True}])
def test_whoever_no_longer_needs_the_title_leaves_the_line(status):
    reservation = ReservationFactory(needed_by=NOW - timedelta(seconds=1), **status)
    kept = ReservationFactory(book=reservation.book, needed_by=NOW, **status)

    assert expire(book_id=reservation.book.pk, at=NOW) == [reservation]

    kept.refresh_from_db()
    assert kept.is_live
    assert Event.objects.get().payload == {"reason": "no longer needed"}


def test_a_copy_set_aside_is_kept_though_the_date_it_was_needed_by_has_passed():
    reservation = ReservationFactory(ready=True, needed_by=NOW - timedelta(days=1))

    assert expire(book_id=reservation.book.pk, at=NOW) == []


def test_the_clock_alone_changes_nothing():
    reservation = ReservationFactory(ready=True, shelf_until=NOW - timedelta(days=1))

    assert settle_title(book_id=reservation.book.pk, at=NOW) == []

    reservation.refresh_from_db()
    assert reservation.status == "ready"


def test_every_title_with_something_to_expire_is_visited_once():
    first, second = ReservationFactory.create_batch(2, ready=True, shelf_until=NOW - timedelta(days=1))
    also = ReservationFactory(book=second.book, needed_by=NOW - timedelta(days=1))
    ReservationFactory(ready=True)
    ReservationFactory(book__withdrawn=True, needed_by=NOW - timedelta(days=1))

    assert expire_everywhere(at=NOW) == [first, second, also]
    assert expire_everywhere(at=NOW) == []


# --- Inside an operation only ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_steps_of_the_line_belong_inside_an_operation():
    book, member = BookFactory(copies=1), MemberFactory()

    for step in (lambda: settle(book, at=NOW), lambda: join_line(member, book, at=NOW)):
        with pytest.raises(transaction.TransactionManagementError, match="belongs inside an operation"):
            step()

    assert not Reservation.objects.exists()


# --- The table of transitions --------------------------------------------------------------------------------

ALLOWED = {
    "waiting": {"suspended", "ready", "fulfilled", "cancelled", "expired"},
    "suspended": {"waiting", "fulfilled", "cancelled", "expired"},
    "ready": {"waiting", "fulfilled", "cancelled", "expired"},
    "fulfilled": set(),
    "cancelled": set(),
    "expired": set(),
}


@pytest.mark.parametrize("to", Reservation.Status)
@pytest.mark.parametrize("origin", Reservation.Status.values)
def test_a_reservation_goes_from_these_states_to_these_and_to_no_others(origin, to):
    reservation = ReservationFactory(**({} if origin == "waiting" else {origin: True}))
    copy = reservation.copy or CopyFactory(book=reservation.book)

    def step():
        if to == "ready":
            reservation.become(to, at=NOW, copy=copy, shelf_until=NOW)
            reservation.save()
        else:
            reservation.move(to, at=NOW)

    if to in ALLOWED[origin]:
        step()
        reservation.refresh_from_db()
        assert reservation.status == to
        assert reservation.closed_at == (None if reservation.is_live else NOW)
        assert (reservation.copy, reservation.shelf_until) == ((copy, NOW) if to == "ready" else (None, None))
    else:
        with pytest.raises(Exception) as caught:  # noqa: PT011  the kind is asserted below
            step()
        expected = "RESERVATION_CLOSED" if not ALLOWED[origin] else "INVALID_TRANSITION"
        assert caught.value.code == expected
        assert isinstance(caught.value, ReservationClosed) == (not ALLOWED[origin])
        assert caught.value.facts == {"status": origin}
        reservation.refresh_from_db()
        assert reservation.status == origin
