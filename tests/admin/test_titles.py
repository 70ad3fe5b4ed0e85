"""Titles in the admin: added, found, edited, taken out of circulation, withdrawn."""

import pytest
from django.db import OperationalError
from django.urls import reverse
from psycopg.errors import LockNotAvailable

from events.models import Event
from library.models import Book, Copy
from reservations import titles
from reservations.models import Reservation
from tests.admin.browser import change_page, errors, page, told
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    ReservationFactory,
    main_branch,
)

pytestmark = pytest.mark.django_db

ADD = page(Book, "add")
LIST = page(Book)


def events() -> list[tuple[str, int | None]]:
    """Kind and actor of everything that happened, in order."""
    return list(Event.objects.order_by("id").values_list("kind", "actor_id"))


def titles_on(response) -> list[str]:
    return [book.title for book in response.context["cl"].result_list]


# --- Adding ------------------------------------------------------------------------------------------------------


def test_a_title_is_added_with_its_copies_by_the_librarian(desk, librarian):
    branch = BranchFactory()

    response = desk.save(ADD, title="Middlemarch", authors="George Eliot", copies=2, branch=branch.pk)

    book = Book.objects.get()
    assert (book.title, book.authors, book.in_circulation) == ("Middlemarch", "George Eliot", True)
    assert [(copy.branch, copy.status) for copy in Copy.objects.all()] == [(branch, "available")] * 2
    assert events() == [(kind, librarian.pk) for kind in ("book.added", "copy.added", "copy.added")]
    assert change_page(book) in told(response)[0]


def test_a_new_title_gets_one_copy_in_the_main_library_unless_told_otherwise(desk):
    desk.save(ADD, title="Middlemarch")

    assert Copy.objects.get().branch == main_branch()


@pytest.mark.parametrize("isbn", ["9780141439549", "978-0-14-143954-9", "0-14-143954-8"])
def test_an_isbn_may_be_written_as_on_the_cover(desk, isbn):
    desk.save(ADD, title="Middlemarch", isbn=isbn)

    assert Book.objects.get().isbn == "9780141439549"


def test_what_is_no_isbn_is_refused_beside_its_field(desk):
    response = desk.save(ADD, title="Middlemarch", isbn="9780141439548")

    assert errors(response) == {"isbn": ["9780141439548 is not an ISBN: its length or check digit is wrong."]}
    assert not Book.objects.exists()


def test_a_taken_isbn_is_refused_beside_its_field_and_keeps_what_was_typed(desk):
    BookFactory(isbn="9780141439549")

    response = desk.save(ADD, title="Another", authors="Somebody", isbn="9780141439549", copies=7)

    assert response.status_code == 200
    assert errors(response) == {"isbn": ["Another title already has this ISBN."]}
    assert 'value="Somebody"' in response.text
    assert 'value="7"' in response.text
    assert Book.objects.count() == 1
    assert events() == []


# --- Editing -----------------------------------------------------------------------------------------------------


def test_an_edited_title_leaves_an_event_with_the_librarian_as_its_actor(desk, librarian):
    book = BookFactory(title="Midlemarch", publisher="Penguin")

    response = desk.save(change_page(book), title="Middlemarch")

    book.refresh_from_db()
    assert (book.title, book.publisher) == ("Middlemarch", "Penguin")
    event = Event.objects.get()
    assert (event.kind, event.book_id, event.actor_id) == ("book.edited", book.pk, librarian.pk)
    assert event.payload["changed"] == ["title"]
    assert "changed successfully" in told(response)[0]


def test_saving_without_a_change_records_nothing(desk):
    book = BookFactory()

    desk.save(change_page(book))

    assert events() == []


def test_taking_a_title_out_of_circulation_cancels_its_reservations_and_frees_what_was_set_aside(desk):
    book = BookFactory()
    waiting, ready = ReservationFactory(book=book), ReservationFactory(book=book, ready=True)
    loan = LoanFactory(book=book)

    desk.save(change_page(book), in_circulation=False)

    book.refresh_from_db()
    assert not book.in_circulation
    assert set(Reservation.objects.values_list("pk", "status")) == {(waiting.pk, "cancelled"), (ready.pk, "cancelled")}
    assert Copy.objects.get(pk=ready.copy.pk).status == "available"
    assert Copy.objects.get(pk=loan.copy.pk).status == "on_loan"


def test_putting_a_title_back_in_circulation_serves_its_line(desk):
    book = BookFactory(in_circulation=False, copies=1)
    waiting = ReservationFactory(book=book)

    desk.save(change_page(book), in_circulation="on")

    waiting.refresh_from_db()
    assert waiting.status == "ready"


