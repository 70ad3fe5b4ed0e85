"""Titles: adding, reading, editing, withdrawing, and how many copies are where."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import Event
from library.models import Book, Copy
from reservations.models import Reservation
from tests.api.asking import BOOK, data_of, error_of, everything, invalid_fields, message_of, refusals_of
from tests.factories import BookFactory, BranchFactory, CopyFactory, LoanFactory, ReservationFactory

pytestmark = pytest.mark.django_db


# --- Adding ------------------------------------------------------------------------------------------------


def test_a_title_and_an_author_are_enough(api):
    response = api.post("/api/books/", {"title": "Middlemarch", "author": "George Eliot"})

    data = data_of(response, 201)
    book = Book.objects.get()
    assert data == {
        "id": book.pk,
        "title": "Middlemarch",
        "author": "George Eliot",
        "isbn": "",
        "publisher": "",
        "category": "",
        "language": "",
        "published_year": None,
        "in_circulation": True,
        "available": 1,
        "total": 1,
        "version": Event.objects.latest("id").pk,
    }
    assert set(data) == BOOK
    assert message_of(response) == f"“Middlemarch” added, number {book.pk}."
    assert response["Location"] == f"/api/books/{book.pk}/"
    assert book.copies.get().barcode == f"{book.pk}-1"


def test_every_field_of_a_title_is_kept(api):
    branch = BranchFactory(name="Ostend")
    sent = {
        "title": "Emma",
        "author": "Jane Austen",
        "isbn": "0-14-143958-0",
        "publisher": "Penguin",
        "category": "fiction",
        "language": "en",
        "published_year": 1815,
        "in_circulation": False,
    }

    data = data_of(api.post("/api/books/", {**sent, "copies": 3, "branch": "ostend"}), 201)

    assert {name: data[name] for name in sent} == sent | {"isbn": "9780141439587"}
    assert (data["available"], data["total"]) == (0, 3)  # nobody can borrow it yet
    assert list(Copy.objects.values_list("branch", flat=True)) == [branch.pk] * 3


def test_a_title_may_come_without_copies(api):
    data = data_of(api.post("/api/books/", {"title": "Emma", "copies": 0}), 201)

    assert (data["available"], data["total"]) == (0, 0)


def test_a_taken_isbn_is_a_duplicate(api):
    BookFactory(isbn="9780141439587")
    before = everything()

    response = api.post("/api/books/", {"title": "Emma", "isbn": "9780141439587"})

    message = "Another title already has this ISBN."
    assert error_of(response, 409, "DUPLICATE") == {"isbn": [{"code": "unique", "message": message}]}
    assert response.json()["error"]["message"] == message
    assert everything() == before


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"title": "required"}),
        ({"title": ""}, {"title": "blank"}),
        ({"title": " \t"}, {"title": "blank"}),
        ({"title": "x" * 501}, {"title": "max_length"}),
        ({"title": None}, {"title": "null"}),
        ({"title": 1984}, {"title": "invalid"}),
        ({"title": "x", "author": "x" * 1001}, {"author": "max_length"}),
        ({"title": "x", "isbn": "9780141439588"}, {"isbn": "invalid"}),
        ({"title": "x", "publisher": "x" * 121}, {"publisher": "max_length"}),
        ({"title": "x", "category": "x" * 51}, {"category": "max_length"}),
        ({"title": "x", "language": "x" * 36}, {"language": "max_length"}),
        ({"title": "x", "published_year": 10_000}, {"published_year": "max_value"}),
        ({"title": "x", "published_year": "1815"}, {"published_year": "invalid"}),
        ({"title": "x", "in_circulation": "yes"}, {"in_circulation": "invalid"}),
        ({"title": "x", "copies": -1}, {"copies": "min_value"}),
        ({"title": "x", "copies": 101}, {"copies": "max_value"}),
        ({"title": "x", "copies": True}, {"copies": "invalid"}),
        ({"title": "x", "branch": "Nowhere"}, {"branch": "does_not_exist"}),
        ({"title": "x", "id": 7}, {"id": "unknown"}),
        ({"titel": "x", "copies": 0.5}, {"title": "required", "titel": "unknown", "copies": "invalid"}),
    ],
)
def test_what_a_title_cannot_be(api, sent, complaints):
    before = everything()

    assert invalid_fields(api.post("/api/books/", sent)) == complaints
    assert everything() == before


def test_a_title_is_kept_as_it_was_written(api):
    title = "  <script>alert(1)</script> & \"quotes\" 'n' {braces} %s \u2028\n Żółć 🜁 "

    data = data_of(api.post("/api/books/", {"title": title}), 201)

    assert data["title"] == title
    assert Book.objects.get().title == title
    assert data_of(api.get(f"/api/books/{data['id']}/"))["title"] == title


def test_the_longest_texts_fit(api):
    """In characters that PostgreSQL cannot compress, of four bytes each: the index rows are as long as they get."""
    characters = [chr(0x20000 + (number * 7919) % 0xA6D0) for number in range(1705)]
    cut = {"title": (0, 500), "author": (500, 1500), "publisher": (1500, 1620), "category": (1620, 1670)}
    sent = {name: "".join(characters[start:end]) for name, (start, end) in cut.items()}
    sent["language"] = "".join(characters[1670:1705])

    data = data_of(api.post("/api/books/", sent), 201)

    assert {name: data[name] for name in sent} == sent


# --- Reading -----------------------------------------------------------------------------------------------


def test_a_title_is_read_with_its_availability(api):
    book = BookFactory(title="Emma", authors="Jane Austen", published_year=1815, copies=2)
    CopyFactory(book=book, lost=True)
    LoanFactory(book=book)

    data = data_of(api.get(f"/api/books/{book.pk}/"))

    assert data == {
        "id": book.pk,
        "title": "Emma",
        "author": "Jane Austen",
        "isbn": "",
        "publisher": "",
        "category": "",
        "language": "",
        "published_year": 1815,
        "in_circulation": True,
        "available": 2,
        "total": 3,
        "version": 0,
    }


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_title_that_was_withdrawn_is_not_there(api, method):
    book = BookFactory(withdrawn=True)

    response = getattr(api, method)(f"/api/books/{book.pk}/", {"title": "x"} if method in ("put", "patch") else None)

    assert error_of(response, 404, "BOOK_NOT_FOUND") is None
    assert response.json()["error"]["message"] == f"There is no title {book.pk}."


@pytest.mark.parametrize("path", ["", "availability/", "copies/", "queue/"])
def test_nothing_is_known_of_an_unknown_title(api, path):
    error_of(api.get(f"/api/books/47110815/{path}"), 404, "BOOK_NOT_FOUND")


# --- Editing -----------------------------------------------------------------------------------------------


def test_replacing_a_title_empties_what_is_left_out(api):
    book = BookFactory(title="Emma", authors="Jane Austen", publisher="Penguin", category="fiction", copies=1)

    response = api.put(f"/api/books/{book.pk}/", {"title": "Persuasion", "publisher": "Oxford"})

    data = data_of(response)
    assert set(data) == BOOK
    assert (data["title"], data["author"], data["publisher"], data["category"]) == ("Persuasion", "", "Oxford", "")
    assert (data["available"], data["total"]) == (1, 1)
    assert message_of(response) == "“Persuasion” saved."
    assert response["ETag"] == api.get(f"/api/books/{book.pk}/")["ETag"]


def test_changing_a_title_leaves_the_rest(api):
    book = BookFactory(title="Emma", authors="Jane Austen", publisher="Penguin")

    data = data_of(api.patch(f"/api/books/{book.pk}/", {"publisher": "Oxford"}))

    assert (data["title"], data["author"], data["publisher"]) == ("Emma", "Jane Austen", "Oxford")
    event = Event.objects.get()
    assert (event.kind, event.payload) == (
        "book.edited",
        {"changed": ["publisher"], "changes": {"publisher": ["Penguin", "Oxford"]}, "in_circulation": True},
    )


def test_changing_nothing_changes_nothing(api):
    book = BookFactory(title="Emma")
    before = everything()

    data_of(api.patch(f"/api/books/{book.pk}/", {}))
    data_of(api.patch(f"/api/books/{book.pk}/", {"title": "Emma"}))

    assert everything() == before


def test_copies_are_not_changed_with_the_title(api):
    book = BookFactory()

    assert invalid_fields(api.put(f"/api/books/{book.pk}/", {"title": "x", "copies": 2})) == {"copies": "unknown"}


def test_replacing_a_title_needs_its_name(api):
    book = BookFactory()

    assert invalid_fields(api.put(f"/api/books/{book.pk}/", {"author": "x"})) == {"title": "required"}


def test_an_isbn_cannot_be_changed_to_one_that_is_taken(api):
    BookFactory(isbn="9780141439587")
    book = BookFactory()

    response = api.patch(f"/api/books/{book.pk}/", {"isbn": "978-0-14-143958-7"})

    assert list(error_of(response, 409, "DUPLICATE")) == ["isbn"]


def test_leaving_circulation_cancels_the_line(api):
    book = BookFactory()
    ready, waiting = ReservationFactory(book=book, ready=True), ReservationFactory(book=book)

    data = data_of(api.patch(f"/api/books/{book.pk}/", {"in_circulation": False}))

    assert (data["in_circulation"], data["available"], data["total"]) == (False, 0, 1)
    statuses = Reservation.objects.filter(pk__in=[ready.pk, waiting.pk]).values_list("status", flat=True)
    assert list(statuses) == ["cancelled", "cancelled"]


# --- Withdrawing -------------------------------------------------------------------------------------------


def test_a_title_is_withdrawn_with_its_copies(api):
    book = BookFactory(title="Emma", copies=2)
    waiting = ReservationFactory(book=book)

    response = api.delete(f"/api/books/{book.pk}/")

    assert data_of(response) is None
    assert message_of(response) == "“Emma” withdrawn."
    assert list(book.copies.values_list("status", flat=True)) == ["withdrawn", "withdrawn"]
    waiting.refresh_from_db()
    assert waiting.status == "cancelled"
    error_of(api.get(f"/api/books/{book.pk}/"), 404, "BOOK_NOT_FOUND")
    error_of(api.get(f"/api/books/{book.pk}/availability/"), 404, "BOOK_NOT_FOUND")
    assert data_of(api.get("/api/books/"))["results"] == []


def test_a_title_on_loan_is_not_withdrawn(api):
    book = BookFactory(title="Emma")
    LoanFactory.create_batch(2, book=book)
    before = everything()

    [reason] = refusals_of(api.delete(f"/api/books/{book.pk}/"), 409, "BOOK_HAS_OPEN_LOANS")

    message = "“Emma” cannot be withdrawn: 2 on loan."
    assert reason == {"code": "BOOK_HAS_OPEN_LOANS", "message": message, "overridable": False, "open": 2}
    assert everything() == before


# --- Availability ------------------------------------------------------------------------------------------


def test_availability_counts_each_state_and_branch(api):
    book = BookFactory(copies=2)
    ostend = BranchFactory(name="Ostend")
    CopyFactory(book=book, branch=ostend)
    CopyFactory(book=book, branch=ostend, damaged=True)
    CopyFactory(book=book, missing=True)
    CopyFactory(book=book, withdrawn=True)
    due = timezone.now().replace(microsecond=0) + timedelta(days=3, hours=1)
    LoanFactory(book=book, lent_at=due - timedelta(days=28))
    LoanFactory(book=book, lent_at=due - timedelta(days=20))
    ReservationFactory(book=book, ready=True)
    ReservationFactory.create_batch(3, book=book)

    data = data_of(api.get(f"/api/books/{book.pk}/availability/"))

    assert data == {
        "book_id": book.pk,
        "total": 7,
        "available": 3,
        "on_loan": 2,
        "on_hold_shelf": 1,
        "waiting": 3,
        "next_due_at": f"{due:%Y-%m-%dT%H:%M:%S}Z",
        "version": 0,
        "branches": [
            {"branch": "Main Library", "total": 5, "available": 2},
            {"branch": "Ostend", "total": 2, "available": 1},
        ],
        "estimated_wait_days": 4,
    }


def test_nobody_waits_for_a_free_copy(api):
    book = BookFactory(copies=1)

    data = data_of(api.get(f"/api/books/{book.pk}/availability/"))

    assert (data["estimated_wait_days"], data["next_due_at"], data["branches"]) == (
        0,
        None,
        [{"branch": "Main Library", "total": 1, "available": 1}],
    )


def test_without_copies_nobody_can_tell_the_wait(api):
    book = BookFactory()

    data = data_of(api.get(f"/api/books/{book.pk}/availability/"))

    assert (data["estimated_wait_days"], data["total"], data["branches"]) == (None, 0, [])


def test_availability_follows_every_change_at_once(api):
    book = data_of(api.post("/api/books/", {"title": "Emma"}), 201)
    member = data_of(api.post("/api/members/", {"name": "Ada Lovelace"}), 201)
    path = f"/api/books/{book['id']}/availability/"
    seen = [data_of(api.get(path))]

    api.post("/api/circulation/checkout/", {"member_id": member["id"], "book_id": book["id"]})
    seen.append(data_of(api.get(path)))
    api.post("/api/circulation/return/", {"barcode": f"{book['id']}-1"})
    seen.append(data_of(api.get(path)))
    api.post(f"/api/books/{book['id']}/copies/", {"count": 2})
    seen.append(data_of(api.get(path)))
    api.post(f"/api/copies/{book['id']}-3/mark-lost/")
    seen.append(data_of(api.get(path)))

    assert [(state["available"], state["on_loan"], state["total"]) for state in seen] == [
        (1, 0, 1),
        (0, 1, 1),
        (1, 0, 1),
        (3, 0, 3),
        (2, 0, 2),
    ]
    versions = [state["version"] for state in seen]
    assert versions == sorted(set(versions))
