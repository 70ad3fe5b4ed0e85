"""The line under contention: fulfilled once, expired or fulfilled, in order, and never locked up."""

import time
from datetime import timedelta
from functools import partial

import pytest

from circulation.copies import mark_damaged, mark_lost
from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, fulfil, fulfil_head, return_copy
from events.models import Event
from reservations.models import Reservation
from reservations.services import cancel, expire, reserve, resume, suspend
from reservations.titles import add_copies
from tests.concurrency.library import new_member, new_members, new_title, new_titles, violated
from tests.concurrency.races import PAUSE, race, without_row_locks
from tests.factories import NOW, general_policy

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


def waiting_title(members=1):
    """A title whose only copy is on loan, its barcode, and so many reservations in order."""
    book = new_title()
    check_out(member_id=new_member().pk, book_id=book.pk, at=NOW)
    line = [reserve(member_id=new_member().pk, book_id=book.pk, at=NOW) for _ in range(members)]
    return book, book.copies.get().barcode, line


def title_with_holds(holds, members=None):
    """A title with so many copies, all set aside for the first of a line."""
    book, barcode, line = waiting_title(members or holds)
    return_copy(barcode=barcode, at=NOW)
    if holds > 1:
        add_copies(book_id=book.pk, count=holds - 1, at=NOW)
    return book, line


# --- Fulfilment --------------------------------------------------------------------------------------------------


def test_a_reservation_fulfilled_at_two_desks_is_fulfilled_once(begun_again):
    for _ in range(ROUNDS):
        _, (reservation,) = title_with_holds(1)

        outcomes = race([partial(fulfil, reservation_id=reservation.pk, at=NOW)] * 2)

        assert (len(outcomes.done), outcomes.refused) == (1, {"RESERVATION_CLOSED": 1})
    assert begun_again == []
    assert Event.objects.filter(kind="fulfil").count() == ROUNDS
    assert broken(at=NOW) == []


def test_control_without_locks_only_the_constraint_keeps_it_from_being_lent_twice():
    _, (reservation,) = title_with_holds(1)

    outcomes = race([partial(fulfil, reservation_id=reservation.pk, at=NOW)] * 2, around=without_row_locks)

    assert (len(outcomes.done), outcomes.refused) == (1, {"COPY_ON_LOAN": 1})


@pytest.mark.parametrize("holds", [1, 2])
def test_the_head_of_a_line_fulfilled_at_two_desks_is_served_once(holds):
    for _ in range(ROUNDS):
        book, line = title_with_holds(holds)

        outcomes = race([partial(fulfil_head, book_id=book.pk, at=NOW)] * 2)

        assert len(outcomes.done) == holds
        assert outcomes.refused == ({"QUEUE_EMPTY": 1} if holds == 1 else {})
        assert {loan.member_id for loan in outcomes.done} == {reservation.member_id for reservation in line}
    assert broken(at=NOW) == []


def test_the_next_in_line_is_not_served_what_nobody_set_aside_for_them():
    for _ in range(ROUNDS):
        book, (first, second) = title_with_holds(1, members=2)

        outcomes = race([partial(fulfil_head, book_id=book.pk, at=NOW)] * 2)

        assert [loan.member_id for loan in outcomes.done] == [first.member_id]
        assert outcomes.refused == {"NO_COPY_TO_FULFILL": 1}
        second.refresh_from_db()
        assert second.status == "waiting"
    assert broken(at=NOW) == []


def test_control_without_locks_the_head_is_not_known_to_be_served():
    book, _ = title_with_holds(1)

    outcomes = race([partial(fulfil_head, book_id=book.pk, at=NOW)] * 2, around=without_row_locks)

    assert (len(outcomes.done), outcomes.refused) == (1, {"COPY_ON_LOAN": 1})


def test_a_hold_collected_at_one_desk_and_by_its_member_at_another_is_lent_once(begun_again):
    for _ in range(ROUNDS):
        book, (reservation,) = title_with_holds(1)

        outcomes = race(
            [
                partial(fulfil, reservation_id=reservation.pk, at=NOW),
                partial(check_out, member_id=reservation.member_id, book_id=book.pk, at=NOW),
                partial(fulfil_head, book_id=book.pk, at=NOW),
            ]
        )

        assert len(outcomes.done) == 1
        assert set(outcomes.refused) <= {"RESERVATION_CLOSED", "ALREADY_BORROWED", "QUEUE_EMPTY", "BUSY"}
        assert Loan.objects.active().filter(book=book).count() == 1
    assert broken(at=NOW) == []


# --- Expiry --------------------------------------------------------------------------------------------------------

LATE = NOW + timedelta(days=30)


def test_a_hold_past_its_date_is_collected_or_expires_but_not_both(begun_again):
    ends = set()
    for _ in range(ROUNDS):
        book, (first, second) = title_with_holds(1, members=2)

        outcomes = race([partial(expire, book_id=book.pk, at=LATE), partial(fulfil, reservation_id=first.pk, at=LATE)])

        first.refresh_from_db()
        second.refresh_from_db()
        if first.status == "expired":
            assert (outcomes.refused, second.status) == ({"RESERVATION_CLOSED": 1}, "ready")
        else:
            assert (outcomes.all[0], first.status, second.status) == ([], "fulfilled", "waiting")
        ends.add(first.status)
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_a_hold_expires_while_it_is_collected():
    _, (reservation,) = title_with_holds(1)

    def expire_slowly(execute, sql, params, *rest):
        if sql.startswith('UPDATE "library_copy"') and "available" in params:
            time.sleep(2 * PAUSE)
        return without_row_locks(execute, sql, params, *rest)

    outcomes = race(
        [
            partial(expire, book_id=reservation.book_id, at=LATE),
            partial(fulfil, reservation_id=reservation.pk, at=LATE),
        ],
        around=expire_slowly,
    )

    assert len(outcomes.done) == 2
    assert 1 in violated()


