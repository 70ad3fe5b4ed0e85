"""What PostgreSQL itself refuses to store about loans."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from circulation.models import CirculationEvent, Loan
from circulation.services import check_out
from events.models import Event
from events.operations import constraint_of, operation
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, MemberFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def violated(row) -> str | None:
    """The constraint that refuses this row."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        row()
    return constraint_of(caught.value)


def test_a_copy_has_one_open_loan():
    loan = LoanFactory()

    assert violated(lambda: LoanFactory(book=loan.book, copy=loan.copy)) == "one_open_loan_per_copy"
    assert LoanFactory(book=loan.book, copy=loan.copy, returned_at=NOW).pk


def test_a_member_has_one_open_loan_of_a_title():
    loan = LoanFactory()

    assert violated(lambda: LoanFactory(book=loan.book, member=loan.member)) == "one_open_loan_per_title_and_member"
    assert LoanFactory(book=loan.book, member=loan.member, returned=True).pk


def test_a_loan_is_not_due_before_it_began():
    assert violated(lambda: LoanFactory(due_at=NOW - timedelta(days=2), lent_at=NOW)) == "due_after_lent"
    assert LoanFactory(due_at=NOW, lent_at=NOW).pk


def test_an_open_loan_has_its_member():
    loan = LoanFactory()

    assert violated(lambda: Loan.objects.filter(pk=loan.pk).update(member=None)) == "open_loan_has_member"


@pytest.mark.parametrize("guard", ["one_open_loan_per_copy", "one_open_loan_per_title_and_member"])
def test_a_broken_constraint_is_told_as_the_refusal_that_it_guards(guard):
    loan = LoanFactory()
    same_copy = guard == "one_open_loan_per_copy"

    @operation
    def lend_without_asking():
        how = {"copy": loan.copy} if same_copy else {"copy": CopyFactory(book=loan.book), "member": loan.member}
        return LoanFactory(book=loan.book, **how)

    with refused("COPY_ON_LOAN" if same_copy else "ALREADY_BORROWED"):
        lend_without_asking()


def test_loans_can_be_asked_for_in_words():
    member = MemberFactory()
    open_loan, late = LoanFactory(member=member), LoanFactory(overdue=True)
    returned = LoanFactory(returned=True, overdue=True)

    assert set(Loan.objects.active()) == {open_loan, late}
    assert set(Loan.objects.returned()) == {returned}
    assert set(Loan.objects.overdue(NOW)) == {late}
    assert set(Loan.objects.of(member)) == {open_loan}
    assert [loan.is_overdue(NOW) for loan in (open_loan, late, returned)] == [False, True, False]
    assert late.is_overdue(late.due_at) is False
    assert str(open_loan) == f"{open_loan.copy} to {member}"


def test_the_log_of_the_desk_leaves_out_the_catalogue():
    check_out(member_id=MemberFactory().pk, book_id=BookFactory(copies=1).pk, at=NOW)
    Event.objects.create(kind="book.edited", occurred_at=NOW)

    assert [event.kind for event in CirculationEvent.objects.all()] == ["checkout"]
    assert set(Event.Kind) - set(CirculationEvent.KINDS) == {kind for kind in Event.Kind if "." in kind}
