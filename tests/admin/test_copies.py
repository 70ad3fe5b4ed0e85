"""Copies in the admin: added to a title, relabelled, lost and found."""

import pytest

from circulation.models import Loan
from events.models import Event
from library.models import Book, Copy
from tests.admin.browser import change_page, errors, page, told
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    ReservationFactory,
)

pytestmark = pytest.mark.django_db

ADD = page(Copy, "add")
LIST = page(Copy)


def barcodes_on(response) -> set[str]:
    return {copy.barcode for copy in response.context["cl"].result_list}


# --- Adding ------------------------------------------------------------------------------------------------------


def test_copies_are_added_to_a_title_and_numbered(desk, librarian):
    book, branch = BookFactory(), BranchFactory()

    response = desk.save(ADD, book=book.pk, count=2, branch=branch.pk)

    assert set(Copy.objects.values_list("book", "barcode", "branch")) == {
        (book.pk, f"{book.pk}-{number}", branch.pk) for number in (1, 2)
    }
    assert set(Event.objects.values_list("kind", "actor_id")) == {("copy.added", librarian.pk)}
    assert f"Put the new copy {book.pk}-2 on the shelf." in told(response)
    assert response.redirect_chain[-1][0] == change_page(book)


def test_the_page_of_a_title_leads_to_its_copies(desk):
    book = BookFactory()

    text = desk.open(change_page(book)).text

    assert f'href="{ADD}?book={book.pk}"' in text
    assert f'href="{LIST}?book__id__exact={book.pk}"' in text
    assert desk.typed(ADD, book=book.pk)["book"] == str(book.pk)
    desk.open(LIST, book__id__exact=book.pk)


def test_copies_are_added_with_the_barcodes_on_them(desk):
    book = BookFactory()

    desk.save(ADD, book=book.pk, barcodes="A1\r\nA2\r\n\r\n A3")

    assert set(Copy.objects.values_list("barcode", flat=True)) == {"A1", "A2", "A3"}


def test_a_new_copy_goes_to_the_line_first(desk):
    reservation = ReservationFactory()

    response = desk.save(ADD, book=reservation.book.pk, barcodes="A1")

    assert told(response)[0] == f"Put the new copy A1 on the hold shelf for {reservation.member.name}."
    reservation.refresh_from_db()
    assert (reservation.status, reservation.copy.barcode) == ("ready", "A1")


def test_a_taken_barcode_is_refused_and_no_copy_is_added(desk):
    CopyFactory(barcode="A1")
    book = BookFactory()

    response = desk.save(ADD, book=book.pk, barcodes="A0\nA1")

    assert errors(response) == {"__all__": ["Another copy already has this barcode."]}
    assert "A0\nA1" in response.text
    assert not Copy.objects.filter(book=book).exists()


@pytest.mark.parametrize(
    ("barcodes", "message"),
    [
        ("A/1", "A/1 is not a barcode: 1 to 64 letters, digits, dots, underscores or hyphens."),
        ("A1\nA1", "A barcode stands here twice."),
        ("\n".join(f"A{number}" for number in range(101)), "At most 100 at a time."),
    ],
)
def test_barcodes_that_cannot_be_are_refused_beside_their_field(desk, barcodes, message):
    response = desk.save(ADD, book=BookFactory().pk, barcodes=barcodes)

    assert errors(response) == {"barcodes": [message]}


def test_a_withdrawn_title_gets_no_copies(desk):
    response = desk.save(ADD, book=BookFactory(withdrawn=True).pk)

    assert set(errors(response)) == {"book"}


# --- Editing -----------------------------------------------------------------------------------------------------


def test_a_copy_gets_another_barcode_and_branch(desk, librarian):
    copy, branch = CopyFactory(barcode="A1"), BranchFactory()

    desk.save(change_page(copy), barcode="A2", branch=branch.pk)

    copy.refresh_from_db()
    assert (copy.barcode, copy.branch) == ("A2", branch)
    event = Event.objects.get()
    assert (event.kind, event.copy_id, event.actor_id) == ("copy.edited", copy.pk, librarian.pk)


def test_a_barcode_of_another_copy_is_refused_beside_its_field(desk):
    CopyFactory(barcode="A1")
    copy = CopyFactory(barcode="A2")

    response = desk.save(change_page(copy), barcode="A1")

    assert errors(response) == {"barcode": ["Another copy already has this barcode."]}
    copy.refresh_from_db()
    assert copy.barcode == "A2"


def test_the_state_of_a_copy_cannot_be_typed(desk):
    copy, other = LoanFactory().copy, BookFactory()

    desk.save(change_page(copy), status="available", holder="", due_at_0="", due_at_1="", book=other.pk)

    before = (copy.status, copy.holder, copy.due_at, copy.book)
    copy.refresh_from_db()
    assert (copy.status, copy.holder, copy.due_at, copy.book) == before


