"""Copies on their way, under contention: received once, given to one, and never past anybody."""

import threading
import time
from functools import partial

import pytest

from circulation.copies import mark_found, mark_lost, mark_missing, receive
from circulation.housekeeping import sweep
from circulation.invariants import broken
from circulation.members import edit
from circulation.models import Loan
from circulation.services import Lent, check_out, return_copy
from events.models import Event
from library.models import Copy
from reservations import serving
from reservations.models import Reservation
from reservations.services import cancel, expire, reserve, resume, suspend
from reservations.titles import add_copies, withdraw_title
from tests.concurrency.library import new_member, new_members, new_title, violated
from tests.concurrency.races import PAUSE, race, without_row_locks
from tests.factories import NOW, BranchFactory

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 12
DESKS = 32


@pytest.fixture
def harbour():
    return BranchFactory(name="Harbour")


def sent_title(harbour, members=1):
    """A title whose only copy, of the main library, is on its way to the first of a line who collect at Harbour."""
    book = new_title()
    check_out(member_id=new_member().pk, book_id=book.pk, at=NOW)
    line = [reserve(member_id=m.pk, book_id=book.pk, branch=harbour, at=NOW) for m in new_members(members)]
    barcode = book.copies.get().barcode
    return_copy(barcode=barcode, at=NOW)
    return book, barcode, line


def arriving(barcode, branch=None):
    return partial(receive, barcode=barcode, branch=branch, at=NOW)


def now(reservation):
    return Reservation.objects.get(pk=reservation.pk)


# --- Received ---------------------------------------------------------------------------------------------------------


def test_a_copy_received_at_thirty_two_desks_is_received_once(harbour, begun_again):
    _, barcode, (first, second) = sent_title(harbour, 2)

    outcomes = race([arriving(barcode), arriving(barcode, harbour)] * (DESKS // 2))

    assert (len(outcomes.done), outcomes.refused, begun_again) == (1, {"INVALID_TRANSITION": DESKS - 1}, [])
    assert (now(first).status, now(second).status, now(second).copy) == ("ready", "waiting", None)
    assert Event.objects.filter(kind="receive").count() == 1
    assert broken(at=NOW) == []


def test_control_without_locks_it_is_received_many_times(harbour):
    _, barcode, _ = sent_title(harbour)

    outcomes = race([arriving(barcode)] * 8, around=without_row_locks)

    assert len(outcomes.done) > 1
    assert Event.objects.filter(kind="receive").count() > 1


def test_at_desks_of_two_branches_it_ends_where_it_was_sent(harbour, begun_again):
    ostend = BranchFactory(name="Ostend")
    for _ in range(ROUNDS):
        _, barcode, (reservation,) = sent_title(harbour)

        race([arriving(barcode, ostend), arriving(barcode, harbour)] * 4)

        # Whichever was first: who it was sent for has it, on the shelf or still on its way.
        assert (now(reservation).status, now(reservation).copy.status) in {
            ("ready", "on_hold_shelf"),
            ("waiting", "in_transit"),
        }
    assert begun_again == []
    assert broken(at=NOW) == []


# --- While whoever it was sent for is no longer to have it ------------------------------------------------------------


def blocking(reservation):
    return partial(edit, member_id=reservation.member_id, fields={"blocked_reason": "Card stolen"}, at=NOW)


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (lambda first: partial(cancel, reservation_id=first.pk, at=NOW), {"cancelled"}),
        (lambda first: partial(suspend, reservation_id=first.pk, at=NOW), {"suspended", "ready"}),
        (blocking, {"waiting", "ready"}),
    ],
    ids=["cancel", "suspend", "block"],
)
def test_a_copy_that_arrives_as_they_leave_goes_to_them_or_to_the_next(harbour, begun_again, change, ends):
    for _ in range(ROUNDS):
        book, barcode, (first, second) = sent_title(harbour, 2)

        outcomes = race([arriving(barcode, harbour), change(first)])

        assert outcomes.refused in ({}, {"INVALID_TRANSITION": 1})  # what is set aside is not suspended
        assert now(first).status in ends
        if book.copies.get().status == "in_transit":  # set aside, and then taken off the shelf of a foreign branch
            assert now(first).status == "cancelled"
            receive(barcode=barcode, branch=harbour, at=NOW)
        served = [place for place in (now(first), now(second)) if place.status == "ready"]
        assert [place.copy_id for place in served] == [book.copies.get().pk]
        assert (served == [first]) == (now(first).status == "ready")
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_whoever_left_is_given_the_copy_all_the_same(harbour):
    _, barcode, (first, second) = sent_title(harbour, 2)

    def cancel_slowly(execute, sql, params, *rest):
        if sql.startswith("UPDATE") and "cancelled" in params:
            time.sleep(2 * PAUSE)
        return without_row_locks(execute, sql, params, *rest)

    outcomes = race(
        [arriving(barcode, harbour), partial(cancel, reservation_id=first.pk, at=NOW)], around=cancel_slowly
    )

    assert len(outcomes.done) == 2
    assert (now(first).status, now(second).status) == ("ready", "waiting")


