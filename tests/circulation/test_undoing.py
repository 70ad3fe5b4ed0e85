"""A slip at the desk is taken back: soon, by whoever made it, while nothing followed; nobody is the worse for it."""

from datetime import UTC, datetime, timedelta

import pytest

from circulation import copies
from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, return_copy
from circulation.undoing import undo
from events.models import Event
from events.recording import acting
from library.models import Copy
from library.services import add_title, enrol
from reservations.models import Reservation
from reservations.services import cancel, reserve, reserve_until
from tests.factories import BranchFactory, UserFactory, general_policy
from tests.refusals import refused

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
SOON = AT + timedelta(minutes=2)


@pytest.fixture
def book():
    """A title with one copy."""
    return add_title(at=AT, title="Emma", copies=1)


@pytest.fixture
def ada():
    return enrol(at=AT, first_name="Ada", last_name="Lovelace")


@pytest.fixture
def grace():
    return enrol(at=AT, first_name="Grace", last_name="Hopper")


@pytest.fixture(autouse=True)
def _sound():
    yield
    assert broken(at=SOON) == []


def lent(member, book, at=AT):
    return check_out(member_id=member.pk, book_id=book.pk, at=at).loan


def last(kind):
    return Event.objects.filter(kind=kind).latest("pk").pk


def copy_of(book):
    return Copy.objects.get(book=book)


def undone(kind, at=SOON):
    return undo(event_id=last(kind), at=at)


# --- A check-out -------------------------------------------------------------------------------------------


def test_an_undone_check_out_ends_the_loan_and_says_where_to_put_the_copy(book, ada):
    loan = lent(ada, book)

    result = undone("checkout")

    assert result.told == "Copy 1-1 is not lent any more. Put it back on the shelf.".replace("1-1", loan.copy.barcode)
    assert Loan.objects.get().returned_at == SOON
    assert copy_of(book).status == "available"
    assert Event.objects.get(kind="return").payload["undoes"] == last("checkout")


def test_what_was_set_aside_for_them_is_set_aside_again_until_the_same_day(book, ada, grace):
    lent(grace, book)
    reservation = reserve(member_id=ada.pk, book_id=book.pk, at=AT)
    return_copy(barcode=copy_of(book).barcode, at=AT)
    reservation.refresh_from_db()
    before = reservation.status, reservation.copy_id, reservation.shelf_until, reservation.placed_at
    lent(ada, book, at=SOON)

    result = undone("checkout")

    reservation.refresh_from_db()
    after = reservation.status, reservation.copy_id, reservation.shelf_until, reservation.placed_at
    assert before[0] == "ready"
    assert (after, reservation.closed_at, result.next.action) == (before, None, "hold")
    assert (copy_of(book).status, copy_of(book).holder) == ("on_hold_shelf", ada)


def test_whoever_waited_and_took_a_free_copy_waits_again_and_is_served_first(ada, grace):
    """Ada's reservation was fulfilled by another copy than the one that was set aside for her."""
    book = add_title(at=AT, title="Persuasion", copies=2)
    first, second = book.copies.order_by("pk")
    reserve_until(member_id=ada.pk, book_id=book.pk, until=AT + timedelta(days=9), at=AT)
    assert Copy.objects.get(holder=ada) == first
    check_out(member_id=ada.pk, barcode=second.barcode, at=AT)

    result = undone("checkout")

    reservation = Reservation.objects.get()
    assert (reservation.status, result.next.action) == ("ready", "shelve")
    assert reservation.copy == first


def test_a_copy_that_others_wait_for_goes_to_them(book, ada, grace):
    lent(ada, book)
    reserve(member_id=grace.pk, book_id=book.pk, at=AT)

    result = undone("checkout")

    assert (result.next.action, result.next.reservation.member) == ("hold", grace)


# --- A return ----------------------------------------------------------------------------------------------


def test_an_undone_return_leaves_the_loan_as_it_was(book, ada):
    before = lent(ada, book)
    return_copy(loan_id=before.pk, at=SOON)

    result = undone("return")

    loan = Loan.objects.active().get()
    assert (loan.lent_at, loan.due_at, loan.renewals) == (before.lent_at, before.due_at, 0)
    assert result.told == f"Copy {loan.copy.barcode} is on loan to Ada Lovelace again, until 2026-03-30."
    assert (copy_of(book).holder, copy_of(book).due_at) == (ada, before.due_at)
    assert Event.objects.filter(kind="checkout").latest("pk").payload["undoes"] == last("return")


def test_whoever_it_was_set_aside_for_waits_again_at_their_place(book, ada, grace):
    loan = lent(ada, book)
    reservation = reserve(member_id=grace.pk, book_id=book.pk, at=AT)
    return_copy(loan_id=loan.pk, at=SOON)

    undone("return")

    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy, reservation.placed_at) == ("waiting", None, AT)
    assert copy_of(book).holder == ada


