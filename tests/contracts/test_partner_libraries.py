"""Partner libraries: a copy kept until a date, and given back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from circulation.models import Loan
from events.models import Event
from integrations.contracts.partner_libraries import ReturnBook
from library.models import Copy
from reservations.models import Reservation
from tests.api.asking import RESERVATION, data_of, error_of, invalid_fields, message_of, refusals_of
from tests.api.conftest import Client
from tests.api.signing import signed_in
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
)

PASSWORD = "a staple for horses, correct"
PATHS = ["/api/reservations/reserve/", "/reserve"]
both_paths = pytest.mark.parametrize("path", PATHS)


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT23:59:59")


def reserve(client, member, book, path=PATHS[0], *, days=20, **more):
    body = {"book_id": book.pk, "reserved_until": in_days(days), "library": "Main Library", **more}
    return client.post(path, body | ({"member_id": member.pk} if member else {}))


# --- Signing up and in -----------------------------------------------------------------------------------------------


def test_signing_up_and_in(db):
    client = Client()
    account = {"username": "ada", "password": PASSWORD, "email": "ada@example.org"}

    registered = data_of(client.post("/api/register/", account), 201)
    assert (registered["username"], registered["member"]["email"]) == ("ada", "ada@example.org")
    weak = client.post("/api/register/", {"username": "bob", "password": "12345678", "email": "bob@example.org"})
    assert "password" in invalid_fields(weak)

    pair = data_of(client.post("/api/token/", {"username": "ada", "password": PASSWORD}))
    data_of(client.post("/api/token/verify/", {"token": pair["access"]}))
    renewed = data_of(client.post("/api/token/refresh/", {"refresh": pair["refresh"]}))
    data_of(client.post("/api/token/blacklist/", {"refresh": renewed["refresh"]}))
    error_of(client.post("/api/token/refresh/", {"refresh": renewed["refresh"]}), 401, "TOKEN_INVALID")


def test_books_are_read_with_and_without_a_token(db):
    book = BookFactory(copies=1)

    for client in (Client(), signed_in(MemberFactory(user=UserFactory()).user)):
        assert [found["id"] for found in data_of(client.get("/api/books/"))["results"]] == [book.pk]
        assert data_of(client.get(f"/api/books/{book.pk}/"))["title"] == book.title
        assert client.post("/api/books/", {"title": "x"}).status_code in (401, 403)
        assert client.delete(f"/api/books/{book.pk}/").status_code in (401, 403)


# --- Reserving -------------------------------------------------------------------------------------------------------


@both_paths
def test_a_free_copy_is_set_aside_until_then(desk, path):
    book, member = BookFactory(copies=1), MemberFactory()

    response = reserve(desk, member, book, path)

    reservation = data_of(response, 201)
    assert set(reservation) == RESERVATION
    assert (reservation["status"], reservation["position"], reservation["branch"]) == ("ready", 0, "Main Library")
    assert reservation["shelf_until"] == in_days(20) + "Z"
    assert message_of(response) == f"“{book.title}” reserved for {member.name}, and a copy is set aside."
    assert response["Location"] == f"/api/reservations/{reservation['id']}/"
    copy = Copy.objects.get()
    assert (copy.status, copy.holder_id, copy.barcode) == ("on_hold_shelf", member.pk, reservation["copy_barcode"])
    other = desk.post("/api/borrow/", {"userId": MemberFactory().pk, "bookId": book.pk})
    refusals_of(other, 409, "NO_COPY_AVAILABLE")


@both_paths
def test_with_none_free_one_joins_the_line_until_then(desk, path):
    book, member = BookFactory(), MemberFactory()
    LoanFactory(book=book, lent_at=timezone.now())

    reservation = data_of(reserve(desk, member, book, path), 201)

    assert (reservation["status"], reservation["position"], reservation["shelf_until"]) == ("waiting", 1, None)
    assert reservation["needed_by"] == in_days(20) + "Z"


def test_nobody_is_overtaken(desk):
    """A free copy that somebody waits for is not free."""
    book = BookFactory(copies=1)
    waiting = ReservationFactory(book=book)

    reservation = data_of(reserve(desk, MemberFactory(), book), 201)

    assert (reservation["status"], reservation["position"]) == ("waiting", 1)
    waiting.refresh_from_db()
    assert waiting.status == "ready"  # as it should have been before


def test_the_copy_is_one_of_that_library_if_it_has_one(desk):
    book, ostend = BookFactory(copies=1), BranchFactory(name="Ostend")
    there = CopyFactory(book=book, branch=ostend)

    reservation = data_of(reserve(desk, MemberFactory(), book, library="ostend"), 201)
    assert (reservation["copy_barcode"], reservation["branch"]) == (there.barcode, "Ostend")

    elsewhere = data_of(reserve(desk, MemberFactory(), book, library="Ostend"), 201)
    assert (elsewhere["status"], elsewhere["branch"]) == ("waiting", "Ostend")
    sent = Copy.objects.get(barcode=elsewhere["copy_barcode"])
    assert (sent.branch.name, sent.status) == ("Main Library", "in_transit")
    assert elsewhere["shelf_until"] == in_days(20) + "Z"


def test_a_library_may_be_called_a_branch(desk):
    book = BookFactory(copies=1)
    BranchFactory(name="Ostend")

    both = reserve(desk, MemberFactory(), book, library="Ostend", branch="Ostend")
    assert invalid_fields(both) == {"library": "invalid"}
    nowhere = desk.post(
        PATHS[0],
        {"member_id": MemberFactory().pk, "book_id": book.pk, "reserved_until": in_days(2), "branch": "Nowhere"},
    )
    assert invalid_fields(nowhere) == {"branch": "does_not_exist"}
    there = {"member_id": MemberFactory().pk, "book_id": book.pk, "reserved_until": in_days(2), "branch": "ostend"}
    assert data_of(desk.post(PATHS[1], there), 201)["branch"] == "Ostend"


def test_without_a_library_it_is_the_members_own_and_its_time(desk):
    tokyo = BranchFactory(name="Tokyo", time_zone="Asia/Tokyo")
    body = {"member_id": MemberFactory(branch=tokyo).pk, "book_id": BookFactory(copies=1).pk}

    reservation = data_of(desk.post(PATHS[0], body | {"reserved_until": in_days(20)}), 201)

    assert reservation["branch"] == "Tokyo"
    assert reservation["shelf_until"] == in_days(20).replace("T23", "T14") + "Z"


def test_for_the_member_of_the_token(db):
    ada, other = MemberFactory(user=UserFactory()), MemberFactory()
    book = BookFactory(copies=1)
    client = signed_in(ada.user)

    error_of(reserve(client, other, book), 404, "MEMBER_NOT_FOUND")
    reservation = data_of(reserve(client, None, book), 201)

    assert reservation["member_id"] == ada.pk


def test_without_a_token_nothing_is_reserved(db):
    book = BookFactory(copies=1)

    for path in PATHS:
        error_of(reserve(Client(), None, book, path), 401, "NOT_AUTHENTICATED")
    assert not Reservation.objects.exists()


def test_the_rules_of_the_line_hold_here_too(desk):
    book, member = BookFactory(copies=2), MemberFactory()
    reserve(desk, member, book)

    refusals_of(reserve(desk, member, book), 409, "RESERVATION_EXISTS")
    refusals_of(reserve(desk, MemberFactory(blocked=True), BookFactory(copies=1)), 422, "MEMBER_BLOCKED")
    refusals_of(reserve(desk, member, BookFactory(copies=1, in_circulation=False)), 422, "COPY_NOT_CIRCULATING")
    error_of(reserve(desk, MemberFactory(), BookFactory.build(pk=47110815)), 404, "BOOK_NOT_FOUND")


@pytest.mark.parametrize(
    ("more", "invalid"),
    [
        ({"reserved_until": "2020-01-01T00:00:00"}, {"reserved_until": "past"}),
        ({"reserved_until": "2999-01-01"}, {"reserved_until": "too_late"}),
        ({"reserved_until": "soon"}, {"reserved_until": "invalid"}),
        ({"library": "Nowhere"}, {"library": "does_not_exist"}),
        ({"library": ""}, {"library": "blank"}),
        ({"until": "2030-01-01"}, {"until": "unknown"}),
    ],
)
@both_paths
def test_what_cannot_be_reserved(desk, path, more, invalid):
    book, member = BookFactory(copies=1), MemberFactory()

    assert invalid_fields(reserve(desk, member, book, path, **more)) == invalid
    assert not Reservation.objects.exists()


def test_it_is_collected_like_every_hold(desk):
    book, member = BookFactory(copies=1), MemberFactory()
    reservation = data_of(reserve(desk, member, book), 201)

    loan = data_of(desk.post(f"/api/reservations/{reservation['id']}/fulfill/"))

    assert (loan["member_id"], loan["copy_barcode"]) == (member.pk, reservation["copy_barcode"])


def test_twice_with_one_key_is_done_once(desk):
    book, member = BookFactory(copies=2), MemberFactory()
    body = {"book_id": book.pk, "reserved_until": in_days(3), "member_id": member.pk}

    first, again = (desk.post(PATHS[0], body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert (first.status_code, again.status_code, first.content) == (201, 201, again.content)
    assert Reservation.objects.count() == 1


# --- Giving back -----------------------------------------------------------------------------------------------------


def give_back(client, reservation_id, **more):
    return client.post(f"/api/reservations/{reservation_id}/return_book/", **more)


def test_a_copy_that_is_set_aside_is_given_back(desk):
    book = BookFactory(copies=1)
    reservation = data_of(reserve(desk, MemberFactory(), book), 201)

    response = give_back(desk, reservation["id"])

    data = data_of(response)
    assert (data["reservation"]["status"], data["loan"]) == ("cancelled", None)
    assert message_of(response) == f"A copy of “{book.title}” is no longer set aside."
    assert Copy.objects.get().status == "available"
    refusals_of(give_back(desk, reservation["id"]), 409, "RESERVATION_CLOSED")


def test_the_next_in_line_gets_it(desk):
    book = BookFactory(copies=1)
    reservation = data_of(reserve(desk, MemberFactory(), book), 201)
    next_one = data_of(reserve(desk, MemberFactory(), book), 201)

    give_back(desk, reservation["id"])

    assert data_of(desk.get(f"/api/reservations/{next_one['id']}/"))["status"] == "ready"


def test_the_loan_that_came_of_it_is_given_back(desk):
    reservation = data_of(reserve(desk, MemberFactory(), BookFactory(copies=1)), 201)
    loan = data_of(desk.post(f"/api/reservations/{reservation['id']}/fulfill/"))

    response = give_back(desk, reservation["id"])

    data = data_of(response)
    assert (data["reservation"]["status"], data["loan"]["id"]) == ("fulfilled", loan["id"])
    assert data["loan"]["returned_at"] is not None
    assert message_of(response) == f"Copy {loan['copy_barcode']} returned. Put it back on the shelf."
    refusals_of(give_back(desk, reservation["id"]), 409, "COPY_NOT_ON_LOAN")


def test_a_later_loan_of_the_same_copy_is_not_the_one_that_came_of_it(desk):
    member, book = MemberFactory(), BookFactory(copies=1)
    reservation = data_of(reserve(desk, member, book), 201)
    desk.post(f"/api/reservations/{reservation['id']}/fulfill/")
    give_back(desk, reservation["id"])
    data_of(desk.post("/api/borrow/", {"userId": member.pk, "bookId": book.pk}), 201)

    refusals_of(give_back(desk, reservation["id"]), 409, "COPY_NOT_ON_LOAN")
    assert Loan.objects.active().count() == 1


def test_of_two_that_were_collected_each_gives_back_its_own(desk):
    book = BookFactory(copies=2)
    reservations = [data_of(reserve(desk, MemberFactory(), book), 201)["id"] for _ in range(2)]
    loans = [data_of(desk.post(f"/api/reservations/{each}/fulfill/"))["id"] for each in reservations]

    given_back = data_of(give_back(desk, reservations[1]))

    assert given_back["loan"]["id"] == loans[1]
    assert [loan.pk for loan in Loan.objects.active()] == [loans[0]]


def test_one_who_waits_has_nothing_to_give_back(desk):
    waiting = ReservationFactory()

    refusals_of(give_back(desk, waiting.pk), 409, "COPY_NOT_ON_LOAN")
    waiting.refresh_from_db()
    assert waiting.status == "waiting"
    error_of(give_back(desk, 47110815), 404, "RESERVATION_NOT_FOUND")


def test_whoever_waits_again_by_the_time_they_give_back_keeps_their_place(desk, monkeypatch):
    """The copy that was set aside failed a moment before: there is nothing to give back, and no reason to leave."""
    reservation = data_of(reserve(desk, MemberFactory(), BookFactory(copies=1)), 201)
    perform = ReturnBook.perform

    def a_moment_later(*args, **kwargs):
        data_of(desk.post(f"/api/copies/{reservation['copy_barcode']}/mark-damaged/"))
        return perform(*args, **kwargs)

    monkeypatch.setattr(ReturnBook, "perform", a_moment_later)

    refusals_of(give_back(desk, reservation["id"]), 409, "COPY_NOT_ON_LOAN")
    assert Reservation.objects.get().status == "waiting"


def test_giving_back_is_rehearsed(desk):
    ready = data_of(reserve(desk, MemberFactory(), BookFactory(copies=1)), 201)
    collected = data_of(reserve(desk, MemberFactory(), BookFactory(copies=1)), 201)
    desk.post(f"/api/reservations/{collected['id']}/fulfill/")

    def would(reservation_id):
        data = data_of(desk.post(f"/api/reservations/{reservation_id}/return_book/?dry_run=true"))
        return data["would"], [refusal["code"] for refusal in data["refusals"]]

    assert would(ready["id"]) == ("cancel", [])
    assert would(collected["id"]) == ("shelve", [])
    assert would(ReservationFactory().pk) == ("refuse", ["COPY_NOT_ON_LOAN"])
    assert Event.objects.filter(kind__in=["cancel", "return"]).count() == 0


@pytest.mark.parametrize("collected", [False, True])
def test_giving_back_twice_with_one_key_is_done_once(desk, collected):
    reservation = data_of(reserve(desk, MemberFactory(), BookFactory(copies=1)), 201)
    if collected:
        desk.post(f"/api/reservations/{reservation['id']}/fulfill/")

    first, again = (give_back(desk, reservation["id"], HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert (first.status_code, again.status_code, first.content) == (200, 200, again.content)
    assert Event.objects.filter(kind__in=["cancel", "return"]).count() == 1


def test_a_member_gives_back_their_own_and_nobody_elses(db):
    ada, grace = MemberFactory(user=UserFactory()), MemberFactory(user=UserFactory())
    book = BookFactory(copies=1)
    reservation = data_of(reserve(signed_in(ada.user), None, book), 201)

    error_of(give_back(signed_in(grace.user), reservation["id"]), 404, "RESERVATION_NOT_FOUND")
    data_of(give_back(signed_in(ada.user), reservation["id"]))


# --- Partners --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_status_at_the_partners(desk, slash):
    """There are no partners yet, and so nobody has it."""
    book = BookFactory(copies=1)

    response = desk.get(f"/status/{book.pk}{slash}")

    assert (response.status_code, response.json()) == (200, {"book_id": book.pk, "availability": {}})
    error_of(desk.get("/status/47110815"), 404, "BOOK_NOT_FOUND")
