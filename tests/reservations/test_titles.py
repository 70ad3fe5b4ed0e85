"""Changes of a title that its line feels."""

import pytest

from events.models import Event
from library.models import Book, Copy
from library.services import book_revision
from reservations.models import Reservation
from reservations.titles import add_copies, edit_title, withdraw_title
from tests.factories import NOW, BookFactory, BranchFactory, CopyFactory, LoanFactory, ReservationFactory, main_branch
from tests.refusals import refused
from tests.reservations.looking import kinds

pytestmark = pytest.mark.django_db


# --- More copies ---------------------------------------------------------------------------------------------


def test_new_copies_go_to_the_line_first_and_then_to_the_shelf():
    book = BookFactory()
    first, second = ReservationFactory.create_batch(2, book=book)

    copies = add_copies(book_id=book.pk, count=3, at=NOW)

    assert [copy.status for copy in copies] == ["on_hold_shelf", "on_hold_shelf", "available"]
    assert [copy.holder for copy in copies] == [first.member, second.member, None]
    assert [copy.barcode for copy in copies] == [f"{book.pk}-1", f"{book.pk}-2", f"{book.pk}-3"]
    assert {copy.branch for copy in copies} == {main_branch()}
    assert kinds() == ["copy.added"] * 3 + ["hold"] * 2
    told = Event.objects.filter(kind="copy.added").order_by("id").first()
    assert told is not None
    assert (told.book_id, told.copy_id, told.payload) == (book.pk, copies[0].pk, {"barcode": copies[0].barcode})


def test_new_copies_take_the_numbers_that_are_free():
    book = BookFactory()
    CopyFactory(book=book, barcode=f"{book.pk}-2", withdrawn=True)
    CopyFactory(book=book, barcode=f"{book.pk}-extra")

    copies = add_copies(book_id=book.pk, count=3, at=NOW)

    assert [copy.barcode for copy in copies] == [f"{book.pk}-1", f"{book.pk}-3", f"{book.pk}-4"]


def test_new_copies_may_have_barcodes_and_a_branch_of_their_own():
    branch = BranchFactory()

    copies = add_copies(book_id=BookFactory().pk, barcodes=["A.1", "A_2"], branch=branch, at=NOW)

    assert [(copy.barcode, copy.branch) for copy in copies] == [("A.1", branch), ("A_2", branch)]


def test_a_barcode_belongs_to_one_copy_in_the_whole_library():
    taken, book = CopyFactory(), BookFactory()

    with refused("DUPLICATE") as caught:
        add_copies(book_id=book.pk, barcodes=["free", taken.barcode], at=NOW)

    message = "Another copy already has this barcode."
    assert caught.value.details == {"barcode": [{"code": "unique", "message": message}]}
    assert caught.value.kind == "conflict"
    assert not book.copies.exists()


def test_new_copies_of_a_title_out_of_circulation_go_to_the_shelf():
    book = BookFactory(out_of_circulation=True)
    ReservationFactory(book=book)

    (copy,) = add_copies(book_id=book.pk, at=NOW)

    assert copy.status == "available"


# --- Editing -------------------------------------------------------------------------------------------------


def test_a_record_is_edited_and_the_event_names_what_changed():
    book = BookFactory(title="Nineteen Eighty-For", publisher="Secker")

    edited = edit_title(book_id=book.pk, fields={"title": "Nineteen Eighty-Four", "publisher": "Secker"}, at=NOW)

    assert edited.title == "Nineteen Eighty-Four"
    book.refresh_from_db()
    assert book.title == "Nineteen Eighty-Four"
    told = Event.objects.get()
    assert (told.kind, told.book_id) == ("book.edited", book.pk)
    assert told.payload == {
        "changed": ["title"],
        "changes": {"title": ["Nineteen Eighty-For", "Nineteen Eighty-Four"]},
        "in_circulation": True,
    }


def test_an_edit_that_changes_nothing_leaves_no_trace():
    book = BookFactory()

    edit_title(book_id=book.pk, fields={"title": book.title}, at=NOW)

    assert not Event.objects.exists()


def test_an_edit_of_an_old_version_changes_nothing():
    book = BookFactory()
    read = book_revision(book)
    edit_title(book_id=book.pk, fields={"language": "en"}, expected=read, at=NOW)

    with refused("STALE_VERSION"):
        edit_title(book_id=book.pk, fields={"language": "de"}, expected=read, at=NOW)

    book.refresh_from_db()
    assert book.language == "en"


def test_an_isbn_belongs_to_one_title_that_the_library_holds():
    BookFactory(isbn="9780141036144", withdrawn=True)
    BookFactory(isbn="9780141036144")
    book = BookFactory()

    with refused("DUPLICATE") as caught:
        edit_title(book_id=book.pk, fields={"isbn": "9780141036144"}, at=NOW)

    assert list(caught.value.details) == ["isbn"]


