"""The admin's service and the public one, both in one process."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from circulation.models import Loan
from library.models import Book, Member
from reservations.models import Reservation
from tests.api.asking import BOOK, MEMBER, data_of, error_of, invalid_fields, message_of, refusals_of
from tests.factories import BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

STATUS_BOOK = BOOK | {"status", "expected_return_at", "borrowers"}
ADA = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"}
NEW = {"title": "Clean Code", "author": "Robert Martin", "category": "technology", "publisher": "Wiley"}


def rows(response):
    return data_of(response)["results"]


def lent(**fields):
    return LoanFactory(lent_at=timezone.now(), **fields)


# --- Public ----------------------------------------------------------------------------------------------------------


def test_enrolling(desk):
    user = data_of(desk.post("/api/users/", ADA), 201)

    assert (user["first_name"], user["last_name"], user["email"]) == ("Ada", "Lovelace", "ada@example.org")
    error_of(desk.post("/api/users/", ADA | {"email": "ADA@example.org"}), 409, "DUPLICATE")
    assert Member.objects.count() == 1


def test_listing_what_is_available_by_publisher_and_category(desk):
    wanted = BookFactory(publisher="Wiley", category="technology", copies=1)
    BookFactory(publisher="Wiley", category="fiction", copies=1)
    BookFactory(publisher="Apress", category="technology", copies=1)
    lent(book=BookFactory(publisher="Wiley", category="technology"))

    found = rows(desk.get("/api/books/?available=true&publisher=Wiley&category=technology"))

    assert [book["id"] for book in found] == [wanted.pk]
    assert data_of(desk.get(f"/api/books/{wanted.pk}/"))["publisher"] == "Wiley"


def test_borrowing_for_days(desk):
    book, member = BookFactory(copies=1), MemberFactory()

    response = desk.put("/api/books/borrow/", {"book_id": book.pk, "user_id": member.pk, "days": 7})

    loan = data_of(response, 201)
    until = timezone.localdate() + timedelta(days=7)
    assert (loan["member_id"], loan["due_at"]) == (member.pk, f"{until}T23:59:59Z")
    assert message_of(response) == f"Copy {loan['copy_barcode']} lent to {member.name} until {until}."
    assert rows(desk.get("/api/books/?available=true")) == []


def test_borrowing_refuses_rather_than_reserves(desk):
    book, member = BookFactory(), MemberFactory()
    lent(book=book)

    borrowing = desk.put("/api/books/borrow/", {"book_id": book.pk, "user_id": member.pk, "days": 7})

    refusals_of(borrowing, 409, "NO_COPY_AVAILABLE")
    assert not Reservation.objects.exists()
    too_long = desk.put("/api/books/borrow/", {"book_id": BookFactory(copies=1).pk, "user_id": member.pk, "days": 60})
    refusals_of(too_long, 422, "LOAN_TOO_LONG")
    wrong = desk.put("/api/books/borrow/", {"book_id": 1, "days": 0})
    assert invalid_fields(wrong) == {"days": "min_value"}
    assert invalid_fields(desk.put("/api/books/borrow/", {"book_id": 1})) == {"user_id": "required"}


def test_borrowing_twice_with_one_key_is_done_once(desk):
    book, member = BookFactory(copies=2), MemberFactory()
    body = {"book_id": book.pk, "user_id": member.pk}

    first, again = (desk.put("/api/books/borrow/", body, HTTP_IDEMPOTENCY_KEY="one") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert Loan.objects.count() == 1


def test_a_book_whose_last_copy_goes_leaves_the_list_and_comes_back(desk):
    book, member = BookFactory(copies=1), MemberFactory()
    assert len(rows(desk.get("/api/books/?available=true"))) == 1

    loan = data_of(desk.put("/api/books/borrow/", {"book_id": book.pk, "user_id": member.pk}), 201)
    assert rows(desk.get("/api/books/?available=true")) == []

    desk.post("/api/circulation/return/", {"loan_id": loan["id"]})
    assert len(rows(desk.get("/api/books/?available=true"))) == 1


# --- Admin: books ----------------------------------------------------------------------------------------------------


def test_adding_a_book(desk):
    book = data_of(desk.post("/api/admin/books/", NEW), 201)

    assert {name: book[name] for name in NEW} == NEW
    assert data_of(desk.get(f"/api/books/{book['id']}/"))["available"] == 1
    assert invalid_fields(desk.post("/api/admin/books/", {"author": "x"})) == {"title": "required"}


def test_removing_a_book(desk):
    book = BookFactory(copies=1)

    assert data_of(desk.delete(f"/api/admin/books/{book.pk}/")) is None
    error_of(desk.get(f"/api/books/{book.pk}/"), 404, "BOOK_NOT_FOUND")
    error_of(desk.delete(f"/api/admin/books/{book.pk}/"), 404, "BOOK_NOT_FOUND")
    assert rows(desk.get("/api/admin/books/")) == []


def test_a_book_on_loan_is_not_removed(desk):
    loan = lent()

    refusals_of(desk.delete(f"/api/admin/books/{loan.book_id}/"), 409, "BOOK_HAS_OPEN_LOANS")
    assert Book.objects.held().filter(pk=loan.book_id).exists()


def test_every_book_has_a_status(desk):
    free, out, gone = BookFactory(copies=2), lent().book, BookFactory(copies=1, in_circulation=False)
    lost = CopyFactory(status="lost").book
    CopyFactory(book=free, on_loan=True)

    found = rows(desk.get("/api/admin/books/"))

    assert all(set(book) == STATUS_BOOK for book in found)
    assert {book["id"]: book["status"] for book in found} == {
        free.pk: "available",
        out.pk: "borrowed",
        gone.pk: "unavailable",
        lost.pk: "unavailable",
    }


def test_taking_a_book_out_and_putting_it_back(desk):
    loan = lent()
    book = loan.book
    CopyFactory(book=book)
    waiting = ReservationFactory(book=book, member=MemberFactory(blocked=True))

    out = desk.put("/api/admin/books/", {"book_id": book.pk, "status": "unavailable"})
    assert (data_of(out)["status"], data_of(out)["in_circulation"]) == ("unavailable", False)
    assert message_of(out) == f"“{book.title}” is out of circulation."
    borrowing = desk.put("/api/books/borrow/", {"book_id": book.pk, "user_id": MemberFactory().pk})
    refusals_of(borrowing, 422, "COPY_NOT_CIRCULATING")
    loan.refresh_from_db()
    waiting.refresh_from_db()
    assert (loan.returned_at, waiting.status) == (None, "cancelled")

    back = desk.put("/api/admin/books/", {"book_id": book.pk, "status": "available"})
    assert (data_of(back)["status"], data_of(back)["in_circulation"]) == ("available", True)
    again = desk.put("/api/books/borrow/", {"book_id": book.pk, "user_id": MemberFactory().pk})
    assert again.status_code == 201


@pytest.mark.parametrize(
    ("body", "invalid"),
    [
        ({"status": "borrowed"}, {"status": "not_by_hand"}),
        ({"status": "lost"}, {"status": "invalid_choice"}),
        ({}, {"status": "required"}),
        ({"status": "available", "title": "x"}, {"title": "unknown"}),
    ],
)
def test_a_status_that_cannot_be_set(desk, body, invalid):
    book = BookFactory(copies=1)

    response = desk.put("/api/admin/books/", {"book_id": book.pk, **body})

    assert invalid_fields(response) == invalid
    if body.get("status") == "borrowed":
        [complaint] = response.json()["error"]["details"]["status"]
        assert "by being lent, not by hand" in complaint["message"]
    assert Book.objects.get().in_circulation


def test_the_status_of_an_older_version_is_not_changed(desk):
    book = BookFactory(copies=1)
    tag = desk.get(f"/api/books/{book.pk}/")["ETag"]
    desk.patch(f"/api/books/{book.pk}/", {"publisher": "Another"})

    late = desk.put("/api/admin/books/", {"book_id": book.pk, "status": "unavailable"}, HTTP_IF_MATCH=tag)

    error_of(late, 412, "STALE_VERSION")
    error_of(desk.put("/api/admin/books/", {"book_id": 47110815, "status": "available"}), 404, "BOOK_NOT_FOUND")


def test_borrowed_books_and_who_has_them_until_when(desk):
    book = BookFactory(copies=1)
    ada, grace = (
        MemberFactory(first_name="Ada", last_name="King"),
        MemberFactory(first_name="Grace", last_name="Hopper"),
    )
    now = timezone.now()
    first = LoanFactory(book=book, member=ada, lent_at=now)
    second = LoanFactory(book=book, member=grace, lent_at=now)
    type(second.copy).objects.filter(pk=second.copy_id).update(due_at=first.due_at + timedelta(days=1))
    LoanFactory(book=BookFactory(), returned=True)

    [borrowed] = rows(desk.get("/api/admin/books/borrowed/"))

    assert set(borrowed) == STATUS_BOOK
    assert (borrowed["id"], borrowed["status"], borrowed["available"]) == (book.pk, "available", 1)
    assert borrowed["expected_return_at"] == borrowed["borrowers"][0]["due_at"]
    assert [(who["user_id"], who["name"]) for who in borrowed["borrowers"]] == [
        (ada.pk, "Ada King"),
        (grace.pk, "Grace Hopper"),
    ]
    assert borrowed["borrowers"][0].keys() == {"user_id", "name", "copy_barcode", "due_at"}


def test_unavailable_books_and_when_they_are_expected_back(desk):
    BookFactory(copies=1)
    loan = lent()
    out_of_circulation = BookFactory(copies=1, in_circulation=False)

    found = rows(desk.get("/api/admin/books/unavailable/"))

    assert [(book["id"], book["status"]) for book in found] == [
        (loan.book_id, "borrowed"),
        (out_of_circulation.pk, "unavailable"),
    ]
    assert found[0]["expected_return_at"] == found[0]["borrowers"][0]["due_at"]
    assert datetime.fromisoformat(found[0]["expected_return_at"]) == loan.due_at
    assert [who["user_id"] for who in found[0]["borrowers"]] == [loan.member_id]
    assert (found[1]["expected_return_at"], found[1]["borrowers"]) == (None, [])


@pytest.mark.parametrize("path", ["/api/admin/books/", "/api/admin/books/borrowed/", "/api/admin/books/unavailable/"])
def test_the_filters_of_the_catalogue_work_here(desk, path):
    wiley = lent(book=BookFactory(title="Emma", publisher="Wiley")).book
    lent(book=BookFactory(title="Ulysses", publisher="Apress"))

    assert [book["id"] for book in rows(desk.get(f"{path}?publisher=Wiley"))] == [wiley.pk]
    assert [book["id"] for book in rows(desk.get(f"{path}?search=emma"))] == [wiley.pk]
    assert len(rows(desk.get(f"{path}?limit=1"))) == 1
    assert [book["title"] for book in rows(desk.get(f"{path}?ordering=-title"))] == ["Ulysses", "Emma"]


@pytest.mark.parametrize(
    "path", ["/api/admin/books/", "/api/admin/books/borrowed/", "/api/admin/users/borrowed-books/"]
)
def test_a_longer_list_takes_no_more_statements(desk, path, django_assert_max_num_queries):
    for _ in range(3):
        lent()
    desk.get(path)
    for _ in range(5):
        lent()

    with django_assert_max_num_queries(8):
        assert len(rows(desk.get(path))) == 8


# --- Admin: users ----------------------------------------------------------------------------------------------------


def test_listing_users(desk):
    member = MemberFactory(first_name="Ada", last_name="King")
    MemberFactory(first_name="Grace", last_name="Hopper")

    found = rows(desk.get("/api/admin/users/"))

    assert len(found) == 2
    assert set(found[0]) == MEMBER
    assert [user["id"] for user in rows(desk.get("/api/admin/users/?search=king"))] == [member.pk]


def test_users_and_the_books_that_they_borrowed(desk):
    ada, grace, _ = MemberFactory(first_name="Ada", last_name="King"), MemberFactory(), MemberFactory()
    two = {lent(member=ada).book_id for _ in range(2)}
    LoanFactory(member=ada, returned=True)
    LoanFactory(member=grace, returned=True)

    [user] = rows(desk.get("/api/admin/users/borrowed-books/"))

    assert set(user) == {"id", "name", "borrowed_books"}
    assert (user["id"], user["name"]) == (ada.pk, "Ada King")
    assert {book["id"] for book in user["borrowed_books"]} == two


def test_the_books_of_one_user(desk):
    loan = lent()
    lent()

    [book] = rows(desk.get(f"/api/admin/users/{loan.member_id}/borrowed-books/"))

    assert (book["id"], book["loan_id"], book["title"]) == (loan.book_id, loan.pk, loan.book.title)
    error_of(desk.get("/api/admin/users/47110815/borrowed-books/"), 404, "MEMBER_NOT_FOUND")