# --- Leaving, pausing and coming back ----------------------------------------------------------------------------


def test_whoever_leaves_the_line_during_a_return_leaves_the_copy_to_the_next(begun_again):
    for _ in range(ROUNDS):
        book, barcode, (first, second) = waiting_title(2)

        race([partial(return_copy, barcode=barcode, at=NOW), partial(cancel, reservation_id=first.pk, at=NOW)])

        second.refresh_from_db()
        assert (second.status, second.copy) == ("ready", book.copies.get())
    assert begun_again == []
    assert broken(at=NOW) == []


def test_whoever_pauses_or_comes_back_during_a_return_is_passed_over_or_served(begun_again):
    for round_ in range(ROUNDS):
        _, barcode, (reservation,) = waiting_title()
        change = suspend
        if round_ % 2:
            suspend(reservation_id=reservation.pk, at=NOW)
            change = resume

        outcomes = race(
            [partial(return_copy, barcode=barcode, at=NOW), partial(change, reservation_id=reservation.pk, at=NOW)]
        )

        reservation.refresh_from_db()
        if change is resume:
            assert (reservation.status, outcomes.refused) == ("ready", {})
        else:
            assert (reservation.status, outcomes.refused) in (
                ("ready", {"INVALID_TRANSITION": 1}),
                ("suspended", {}),
            )
    assert begun_again == []
    assert broken(at=NOW) == []


def test_sixteen_members_who_reserve_at_once_stand_in_one_line_each_once(begun_again):
    book, _, _ = waiting_title(0)
    members = new_members(16)

    outcomes = race([partial(reserve, member_id=m.pk, book_id=book.pk, at=NOW) for m in members] * 2)

    assert (len(outcomes.done), outcomes.refused, begun_again) == (16, {"RESERVATION_EXISTS": 16}, [])
    line = Reservation.objects.filter(book=book).with_position().in_order()
    assert [reservation.position for reservation in line] == list(range(1, 17))
    assert broken(at=NOW) == []


def test_control_without_locks_only_the_constraint_keeps_a_member_from_standing_in_a_line_twice():
    book, _, _ = waiting_title(0)
    member = new_member()

    outcomes = race([partial(reserve, member_id=member.pk, book_id=book.pk, at=NOW)] * 4, around=without_row_locks)

    assert (len(outcomes.done), outcomes.refused) == (1, {"RESERVATION_EXISTS": 3})
    assert any(outcome.__cause__ for outcome in outcomes.all if isinstance(outcome, Exception))


def test_the_reservation_limit_holds_when_a_member_reserves_everything_at_once(begun_again):
    general_policy(max_reservations=3)
    member, books = new_member(), new_titles(20, copies=0)

    outcomes = race([partial(reserve, member_id=member.pk, book_id=book.pk, at=NOW) for book in books])

    assert (len(outcomes.done), outcomes.refused) == (3, {"RESERVATION_LIMIT_REACHED": 17})
    assert begun_again == []


def test_control_without_locks_the_reservation_limit_is_overrun():
    general_policy(max_reservations=3)
    member, books = new_member(), new_titles(20, copies=0)

    race([partial(reserve, member_id=member.pk, book_id=book.pk, at=NOW) for book in books], around=without_row_locks)

    assert Reservation.objects.live().of(member).count() > 3


# --- The copy fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fail", [mark_damaged, mark_lost], ids=lambda operation: operation.__name__)
def test_a_copy_that_fails_while_it_is_collected_is_lent_or_the_member_waits_again(fail, begun_again):
    for _ in range(ROUNDS // 2):
        book, (reservation,) = title_with_holds(1)
        barcode = book.copies.get().barcode

        outcomes = race(
            [partial(fail, barcode=barcode, at=NOW), partial(fulfil, reservation_id=reservation.pk, at=NOW)]
        )

        reservation.refresh_from_db()
        assert (reservation.status, outcomes.refused) in (
            ("waiting", {"NO_COPY_TO_FULFILL": 1}),
            ("fulfilled", {} if fail is mark_lost else {"COPY_ON_LOAN": 1}),
        )
    assert begun_again == []
    assert broken(at=NOW) == []


# --- NO KEY UPDATE ---------------------------------------------------------------------------------------------------


def set_aside_against_that_members_check_out(around=None):
    book, barcode, (reservation,) = waiting_title()
    return race(
        [
            partial(return_copy, barcode=barcode, at=NOW),
            partial(check_out, member_id=reservation.member_id, book_id=book.pk, at=NOW),
        ],
        around=around,
    )


def test_a_member_is_set_something_aside_while_they_stand_at_the_desk(begun_again):
    for _ in range(ROUNDS):
        assert set(set_aside_against_that_members_check_out().refused) <= {"RESERVATION_EXISTS"}
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_with_plain_for_update_the_foreign_key_check_locks_them_out(begun_again):
    def for_update(execute, sql, params, many, context):
        if "CROSS JOIN" in sql:
            time.sleep(PAUSE)  # the return has its title by now
        if "UPDATE reservations_reservation" in sql:
            time.sleep(2 * PAUSE)  # and the check-out its member
        return execute(sql.replace("FOR NO KEY UPDATE", "FOR UPDATE"), params, many, context)

    assert set_aside_against_that_members_check_out(for_update).errors == []
    assert begun_again == [1]
