"""Check-out: what is lent, until when, and every reason against it."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation.models import Loan
from circulation.services import Lent, Queued, check_out
from events.models import Event
from library.exceptions import Override
from library.models import Copy
from reservations.models import Reservation
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)
from tests.refusals import refused

pytestmark = pytest.mark.django_db


def lend(member, book=None, **how) -> Lent:
    result = check_out(member_id=member.pk, book_id=book.pk if book else None, at=NOW, **how)
    assert isinstance(result, Lent)
    return result


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


# --- The line ----------------------------------------------------------------------------------------------


def test_with_nothing_free_the_member_joins_the_line():
    member, book = MemberFactory(), LoanFactory().book

    result = check_out(member_id=member.pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    reservation = Reservation.objects.get()
    assert result.reservation == reservation
    assert (reservation.member, reservation.book, reservation.status) == (member, book, "waiting")
    assert (reservation.placed_at, reservation.priority, reservation.branch) == (NOW, 0, member.branch)
    told = Event.objects.get()
    assert (told.kind, told.reservation_id, told.member_id) == ("reserve", reservation.pk, member.pk)


def test_a_title_without_copies_may_be_waited_for():
    result = check_out(member_id=MemberFactory().pk, book_id=BookFactory().pk, at=NOW)

    assert isinstance(result, Queued)


def test_the_loan_limit_and_overdue_loans_do_not_keep_a_member_from_the_line():
    general_policy(max_loans=1)
    member = LoanFactory(overdue=True).member

    result = check_out(member_id=member.pk, book_id=BookFactory().pk, at=NOW)

    assert isinstance(result, Queued)


def test_with_nothing_free_the_member_may_ask_to_be_refused_instead():
    with refused("NO_COPY_AVAILABLE") as caught:
        check_out(member_id=MemberFactory().pk, book_id=LoanFactory().book.pk, on_unavailable="refuse", at=NOW)

    assert caught.value.facts == {"available": 0, "waiting": 0}
    assert caught.value.kind == "conflict"
    assert not Reservation.objects.exists()


def test_a_barcode_refuses_unless_told_to_reserve():
    copy = LoanFactory().copy

    with refused("COPY_ON_LOAN"):
        check_out(member_id=MemberFactory().pk, barcode=copy.barcode, at=NOW)

    result = check_out(member_id=MemberFactory().pk, barcode=copy.barcode, on_unavailable="reserve", at=NOW)
    assert isinstance(result, Queued)


def test_nobody_reserves_by_barcode_what_another_copy_could_give_them_now():
    book = BookFactory(copies=1)
    lent = LoanFactory(book=book).copy

    with refused("COPY_ON_LOAN"):
        check_out(member_id=MemberFactory().pk, barcode=lent.barcode, on_unavailable="reserve", at=NOW)


def test_joining_the_line_names_every_reason_against_it():
    general_policy(max_reservations=1)
    book = LoanFactory(book__out_of_circulation=True).book
    member = MemberFactory(blocked=True, expired=True)
    ReservationFactory(member=member)

    with refused("MEMBER_BLOCKED", "MEMBER_EXPIRED", "RESERVATION_LIMIT_REACHED", "COPY_NOT_CIRCULATING"):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)


def test_joining_the_line_can_be_overridden_and_the_event_says_so():
    member = MemberFactory(blocked=True)
    override = Override(frozenset({"MEMBER_BLOCKED"}), "paid yesterday")

    check_out(member_id=member.pk, book_id=BookFactory().pk, override=override, at=NOW)

    told = Event.objects.get(kind="reserve")
    assert told.payload == {"override": {"codes": ["MEMBER_BLOCKED"], "reason": "paid yesterday"}}


def test_nobody_overtakes_those_who_wait_beside_a_free_copy():
    # So it stands between a member's unblocking and the next look at the lines.
    book = BookFactory(copies=1)
    head = ReservationFactory(book=book)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    head.refresh_from_db()
    assert head.status == "ready"
    assert result.reservation.status == "waiting"


def test_whoever_joins_before_those_that_staff_moved_back_is_told_what_they_got():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, priority=5)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Queued)
    assert result.reservation.status == "ready"


def test_a_free_copy_may_be_taken_when_there_are_more_of_them_than_people_waiting():
    book = BookFactory(copies=2)
    head = ReservationFactory(book=book)

    loan = lend(MemberFactory(), book).loan

    head.refresh_from_db()
    assert head.status == "ready"
    assert head.copy != loan.copy


@pytest.mark.parametrize("passed_over", ["blocked", "expired"])
def test_members_who_may_not_borrow_do_not_keep_others_from_a_free_copy(passed_over):
    book = BookFactory(copies=1)
    ReservationFactory(book=book, **{f"member__{passed_over}": True})

    assert lend(MemberFactory(), book).loan.book == book


def test_suspended_reservations_do_not_keep_others_from_a_free_copy():
    book = BookFactory(copies=1)
    ReservationFactory(book=book, suspended=True)

    assert lend(MemberFactory(), book).loan.book == book


@pytest.mark.parametrize(("needed_by", "lent"), [(NOW - timedelta(seconds=1), True), (NOW, False)])
def test_whoever_needed_the_title_by_now_is_passed_over_only_after_that_moment(needed_by, lent):
    book = BookFactory(copies=1)
    ReservationFactory(book=book, needed_by=needed_by)

    result = check_out(member_id=MemberFactory().pk, book_id=book.pk, at=NOW)

    assert isinstance(result, Lent) == lent


# --- One's own reservation -----------------------------------------------------------------------------------


def test_the_copy_set_aside_is_the_one_lent_and_the_reservation_ends():
    book = BookFactory(copies=1)
    reservation = ReservationFactory(book=book, ready=True)

    loan = lend(reservation.member, book).loan

    assert loan.copy == reservation.copy
    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy, reservation.closed_at) == ("fulfilled", loan.copy, NOW)
    assert reservation.shelf_until is None
    checkout, fulfilled = Event.objects.order_by("id")
    assert (checkout.kind, checkout.reservation_id) == ("checkout", reservation.pk)
    assert (fulfilled.kind, fulfilled.reservation_id, fulfilled.loan_id) == ("fulfil", reservation.pk, loan.pk)


def test_the_copy_set_aside_is_lent_by_its_barcode():
    reservation = ReservationFactory(ready=True)

    assert lend(reservation.member, barcode=reservation.copy.barcode).loan.copy == reservation.copy


def test_taking_another_copy_frees_the_one_set_aside_for_the_next_in_line():
    book = BookFactory(copies=1)
    other = book.copies.get()
    reservation, waiting = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)
    held = reservation.copy
    # One copy is free and one person waits, so only whoever has a copy set aside may take it.
    loan = lend(reservation.member, barcode=other.barcode).loan

    assert loan.copy == other
    waiting.refresh_from_db()
    assert (waiting.status, waiting.copy) == ("ready", held)
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds == ["checkout", "release", "fulfil", "hold"]


def test_a_hold_past_its_date_may_still_be_collected_until_it_is_swept():
    reservation = ReservationFactory(ready=True, shelf_until=NOW - timedelta(days=3))

    assert lend(reservation.member, reservation.book).loan.copy == reservation.copy


def test_a_copy_set_aside_past_the_date_it_was_needed_by_may_still_be_collected():
    book = BookFactory(copies=1)
    other = book.copies.get()
    reservation = ReservationFactory(ready=True, book=book, needed_by=NOW - timedelta(days=1))
    ReservationFactory(book=book)

    assert lend(reservation.member, barcode=other.barcode).loan.copy == other


def test_the_head_of_the_line_takes_a_free_copy_and_leaves_the_line():
    book = BookFactory(copies=1)
    head, second = ReservationFactory(book=book), ReservationFactory(book=book)

    lend(head.member, book)

    head.refresh_from_db()
    second.refresh_from_db()
    assert (head.status, second.status) == ("fulfilled", "waiting")


def test_the_second_in_line_cannot_take_the_only_free_copy():
    book = BookFactory(copies=1)
    ReservationFactory(book=book)
    second = ReservationFactory(book=book)

    with refused("NO_COPY_AVAILABLE") as caught:
        check_out(member_id=second.member.pk, book_id=book.pk, on_unavailable="refuse", at=NOW)

    assert caught.value.facts == {"available": 1, "waiting": 1}


def test_a_place_whose_date_has_passed_is_no_place():
    book = BookFactory(copies=1)
    lapsed = ReservationFactory(book=book, needed_by=NOW - timedelta(days=1))
    ReservationFactory(book=book)

    with refused("RESERVATION_EXISTS"):
        check_out(member_id=lapsed.member.pk, book_id=book.pk, at=NOW)


def test_whoever_already_waits_cannot_join_again():
    reservation = ReservationFactory(book=LoanFactory().book)

    with refused("RESERVATION_EXISTS"):
        check_out(member_id=reservation.member.pk, book_id=reservation.book.pk, at=NOW)


def test_lending_to_somebody_serves_whoever_else_waits_beside_a_free_copy():
    book = BookFactory(copies=2)
    first, second = ReservationFactory(book=book), ReservationFactory(book=book)

    lend(first.member, book)

    second.refresh_from_db()
    assert second.status == "ready"


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
