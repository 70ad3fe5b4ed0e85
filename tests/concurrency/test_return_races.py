"""Returns at once, and returns against whoever wants the copy: each ends one loan, and nobody is left beside a copy."""

import time
from functools import partial

import pytest

from circulation import services
from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import Lent, Queued, Returned, check_out, return_copy
from events.models import Event
from library import locks
from library.models import Copy
from reservations.models import Reservation
from reservations.services import reserve
from tests.concurrency.library import new_member, new_members, new_title, violated
from tests.concurrency.races import PAUSE, race, without_row_locks
from tests.factories import NOW, general_policy

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 25


def lent_title(copies=1):
    """A title of which every copy is on loan, and its barcodes."""
    book = new_title(copies=copies)
    for _ in range(copies):
        assert isinstance(check_out(member_id=new_member().pk, book_id=book.pk, at=NOW), Lent)
    return book, list(book.copies.order_by("id").values_list("barcode", flat=True))


def give_back(barcode, **how):
    return partial(return_copy, barcode=barcode, at=NOW, **how)


def take(member, book):
    return partial(check_out, member_id=member.pk, book_id=book.pk, at=NOW)


# --- One loan returned many times ------------------------------------------------------------------------------


def ways_to_return(loan):
    by_loan = partial(return_copy, loan_id=loan.pk, at=NOW)
    by_member = partial(return_copy, member_id=loan.member_id, book_id=loan.book_id, at=NOW)
    return [give_back(loan.copy.barcode), by_loan, by_member, give_back(loan.copy.barcode, fulfil_on_return="loan")] * 4


def test_a_loan_returned_sixteen_times_at_once_ends_once(begun_again):
    lent_title()

    outcomes = race(ways_to_return(Loan.objects.get()))

    assert (len(outcomes.done), outcomes.refused, begun_again) == (1, {"COPY_NOT_ON_LOAN": 15}, [])
    assert Event.objects.filter(kind="return").count() == 1
    assert broken(at=NOW) == []


def test_control_without_locks_a_loan_ends_many_times():
    lent_title()

    outcomes = race(ways_to_return(Loan.objects.get()), around=without_row_locks)

    assert len(outcomes.done) > 1
    assert Event.objects.filter(kind="return").count() > 1


# --- Two copies for a line of two --------------------------------------------------------------------------------


def line_of_two(book):
    return [reserve(member_id=new_member().pk, book_id=book.pk, at=NOW) for _ in range(2)]


@pytest.mark.parametrize("fulfil_on_return", ["hold", "loan"])
def test_two_copies_returned_at_once_serve_a_line_of_two(fulfil_on_return, begun_again):
    for _ in range(ROUNDS):
        book, barcodes = lent_title(copies=2)
        waiting = line_of_two(book)

        outcomes = race([give_back(barcode, fulfil_on_return=fulfil_on_return) for barcode in barcodes])

        served = {outcome.next.reservation for outcome in outcomes.done}
        assert served == set(waiting)
        assert {outcome.next.action for outcome in outcomes.done} == {"hold" if fulfil_on_return == "hold" else "lend"}
        status = Reservation.Status.READY if fulfil_on_return == "hold" else Reservation.Status.FULFILLED
        assert Reservation.objects.filter(book=book, status=status).values("copy").distinct().count() == 2
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_both_copies_are_set_aside_for_the_same_member():
    book, barcodes = lent_title(copies=2)
    waiting = line_of_two(book)

    outcomes = race([give_back(barcode) for barcode in barcodes], around=without_row_locks)

    assert [outcome.next.reservation for outcome in outcomes.done] == [waiting[0]] * 2
    assert 1 in violated()


# --- A return against a reservation and against a check-out ------------------------------------------------------


def test_nobody_who_reserves_during_a_return_is_stranded_beside_the_copy(begun_again):
    ends = set()
    for _ in range(ROUNDS):
        book, (barcode,) = lent_title()
        outcomes = race([give_back(barcode), partial(reserve, member_id=new_member().pk, book_id=book.pk, at=NOW)])

        # Either the return came first and there was nothing to reserve, or the copy was set aside.
        assert outcomes.refused in ({}, {"COPY_AVAILABLE": 1})
        copy, reservation = book.copies.get(), Reservation.objects.filter(book=book).first()
        assert (copy.status, reservation and reservation.status) in {("available", None), ("on_hold_shelf", "ready")}
        ends.add(copy.status)
    assert begun_again == []
    assert broken(at=NOW) == []