def test_a_refused_edit_says_why_and_changes_nothing(desk):
    BookFactory(isbn="9780141439549")
    book = BookFactory(title="Before")
    ReservationFactory(book=book)

    response = desk.save(change_page(book), title="After", isbn="9780141439549", in_circulation=False)

    assert errors(response) == {"isbn": ["Another title already has this ISBN."]}
    assert 'value="After"' in response.text
    book.refresh_from_db()
    assert (book.title, book.isbn, book.in_circulation) == ("Before", "", True)
    assert Reservation.objects.get().status == "waiting"
    assert events() == []


def test_nobody_undoes_a_change_that_they_have_not_seen(desk):
    book = BookFactory(title="Midlemarch", publisher="Pengiun")
    page_of_one = desk.typed(change_page(book))
    desk.save(change_page(book), publisher="Penguin")

    response = desk.send(change_page(book), page_of_one, title="Middlemarch")

    assert errors(response) == {
        "__all__": ["This record has changed since you read it. Read it again, then repeat your change."]
    }
    book.refresh_from_db()
    assert (book.title, book.publisher) == ("Midlemarch", "Penguin")


def test_a_copy_that_came_meanwhile_does_not_spoil_a_form(desk):
    book = BookFactory(copies=1)
    typed = desk.typed(change_page(book))
    titles.add_copies(book_id=book.pk, count=2, at=NOW)

    desk.send(change_page(book), typed, title="Edited")

    book.refresh_from_db()
    assert book.title == "Edited"


def test_a_busy_desk_is_a_message_and_no_error_page(desk, monkeypatch):
    book = BookFactory(title="Before")

    def wait_in_vain(*args, **kwargs):
        raise OperationalError from LockNotAvailable()

    monkeypatch.setattr(titles.locks, "lock_book", wait_in_vain)

    response = desk.save(change_page(book), title="After")

    assert errors(response) == {"__all__": ["The desk is busy with this title or member. Please try again."]}
    assert 'value="After"' in response.text


# --- Leaving the library -----------------------------------------------------------------------------------------


def test_titles_are_withdrawn_after_a_question(desk, librarian):
    book = BookFactory(title="Middlemarch", copies=2)
    ReservationFactory(book=book)

    question = desk.act("withdraw", book)

    assert "Withdraw these titles and all their copies for good?" in question.text
    assert "Middlemarch" in question.text
    assert Book.objects.get().withdrawn_at is None

    response = desk.confirm("withdraw", book)

    assert told(response) == ["“Middlemarch” was withdrawn."]
    assert Book.objects.get().withdrawn_at is not None
    assert set(Copy.objects.values_list("status", flat=True)) == {"withdrawn"}
    assert events() == [("cancel", librarian.pk), ("book.withdrawn", librarian.pk)]


def test_a_lent_title_is_not_withdrawn_and_the_others_are(desk):
    lent, free = LoanFactory(book__title="Lent").book, BookFactory(title="Free")

    response = desk.confirm("withdraw", lent, free)

    assert set(told(response)) == {"“Lent” cannot be withdrawn: 1 on loan.", "“Free” was withdrawn."}
    assert list(Book.objects.held()) == [lent]


def test_titles_are_taken_out_of_circulation_and_put_back_from_the_list(desk):
    one, other = BookFactory.create_batch(2)
    reservation = ReservationFactory(book=one)

    assert "open loans stand" in desk.act("take_out_of_circulation", one, other).text
    desk.confirm("take_out_of_circulation", one, other)

    assert set(Book.objects.values_list("in_circulation", flat=True)) == {False}
    reservation.refresh_from_db()
    assert reservation.status == "cancelled"

    response = desk.act("put_back_in_circulation", one)

    assert told(response) == [f"“{one.title}” is in circulation."]
    assert list(Book.objects.filter(in_circulation=True)) == [one]


def test_too_many_rows_at_once_are_refused(desk):
    books = BookFactory.create_batch(101)

    response = desk.confirm("take_out_of_circulation", *books)

    assert told(response) == ["Choose at most 100 at a time. Nothing was done."]
    assert not Book.objects.filter(in_circulation=False).exists()


def test_a_withdrawn_title_can_be_looked_at_and_not_edited(desk):
    book = BookFactory(withdrawn=True, title="Gone")

    response = desk.open(change_page(book))
    posted = desk.send(change_page(book), {}, title="Back")

    assert "Save" not in response.text
    assert told(posted) == ["This title was withdrawn and cannot be changed."]
    assert Book.objects.get().title == "Gone"


