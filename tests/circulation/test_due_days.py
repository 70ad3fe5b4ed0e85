"""Loans and holds end when a branch is open: a loan where the copy belongs, a hold where it is collected."""

from datetime import UTC, datetime, time

import pytest

from circulation.services import Lent, check_out, renew, return_copy
from library.services import add_title, enrol, main_branch
from reservations.models import Reservation
from reservations.services import reserve
from tests.factories import BranchFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday


@pytest.fixture
def harbour():
    return BranchFactory(name="Harbour")


@pytest.fixture
def book():
    """A title with one copy, at the main library."""
    return add_title(at=AT, title="Emma", copies=1)


def member(name, branch):
    return enrol(at=AT, first_name=name, last_name="Reader", branch=branch)


def lent(book, to, **how):
    result = check_out(member_id=to.pk, book_id=book.pk, at=AT, **how)
    assert isinstance(result, Lent)
    return result.loan


def kept_until(reservation):
    return Reservation.objects.get(pk=reservation.pk).shelf_until


def test_loans_and_holds_end_when_a_branch_is_open(book, harbour):
    weekdays = [time(18)] * 5 + [None, None]
    for branch in (main_branch(), harbour):
        branch.closing_times = weekdays
        branch.save()

    loan = lent(book, member("Ada", harbour), days=5)  # a Saturday

    assert loan.due_at == datetime(2026, 3, 9, 18, tzinfo=UTC)
    renewed = renew(loan_id=loan.pk, at=datetime(2026, 3, 7, 9, tzinfo=UTC))  # a Saturday; 28 days later is one too
    assert renewed.due_at == datetime(2026, 4, 6, 18, tzinfo=UTC)
    waiting = reserve(member_id=member("Bob", harbour).pk, book_id=book.pk, at=AT)
    return_copy(barcode=loan.copy.barcode, branch=harbour, at=datetime(2026, 3, 7, 9, tzinfo=UTC))
    assert kept_until(waiting) == datetime(2026, 3, 16, 18, tzinfo=UTC)  # a week later is a Saturday


def test_a_loan_ends_when_the_branch_of_the_copy_is_open_and_a_hold_when_that_where_it_is_collected_is(book, harbour):
    main, monday = main_branch(), datetime(2026, 3, 9, 10, tzinfo=UTC)
    main.closing_times, harbour.closing_times = [time(18), None, *[time(18)] * 5], [None, *[time(20)] * 6]
    main.save()
    harbour.save()

    loan = lent(book, member("Zoe", harbour))  # 28 days later is a Monday
    assert loan.due_at == datetime(2026, 3, 30, 18, tzinfo=UTC)
    assert renew(loan_id=loan.pk, at=monday).due_at == datetime(2026, 4, 6, 18, tzinfo=UTC)

    waiting = reserve(member_id=member("Bob", harbour).pk, book_id=book.pk, at=AT)
    return_copy(barcode=loan.copy.barcode, branch=harbour, at=monday)  # a week later is a Monday, too
    assert kept_until(waiting) == datetime(2026, 3, 17, 20, tzinfo=UTC)