def dawdling(monkeypatch):
    """A return takes its time between having seen that nobody waits and its end."""
    write = services.write_return
    monkeypatch.setattr(services, "write_return", lambda *args: (write(*args), time.sleep(10 * PAUSE)))


def test_control_without_locks_a_member_is_stranded_beside_a_free_copy(monkeypatch):
    dawdling(monkeypatch)
    book, (barcode,) = lent_title()

    outcomes = race(
        [give_back(barcode), partial(reserve, member_id=new_member().pk, book_id=book.pk, at=NOW)],
        around=without_row_locks,
    )

    assert len(outcomes.done) == 2
    assert violated() == {2}


def test_whoever_checks_out_during_a_return_gets_the_copy_or_it_is_set_aside_for_them(begun_again):
    for _ in range(ROUNDS):
        book, (barcode,) = lent_title()
        member = new_member()

        outcomes = race([give_back(barcode), take(member, book)])

        returned, taken = outcomes.done
        assert isinstance(returned, Returned)
        copy = book.copies.get()
        if isinstance(taken, Lent):
            assert (copy.status, copy.holder) == ("on_loan", member)
        else:
            assert isinstance(taken, Queued)
            assert (copy.status, copy.holder) == ("on_hold_shelf", member)
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_whoever_checks_out_waits_beside_the_free_copy(monkeypatch):
    dawdling(monkeypatch)
    book, (barcode,) = lent_title()

    race([give_back(barcode), take(new_member(), book)], around=without_row_locks)

    assert violated() == {2}


# --- A return that lends, against that member's check-outs ---------------------------------------------------------


@pytest.mark.parametrize("title", ["same", "another"])
def test_a_return_that_lends_and_a_check_out_by_that_member_never_wait_for_each_other(title, begun_again):
    general_policy(max_loans=1)
    for _ in range(ROUNDS):
        book, (barcode,) = lent_title()
        reservation = reserve(member_id=new_member().pk, book_id=book.pk, at=NOW)
        wanted = book if title == "same" else new_title()

        outcomes = race([give_back(barcode, fulfil_on_return="loan"), take(reservation.member, wanted)])

        assert isinstance(outcomes.all[0], Returned)
        # Lent once, by either of the two; or set aside, when the member was at the other desk.
        assert Loan.objects.active().of(reservation.member).count() <= 1
        assert outcomes.refused in ({}, {"LOAN_LIMIT_REACHED": 1}, {"RESERVATION_EXISTS": 1}, {"ALREADY_BORROWED": 1})
        reservation.refresh_from_db()
        assert reservation.status in ("ready", "fulfilled")
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_with_waiting_for_the_member_the_two_lock_each_other_out(monkeypatch, begun_again):
    monkeypatch.setattr(locks, "try_lock_member", locks.lock_member)
    book, (barcode,) = lent_title()
    reservation = reserve(member_id=new_member().pk, book_id=book.pk, at=NOW)

    def dawdle_between_locks(execute, sql, params, many, context):
        """The check-out has its member and wants the title; the return has the title and wants the member."""
        if "CROSS JOIN" in sql:
            execute(
                "SELECT 1 FROM library_member WHERE id = %s FOR NO KEY UPDATE", [reservation.member_id], False, context
            )
            time.sleep(4 * PAUSE)
        if sql.startswith("UPDATE"):
            time.sleep(2 * PAUSE)
        return execute(sql, params, many, context)

    outcomes = race(
        [give_back(barcode, fulfil_on_return="loan"), take(reservation.member, book)], around=dawdle_between_locks
    )

    assert outcomes.errors == []
    assert begun_again == [1]  # PostgreSQL undid one of them
    assert broken(at=NOW) == []


# --- Copies coming and going -----------------------------------------------------------------------------------------


def test_everything_at_once_about_one_title_leaves_it_sound(begun_again):
    book, barcodes = lent_title(copies=6)
    readers = new_members(12)
    calls = [
        *(give_back(barcode) for barcode in barcodes[:3]),
        *(give_back(barcode, fulfil_on_return="loan") for barcode in barcodes[3:]),
        *(take(reader, book) for reader in readers),
        *(partial(reserve, member_id=reader.pk, book_id=book.pk, at=NOW) for reader in readers),
    ]

    outcomes = race(calls * 2)

    assert set(outcomes.refused) <= {
        "COPY_NOT_ON_LOAN",
        "RESERVATION_EXISTS",
        "ALREADY_BORROWED",
        "COPY_AVAILABLE",
    }
    assert begun_again == []
    assert Copy.objects.filter(status="available").count() == 0
    assert broken(at=NOW) == []