def test_whoever_comes_back_as_it_arrives_goes_before_those_behind_or_waits_at_the_old_place(harbour, begun_again):
    for _ in range(ROUNDS):
        _, barcode, (first, second) = sent_title(harbour, 2)
        suspend(reservation_id=first.pk, at=NOW)

        race([arriving(barcode, harbour), partial(resume, reservation_id=first.pk, at=NOW)])

        assert {now(first).status, now(second).status} == {"ready", "waiting"}
    assert begun_again == []
    assert broken(at=NOW) == []


# --- While the copy or the title goes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fail", [mark_lost, mark_missing], ids=lambda operation: operation.__name__)
def test_a_copy_that_fails_as_it_arrives_leaves_its_reservation_at_the_old_place(harbour, begun_again, fail):
    for _ in range(ROUNDS):
        book, barcode, (reservation,) = sent_title(harbour)

        outcomes = race([arriving(barcode), partial(fail, barcode=barcode, at=NOW)])

        assert outcomes.refused in ({}, {"INVALID_TRANSITION": 1})
        assert book.copies.get().status in ("lost", "missing")
        assert (now(reservation).status, now(reservation).copy, now(reservation).shelf_until) == ("waiting", None, None)
    assert begun_again == []
    assert broken(at=NOW) == []


def test_a_copy_that_arrives_as_its_title_is_withdrawn_is_withdrawn(harbour, begun_again):
    for _ in range(ROUNDS):
        book, barcode, (reservation,) = sent_title(harbour)

        outcomes = race([arriving(barcode), partial(withdraw_title, book_id=book.pk, at=NOW)])

        assert outcomes.refused in ({}, {"COPY_NOT_FOUND": 1})
        assert (book.copies.get().status, now(reservation).status) == ("withdrawn", "cancelled")
    assert begun_again == []
    assert broken(at=NOW) == []


# --- While others come ------------------------------------------------------------------------------------------------


def test_whoever_was_sent_a_copy_and_takes_another_leaves_the_first_to_the_next(harbour, begun_again):
    for _ in range(ROUNDS):
        book, barcode, (first, second) = sent_title(harbour, 2)
        suspend(reservation_id=second.pk, at=NOW)
        other = add_copies(book_id=book.pk, count=1, branch=harbour, at=NOW)[0]
        taking = partial(check_out, member_id=first.member_id, barcode=other.barcode, at=NOW)

        outcomes = race([arriving(barcode, harbour), taking, partial(resume, reservation_id=second.pk, at=NOW)])

        # Whoever came back first has the other copy.
        assert outcomes.refused in ({}, {"COPY_HELD_FOR_OTHER": 1})
        if not outcomes.refused:
            assert now(first).status == "fulfilled"
        assert Loan.objects.active().filter(book=book).count() == 1 - outcomes.refused["COPY_HELD_FOR_OTHER"]
        assert broken(at=NOW) == []
    assert begun_again == []