@pytest.mark.parametrize("copy", ["withdrawn", "of a withdrawn title"])
def test_a_copy_that_left_can_be_looked_at_and_not_edited(desk, copy):
    row = CopyFactory(withdrawn=True) if copy == "withdrawn" else CopyFactory(book__withdrawn=True)

    assert "Save" not in desk.open(change_page(row)).text
    response = desk.send(change_page(row), {}, barcode="A9")
    assert told(response) == ["This copy was withdrawn and cannot be changed."]
    assert not Copy.objects.filter(barcode="A9").exists()


def test_copies_cannot_be_deleted(desk):
    copy = CopyFactory()

    assert desk.client.post(page(Copy, "delete", copy.pk), {"post": "yes"}).status_code == 403


# --- What happens to copies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("mark_lost", "lost", "lost"),
        ("mark_missing", "missing", "missing"),
        ("mark_damaged", "damaged", "damaged"),
        ("withdraw", "withdrawn", "withdrawn"),
    ],
)
def test_a_copy_is_taken_out_after_a_question_with_a_reason(desk, librarian, action, status, kind):
    copy = CopyFactory(barcode="A1")

    assert "Reason (may stay empty)" in desk.act(action, copy).text
    copy.refresh_from_db()
    assert copy.status == "available"

    response = desk.confirm(action, copy, reason="It rained in")

    copy.refresh_from_db()
    assert copy.status == status
    assert told(response) == [f"Copy A1 is now {status}."]
    event = Event.objects.get()
    assert (event.kind, event.payload["reason"], event.actor_id) == (kind, "It rained in", librarian.pk)


@pytest.mark.parametrize(
    ("action", "before"), [("mark_found", "lost"), ("mark_found", "missing"), ("mark_repaired", "damaged")]
)
def test_a_copy_that_is_back_goes_to_the_shelf(desk, action, before):
    copy = CopyFactory(barcode="A1", status=before)

    response = desk.act(action, copy)

    assert told(response) == ["Copy A1 came in. Put it back on the shelf."]


def test_a_copy_that_is_back_goes_to_the_line_first(desk):
    reservation = ReservationFactory()
    copy = CopyFactory(book=reservation.book, barcode="A1", missing=True)

    response = desk.act("mark_found", copy)

    assert told(response) == [f"Copy A1 came in. Put it on the hold shelf for {reservation.member.name}."]


def test_a_lost_copy_ends_its_loan(desk):
    loan = LoanFactory()

    desk.confirm("mark_lost", loan.copy)

    assert Loan.objects.get().returned_at is not None


def test_every_copy_gets_its_own_answer(desk):
    lent = LoanFactory(copy__barcode="lent").copy
    free = CopyFactory(barcode="free")
    gone = CopyFactory(barcode="gone", withdrawn=True)

    response = desk.confirm("mark_missing", lent, free, gone)

    assert set(told(response)) == {
        "Copy lent is on loan. Take it back first.",
        "Copy free is now missing.",
        "Copy gone is withdrawn and cannot become missing.",
    }
    assert set(Copy.objects.values_list("barcode", "status")) == {
        ("lent", "on_loan"),
        ("free", "missing"),
        ("gone", "withdrawn"),
    }


def test_too_long_a_reason_is_asked_for_again(desk):
    copy = CopyFactory()

    response = desk.confirm("mark_lost", copy, reason="x" * 301)

    assert "Reason (may stay empty)" in response.text
    copy.refresh_from_db()
    assert copy.status == "available"


# --- Finding -----------------------------------------------------------------------------------------------------


def test_a_copy_is_found_by_its_barcode_and_by_its_title(desk):
    book = BookFactory(title="Middlemarch")
    CopyFactory(book=book, barcode="A1")
    CopyFactory(book=book, barcode="A2")
    CopyFactory(barcode="B1")

    assert barcodes_on(desk.open(LIST, q="A1")) == {"A1"}
    assert barcodes_on(desk.open(LIST, q="middlemarch")) == {"A1", "A2"}
    assert barcodes_on(desk.open(LIST, q="nothing of the kind")) == set()


def test_copies_are_filtered_by_state_and_branch(desk):
    copy = CopyFactory(branch=BranchFactory(), lost=True)
    CopyFactory(branch=copy.branch)
    CopyFactory(lost=True)

    response = desk.open(LIST, status__exact="lost", branch__id__exact=copy.branch.pk)

    assert barcodes_on(response) == {copy.barcode}


def test_the_history_of_a_copy_is_its_events(desk):
    copy = CopyFactory()
    desk.confirm("mark_lost", copy)

    response = desk.client.get(page(Copy, "history", copy.pk), follow=True)

    assert [(event.kind, event.copy_id) for event in response.context["cl"].result_list] == [("lost", copy.pk)]
    assert Book.objects.count() == 1
