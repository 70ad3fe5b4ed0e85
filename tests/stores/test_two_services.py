"""Two services: what each serves, what the other one hears of it, and who wins."""

import itertools

import pytest

from tests.servers import own_valkey
from tests.stores.conftest import two_sides
from tests.stores.sides import agree
from tests.waiting import until

numbers = itertools.count(1)


@pytest.fixture(scope="module")
def both(template):
    """One pair for all that follows, each of which has titles and members of its own."""
    with own_valkey() as valkey, two_sides(template, valkey) as sides:
        for side in sides:
            side.start()
        for side in sides:
            until(lambda side=side: "complete" in side.manage("stores", "status")[1], f"{side.service} is not in step")
        yield sides


def data(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def add(admin, **fields):
    return data(
        admin.ask("POST", "/api/admin/books/", {"title": "Middlemarch", "author": "George Eliot"} | fields), 201
    )


def enrol(public, name):
    body = {"email": f"{name}-{next(numbers)}@example.org", "first_name": name.title(), "last_name": "Reader"}
    return data(public.ask("POST", "/api/users/", body), 201)["id"]


def listed(public):
    return [book["id"] for book in data(public.ask("GET", "/api/books/"))["results"]]


def status_of_copies(side, book):
    return [status for (status,) in side.sql("SELECT status FROM library_copy WHERE book_id = %s", book)]


def borrow(public, book, member):
    return public.ask("PUT", "/api/books/borrow/", {"book_id": book, "user_id": member, "days": 7})


def test_the_story_of_two_services(both):
    public, admin = both
    book = add(admin, publisher="Wiley", category="technology")["id"]
    until(lambda: book in listed(public), "the new book is not on the public list")
    assert data(public.ask("GET", "/api/books/?publisher=Wiley&category=technology"))["results"][0]["title"] == (
        "Middlemarch"
    )
    ada = enrol(public, "ada")
    loan = data(borrow(public, book, ada), 201)
    assert book not in listed(public)
    assert book in [row["id"] for row in data(public.ask("GET", "/api/books/?available=false"))["results"]]

    until(
        lambda: book in [row["id"] for row in data(admin.ask("GET", "/api/admin/books/borrowed/"))["results"]],
        "the admin's service does not hear of the loan",
    )
    [borrowed] = data(admin.ask("GET", "/api/admin/books/borrowed/?publisher=Wiley"))["results"]
    assert borrowed["borrowers"] == [
        {"user_id": ada, "name": "Ada Reader", "copy_barcode": loan["copy_barcode"], "due_at": loan["due_at"]}
    ]
    assert (ada, "Ada") in [
        (user["id"], user["first_name"]) for user in data(admin.ask("GET", "/api/admin/users/"))["results"]
    ]
    assert data(admin.ask("GET", f"/api/admin/users/{ada}/borrowed-books/"))["results"][0]["title"] == "Middlemarch"

    data(public.ask("POST", "/api/circulation/return/", {"loan_id": loan["id"]}))
    assert book in listed(public)
    agree(public, admin)
    data(admin.ask("DELETE", f"/api/admin/books/{book}/"))
    until(lambda: book not in listed(public), "the public service does not hear that the book is gone")
    agree(public, admin)


def test_each_serves_its_own_routes_and_no_others(both):
    public, admin = both
    assert code(public.ask("POST", "/api/books/", {"title": "A", "author": "B"})) == (405, "METHOD_NOT_ALLOWED")
    assert public.ask("POST", "/api/books/", {}).headers["Allow"] == "GET, HEAD, OPTIONS"
    assert code(public.ask("GET", "/api/admin/books/")) == (404, "NOT_FOUND")
    assert public.ask("GET", "/admin/").status_code == 404
    assert code(admin.ask("POST", "/api/circulation/checkout/", {})) == (404, "NOT_FOUND")
    assert code(admin.ask("GET", "/api/members/")) == (404, "NOT_FOUND")
    assert code(admin.ask("POST", "/api/users/", {})) == (404, "NOT_FOUND")
    assert admin.ask("GET", "/admin/login/").status_code == 200
    for side, has, has_not in (
        (public, "/api/members/", "/api/admin/books/"),
        (admin, "/api/admin/books/", "/api/me/"),
    ):
        paths = {
            path.rstrip("/")
            for path in side.ask("GET", "/api/schema/", headers={"Accept": "application/json"}).json()["paths"]
        }
        assert has.rstrip("/") in paths
        assert has_not.rstrip("/") not in paths


def test_a_token_of_one_is_no_good_at_the_other(both):
    public, admin = both
    for side in both:
        side.manage(
            "shell", "-c", "from accounts.models import User; User.objects.create_superuser('boss', password='x')"
        )
    token = data(public.ask("POST", "/api/token/", {"username": "boss", "password": "x"}))["access"]

    assert public.ask("GET", "/api/members/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    refused = admin.ask("GET", "/api/admin/books/", headers={"Authorization": f"Bearer {token}"})
    assert code(refused) == (401, "TOKEN_INVALID")


def test_a_book_that_is_lent_is_not_removed(both):
    public, admin = both
    book, ada = add(admin)["id"], enrol(public, "ada")
    until(lambda: book in listed(public), "the new book is not on the public list")
    data(borrow(public, book, ada), 201)
    agree(public, admin)

    assert code(admin.ask("DELETE", f"/api/admin/books/{book}/")) == (409, "BOOK_HAS_OPEN_LOANS")


def test_a_book_that_was_lent_before_its_removal_arrived_goes_when_it_comes_back(both):
    """An acknowledged loan stands."""
    public, admin = both
    book, ada, bob = add(admin)["id"], enrol(public, "ada"), enrol(public, "bob")
    until(lambda: book in listed(public), "the new book is not on the public list")
    agree(public, admin)
    public.stop("consumers", "relay")
    loan = data(borrow(public, book, ada), 201)
    waiting = data(public.ask("POST", "/api/reservations/", {"member_id": bob, "book_id": book}), 201)["id"]
    data(admin.ask("DELETE", f"/api/admin/books/{book}/"))
    public.start("consumers", "relay")

    until(
        lambda: data(public.ask("GET", f"/api/reservations/{waiting}/"))["status"] == "cancelled",
        "the line is not closed",
    )
    assert code(borrow(public, book, bob)) == (422, "COPY_NOT_CIRCULATING")
    assert data(public.ask("GET", f"/api/loans/{loan['id']}/"))["returned_at"] is None
    until(lambda: status_of_copies(admin, book) == ["on_loan"], "the admin does not hear of the loan")
    data(public.ask("POST", "/api/circulation/return/", {"loan_id": loan["id"]}))

    assert code(public.ask("GET", f"/api/books/{book}/")) == (404, "BOOK_NOT_FOUND")
    agree(public, admin)
    assert status_of_copies(admin, book) == ["withdrawn"]


def test_a_book_out_of_circulation_is_not_lent_and_its_line_is_closed(both):
    public, admin = both
    book, ada, bob = add(admin)["id"], enrol(public, "ada"), enrol(public, "bob")
    until(lambda: book in listed(public), "the new book is not on the public list")
    data(borrow(public, book, ada), 201)
    place = data(public.ask("POST", "/api/reservations/", {"member_id": bob, "book_id": book}), 201)["id"]
    data(admin.ask("PUT", "/api/admin/books/", {"book_id": book, "status": "unavailable"}))

    until(lambda: data(public.ask("GET", f"/api/reservations/{place}/"))["status"] == "cancelled", "the line stays")
    data(public.ask("POST", "/api/circulation/return/", {"book_id": book, "member_id": ada}))
    assert code(borrow(public, book, bob)) == (422, "COPY_NOT_CIRCULATING")
    data(admin.ask("PUT", "/api/admin/books/", {"book_id": book, "status": "available"}))
    until(lambda: borrow(public, book, bob).status_code == 201, "it does not come back")
    agree(public, admin)


def test_a_new_copy_goes_to_whoever_waits(both):
    public, admin = both
    book, ada, bob = add(admin)["id"], enrol(public, "ada"), enrol(public, "bob")
    until(lambda: book in listed(public), "the new book is not on the public list")
    data(borrow(public, book, ada), 201)
    place = data(public.ask("POST", "/api/reservations/", {"member_id": bob, "book_id": book}), 201)["id"]

    data(admin.ask("POST", f"/api/books/{book}/copies/", {"barcodes": ["second"]}), 201)

    until(lambda: data(public.ask("GET", f"/api/reservations/{place}/"))["status"] == "ready", "nobody is served")
    assert data(public.ask("GET", f"/api/reservations/{place}/"))["copy_barcode"] == "second"
    agree(public, admin)


def test_a_member_who_leaves_is_forgotten_at_both(both):
    public, admin = both
    book, ada = add(admin)["id"], enrol(public, "ada")
    until(lambda: book in listed(public), "the new book is not on the public list")
    loan = data(borrow(public, book, ada), 201)
    data(public.ask("POST", "/api/circulation/return/", {"loan_id": loan["id"]}))
    agree(public, admin)
    assert admin.sql("SELECT member_id FROM circulation_loan WHERE book_id = %s", book) == [(None,)]

    data(public.ask("DELETE", f"/api/members/{ada}/"))

    agree(public, admin)
    assert admin.sql("SELECT count(*) FROM library_member WHERE id = %s", ada) == [(0,)]


def test_what_belongs_to_the_other_service_is_refused_by_commands_too(both, tmp_path):
    public, admin = both
    (tmp_path / "books.csv").write_text("title,author\nRomola,George Eliot\n", encoding="utf-8")
    (tmp_path / "members.csv").write_text("name\nAda Lovelace\n", encoding="utf-8")

    _, said = public.manage("import_books", str(tmp_path / "books.csv"))
    assert "This is done at the admin's service." in said
    _, said = admin.manage("import_members", str(tmp_path / "members.csv"))
    assert "This is done at the public service." in said
    assert public.sql("SELECT count(*) FROM library_book WHERE title = 'Romola'") == [(0,)]
    assert admin.sql("SELECT count(*) FROM library_member WHERE last_name = 'Lovelace'") == [(0,)]


def test_a_branch_that_is_renamed_at_the_one_is_renamed_in_the_numbers_of_the_other(both):
    public, admin = both
    book = add(admin, branch="Main Library")["id"]
    until(lambda: book in listed(public), "the new book is not on the public list")

    def branches():
        return [row["branch"] for row in data(public.ask("GET", f"/api/books/{book}/availability/"))["branches"]]

    assert branches() == ["Main Library"]
    renaming = "from library.models import Branch; b = Branch.objects.create(name='Hill'); b.name = 'Harbour'; b.save()"
    assert admin.manage("shell", "-c", renaming)[0] == 0
    until(lambda: len(public.sql("SELECT 1 FROM library_branch WHERE name = 'Harbour'")) == 1, "it does not come")
    data(admin.ask("POST", f"/api/books/{book}/copies/", {"count": 1, "branch": "Harbour"}), 201)
    until(lambda: branches() == ["Harbour", "Main Library"], "the copy does not come")
    admin.manage(
        "shell",
        "-c",
        "from library.models import Branch; b = Branch.objects.get(name='Harbour'); b.name = 'Port'; b.save()",
    )

    until(lambda: branches() == ["Main Library", "Port"], "the new name does not come")


def test_both_are_sound_by_their_own_checks(both):
    public, admin = both
    book, ada = add(admin, copies=3)["id"], enrol(public, "ada")
    until(lambda: book in listed(public), "the new book is not on the public list")
    data(borrow(public, book, ada), 201)
    agree(public, admin)

    for side in both:
        returned, said = side.manage("check_invariants")
        assert returned == 0, said


def test_one_new_book_after_the_other_comes_to_the_public_list(both):
    public, admin = both
    for number in range(10):
        book = add(admin, title=f"Title {number}")["id"]
        until(lambda book=book: book in listed(public), "the new book is not on the public list")