def test_of_thirty_two_who_want_what_just_comes_home_one_has_it_and_the_others_stand_in_line(harbour, begun_again):
    book, barcode, (reservation,) = sent_title(harbour)
    cancel(reservation_id=reservation.pk, at=NOW)
    members = new_members(DESKS)

    outcomes = race(
        [
            arriving(barcode),
            *(partial(check_out, member_id=m.pk, book_id=book.pk, at=NOW) for m in members[: DESKS // 2]),
            *(partial(reserve, member_id=m.pk, book_id=book.pk, at=NOW) for m in members[DESKS // 2 :]),
        ]
    )

    assert set(outcomes.refused) <= {"COPY_AVAILABLE"}
    copy = book.copies.get()
    lent = [done for done in outcomes.done if isinstance(done, Lent)]
    line = list(Reservation.objects.live().filter(book=book).in_order())
    # Who asked before it came had a place, and of these the first has it; or nobody had, and somebody took it.
    assert copy.status in ("on_loan", "on_hold_shelf")
    assert (len(lent), [place.status for place in line].count("ready")) in {(1, 0), (0, 1)}
    if not lent:
        assert line[0].copy == copy
    assert len(lent) + len(line) + outcomes.refused["COPY_AVAILABLE"] == DESKS
    assert begun_again == []
    assert broken(at=NOW) == []


def test_nobody_who_reserves_as_a_copy_comes_home_is_left_beside_it(harbour, begun_again):
    for _ in range(ROUNDS):
        book, barcode, (reservation,) = sent_title(harbour)
        cancel(reservation_id=reservation.pk, at=NOW)

        outcomes = race([arriving(barcode), partial(reserve, member_id=new_member().pk, book_id=book.pk, at=NOW)])

        assert outcomes.refused in ({}, {"COPY_AVAILABLE": 1})
        expected = "available" if outcomes.refused else "on_hold_shelf"
        assert book.copies.get().status == expected
    assert begun_again == []
    assert broken(at=NOW) == []


def test_control_without_locks_somebody_waits_beside_a_copy_that_came_home(harbour, monkeypatch):
    book, barcode, (reservation,) = sent_title(harbour)
    cancel(reservation_id=reservation.pk, at=NOW)
    has_seen_that_nobody_waits, find_its_place = threading.Event(), serving.receive

    def dawdle(*asked, **how):
        place = find_its_place(*asked, **how)
        has_seen_that_nobody_waits.set()
        time.sleep(20 * PAUSE)
        return place

    def reserve_meanwhile():
        assert has_seen_that_nobody_waits.wait(30)
        return reserve(member_id=member.pk, book_id=book.pk, at=NOW)

    member = new_member()
    monkeypatch.setattr(serving, "receive", dawdle)

    outcomes = race([arriving(barcode), reserve_meanwhile], around=without_row_locks)

    assert len(outcomes.done) == 2
    assert violated() == {2}


def test_two_copies_that_come_in_elsewhere_at_once_go_to_the_first_two(harbour, begun_again):
    for _ in range(ROUNDS):
        book = new_title(copies=2)
        for _ in range(2):
            assert isinstance(check_out(member_id=new_member().pk, book_id=book.pk, at=NOW), Lent)
        line = [
            reserve(member_id=m.pk, book_id=book.pk, branch=branch, at=NOW)
            for m, branch in zip(new_members(3), (None, harbour, harbour), strict=True)
        ]
        barcodes = book.copies.values_list("barcode", flat=True)

        outcomes = race([partial(return_copy, barcode=barcode, branch=harbour, at=NOW) for barcode in barcodes])

        assert {done.next.reservation for done in outcomes.done} == set(line[:2])
        assert {done.next.action for done in outcomes.done} == {"hold", "transit"}
        assert [now(place).status for place in line] == ["waiting", "ready", "waiting"]
        assert [bool(now(place).copy) for place in line] == [True, True, False]
    assert begun_again == []
    assert broken(at=NOW) == []


def test_everything_at_once_about_a_title_of_two_branches_leaves_it_sound(harbour, begun_again):
    book = new_title(copies=3)
    add_copies(book_id=book.pk, count=3, branch=harbour, at=NOW)
    members, readers = new_members(6), new_members(10)
    for member in members:
        assert isinstance(check_out(member_id=member.pk, book_id=book.pk, at=NOW), Lent)
    barcodes = list(book.copies.order_by("id").values_list("barcode", flat=True))
    line = [reserve(member_id=m.pk, book_id=book.pk, branch=harbour, at=NOW) for m in readers[:4]]
    main = book.copies.earliest("id").branch
    calls = [
        *(partial(return_copy, barcode=b, branch=branch, at=NOW) for b in barcodes for branch in (main, harbour)),
        *(arriving(b, branch) for b in barcodes for branch in (main, harbour, None)),
        *(partial(cancel, reservation_id=place.pk, at=NOW) for place in line[:2]),
        partial(suspend, reservation_id=line[2].pk, at=NOW),
        blocking(line[3]),
        partial(mark_lost, barcode=barcodes[0], at=NOW),
        partial(mark_found, barcode=barcodes[0], branch=harbour, at=NOW),
        partial(expire, book_id=book.pk, at=NOW),
        *(partial(reserve, member_id=m.pk, book_id=book.pk, branch=main, at=NOW) for m in readers[4:]),
        *(partial(check_out, member_id=m.pk, book_id=book.pk, branch=harbour, at=NOW) for m in readers[4:]),
    ]

    race(calls * 2)

    assert begun_again == []
    sweep(at=NOW)  # for whom the block may have come after their turn
    assert broken(at=NOW) == []
    for copy in Copy.objects.filter(status="in_transit"):
        receive(barcode=copy.barcode, at=NOW)
    assert broken(at=NOW) == []
