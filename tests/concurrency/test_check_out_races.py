"""Check-outs at once: no copy twice, no limit overrun, nobody lost."""

from functools import partial

import pytest

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import Lent, Queued, check_out
from library.models import Copy
from reservations.models import Reservation
from tests.concurrency.library import new_member, new_members, new_title, new_titles
from tests.concurrency.races import race, without_row_locks
from tests.factories import NOW, general_policy

pytestmark = pytest.mark.django_db(transaction=True)


def check_outs(members, books):
    return [partial(check_out, member_id=m.pk, book_id=b.pk, at=NOW) for m in members for b in books]


# --- 200 members for 20 copies -----------------------------------------------------------------------------------


def test_two_hundred_members_for_twenty_copies_get_twenty_loans_and_a_line_without_gaps(begun_again):
    book, members = new_title(copies=20), new_members(200)

    outcomes = race(check_outs(members, [book]))

    lent = [outcome.loan for outcome in outcomes.done if isinstance(outcome, Lent)]
    queued = [outcome.reservation for outcome in outcomes.done if isinstance(outcome, Queued)]
    assert (len(lent), len(queued), begun_again) == (20, 180, [])
    assert len({loan.copy_id for loan in lent}) == 20
    line = Reservation.objects.filter(book=book).with_position().in_order()
    assert [reservation.position for reservation in line] == list(range(1, 181))
    assert {r.member_id for r in line} | {loan.member_id for loan in lent} == {member.pk for member in members}
    assert broken(at=NOW) == []


def test_control_without_locks_everybody_reaches_for_the_same_copy():
    book, members = new_title(copies=20), new_members(40)

    outcomes = race(check_outs(members, [book]), around=without_row_locks)

    # Twenty could have had one. Only the constraint kept the same copy from being lent again and again.
    assert outcomes.refused["COPY_ON_LOAN"] >= 20
    assert Loan.objects.active().count() < 20


# --- One member ----------------------------------------------------------------------------------------------------


def test_forty_check_outs_of_one_member_stop_at_the_limit(begun_again):
    general_policy(max_loans=5)
    member, books = new_member(), new_titles(40, copies=1)

    outcomes = race(check_outs([member], books))

    assert len(outcomes.done) == Loan.objects.active().of(member).count() == 5
    assert (outcomes.refused, begun_again) == ({"LOAN_LIMIT_REACHED": 35}, [])
    assert broken(at=NOW) == []


def test_control_without_locks_the_limit_is_overrun():
    general_policy(max_loans=5)
    member, books = new_member(), new_titles(40, copies=1)

    race(check_outs([member], books), around=without_row_locks)

    assert Loan.objects.active().of(member).count() > 5


@pytest.mark.parametrize("way", ["title", "barcode"])
def test_thirty_two_check_outs_of_one_title_by_one_member_lend_it_once(way, begun_again):
    member, book = new_member(), new_title(copies=32)
    calls = check_outs([member], [book] * 32)
    if way == "barcode":
        calls = [partial(check_out, member_id=member.pk, barcode=c.barcode, at=NOW) for c in book.copies.all()]

    outcomes = race(calls)

    assert (len(outcomes.done), outcomes.refused, begun_again) == (1, {"ALREADY_BORROWED": 31}, [])
    assert book.copies.filter(status=Copy.Status.ON_LOAN).count() == 1
    assert broken(at=NOW) == []


def test_control_without_locks_only_the_constraint_keeps_a_member_from_two_copies_of_a_title():
    member, book = new_member(), new_title(copies=32)
    calls = [partial(check_out, member_id=member.pk, barcode=c.barcode, at=NOW) for c in book.copies.all()]

    outcomes = race(calls, around=without_row_locks)

    assert (len(outcomes.done), outcomes.refused) == (1, {"ALREADY_BORROWED": 31})
    by_constraint = [outcome for outcome in outcomes.all if getattr(outcome, "__cause__", None)]
    assert len(by_constraint) > 0
    assert broken(at=NOW) == []


def test_one_copy_is_lent_to_one_of_thirty_two_members_who_hold_it_in_their_hands(begun_again):
    book, members = new_title(), new_members(32)
    barcode = book.copies.get().barcode

    outcomes = race([partial(check_out, member_id=m.pk, barcode=barcode, at=NOW) for m in members])

    assert (len(outcomes.done), outcomes.refused, begun_again) == (1, {"COPY_ON_LOAN": 31}, [])
    assert broken(at=NOW) == []
