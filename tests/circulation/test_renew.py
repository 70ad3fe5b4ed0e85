"""Renewal: until when, how often, and what stands against it."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation.services import renew
from events.models import Event
from library.exceptions import Override
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    LoanPolicyFactory,
    ReservationFactory,
    general_policy,
)
from tests.refusals import refused

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["loan_id", "barcode"])
def test_a_renewal_gives_a_full_period_from_today(way):
    loan = LoanFactory(lent_at=NOW - timedelta(days=20))

    renewed = renew(at=NOW, **{way: loan.pk if way == "loan_id" else loan.copy.barcode})

    assert renewed == loan
    loan.refresh_from_db()
    loan.copy.refresh_from_db()
    assert (loan.due_at, loan.renewals) == (datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC), 1)
    assert loan.copy.due_at == loan.due_at
    assert (renewed.due_at, renewed.renewals) == (loan.due_at, 1)


def test_the_event_of_a_renewal_tells_the_new_date():
    loan = LoanFactory()

    renew(loan_id=loan.pk, at=NOW)

    told = Event.objects.get()
    assert (told.kind, told.book_id, told.copy_id, told.member_id, told.loan_id) == (
        "renew",
        loan.book_id,
        loan.copy_id,
        loan.member_id,
        loan.pk,
    )
    assert told.payload == {"due_at": "2026-03-30T23:59:59+00:00", "renewals": 1}


def test_a_renewal_never_shortens_a_loan():
    due_at = NOW + timedelta(days=90)
    loan = LoanFactory(due_at=due_at)

    renewed = renew(loan_id=loan.pk, at=NOW)

    loan.refresh_from_db()
    loan.copy.refresh_from_db()
    assert renewed.due_at == loan.due_at == loan.copy.due_at == due_at
    assert loan.renewals == 1


def test_a_renewal_ends_with_the_day_where_the_copy_belongs():
    copy = CopyFactory(on_loan=True, branch=BranchFactory(time_zone="Europe/Berlin"))
    loan = LoanFactory(copy=copy, book=copy.book, member=copy.holder)

    assert renew(loan_id=loan.pk, at=NOW).due_at == datetime(2026, 3, 30, 21, 59, 59, tzinfo=UTC)


def test_an_overdue_loan_may_be_renewed():
    assert renew(loan_id=LoanFactory(overdue=True).pk, at=NOW).due_at > NOW


def test_the_loan_of_a_title_out_of_circulation_may_be_renewed():
    assert renew(loan_id=LoanFactory(book__out_of_circulation=True).pk, at=NOW).renewals == 1


def test_a_loan_is_renewed_as_often_as_the_policy_allows():
    general_policy(max_renewals=2)
    loan = LoanFactory(renewals=1)

    assert renew(loan_id=loan.pk, at=NOW).renewals == 2
    with refused("RENEWAL_LIMIT_REACHED") as caught:
        renew(loan_id=loan.pk, at=NOW)

    assert caught.value.facts == {"renewals": 2, "limit": 2}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


def test_nobody_renews_what_somebody_waits_for():
    loan = LoanFactory()
    ReservationFactory(book=loan.book)

    with refused("RENEWAL_BLOCKED_BY_RESERVATION") as caught:
        renew(loan_id=loan.pk, at=NOW)

    assert caught.value.facts == {"waiting": 1}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


@pytest.mark.parametrize(
    "who",
    [
        {"suspended": True},
        {"ready": True},
        {"cancelled": True},
        {"member__blocked": True},
        {"member__expired": True},
        {"needed_by": NOW - timedelta(seconds=1)},
    ],
)
def test_those_who_would_not_get_the_copy_do_not_stand_against_a_renewal(who):
    loan = LoanFactory()
    ReservationFactory(book=loan.book, **who)

    assert renew(loan_id=loan.pk, at=NOW).renewals == 1


def test_those_for_whom_a_copy_is_free_do_not_stand_against_a_renewal():
    loan = LoanFactory(book=BookFactory(copies=1))
    ReservationFactory(book=loan.book)

    assert renew(loan_id=loan.pk, at=NOW).renewals == 1


def test_blocked_and_expired_members_renew_nothing_and_learn_every_reason():
    general_policy(max_renewals=0)
    loan = LoanFactory(member__blocked=True, member__expired=True)
    ReservationFactory(book=loan.book)

    with refused("MEMBER_BLOCKED", "MEMBER_EXPIRED", "RENEWAL_LIMIT_REACHED", "RENEWAL_BLOCKED_BY_RESERVATION"):
        renew(loan_id=loan.pk, at=NOW)


def test_staff_override_and_the_event_says_why():
    general_policy(max_renewals=0)
    loan = LoanFactory()
    ReservationFactory(book=loan.book)
    codes = ["RENEWAL_BLOCKED_BY_RESERVATION", "RENEWAL_LIMIT_REACHED"]

    renew(loan_id=loan.pk, override=Override(frozenset(codes), "in hospital"), at=NOW)

    assert Event.objects.get().payload["override"] == {"codes": codes, "reason": "in hospital"}


def test_what_is_not_on_loan_cannot_be_renewed():
    loan = LoanFactory(returned=True)

    with refused("COPY_NOT_ON_LOAN"):
        renew(loan_id=loan.pk, at=NOW)
    with refused("COPY_NOT_ON_LOAN"):
        renew(barcode=loan.copy.barcode, at=NOW)


def test_what_does_not_exist_is_said_to_be_missing():
    with refused("LOAN_NOT_FOUND"):
        renew(loan_id=0, at=NOW)
    with refused("COPY_NOT_FOUND"):
        renew(barcode="nowhere", at=NOW)


def test_the_policy_for_this_kind_of_title_decides():
    loan = LoanFactory(book__category="film")
    LoanPolicyFactory(book_category="film", loan_days=60)

    assert renew(loan_id=loan.pk, at=NOW).due_at == datetime(2026, 5, 1, 23, 59, 59, tzinfo=UTC)


def test_what_a_renewal_costs(django_assert_max_num_queries):
    loan = LoanFactory()

    with django_assert_max_num_queries(11):
        renew(loan_id=loan.pk, at=NOW)
