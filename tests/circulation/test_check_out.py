"""Check-out: what is lent, until when, what a rehearsal says, and what it costs."""

from datetime import UTC, datetime

import pytest

from circulation.models import Loan
from circulation.services import Lent, Queued, check_out
from events.models import Event
from library.models import Copy
from reservations.models import Reservation
from tests.circulation.lending import lend
from tests.factories import NOW, BookFactory, BranchFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- Lending -----------------------------------------------------------------------------------------------


def test_a_free_copy_is_lent():
    member, book = MemberFactory(), BookFactory(copies=1)

    loan = lend(member, book).loan

    loan.refresh_from_db()
    assert (loan.member, loan.book, loan.lent_at, loan.returned_at, loan.renewals) == (member, book, NOW, None, 0)
    assert loan.due_at == datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC)
    copy = book.copies.get()
    assert (copy.status, copy.holder, copy.due_at) == (Copy.Status.ON_LOAN, member, loan.due_at)


def test_the_copy_that_came_first_into_the_library_is_lent_first():
    book = BookFactory(copies=3)
    first, second, _ = book.copies.order_by("id")

    assert lend(MemberFactory(), book).loan.copy == first
    assert lend(MemberFactory(), book).loan.copy == second


def test_a_barcode_means_that_very_copy():
    book = BookFactory(copies=3)
    last = book.copies.order_by("id").last()

    assert lend(MemberFactory(), barcode=last.barcode).loan.copy == last


def test_days_shorten_the_loan():
    loan = lend(MemberFactory(), BookFactory(copies=1), days=7).loan

    assert loan.due_at == datetime(2026, 3, 9, 23, 59, 59, tzinfo=UTC)


def test_days_may_be_as_many_as_the_policy_allows():
    loan = lend(MemberFactory(), BookFactory(copies=1), days=28).loan

    assert loan.due_at == datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("time_zone", "due_at"),
    [
        # At 10:00 UTC it is already Tuesday on Kiritimati, and Monday everywhere else.
        ("Pacific/Kiritimati", datetime(2026, 3, 31, 9, 59, 59, tzinfo=UTC)),
        ("UTC", datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC)),
        # Lent in winter, due in summer: the day still ends at its own midnight.
        ("Europe/Berlin", datetime(2026, 3, 30, 21, 59, 59, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 31, 3, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_loan_is_due_at_the_end_of_the_day_where_the_copy_belongs(time_zone, due_at):
    copy = CopyFactory(branch=BranchFactory(time_zone=time_zone))

    assert lend(MemberFactory(), barcode=copy.barcode).loan.due_at == due_at


@pytest.mark.parametrize(
    ("lent_at", "due_at"),
    [
        (datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC)),  # the 23-hour day
        (datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)),  # the 25-hour day
        (datetime(2026, 10, 24, 21, 59, 59, tzinfo=UTC), datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, 0, 0, tzinfo=UTC), datetime(2026, 10, 26, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_one_day_is_one_calendar_day_when_the_clocks_change(lent_at, due_at):
    copy = CopyFactory(branch=BranchFactory(time_zone="Europe/Berlin"))

    result = check_out(member_id=MemberFactory().pk, barcode=copy.barcode, days=1, at=lent_at)

    assert isinstance(result, Lent)
    assert result.loan.due_at == due_at


def test_the_event_of_a_check_out_says_what_was_counted():
    member, book = MemberFactory(), BookFactory(copies=1)
    LoanFactory(member=member)

    loan = lend(member, book).loan

    told = Event.objects.get()
    assert (told.kind, told.book_id, told.copy_id, told.member_id, told.loan_id, told.reservation_id) == (
        "checkout",
        book.pk,
        loan.copy_id,
        member.pk,
        loan.pk,
        None,
    )
    assert told.occurred_at == NOW
    assert told.payload == {
        "barcode": loan.copy.barcode,
        "due_at": "2026-03-30T23:59:59+00:00",
        "open": 1,
        "limit": 5,
    }


def test_a_copy_may_be_lent_again_after_its_return():
    book = BookFactory()
    loan = LoanFactory(book=book, returned=True)

    assert lend(loan.member, book).loan.copy == loan.copy


# --- Rehearsals ----------------------------------------------------------------------------------------------


def test_a_rehearsed_check_out_lends_nothing():
    member, book = MemberFactory(), BookFactory(copies=1)

    would = check_out.rehearse(member_id=member.pk, book_id=book.pk, at=NOW)

    assert isinstance(would, Lent)
    assert (would.loan.member, would.loan.book) == (member, book)
    assert book.copies.get().is_available
    assert not Loan.objects.exists()
    assert not Event.objects.exists()


def test_a_rehearsed_check_out_puts_nobody_in_the_line():
    book = BookFactory(copies=1)
    ahead = ReservationFactory(book=book)

    would = check_out.rehearse(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(would, Queued)
    ahead.refresh_from_db()
    assert ahead.status == "waiting"
    assert list(Reservation.objects.all()) == [ahead]


def test_a_rehearsed_check_out_is_refused_for_the_same_reasons():
    with refused("MEMBER_BLOCKED", "NO_COPY_AVAILABLE"):
        check_out.rehearse(
            member_id=MemberFactory(blocked=True).pk, book_id=BookFactory().pk, on_unavailable="refuse", at=NOW
        )


# --- What it costs -------------------------------------------------------------------------------------------

# Round trips to PostgreSQL. BEGIN and COMMIT count; inside a test they are SAVEPOINT and RELEASE.


def test_a_check_out_costs_seven_round_trips(django_assert_max_num_queries):
    member, book = MemberFactory(), BookFactory(copies=3)

    with django_assert_max_num_queries(7):  # BEGIN, locks, facts, copy, loan, event, COMMIT
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_a_check_out_by_barcode_costs_as_much(django_assert_max_num_queries):
    member, copy = MemberFactory(), CopyFactory()

    with django_assert_max_num_queries(7):
        check_out(member_id=member.pk, barcode=copy.barcode, at=NOW)


def test_a_refused_check_out_costs_no_write(django_assert_max_num_queries):
    member, book = MemberFactory(blocked=True), BookFactory(copies=1)

    with django_assert_max_num_queries(5), refused("MEMBER_BLOCKED"):  # a savepoint takes two to undo, ROLLBACK is one
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_the_number_of_copies_loans_and_waiting_members_costs_nothing(django_assert_max_num_queries):
    member, book = MemberFactory(), BookFactory(copies=30)
    LoanFactory.create_batch(4, member=member)
    ReservationFactory.create_batch(20, book=book, suspended=True)

    with django_assert_max_num_queries(7):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_what_joining_the_line_costs(django_assert_max_num_queries):
    member, book = MemberFactory(), LoanFactory().book

    with django_assert_max_num_queries(12):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_what_taking_the_copy_set_aside_costs(django_assert_max_num_queries):
    reservation = ReservationFactory(ready=True)

    with django_assert_max_num_queries(10):
        check_out(member_id=reservation.member.pk, book_id=reservation.book.pk, at=NOW)