def test_leaving_circulation_ends_the_line_and_frees_what_was_set_aside_but_not_the_loans():
    book = BookFactory()
    loan = LoanFactory(book=book)
    ready, waiting, suspended = (
        ReservationFactory(book=book, ready=True),
        ReservationFactory(book=book),
        ReservationFactory(book=book, suspended=True),
    )

    edit_title(book_id=book.pk, fields={"in_circulation": False}, at=NOW)

    assert set(Reservation.objects.values_list("status", flat=True)) == {"cancelled"}
    assert set(book.copies.values_list("status", flat=True)) == {"available", "on_loan"}
    loan.refresh_from_db()
    assert loan.returned_at is None
    told = list(Event.objects.order_by("id").values_list("kind", "reservation_id"))
    assert told == [
        ("book.edited", None),
        ("release", ready.pk),
        ("cancel", ready.pk),
        ("cancel", waiting.pk),
        ("cancel", suspended.pk),
    ]
    cancelled = Event.objects.filter(kind="cancel").first()
    assert cancelled is not None
    assert cancelled.payload == {"reason": "The title was taken out of circulation."}


def test_coming_back_into_circulation_is_immediate():
    book = BookFactory(copies=1, out_of_circulation=True)

    edited = edit_title(book_id=book.pk, fields={"in_circulation": True}, at=NOW)

    assert edited.in_circulation
    assert Event.objects.get().payload == {
        "changed": ["in_circulation"],
        "changes": {"in_circulation": [False, True]},
        "in_circulation": True,
    }


# --- Withdrawing ---------------------------------------------------------------------------------------------


def test_a_withdrawn_title_takes_its_copies_and_its_line_along():
    book = BookFactory(copies=2)
    CopyFactory(book=book, lost=True)
    ReservationFactory(book=book, ready=True)
    ReservationFactory(book=book)
    LoanFactory(book=book, returned=True)
    other = CopyFactory()

    withdrawn = withdraw_title(book_id=book.pk, at=NOW)

    assert (withdrawn.withdrawn_at, withdrawn.in_circulation) == (NOW, False)
    book.refresh_from_db()
    assert (book.withdrawn_at, book.in_circulation) == (NOW, False)
    assert set(book.copies.values_list("status", "holder")) == {("withdrawn", None)}
    assert set(Reservation.objects.values_list("status", flat=True)) == {"cancelled"}
    other.refresh_from_db()
    assert other.is_available
    assert kinds() == ["release", "cancel", "cancel", "book.withdrawn"]
    assert not Book.objects.held().filter(pk=book.pk).exists()


def test_a_title_is_not_withdrawn_while_it_is_lent():
    book = LoanFactory(book=BookFactory(copies=1)).book
    ReservationFactory(book=book, suspended=True)

    with refused("BOOK_HAS_OPEN_LOANS") as caught:
        withdraw_title(book_id=book.pk, at=NOW)

    assert (caught.value.facts, caught.value.kind, caught.value.overridable) == ({"open": 1}, "conflict", False)
    assert Book.objects.held().filter(pk=book.pk).exists()
    assert Reservation.objects.live().count() == 1


def test_withdrawing_an_old_version_is_refused():
    book = BookFactory()

    with refused("STALE_VERSION"):
        withdraw_title(book_id=book.pk, expected="0" * 16, at=NOW)

    assert Book.objects.held().filter(pk=book.pk).exists()


def test_what_does_not_exist_is_said_to_be_missing():
    gone = BookFactory(withdrawn=True)

    for book_id in (0, gone.pk):
        with refused("BOOK_NOT_FOUND"):
            withdraw_title(book_id=book_id, at=NOW)
        with refused("BOOK_NOT_FOUND"):
            edit_title(book_id=book_id, fields={}, at=NOW)
        with refused("BOOK_NOT_FOUND"):
            add_copies(book_id=book_id, at=NOW)


# --- What it costs -------------------------------------------------------------------------------------------


def test_what_adding_copies_costs(django_assert_max_num_queries):
    book = BookFactory()

    with django_assert_max_num_queries(9):
        add_copies(book_id=book.pk, count=50, at=NOW)


def test_what_editing_costs(django_assert_max_num_queries):
    book = BookFactory()

    with django_assert_max_num_queries(6):
        edit_title(book_id=book.pk, fields={"title": "New"}, at=NOW)


def test_what_withdrawing_costs(django_assert_max_num_queries):
    book = BookFactory(copies=9)
    CopyFactory(book=book, damaged=True)

    assert Copy.objects.count() == 10
    with django_assert_max_num_queries(8):
        withdraw_title(book_id=book.pk, at=NOW)
