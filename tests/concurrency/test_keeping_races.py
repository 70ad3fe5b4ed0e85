"""A free copy kept until a moment, and given back, under contention."""

from datetime import timedelta
from functools import partial

import pytest

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, fulfil, give_back
from library.models import Copy
from reservations.models import Reservation
from reservations.services import reserve_until
from tests.concurrency.library import new_member, new_members, new_title
from tests.concurrency.races import race, without_row_locks
from tests.factories import NOW, general_policy

pytestmark = pytest.mark.django_db(transaction=True)

UNTIL = NOW + timedelta(days=20)
ROUNDS = 10


def keep(member, book):
    return partial(reserve_until, member_id=member.pk, book_id=book.pk, until=UNTIL, at=NOW)


def test_of_thirty_two_members_as_many_get_a_copy_as_there_are_and_the_others_stand_in_line(begun_again):
    book, members = new_title(copies=5), new_members(32)

    outcomes = race([keep(member, book) for member in members])

    assert (len(outcomes.done), begun_again) == (32, [])
    line = list(Reservation.objects.filter(book=book).with_position().in_order())
    ready, waiting = line[:5], line[5:]
    assert [(place.status, place.shelf_until) for place in ready] == [("ready", UNTIL)] * 5
    assert len({place.copy_id for place in ready}) == 5
    assert [(place.status, place.position) for place in waiting] == [("waiting", n) for n in range(1, 28)]
    assert broken(at=NOW) == []


def test_control_without_locks_all_reach_for_the_same_copy_and_only_the_constraint_refuses():
    book, members = new_title(copies=5), new_members(4)

    outcomes = race([keep(member, book) for member in members], around=without_row_locks)

    assert (len(outcomes.done), len(outcomes.errors)) == (1, 3)
    assert all("one_live_reservation_per_copy" in str(error) for error in outcomes.errors)


def test_the_last_copy_is_lent_or_kept_but_not_both(begun_again):
    for _ in range(ROUNDS):
        book, members = new_title(copies=1), new_members(8)

        race(
            [partial(check_out, member_id=m.pk, book_id=book.pk, at=NOW, on_unavailable="refuse") for m in members[:4]]
            + [keep(member, book) for member in members[4:]]
        )

        lent = Loan.objects.active().filter(book=book).count()
        kept = Reservation.objects.filter(book=book, status="ready").count()
        assert lent + kept == 1
    assert begun_again == []
    assert broken(at=NOW) == []


def test_the_reservation_limit_holds_when_a_member_has_everything_kept_at_once():
    general_policy(max_reservations=3)
    member, books = new_member(), [new_title(copies=1) for _ in range(12)]

    outcomes = race([keep(member, book) for book in books])

    assert (len(outcomes.done), outcomes.refused) == (3, {"RESERVATION_LIMIT_REACHED": 9})
    assert Copy.objects.filter(status="on_hold_shelf").count() == 3


def test_what_is_collected_at_one_desk_and_given_back_at_another_is_one_of_the_two(begun_again):
    for _ in range(ROUNDS):
        book, member = new_title(copies=1), new_member()
        reservation = keep(member, book)()
        named = {"reservation_id": reservation.pk, "at": NOW}

        outcomes = race([partial(fulfil, **named), partial(give_back, **named), partial(give_back, **named)])

        assert (len(outcomes.done), outcomes.refused) == (1, {"RESERVATION_CLOSED": 2})
        reservation.refresh_from_db()
        has_it = Loan.objects.active().filter(book=book).exists()
        assert (reservation.status, book.copies.get().status) == (
            ("fulfilled", "on_loan") if has_it else ("cancelled", "available")
        )
    assert begun_again == []
    assert broken(at=NOW) == []