def test_what_was_to_be_sent_away_stays(book, ada, grace):
    harbour = BranchFactory(name="Harbour")
    loan = lent(ada, book)
    reservation = reserve(member_id=grace.pk, book_id=book.pk, branch=harbour, at=AT)
    return_copy(loan_id=loan.pk, at=SOON)
    assert copy_of(book).status == "in_transit"

    undone("return")

    reservation.refresh_from_db()
    assert (copy_of(book).status, reservation.status, reservation.copy) == ("on_loan", "waiting", None)


def test_one_that_is_overdue_is_overdue_again(book, ada):
    loan = lent(ada, book, at=AT - timedelta(days=60))
    return_copy(loan_id=loan.pk, at=AT)

    undone("return")

    assert Loan.objects.active().get().is_overdue(SOON)


def test_the_limit_is_not_asked_for_again_and_the_log_says_so(book, ada):
    general_policy(max_loans=1)
    loan = lent(ada, book)
    return_copy(loan_id=loan.pk, at=AT)
    other = add_title(at=AT, title="Persuasion", copies=1)
    lent(ada, other)

    undo(event_id=Event.objects.get(kind="return").pk, at=SOON)

    payload = Event.objects.filter(kind="checkout").latest("pk").payload
    assert payload["override"] == {"codes": ["LOAN_LIMIT_REACHED"], "reason": "A return was undone."}


def test_what_is_undone_can_be_undone_too(book, ada):
    lent(ada, book)
    undone("checkout")

    result = undone("return")

    assert result.undone == "return"
    assert copy_of(book).holder == ada


# --- What cannot be undone ---------------------------------------------------------------------------------


def test_after_ten_minutes_it_stands(book, ada):
    lent(ada, book)

    with refused("INVALID_TRANSITION") as caught:
        undone("checkout", at=AT + timedelta(minutes=12))

    assert caught.value.message == "This was 12 minutes ago, and can be undone for 10."


def test_others_cannot_undo_it(book, ada):
    with acting(UserFactory(staff=True).pk):
        lent(ada, book)

    with acting(UserFactory(staff=True).pk), refused("INVALID_TRANSITION") as caught:
        undone("checkout")

    assert caught.value.message == "Somebody else did this. Only they can undo it."


@pytest.mark.parametrize("number", [0, 999_999])
def test_nor_can_what_never_was(number):
    with refused("INVALID_TRANSITION"):
        undo(event_id=number, at=AT)


def test_nor_another_kind_of_event(book):
    with refused("INVALID_TRANSITION"):
        undone("copy.added")


def test_nothing_is_undone_that_something_followed(book, ada, grace):
    loan = lent(ada, book)
    made = last("checkout")
    return_copy(loan_id=loan.pk, at=SOON)
    lent(grace, book, at=SOON)

    for event_id, what in [(made, "returned"), (last("return"), "checked out")]:
        with refused("INVALID_TRANSITION") as caught:
            undo(event_id=event_id, at=SOON)
        assert caught.value.message.endswith(f"since: {what}. This cannot be undone.")
    assert copy_of(book).holder == grace


def test_nor_one_that_was_lent_on_at_once(book, ada, grace):
    loan = lent(ada, book)
    reserve(member_id=grace.pk, book_id=book.pk, at=AT)
    return_copy(loan_id=loan.pk, at=SOON, fulfil_on_return="loan")

    with refused("INVALID_TRANSITION"):
        undone("return")

    assert copy_of(book).holder == grace


def test_nor_a_return_of_a_copy_that_went_missing(book, ada):
    loan = lent(ada, book)
    return_copy(loan_id=loan.pk, at=AT)
    copies.mark_missing(barcode=loan.copy.barcode, at=SOON)

    with refused("INVALID_TRANSITION"):
        undone("return")


def test_nor_one_after_which_they_took_another_copy(ada):
    book = add_title(at=AT, title="Persuasion", copies=2)
    loan = lent(ada, book)
    return_copy(loan_id=loan.pk, at=AT)
    other = book.copies.exclude(pk=loan.copy_id).get()
    made = last("return")
    check_out(member_id=ada.pk, barcode=other.barcode, at=SOON)

    with refused("INVALID_TRANSITION") as caught:
        undo(event_id=made, at=SOON)

    assert caught.value.message == "Ada Lovelace has another copy of “Persuasion” meanwhile. This cannot be undone."


def test_a_reservation_that_was_cancelled_meanwhile_stays_so(book, ada, grace):
    loan = lent(ada, book)
    reservation = reserve(member_id=grace.pk, book_id=book.pk, at=AT)
    return_copy(loan_id=loan.pk, at=AT)
    cancel(reservation_id=reservation.pk, at=SOON)

    with refused("INVALID_TRANSITION"):  # its copy was released
        undone("return")
