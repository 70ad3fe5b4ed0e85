"""The simple API: books and users; borrow and return."""

import pytest

from tests.api.asking import BOOK, LOAN, data_of, error_of, invalid_fields, message_of, refusals_of
from tests.api.signing import signed_in
from tests.factories import BookFactory, LoanFactory, MemberFactory, UserFactory, general_policy


@pytest.fixture
def book(desk):
    return data_of(desk.post("/api/books/", {"title": "1984", "author": "George Orwell"}), 201)["id"]


@pytest.fixture
def alice(desk):
    return data_of(desk.post("/api/users/", {"name": "Alice"}), 201)["id"]


def borrow(desk, user, book, **more):
    return desk.post("/api/borrow/", {"userId": user, "bookId": book}, **more)


def give_back(desk, user, book, **more):
    return desk.post("/api/return/", {"userId": user, "bookId": book}, **more)


def test_a_book_is_added_and_a_user(desk):
    book = data_of(desk.post("/api/books/", {"title": "1984", "author": "George Orwell"}), 201)
    user = data_of(desk.post("/api/users/", {"name": "Alice"}), 201)

    assert (book["title"], book["author"], book["available"]) == ("1984", "George Orwell", 1)
    assert user["name"] == "Alice"
    assert data_of(desk.get(f"/api/members/{user['id']}/"))["name"] == "Alice"


def test_a_book_is_borrowed(desk, alice, book):
    response = borrow(desk, alice, book)

    loan = data_of(response, 201)
    assert message_of(response) == "Book borrowed successfully"
    assert set(loan) == LOAN
    assert (loan["member_id"], loan["book_id"], loan["returned_at"]) == (alice, book, None)
    assert data_of(desk.get(f"/api/books/{book}/"))["available"] == 0


def test_a_borrowed_book_cannot_be_borrowed(desk, alice, book):
    bob = MemberFactory().pk
    borrow(desk, alice, book)

    refusals_of(borrow(desk, bob, book), 409, "NO_COPY_AVAILABLE")
    refusals_of(borrow(desk, alice, book), 409, "ALREADY_BORROWED", "NO_COPY_AVAILABLE")
    assert data_of(desk.get(f"/api/books/{book}/queue/"))["reservations"] == []


def test_a_book_is_returned(desk, alice, book):
    borrow(desk, alice, book)

    response = give_back(desk, alice, book)

    data = data_of(response)
    assert message_of(response) == "Book returned successfully"
    assert data["loan"]["returned_at"] is not None
    assert data["next"] == {"action": "shelve"}
    assert data_of(desk.get(f"/api/books/{book}/"))["available"] == 1
    refusals_of(give_back(desk, alice, book), 409, "COPY_NOT_ON_LOAN")


def test_the_books_of_a_user(desk, alice, book):
    borrow(desk, alice, book)
    LoanFactory(member_id=alice, returned=True)
    LoanFactory()

    [borrowed] = data_of(desk.get(f"/api/users/{alice}/borrowed/"))["results"]

    assert set(borrowed) == BOOK | {"loan_id", "copy_barcode", "lent_at", "due_at", "overdue"}
    assert (borrowed["id"], borrowed["title"], borrowed["available"]) == (book, "1984", 0)
    assert (borrowed["copy_barcode"], borrowed["overdue"]) == (f"{book}-1", False)
    give_back(desk, alice, book)
    assert data_of(desk.get(f"/api/users/{alice}/borrowed/"))["results"] == []


def test_the_books_of_a_user_come_soonest_due_first_and_in_pages(desk, alice):
    for _ in range(3):
        LoanFactory(member_id=alice)
    due = [book["due_at"] for book in data_of(desk.get(f"/api/users/{alice}/borrowed/"))["results"]]
    assert len(due) == 3
    assert due == sorted(due)

    first = data_of(desk.get(f"/api/users/{alice}/borrowed/?limit=2&count=true"))
    second = data_of(desk.get(first["next"]))

    assert (first["count"], len(first["results"]), len(second["results"])) == (3, 2, 1)


def test_a_request_sent_twice_with_its_key_is_done_once(desk, alice, book):
    first, again = (borrow(desk, alice, book, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))
    assert (first.status_code, again.status_code, first.content) == (201, 201, again.content)

    first, again = (give_back(desk, alice, book, HTTP_IDEMPOTENCY_KEY="back") for _ in range(2))
    assert (first.status_code, again.status_code, first.content) == (200, 200, again.content)


def test_what_would_happen(desk, alice, book):
    would = desk.post("/api/borrow/?dry_run=true", {"userId": alice, "bookId": book})

    assert data_of(would) == {"would": "lend", "refusals": []}
    assert data_of(desk.get(f"/api/users/{alice}/borrowed/"))["results"] == []


def test_the_rules_of_the_desk_hold_here_too(desk, alice, book):
    general_policy(max_loans=0)

    [refusal] = refusals_of(borrow(desk, alice, book), 422, "LOAN_LIMIT_REACHED")
    assert (refusal["open"], refusal["limit"]) == (0, 0)


@pytest.mark.parametrize(
    ("body", "invalid"),
    [
        ({}, {"bookId": "required"}),
        ({"bookId": 1}, {"userId": "required"}),
        ({"userId": "1", "bookId": 1}, {"userId": "invalid"}),
        ({"userId": 1, "bookId": 0}, {"bookId": "min_value"}),
        ({"user_id": 1, "book_id": 2}, {"bookId": "required", "user_id": "unknown", "book_id": "unknown"}),
    ],
)
@pytest.mark.parametrize("path", ["/api/borrow/", "/api/return/"])
def test_what_is_wrong_is_named_as_it_was_written(desk, path, body, invalid):
    assert invalid_fields(desk.post(path, body)) == invalid


def test_what_does_not_exist(desk, alice, book):
    error_of(borrow(desk, 47110815, book), 404, "MEMBER_NOT_FOUND")
    error_of(borrow(desk, alice, 47110815), 404, "BOOK_NOT_FOUND")
    error_of(give_back(desk, 47110815, book), 404, "MEMBER_NOT_FOUND")
    error_of(give_back(desk, alice, 47110815), 404, "BOOK_NOT_FOUND")
    error_of(desk.get("/api/users/47110815/borrowed/"), 404, "MEMBER_NOT_FOUND")


def test_who_is_signed_in_need_not_say_who_they_are(settings, db):
    alice, bob = MemberFactory(user=UserFactory()), MemberFactory()
    book = BookFactory(copies=1)
    client = signed_in(alice.user)

    assert data_of(client.post("/api/borrow/", {"bookId": book.pk}), 201)["member_id"] == alice.pk
    assert len(data_of(client.get(f"/api/users/{alice.pk}/borrowed/"))["results"]) == 1
    error_of(client.post("/api/borrow/", {"userId": bob.pk, "bookId": book.pk}), 404, "MEMBER_NOT_FOUND")
    error_of(client.get(f"/api/users/{bob.pk}/borrowed/"), 404, "MEMBER_NOT_FOUND")
    assert data_of(client.post("/api/return/", {"bookId": book.pk}))["next"] == {"action": "shelve"}
