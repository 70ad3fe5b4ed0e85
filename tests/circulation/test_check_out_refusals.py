"""Check-out: every reason against it, and what staff may override."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation.models import Loan
from circulation.services import check_out
from events.models import Event
from library.exceptions import Override
from tests.circulation.lending import lend
from tests.factories import (
    NOW,
    BookFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- Refusals ------------------------------------------------------------------------------------------------


def test_a_blocked_member_borrows_nothing():
    with refused("MEMBER_BLOCKED") as caught:
        check_out(member_id=MemberFactory(blocked=True).pk, book_id=BookFactory(copies=1).pk, at=NOW)

    assert caught.value.facts == {"reason": "lost a card"}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


@pytest.mark.parametrize(("days", "lent"), [(-1, False), (0, True), (1, True)])
def test_membership_lasts_through_its_last_day(days, lent):
    member = MemberFactory(expires_on=NOW.date() + timedelta(days=days))

    if lent:
        assert lend(member, BookFactory(copies=1))
    else:
        with refused("MEMBER_EXPIRED") as caught:
            check_out(member_id=member.pk, book_id=BookFactory(copies=1).pk, at=NOW)
        assert caught.value.facts == {"expires_on": "2026-03-01"}
        assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


def test_a_member_with_something_overdue_borrows_nothing_more():
    member = LoanFactory(overdue=True).member

    with refused("MEMBER_HAS_OVERDUE") as caught:
        check_out(member_id=member.pk, book_id=BookFactory(copies=1).pk, at=NOW)

    assert caught.value.facts == {"overdue": 1}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


@pytest.mark.parametrize(("due_at", "lent"), [(NOW, True), (NOW - timedelta(seconds=1), False)])
def test_a_loan_is_overdue_after_its_due_date_not_at_it(due_at, lent):
    member = LoanFactory(due_at=due_at, lent_at=NOW - timedelta(days=9)).member

    if lent:
        assert lend(member, BookFactory(copies=1))
    else:
        with refused("MEMBER_HAS_OVERDUE"):
            check_out(member_id=member.pk, book_id=BookFactory(copies=1).pk, at=NOW)


def test_a_policy_may_lend_to_members_with_something_overdue():
    general_policy(lend_while_overdue=True)

    assert lend(LoanFactory(overdue=True).member, BookFactory(copies=1))


def test_the_loan_limit_holds():
    general_policy(max_loans=2)
    member = MemberFactory()
    lend(member, BookFactory(copies=1))
    lend(member, BookFactory(copies=1))

    with refused("LOAN_LIMIT_REACHED") as caught:
        check_out(member_id=member.pk, book_id=BookFactory(copies=1).pk, at=NOW)

    assert caught.value.facts == {"open": 2, "limit": 2}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)
    assert Loan.objects.active().count() == 2


def test_returned_loans_do_not_count_towards_the_limit():
    general_policy(max_loans=1)

    assert lend(LoanFactory(returned=True).member, BookFactory(copies=1))


def test_nobody_borrows_for_longer_than_the_policy_allows():
    with refused("LOAN_TOO_LONG") as caught:
        check_out(member_id=MemberFactory().pk, book_id=BookFactory(copies=1).pk, days=29, at=NOW)

    assert caught.value.facts == {"days": 29, "limit": 28}
    assert (caught.value.kind, caught.value.overridable) == ("unprocessable", True)


def test_nobody_holds_two_copies_of_a_title():
    loan = LoanFactory(book=BookFactory(copies=1))

    with refused("ALREADY_BORROWED") as caught:
        check_out(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW)

    assert (caught.value.kind, caught.value.overridable, caught.value.facts) == ("conflict", False, {})


def test_nobody_borrows_again_the_very_copy_they_have():
    loan = LoanFactory()

    with refused("ALREADY_BORROWED"):
        check_out(member_id=loan.member.pk, barcode=loan.copy.barcode, at=NOW)


def test_whoever_has_the_title_cannot_join_its_line():
    loan = LoanFactory()

    with refused("ALREADY_BORROWED"):
        check_out(member_id=loan.member.pk, book_id=loan.book.pk, at=NOW)


def test_a_title_out_of_circulation_is_not_lent():
    with refused("COPY_NOT_CIRCULATING") as caught:
        check_out(member_id=MemberFactory().pk, book_id=BookFactory(copies=1, out_of_circulation=True).pk, at=NOW)

    assert (caught.value.kind, caught.value.overridable, caught.value.facts) == ("unprocessable", False, {})


def test_a_copy_on_loan_is_not_lent_again():
    copy = LoanFactory().copy

    with refused("COPY_ON_LOAN") as caught:
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    assert caught.value.facts == {"barcode": copy.barcode}
    assert (caught.value.kind, caught.value.overridable) == ("conflict", False)


def test_a_copy_set_aside_for_somebody_else_is_not_lent():
    copy = ReservationFactory(ready=True).copy

    with refused("COPY_HELD_FOR_OTHER") as caught:
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    assert caught.value.facts == {"barcode": copy.barcode}
    assert (caught.value.kind, caught.value.overridable) == ("conflict", False)


def test_a_free_copy_that_those_ahead_will_get_is_not_lent_by_its_barcode():
    book = BookFactory(copies=1)
    copy = book.copies.get()
    ReservationFactory(book=book)

    with refused("COPY_HELD_FOR_OTHER") as caught:
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    assert caught.value.facts == {"barcode": copy.barcode, "available": 1, "ahead": 1}


@pytest.mark.parametrize("status", ["in_transit", "missing", "lost", "damaged", "withdrawn"])
def test_a_copy_that_is_not_on_the_shelf_is_not_lent(status):
    copy = CopyFactory(**{status: True})

    with refused("COPY_NOT_CIRCULATING") as caught:
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    assert caught.value.facts == {"barcode": copy.barcode, "status": status}


def test_every_reason_is_named_at_once_members_first_then_the_titles_then_the_copys():
    general_policy(max_loans=1)
    member = MemberFactory(blocked=True, expired=True)
    LoanFactory(member=member, overdue=True)
    copy = CopyFactory(book__out_of_circulation=True, missing=True)

    with refused(
        "MEMBER_BLOCKED",
        "MEMBER_EXPIRED",
        "MEMBER_HAS_OVERDUE",
        "LOAN_LIMIT_REACHED",
        "LOAN_TOO_LONG",
        "COPY_NOT_CIRCULATING",
        "COPY_NOT_CIRCULATING",
    ) as caught:
        check_out(member_id=member.pk, barcode=copy.barcode, days=99, at=NOW)

    *_, title, copys = caught.value.reasons()
    assert title.facts == {}
    assert copys.facts == {"barcode": copy.barcode, "status": "missing"}


def test_whoever_has_the_title_learns_also_that_the_other_copy_is_lent():
    loan = LoanFactory()
    other = LoanFactory(book=loan.book)

    with refused("ALREADY_BORROWED", "COPY_ON_LOAN"):
        check_out(member_id=loan.member.pk, barcode=other.copy.barcode, at=NOW)


def test_a_refused_check_out_changes_nothing():
    book = BookFactory(copies=1)

    with refused("MEMBER_BLOCKED"):
        check_out(member_id=MemberFactory(blocked=True).pk, book_id=book.pk, at=NOW)

    assert book.copies.get().is_available
    assert not Loan.objects.exists()
    assert not Event.objects.exists()


def test_what_does_not_exist_is_said_to_be_missing():
    member, book = MemberFactory(), BookFactory(copies=1)
    gone = BookFactory(copies=1, withdrawn=True)

    with refused("MEMBER_NOT_FOUND"):
        check_out(member_id=0, book_id=book.pk, at=NOW)
    with refused("MEMBER_NOT_FOUND"):
        check_out(member_id=0, barcode="nowhere", at=NOW)
    with refused("BOOK_NOT_FOUND"):
        check_out(member_id=member.pk, book_id=0, at=NOW)
    with refused("COPY_NOT_FOUND"):
        check_out(member_id=member.pk, barcode="nowhere", at=NOW)
    with refused("BOOK_NOT_FOUND"):
        check_out(member_id=member.pk, book_id=gone.pk, at=NOW)
    with refused("COPY_NOT_FOUND") as caught:
        check_out(member_id=member.pk, barcode=gone.copies.get().barcode, at=NOW)
    assert caught.value.kind == "not_found"


# --- Overrides -----------------------------------------------------------------------------------------------


def test_staff_override_every_rule_about_the_member_and_the_event_says_why():
    general_policy(max_loans=1)
    member = MemberFactory(blocked=True, expired=True)
    LoanFactory(member=member, overdue=True)
    codes = ["LOAN_LIMIT_REACHED", "LOAN_TOO_LONG", "MEMBER_BLOCKED", "MEMBER_EXPIRED", "MEMBER_HAS_OVERDUE"]

    loan = lend(member, BookFactory(copies=1), days=99, override=Override(frozenset(codes), "a colleague's child")).loan

    assert loan.due_at == datetime(2026, 6, 9, 23, 59, 59, tzinfo=UTC)
    told = Event.objects.get(kind="checkout")
    assert told.payload["override"] == {"codes": codes, "reason": "a colleague's child"}
    assert (told.payload["open"], told.payload["limit"]) == (1, 1)


def test_only_what_stood_in_the_way_is_recorded_as_overridden():
    override = Override(frozenset({"MEMBER_BLOCKED", "LOAN_LIMIT_REACHED"}), "known here")

    lend(MemberFactory(blocked=True), BookFactory(copies=1), override=override)

    assert Event.objects.get().payload["override"] == {"codes": ["MEMBER_BLOCKED"], "reason": "known here"}


def test_an_override_that_was_not_needed_leaves_no_trace():
    lend(MemberFactory(), BookFactory(copies=1), override=Override(frozenset({"MEMBER_BLOCKED"}), "just in case"))

    assert "override" not in Event.objects.get().payload


def test_what_was_not_overridden_still_stands():
    member = MemberFactory(blocked=True, expired=True)

    with refused("MEMBER_EXPIRED"):
        check_out(
            member_id=member.pk,
            book_id=BookFactory(copies=1).pk,
            override=Override(frozenset({"MEMBER_BLOCKED"}), "known here"),
            at=NOW,
        )


@pytest.mark.parametrize("code", ["COPY_ON_LOAN", "NO_COPY_AVAILABLE", "ALREADY_BORROWED", "COPY_NOT_CIRCULATING"])
def test_facts_cannot_be_overridden(code):
    loan = LoanFactory(book__out_of_circulation=code == "COPY_NOT_CIRCULATING")
    member = loan.member if code == "ALREADY_BORROWED" else MemberFactory()
    if code == "COPY_NOT_CIRCULATING":
        CopyFactory(book=loan.book)

    with pytest.raises(Exception) as caught:  # noqa: PT011  the code is asserted below
        check_out(
            member_id=member.pk,
            book_id=None if code == "COPY_ON_LOAN" else loan.book.pk,
            barcode=loan.copy.barcode if code == "COPY_ON_LOAN" else None,
            on_unavailable="refuse",
            override=Override(frozenset({code}), "please"),
            at=NOW,
        )

    assert code in [reason.code for reason in caught.value.reasons()]
