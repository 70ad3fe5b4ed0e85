"""Copies between branches: returned elsewhere, sent to whoever waits, received."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation import copies
from circulation.exceptions import CopyNotOnLoan, NoCopyAvailable
from circulation.invariants import broken
from circulation.services import Lent, Queued, check_out, return_copy
from events.models import Event
from library.exceptions import CopyNotCirculating, InvalidTransition
from library.models import Book, Copy
from library.services import add_title, edit_member, enrol, main_branch
from reservations.exceptions import CopyAvailable
from reservations.models import Reservation
from reservations.services import cancel, expire, reorder, reserve, reserve_until, settle_title, suspend
from reservations.titles import add_copies
from tests.factories import BranchFactory

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)


@pytest.fixture
def harbour():
    return BranchFactory(name="Harbour")


@pytest.fixture
def book():
    """A title with one copy, at the main library."""
    return add_title(at=AT, title="Emma", copies=1)


@pytest.fixture(autouse=True)
def _sound():
    yield
    assert broken(at=AT) == []


def member(name="Ada", branch=None):
    return enrol(at=AT, first_name=name, last_name="Reader", branch=branch)


def the_copy(book):
    return Copy.objects.get(book=book)


def now(reservation):
    return Reservation.objects.select_related("copy").get(pk=reservation.pk)


def kinds():
    return list(Event.objects.exclude(kind__contains=".").order_by("pk").values_list("kind", flat=True))


def lent(book, to=None):
    result = check_out(member_id=(to or member("Zoe")).pk, book_id=book.pk, at=AT)
    assert isinstance(result, Lent)
    return result.loan


# --- Coming back somewhere else --------------------------------------------------------------------------------------


def test_a_copy_returned_elsewhere_is_sent_home_and_received_there(book, harbour):
    copy = lent(book).copy

    result = return_copy(barcode=copy.barcode, branch=harbour, at=AT)

    assert (result.next.action, result.next.branch, result.next.reservation) == ("transit", main_branch(), None)
    assert result.next.told == "Send it to Main Library, where it belongs."
    assert the_copy(book).status == "in_transit"
    moved = copies.receive(barcode=copy.barcode, at=AT)
    assert (moved.next.action, moved.copy.status) == ("shelve", "available")
    assert kinds() == ["checkout", "return", "transit", "receive"]


def test_the_last_copy_of_a_title_that_was_removed_is_sent_nowhere(book, harbour):
    copy = lent(book).copy
    Book.objects.update(in_circulation=False, removal_asked_at=AT)  # as the admin's service asked meanwhile

    result = return_copy(barcode=copy.barcode, branch=harbour, at=AT)

    assert (result.next.action, the_copy(book).status) == ("shelve", "withdrawn")
    assert "transit" not in kinds()


def test_while_another_copy_of_it_is_lent_it_is_sent_home(book, harbour):
    copy = lent(book).copy
    add_copies(book_id=book.pk, count=1, barcodes=["other"], at=AT)
    lent(book)
    Book.objects.update(in_circulation=False, removal_asked_at=AT)

    assert return_copy(barcode=copy.barcode, branch=harbour, at=AT).next.action == "transit"
    assert return_copy(barcode="other", branch=harbour, at=AT).next.action == "shelve"
    assert set(book.copies.values_list("status", flat=True)) == {"withdrawn"}


def test_at_its_own_branch_nothing_is_sent(book):
    assert return_copy(barcode=lent(book).copy.barcode, branch=main_branch(), at=AT).next.action == "shelve"
    assert kinds() == ["checkout", "return"]


def test_whoever_waits_where_it_came_back_gets_it_there(book, harbour):
    copy = lent(book).copy
    reservation = reserve(member_id=member(branch=harbour).pk, book_id=book.pk, at=AT)

    result = return_copy(barcode=copy.barcode, branch=harbour, at=AT)

    assert (result.next.action, result.next.reservation) == ("hold", reservation)
    assert (now(reservation).status, the_copy(book).status) == ("ready", "on_hold_shelf")


def test_a_copy_is_sent_to_whoever_waits_elsewhere(book, harbour):
    copy = lent(book).copy
    reservation = reserve(member_id=member(branch=harbour).pk, book_id=book.pk, at=AT)

    result = return_copy(barcode=copy.barcode, at=AT)

    assert (result.next.action, result.next.branch) == ("transit", harbour)
    assert result.next.told == "Send it to Harbour for Ada Reader."
    assert (now(reservation).status, now(reservation).copy) == ("waiting", copy)
    moved = copies.receive(barcode=copy.barcode, branch=harbour, at=AT)
    assert (moved.next.action, moved.next.reservation) == ("hold", reservation)
    assert (now(reservation).status, moved.copy.holder_id) == ("ready", reservation.member_id)
    assert kinds()[-4:] == ["return", "transit", "receive", "hold"]


def test_the_first_in_line_is_served_before_the_one_who_is_nearer(book, harbour):
    copy = lent(book).copy
    first = reserve(member_id=member("First", harbour).pk, book_id=book.pk, at=AT)
    reserve(member_id=member("Near").pk, book_id=book.pk, at=AT)

    assert return_copy(barcode=copy.barcode, at=AT).next.reservation == first


def test_of_two_free_copies_each_gets_the_one_that_is_where_they_collect_it(book, harbour):
    lent(book)
    near = reserve(member_id=member("Main").pk, book_id=book.pk, at=AT)
    far = reserve(member_id=member("Far", harbour).pk, book_id=book.pk, at=AT)
    for reservation in (near, far):
        edit_member(member_id=reservation.member_id, fields={"blocked_reason": "Card stolen"}, at=AT)
    add_copies(book_id=book.pk, count=1, branch=harbour, barcodes=["H"], at=AT)
    add_copies(book_id=book.pk, count=1, branch=main_branch(), barcodes=["M"], at=AT)
    for reservation in (near, far):
        edit_member(member_id=reservation.member_id, fields={"blocked_reason": ""}, at=AT)

    assert settle_title(book_id=book.pk, at=AT) == [near, far]

    assert (now(near).status, now(near).copy.barcode) == ("ready", "M")
    assert (now(far).status, now(far).copy.barcode) == ("ready", "H")


def test_a_found_copy_is_sent_home(book, harbour):
    barcode = the_copy(book).barcode
    copies.mark_missing(barcode=barcode, at=AT)

    moved = copies.mark_found(barcode=barcode, branch=harbour, at=AT)

    assert (moved.next.action, moved.copy.status) == ("transit", "in_transit")


def test_lending_to_the_head_happens_only_where_they_are(book, harbour):
    copy = lent(book).copy
    reservation = reserve(member_id=member(branch=harbour).pk, book_id=book.pk, at=AT)

    away = return_copy(barcode=copy.barcode, fulfil_on_return="loan", at=AT)

    assert away.next.action == "transit"
    assert now(reservation).status == "waiting"
    copies.receive(barcode=copy.barcode, at=AT)
    check_out(member_id=reservation.member_id, book_id=book.pk, at=AT)
    other = reserve(member_id=member("Bob", harbour).pk, book_id=book.pk, at=AT)
    here = return_copy(barcode=copy.barcode, branch=harbour, fulfil_on_return="loan", at=AT)
    assert (here.next.action, now(other).status) == ("lend", "fulfilled")


# --- On the way ------------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(book, harbour):
    """A reservation whose copy is on its way to Harbour."""
    copy = lent(book).copy
    reservation = reserve(member_id=member(branch=harbour).pk, book_id=book.pk, at=AT)
    return_copy(barcode=copy.barcode, at=AT)
    return now(reservation)


def test_at_another_branch_it_is_sent_on(sent):
    moved = copies.receive(barcode=sent.copy.barcode, branch=BranchFactory(name="Ostend"), at=AT)

    assert (moved.next.action, moved.next.branch.name, moved.copy.status) == ("transit", "Harbour", "in_transit")
    assert now(sent).copy == sent.copy


def test_it_is_not_lent_before_it_is_received(sent):
    with pytest.raises(CopyNotCirculating, match="is in transit"):
        check_out(member_id=sent.member_id, barcode=sent.copy.barcode, at=AT)
    with pytest.raises(CopyNotOnLoan, match="It is in transit"):
        return_copy(barcode=sent.copy.barcode, at=AT)


def test_what_is_not_in_transit_is_not_received(book):
    with pytest.raises(InvalidTransition, match="is not in transit"):
        copies.receive(barcode=the_copy(book).barcode, at=AT)


def test_whoever_leaves_the_line_meanwhile_makes_room_for_the_next(sent, harbour):
    second = reserve(member_id=member("Second", harbour).pk, book_id=sent.book_id, at=AT)
    cancel(reservation_id=sent.pk, at=AT)
    assert the_copy(sent.book).status == "in_transit"

    moved = copies.receive(barcode=sent.copy.barcode, branch=harbour, at=AT)

    assert (moved.next.action, moved.next.reservation) == ("hold", second)


def test_without_anybody_left_it_goes_home(sent, harbour):
    cancel(reservation_id=sent.pk, at=AT)

    assert copies.receive(barcode=sent.copy.barcode, branch=harbour, at=AT).next.branch == main_branch()
    assert copies.receive(barcode=sent.copy.barcode, at=AT).next.action == "shelve"


def test_a_member_who_was_blocked_meanwhile_keeps_the_place_and_not_the_copy(sent, harbour):
    second = reserve(member_id=member("Second", harbour).pk, book_id=sent.book_id, at=AT)
    edit_member(member_id=sent.member_id, fields={"blocked_reason": "Card stolen"}, at=AT)

    moved = copies.receive(barcode=sent.copy.barcode, branch=harbour, at=AT)

    assert moved.next.reservation == second
    assert (now(sent).status, now(sent).copy) == ("waiting", None)


def test_who_was_sent_a_copy_has_it_though_somebody_was_moved_forward(sent, harbour):
    second = reserve(member_id=member("Second", harbour).pk, book_id=sent.book_id, at=AT)
    reorder(reservation_id=second.pk, priority=-1, reason="reading group", at=AT)

    assert copies.receive(barcode=sent.copy.barcode, at=AT).next.reservation == sent


def test_a_copy_lost_on_the_way_is_replaced_by_the_next_one(sent):
    copies.mark_lost(barcode=sent.copy.barcode, at=AT)
    assert (now(sent).status, now(sent).copy) == ("waiting", None)

    add_copies(book_id=sent.book_id, count=1, branch=sent.branch, barcodes=["new"], at=AT)

    assert (now(sent).status, now(sent).copy.barcode) == ("ready", "new")


def test_a_suspended_member_lets_it_go(sent, harbour):
    suspend(reservation_id=sent.pk, at=AT)

    assert now(sent).copy is None
    assert copies.receive(barcode=sent.copy.barcode, branch=harbour, at=AT).next.branch == main_branch()


def test_another_copy_borrowed_meanwhile_ends_the_reservation(sent, harbour):
    add_copies(book_id=sent.book_id, count=1, branch=harbour, barcodes=["other"], at=AT)

    result = check_out(member_id=sent.member_id, barcode="other", at=AT)

    assert isinstance(result, Lent)
    assert now(sent).status == "fulfilled"
    assert copies.receive(barcode=sent.copy.barcode, branch=harbour, at=AT).next.branch == main_branch()


@pytest.mark.parametrize("ends", ["cancelled", "expired"])
def test_what_is_not_collected_elsewhere_is_on_its_way_home(sent, ends):
    copies.receive(barcode=sent.copy.barcode, at=AT)

    if ends == "cancelled":
        cancel(reservation_id=sent.pk, at=AT)
    else:
        expire(book_id=sent.book_id, at=AT + 60 * DAY)

    assert now(sent).status == ends
    assert the_copy(sent.book).status == "in_transit"
    assert copies.receive(barcode=sent.copy.barcode, branch=sent.branch, at=AT).next.branch == main_branch()


# --- Asking for it somewhere -----------------------------------------------------------------------------------------


def test_what_stands_elsewhere_may_be_reserved_and_is_sent(book, harbour):
    reservation = reserve(member_id=member().pk, book_id=book.pk, branch=harbour, at=AT)

    assert (reservation.status, reservation.copy, reservation.branch) == ("waiting", the_copy(book), harbour)
    assert the_copy(book).status == "in_transit"


def test_what_stands_there_need_not_be_reserved(book):
    with pytest.raises(CopyAvailable):
        reserve(member_id=member().pk, book_id=book.pk, branch=main_branch(), at=AT)


def test_at_a_branch_only_its_own_copies_are_lent(book, harbour):
    add_copies(book_id=book.pk, count=1, branch=harbour, barcodes=["there"], at=AT)

    result = check_out(member_id=member().pk, book_id=book.pk, branch=harbour, at=AT)

    assert isinstance(result, Lent)
    assert result.loan.copy.barcode == "there"


def test_with_none_there_one_is_sent(book, harbour):
    result = check_out(member_id=member().pk, book_id=book.pk, branch=harbour, at=AT)

    assert isinstance(result, Queued)
    assert (result.reservation.branch, result.reservation.copy) == (harbour, the_copy(book))


def test_with_none_there_it_is_refused_where_nobody_wants_to_wait(book, harbour):
    with pytest.raises(NoCopyAvailable, match="No copy of “Emma” is free at Harbour"):
        check_out(member_id=member().pk, book_id=book.pk, branch=harbour, on_unavailable="refuse", at=AT)


def test_a_copy_is_kept_until_the_moment_that_was_asked_for_also_after_its_way(book, harbour):
    until = AT + 30 * DAY
    reservation = reserve_until(member_id=member().pk, book_id=book.pk, branch=harbour, until=until, at=AT)
    assert (reservation.status, reservation.shelf_until) == ("waiting", until)

    copies.receive(barcode=reservation.copy.barcode, branch=BranchFactory(name="Ostend"), at=AT + DAY)
    copies.receive(barcode=reservation.copy.barcode, at=AT + DAY)

    assert (now(reservation).status, now(reservation).shelf_until) == ("ready", until)


def test_a_copy_that_stands_there_is_kept_before_one_that_must_be_sent(book, harbour):
    add_copies(book_id=book.pk, count=1, branch=harbour, barcodes=["there"], at=AT)

    reservation = reserve_until(member_id=member().pk, book_id=book.pk, branch=harbour, until=AT + 30 * DAY, at=AT)

    assert (reservation.status, reservation.copy.barcode) == ("ready", "there")


def test_of_a_copy_that_was_lost_on_its_way_no_date_is_left(book, harbour):
    until = AT + 30 * DAY
    reservation = reserve_until(member_id=member().pk, book_id=book.pk, branch=harbour, until=until, at=AT)

    copies.mark_lost(barcode=reservation.copy.barcode, at=AT)

    assert (now(reservation).copy, now(reservation).shelf_until, now(reservation).needed_by) == (None, None, until)


def test_who_was_sent_a_copy_keeps_nobody_from_another(sent):
    add_copies(book_id=sent.book_id, count=1, barcodes=["other"], at=AT)

    assert lent(sent.book).copy.barcode == "other"


def test_a_copy_set_aside_elsewhere_is_not_handed_over_here(book, harbour):
    reservation = reserve(member_id=member().pk, book_id=book.pk, branch=harbour, at=AT)
    copies.receive(barcode=reservation.copy.barcode, at=AT)

    with pytest.raises(NoCopyAvailable, match="at Main Library"):
        check_out(
            member_id=reservation.member_id,
            book_id=book.pk,
            branch=main_branch(),
            on_unavailable="refuse",
            at=AT,
        )
    assert isinstance(check_out(member_id=reservation.member_id, book_id=book.pk, branch=harbour, at=AT), Lent)
