"""Which loan policy decides."""

import pytest

from circulation.facts import facts_for
from library.models import LoanPolicy
from library.policies import candidates, explain, policy_for
from tests.factories import (
    NOW,
    BookFactory,
    LoanPolicyFactory,
    MemberCategoryFactory,
    MemberFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db


def all_four():
    """The general policy, one for films, one for children, and one for both."""
    children = MemberCategoryFactory(name="children")
    general = general_policy(loan_days=1)
    films = LoanPolicyFactory(book_category="film", loan_days=2)
    for_children = LoanPolicyFactory(member_category=children, loan_days=3)
    both = LoanPolicyFactory(member_category=children, book_category="film", loan_days=4)
    # And some that fit nobody asked about here.
    LoanPolicyFactory(member_category=MemberCategoryFactory(name="staff"), loan_days=99)
    LoanPolicyFactory(book_category="atlas", loan_days=99)
    return children, general, films, for_children, both


def test_the_most_specific_policy_decides_and_the_members_kind_goes_before_the_titles():
    children, general, films, for_children, both = all_four()
    child, adult = MemberFactory(category=children), MemberFactory()
    film, book = BookFactory(category="film"), BookFactory(category="novel")

    assert candidates(child, film) == [both, for_children, films, general]
    assert candidates(child, book) == [for_children, general]
    assert candidates(adult, film) == [films, general]
    assert candidates(adult, book) == [general]
    assert [policy_for(*pair) for pair in ((child, film), (child, book), (adult, film), (adult, book))] == [
        both,
        for_children,
        films,
        general,
    ]


def test_the_desk_lends_on_the_terms_that_policies_gives():
    children, *_ = all_four()

    for member in (MemberFactory(category=children), MemberFactory()):
        for book in (BookFactory(category="film"), BookFactory(category="novel"), BookFactory()):
            terms, policy = facts_for(member, book, at=NOW).policy, policy_for(member, book)
            for name in (
                "loan_days",
                "max_loans",
                "max_renewals",
                "max_reservations",
                "shelf_days",
                "lend_while_overdue",
            ):
                assert getattr(terms, name) == getattr(policy, name)


def test_without_any_policy_the_built_in_terms_apply():
    LoanPolicy.objects.all().delete()
    member, book = MemberFactory(), BookFactory()

    for policy in (policy_for(member, book), facts_for(member, book, at=NOW).policy):
        assert (policy.loan_days, policy.max_loans, policy.max_renewals) == (28, 5, 2)
        assert (policy.max_reservations, policy.shelf_days, policy.lend_while_overdue) == (5, 7, False)
    assert explain(member, book) == "No loan policy fits, so the built-in terms apply."


def test_staff_are_told_which_policy_decides_and_why():
    children, *_ = all_four()

    assert explain(MemberFactory(), BookFactory()) == (
        "The policy “every member, every title” decides: it is the only one that fits."
    )
    assert explain(MemberFactory(category=children), BookFactory(category="film")) == (
        "The policy “children, film” decides: it is more specific than "
        "children, every title; every member, film; every member, every title."
    )