def test_a_title_withdrawn_while_its_form_was_open_stays_withdrawn(desk, monkeypatch):
    book = BookFactory(title="Gone")
    typed = desk.typed(change_page(book))
    real = titles.edit_title

    def too_late(**kwargs):
        titles.withdraw_title(book_id=book.pk, at=NOW)
        return real(**kwargs)

    monkeypatch.setattr(titles, "edit_title", too_late)

    response = desk.send(change_page(book), typed, title="Back")

    assert told(response) == ["This title was withdrawn and cannot be changed."]
    assert Book.objects.get().title == "Gone"


def test_titles_cannot_be_deleted(desk):
    book = BookFactory()

    assert desk.client.post(page(Book, "delete", book.pk), {"post": "yes"}).status_code == 403
    desk.act("delete_selected", book, post="yes")

    assert Book.objects.filter(pk=book.pk).exists()


# --- Finding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["middlemarch", "MIDDLE", "eliot", "9780141439549", "0-14-143954-8", "george middle", "midlemarch"]
)
def test_a_title_is_found_by_its_words_its_author_its_isbn_and_in_spite_of_typos(desk, text):
    BookFactory(title="Middlemarch", authors="George Eliot", isbn="9780141439549")
    BookFactory(title="Die Verwandlung", authors="Franz Kafka")

    assert titles_on(desk.open(LIST, q=text)) == ["Middlemarch"]


def test_a_number_finds_the_title_of_that_number_and_those_called_so(desk):
    other, called = BookFactory(title="Other"), BookFactory(title="1984")
    Book.objects.filter(pk=other.pk).update(id=1984)

    assert set(titles_on(desk.open(LIST, q="1984"))) == {"Other", called.title}


@pytest.mark.parametrize("text", ["'", "&|!", "a:*b", "9" * 40, "٣", "%", "\\", "x" * 5000])
def test_any_text_may_be_searched_for(desk, text):
    BookFactory(title="Middlemarch")

    desk.open(LIST, q=text)


def test_the_list_shows_what_the_library_has_unless_asked_for_more(desk):
    BookFactory(title="in")
    BookFactory(title="out", out_of_circulation=True)
    BookFactory(title="withdrawn", withdrawn=True)

    assert titles_on(desk.open(LIST)) == ["out", "in"]
    for state in ("in", "out", "withdrawn"):
        assert titles_on(desk.open(LIST, circulation=state)) == [state]


def test_withdrawn_titles_are_found_too(desk):
    BookFactory(title="History of bees")
    BookFactory(title="History of wasps", withdrawn=True)

    assert titles_on(desk.open(LIST, circulation="withdrawn", q="history")) == ["History of wasps"]


def test_titles_are_filtered_by_category_and_language(desk):
    BookFactory(title="A", category="Novel", language="en")
    BookFactory(title="B", category="Novel", language="de")
    BookFactory(title="C", category="Poetry", language="de")

    response = desk.open(LIST, category="Novel", language="de")

    assert titles_on(response) == ["B"]
    assert "?category=Poetry" in desk.open(LIST).text


def test_the_list_counts_the_copies_that_are_there_and_those_on_the_shelf(desk):
    book = BookFactory(copies=2)
    for state in ("missing", "lost", "withdrawn", "damaged", "on_loan"):
        CopyFactory(book=book, **{state: True})

    row = desk.open(LIST).context["cl"].result_list[0]

    assert (row.copies_at["here"], row.copies_at["available"]) == (4, 2)


def test_a_title_is_chosen_by_typing_part_of_it(desk):
    book = BookFactory(title="Middlemarch")
    asked = {"app_label": "library", "model_name": "copy", "field_name": "book", "term": "middle"}

    answer = desk.client.get(reverse("admin:autocomplete"), asked).json()

    assert answer["results"] == [{"id": str(book.pk), "text": "Middlemarch"}]


# --- The page ----------------------------------------------------------------------------------------------------


def test_the_page_of_a_title_shows_its_copies_and_its_line_in_order(desk):
    book = BookFactory()
    late, early = ReservationFactory(book=book, placed_at=NOW), ReservationFactory(book=book)
    ReservationFactory(book=book, cancelled=True)
    lent = LoanFactory(book=book).copy

    copies, line = desk.open(change_page(book)).context["inline_admin_formsets"]

    assert [form.instance for form in copies.formset.forms] == [lent]
    assert [(form.instance, form.instance.position) for form in line.formset.forms] == [(early, 1), (late, 2)]


def test_the_history_of_a_title_is_its_events(desk):
    book, other = BookFactory(title="Before"), BookFactory()
    desk.save(change_page(book), title="After")
    desk.save(change_page(other), title="Other")

    response = desk.client.get(page(Book, "history", book.pk), follow=True)

    assert [event.book_id for event in response.context["cl"].result_list] == [book.pk]
    assert "librarian" in response.text
