"""Each invariant, broken behind the services' back, is reported; a sound library is not."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from circulation import copies, facts
from circulation.invariants import INVARIANTS, broken
from circulation.models import Loan
from circulation.services import check_out, renew, return_copy
from events.models import Event, PendingEvent
from events.recording import event
from events.relay import relay_pending
from library.models import Book, Copy, Member
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.services import cancel, reorder, resume, suspend
from reservations.titles import withdraw_title
from tests.circulation.commands import run
from tests.factories import general_policy

pytestmark = pytest.mark.django_db


@dataclass
class Library:
    """Both copies of `lent` are lent, to Ann and to Bea, and Cem waits. The copy of `kept` is set aside for Ann."""

    ann: Member
    bea: Member
    cem: Member
    dan: Member
    lent: Book
    kept: Book
    free: Book

    def copy(self, book, number=1) -> Copy:
        return Copy.objects.get(barcode=f"{book.pk}-{number}")

    def loan(self, member) -> Loan:
        return Loan.objects.active().get(member=member)


@pytest.fixture
def library() -> Library:
    at = timezone.now() - timedelta(days=1)
    people = {name: enrol(at=at, first_name=name) for name in ("ann", "bea", "cem", "dan")}
    counts = {"lent": 2, "kept": 1, "free": 1}
    books = {name: add_title(at=at, title=name, copies=count) for name, count in counts.items()}
    library = Library(**people, **books)
    for name in ("ann", "bea", "cem"):
        check_out(member_id=people[name].pk, book_id=library.lent.pk, at=at)
    check_out(member_id=library.dan.pk, book_id=library.kept.pk, at=at)
    check_out(member_id=library.ann.pk, book_id=library.kept.pk, at=at)
    return_copy(member_id=library.dan.pk, book_id=library.kept.pk, at=at)
    assert broken() == []
    return library


def found() -> dict[tuple[int, str], tuple[int, ...]]:
    return {(violation.invariant, violation.problem): violation.ids for violation in broken()}


def happen(kind, *, copy=None, member=None, loan_id=None, reservation_id=None, **payload) -> int:
    """An event that no service recorded; its id."""
    made = event(
        Event.Kind(kind),
        at=timezone.now(),
        book_id=copy.book_id if copy else None,
        copy_id=copy.pk if copy else None,
        member_id=member.pk if member else None,
        loan_id=loan_id,
        reservation_id=reservation_id,
        **payload,
    )
    made.save()
    return made.pk


def sql(statement, *parameters) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


# --- A sound library -------------------------------------------------------------------------------------------


def test_a_library_in_which_everything_happened_is_sound(library):
    at = timezone.now()
    cem = Reservation.objects.get(book=library.lent)
    suspend(reservation_id=cem.pk, at=at)
    resume(reservation_id=cem.pk, at=at)
    reorder(reservation_id=cem.pk, priority=-1, reason="in a hurry", at=at)
    renew_barcode = library.copy(library.kept).barcode
    check_out(member_id=library.ann.pk, barcode=renew_barcode, at=at)
    renew(barcode=renew_barcode, at=at + timedelta(days=2))
    return_copy(member_id=library.ann.pk, book_id=library.lent.pk, at=at, fulfil_on_return="hold")
    copies.mark_lost(barcode=Copy.objects.get(status="on_hold_shelf").barcode, at=at)
    copies.mark_lost(barcode=library.copy(library.lent, 2).barcode, at=at)
    copies.mark_found(barcode=library.copy(library.lent, 2).barcode, at=at)
    cancel(reservation_id=cem.pk, at=at)
    withdraw_title(book_id=library.free.pk, at=at)
    relay_pending()

    assert broken() == []


def test_the_command_says_that_all_is_well(library):
    ran = run("check_invariants")

    assert ran.out == [f"{number} OK      {invariant}" for number, invariant in INVARIANTS.items()]
    assert ran.failure is None


def test_the_command_names_what_is_broken_and_fails(library):
    smuggled = [
        Member(card_number=f"x{n}", category=library.ann.category, branch=library.ann.branch) for n in range(12)
    ]
    ids = [member.pk for member in Member.objects.bulk_create(smuggled)]

    ran = run("check_invariants")

    assert ran.out[-2:] == [
        f"6 BROKEN  {INVARIANTS[6]}",
        f"           members who were never recorded: {', '.join(map(str, ids[:10]))} and 2 more",
    ]
    assert ran.failure == "1 invariant is broken."


# --- 1 and 2: copies, loans and the line -----------------------------------------------------------------------


def test_a_lent_copy_on_the_shelf_is_found(library):
    copy = library.copy(library.lent)
    sql("UPDATE library_copy SET status = 'available', holder_id = NULL, due_at = NULL WHERE id = %s", copy.pk)

    assert found() == {
        (1, "copies on loan without an open loan, or the other way round"): (copy.pk,),
        (2, "titles with somebody waiting beside an available copy"): (library.lent.pk,),
        (5, "copies that are not in the state that their events leave them in"): (copy.pk,),
    }


def test_a_copy_on_loan_without_a_loan_is_found(library):
    copy = library.copy(library.free)
    sql(
        "UPDATE library_copy SET status = 'on_loan', holder_id = %s, due_at = now() WHERE id = %s",
        library.dan.pk,
        copy.pk,
    )

    assert found()[1, "copies on loan without an open loan, or the other way round"] == (copy.pk,)


@pytest.mark.parametrize("change", ["holder_id = (SELECT max(id) FROM library_member)", "due_at = now()"])
def test_a_copy_that_disagrees_with_its_loan_is_found(library, change):
    copy = library.copy(library.lent)
    sql(f"UPDATE library_copy SET {change} WHERE id = %s", copy.pk)

    assert found() == {(1, "copies whose holder, due date or title is not that of their loan"): (copy.pk,)}


def test_a_copy_set_aside_for_nobody_is_found(library):
    sql("UPDATE reservations_reservation SET status = 'cancelled', closed_at = now() WHERE status = 'ready'")

    assert found()[1, "copies on the hold shelf without a ready reservation, or the other way round"] == (
        library.copy(library.kept).pk,
    )


def test_a_copy_set_aside_for_another_is_found(library):
    copy = library.copy(library.kept)
    sql("UPDATE library_copy SET holder_id = %s WHERE id = %s", library.bea.pk, copy.pk)

    assert found() == {
        (1, "copies whose holder or title is not that of the reservation they are set aside for"): (copy.pk,)
    }


def test_somebody_waiting_beside_a_copy_is_found(library):
    sql("UPDATE library_copy SET book_id = %s WHERE id = %s", library.lent.pk, library.copy(library.free).pk)

    assert found() == {(2, "titles with somebody waiting beside an available copy"): (library.lent.pk,)}


# --- 3: the line was respected ---------------------------------------------------------------------------------


def test_a_check_out_that_overtook_the_line_is_found(library, monkeypatch):
    Member.objects.filter(pk=library.cem.pk).update(blocked_reason="lost a card")
    return_copy(member_id=library.ann.pk, book_id=library.lent.pk, at=timezone.now())
    Member.objects.filter(pk=library.cem.pk).update(blocked_reason="")
    monkeypatch.setattr(facts.Facts, "is_free", property(lambda self: self.available > 0))

    check_out(member_id=library.dan.pk, book_id=library.lent.pk, at=timezone.now())

    overtaking = Event.objects.filter(kind="checkout").latest("pk")
    assert found() == {(3, "check-outs that overtook the line (events)"): (overtaking.pk,)}


def test_a_check_out_beside_enough_copies_for_the_line_is_sound(library):
    Member.objects.filter(pk=library.cem.pk).update(blocked_reason="lost a card")
    for member in (library.ann, library.bea):
        return_copy(member_id=member.pk, book_id=library.lent.pk, at=timezone.now())
    Member.objects.filter(pk=library.cem.pk).update(blocked_reason="")

    check_out(member_id=library.dan.pk, book_id=library.lent.pk, at=timezone.now())

    assert broken() == []


def test_the_head_of_the_line_may_take_the_only_copy(library):
    check_out(member_id=library.dan.pk, book_id=library.lent.pk, at=timezone.now())
    waiting = Member.objects.filter(pk__in=[library.cem.pk, library.dan.pk])
    waiting.update(blocked_reason="lost a card")
    return_copy(member_id=library.ann.pk, book_id=library.lent.pk, at=timezone.now())
    waiting.update(blocked_reason="")

    check_out(member_id=library.cem.pk, book_id=library.lent.pk, at=timezone.now())

    assert broken() == []


def test_a_check_out_of_what_was_set_aside_for_another_is_found(library):
    taken = happen("checkout", copy=library.copy(library.kept), member=library.bea, open=0, limit=5)

    assert found()[3, "check-outs of a copy that was set aside for somebody else (events)"] == (taken,)


# --- 4: limits -------------------------------------------------------------------------------------------------


def test_a_check_out_that_keeps_its_numbers_to_itself_is_found(library):
    made = happen("checkout", copy=library.copy(library.free), member=library.dan)

    assert found()[4, "check-outs that do not say how many loans were open, and what the limit was (events)"] == (made,)


@pytest.mark.parametrize("claimed", [5, 0])
def test_a_check_out_at_the_limit_is_found_whatever_it_claims(library, claimed):
    limit = 5 if claimed else 1  # Bea has one
    made = happen("checkout", copy=library.copy(library.free), member=library.bea, open=claimed, limit=limit)

    assert found()[4, "check-outs at or above the limit that nobody overrode (events)"] == (made,)


def test_a_check_out_above_the_limit_that_staff_allowed_is_sound(library):
    override = {"codes": ["LOAN_LIMIT_REACHED"], "reason": "exam"}
    happen("checkout", copy=library.copy(library.free), member=library.bea, open=1, limit=1, override=override)

    assert (4, "check-outs at or above the limit that nobody overrode (events)") not in found()


def test_a_limit_that_was_lowered_since_breaks_nothing(library):
    general_policy(max_loans=0)

    assert broken() == []


def test_the_same_title_twice_is_found(library):
    made = happen("checkout", copy=library.copy(library.lent, 2), member=library.ann, open=1, limit=5)

    problems = found()
    assert problems[4, "check-outs of a title that the member had already (events)"] == (made,)
    assert problems[5, "check-outs of a copy that was neither available nor set aside (events)"] == (made,)


# --- 5: the events replay to the present state -----------------------------------------------------------------


def test_a_loan_with_another_due_date_than_was_recorded_is_found(library):
    loan = library.loan(library.ann)
    sql("UPDATE circulation_loan SET due_at = due_at + interval '1 day' WHERE id = %s", loan.pk)
    sql("UPDATE library_copy SET due_at = due_at + interval '1 day' WHERE id = %s", loan.copy_id)

    assert found() == {(5, "open loans without a check-out of that copy to that member until that date"): (loan.pk,)}


def test_a_loan_that_ended_without_a_return_is_found(library):
    loan = library.loan(library.ann)
    sql("UPDATE circulation_loan SET returned_at = now() WHERE id = %s", loan.pk)

    assert found()[5, "loans that ended without one return or loss, or go on after one"] == (loan.pk,)


def test_a_loan_that_goes_on_after_its_return_is_found(library):
    loan = library.loan(library.ann)
    happen("return", copy=loan.copy, member=library.ann, loan_id=loan.pk)

    assert found()[5, "loans that ended without one return or loss, or go on after one"] == (loan.pk,)


def test_an_event_of_no_loan_is_found(library):
    made = happen("return", copy=library.copy(library.free), member=library.dan, loan_id=999_999)

    assert found()[5, "check-outs, returns and other events of loans that do not exist (events)"] == (made,)


@pytest.mark.parametrize("status", ["suspended", "expired"])
def test_a_reservation_that_changed_in_silence_is_found(library, status):
    cem = Reservation.objects.get(book=library.lent)
    closed_at = timezone.now() if status == "expired" else None
    sql("UPDATE reservations_reservation SET status = %s, closed_at = %s WHERE id = %s", status, closed_at, cem.pk)

    assert found() == {(5, "reservations that are not in the state that their events leave them in"): (cem.pk,)}


def test_a_copy_that_changed_in_silence_is_found(library):
    copy = library.copy(library.free)
    sql("UPDATE library_copy SET status = 'missing' WHERE id = %s", copy.pk)

    assert found() == {(5, "copies that are not in the state that their events leave them in"): (copy.pk,)}


# --- 6: events -------------------------------------------------------------------------------------------------


def test_records_without_their_events_are_found(library):
    book = Book.objects.create(title="smuggled")
    copy = Copy.objects.create(book=book, barcode="smuggled", branch=library.ann.branch)
    reservation = Reservation.objects.create(
        book=library.lent, member=library.dan, placed_at=timezone.now(), branch=library.ann.branch
    )

    problems = found()
    assert problems[6, "titles that were never recorded"] == (book.pk,)
    assert problems[6, "copies that were never recorded"] == (copy.pk,)
    assert problems[6, "reservations that were never recorded"] == (reservation.pk,)


def test_a_loan_whose_check_out_was_removed_is_found(library):
    loan = library.loan(library.ann)
    sql("SET LOCAL circdesk.anonymising = 'on'")
    sql("DELETE FROM events_event WHERE kind = 'checkout' AND loan_id = %s", loan.pk)

    assert found()[6, "loans that were never recorded"] == (loan.pk,)
    assert found()[5, "open loans without a check-out of that copy to that member until that date"] == (loan.pk,)


def test_an_event_that_a_later_one_overtook_on_its_way_out_is_found(library):
    of_title = list(Event.objects.filter(book_id=library.lent.pk).order_by("pk").values_list("pk", flat=True))
    PendingEvent.objects.filter(pk__in=[*of_title[:2], of_title[3]]).delete()

    assert found() == {(6, "events not yet published, though a later one of their title was"): (of_title[2],)}


def test_a_pending_event_that_does_not_exist_is_found(library):
    sql("INSERT INTO events_pendingevent (event_id) VALUES (999999)")

    assert found() == {(6, "events to be published that do not exist"): (999_999,)}
