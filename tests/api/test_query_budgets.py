"""How many round trips to PostgreSQL each request takes at most, BEGIN and COMMIT included."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.asking import open_loan
from tests.api.conftest import Client
from tests.factories import (
    BookFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
    general_policy,
)

# Inside the test's own transaction SAVEPOINT and RELEASE stand for BEGIN and COMMIT.
pytestmark = pytest.mark.django_db


def trips(client, method, url, sent=None, **headers):
    """The statements of one request that succeeds."""
    with CaptureQueriesContext(connection) as captured:
        response = getattr(client, method)(url, sent, **headers)
    assert response.status_code < 400, response.content
    return [query["sql"] for query in captured]


def lent(**fields):
    return open_loan(**fields)


# --- The desk ----------------------------------------------------------------------------------------------


def by_title():
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": BookFactory(copies=3).pk}


def by_barcode():
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "barcode": CopyFactory().barcode}


def by_title_with_a_line_of_nobody_who_could_come():
    book = BookFactory(copies=2)
    ReservationFactory.create_batch(10, book=book, suspended=True)
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": book.pk}


def with_nothing_free():
    return "/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": lent().book_id}


def of_what_is_set_aside():
    ready = ReservationFactory(ready=True)
    return "/api/circulation/checkout/", {"member_id": ready.member_id, "book_id": ready.book_id}


def return_by_barcode():
    return "/api/circulation/return/", {"barcode": lent().copy.barcode}


def return_by_loan():
    return "/api/circulation/return/", {"loan_id": lent().pk}


def return_by_member_and_title():
    loan = lent()
    return "/api/circulation/return/", {"member_id": loan.member_id, "book_id": loan.book_id}


def return_of_what_others_wait_for():
    loan = lent()
    ReservationFactory.create_batch(10, book=loan.book)
    return "/api/circulation/return/", {"barcode": loan.copy.barcode}


def renewal():
    return "/api/circulation/renew/", {"barcode": lent().copy.barcode}


def reservation():
    return "/api/reservations/", {"member_id": MemberFactory().pk, "book_id": lent().book_id}


def cancellation():
    return f"/api/reservations/{ReservationFactory().pk}/cancel/", {}


def fulfilment():
    return f"/api/reservations/{ReservationFactory(ready=True).pk}/fulfill/", {}


def fulfilment_of_the_head():
    return "/api/reservations/fulfill/", {"book_id": ReservationFactory(ready=True).book_id}


def new_title():
    return "/api/books/", {"title": "x", "copies": 100}


def new_member():
    return "/api/members/", {"name": "x"}


@pytest.mark.parametrize(
    ("request_of", "budget"),
    [
        (by_title, 5),
        (by_barcode, 5),
        (by_title_with_a_line_of_nobody_who_could_come, 5),
        (with_nothing_free, 14),
        (of_what_is_set_aside, 10),
        (return_by_barcode, 5),
        (return_by_loan, 6),
        (return_by_member_and_title, 5),
        (return_of_what_others_wait_for, 17),
        (renewal, 12),
        (reservation, 17),
        (cancellation, 10),
        (fulfilment, 12),
        (fulfilment_of_the_head, 12),
        (new_title, 9),
        (new_member, 7),
    ],
)
def test_the_desk_stays_within_its_budget(api, request_of, budget):
    general_policy()
    url, sent = request_of()

    statements = trips(api, "post", url, sent)

    assert len(statements) <= budget, statements


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("request_of", [by_title, by_barcode, return_by_barcode])
def test_a_check_out_or_return_is_five_trips_in_a_transaction_of_its_own(api, request_of):
    statements = trips(api, "post", *request_of())

    assert (statements[0], statements[-1]) == ("BEGIN", "COMMIT")
    assert len(statements) <= 5, statements


def test_a_key_costs_three_more(api):
    url, sent = by_title()

    first = trips(api, "post", url, sent, HTTP_IDEMPOTENCY_KEY="k")
    again = trips(api, "post", url, sent, HTTP_IDEMPOTENCY_KEY="k")

    assert len(first) <= 8, first
    assert len(again) <= 4, again


def test_a_batch_costs_what_its_operations_cost(api):
    operations = [{"op": "checkout", **by_title()[1]} for _ in range(5)]

    statements = trips(api, "post", "/api/circulation/batch/", {"operations": operations})

    assert len(statements) <= 5 * 5, statements


# --- Reading -----------------------------------------------------------------------------------------------


@pytest.fixture
def visitor():
    """Nobody in particular, whose credentials cost nothing."""
    return Client()


@pytest.mark.parametrize(("path", "cold"), [("", 2), ("availability/", 1)])
def test_a_warm_title_asks_postgresql_nothing(visitor, path, cold):
    book = BookFactory(copies=3)
    url = f"/api/books/{book.pk}/{path}"

    assert len(trips(visitor, "get", url)) <= cold
    assert trips(visitor, "get", url) == []
    assert trips(visitor, "head", url) == []


@pytest.mark.parametrize("query", ["", "ordering=-title", "category=x", "search=title", "count=true", "facets=true"])
def test_a_warm_page_of_the_catalogue_asks_postgresql_nothing(visitor, query):
    BookFactory.create_batch(30, category="x", copies=1)
    cold = {"search=title": 3, "count=true": 3, "facets=true": 3}.get(query, 2)

    for limit in (2, 25):
        url = f"/api/books/?limit={limit}&{query}"
        statements = trips(visitor, "get", url)
        assert len(statements) <= cold, statements
        assert trips(visitor, "get", url) == []


def test_after_a_change_one_title_is_counted_again(api):
    [first, *_] = BookFactory.create_batch(30, copies=1)
    trips(api, "get", "/api/books/")
    api.post("/api/circulation/checkout/", {"member_id": MemberFactory().pk, "book_id": first.pk})

    statements = trips(api, "get", "/api/books/")

    assert len(statements) == 1, statements


@pytest.mark.parametrize(("query", "budget"), [("available=true", 1), ("branch=Main+Library", 2)])
def test_what_depends_on_copies_is_asked_every_time(visitor, query, budget):
    BookFactory.create_batch(10, copies=1)
    url = f"/api/books/?{query}"

    assert len(trips(visitor, "get", url)) <= budget + 1
    assert 1 <= len(trips(visitor, "get", url)) <= budget


@pytest.mark.parametrize(
    ("url", "make", "budget"),
    [
        ("/api/loans/", lambda: LoanFactory(), 1),
        ("/api/loans/?count=true", lambda: LoanFactory(), 2),
        ("/api/members/", lambda: MemberFactory(), 1),
        ("/api/members/?search=love", lambda: MemberFactory(), 1),
        ("/api/circulation/events/", lambda: None, 1),
        ("/api/reservations/", lambda: ReservationFactory(), 3),
        ("/api/reservations/?status=cancelled", lambda: ReservationFactory(cancelled=True), 2),
        ("/api/statistics/", lambda: LoanFactory(), 12),
    ],
)
def test_a_list_costs_the_same_however_long_it_is(api, url, make, budget):
    make()
    short = trips(api, "get", url)
    for _ in range(20):
        make()

    long = trips(api, "get", url)

    assert len(long) <= len(short) <= budget, long


@pytest.mark.parametrize("path", ["loans", "history"])
def test_a_members_loans_cost_two(api, path):
    member = MemberFactory()
    for _ in range(10):
        LoanFactory(member=member)

    assert len(trips(api, "get", f"/api/members/{member.pk}/{path}/")) <= 2


def test_a_line_costs_the_same_however_long_it_is(api):
    book = lent().book
    ReservationFactory.create_batch(20, book=book)

    assert len(trips(api, "get", f"/api/books/{book.pk}/queue/")) <= 5


@pytest.mark.parametrize(
    "path", ["books/{book}/copies", "copies/{barcode}", "loans/{loan}", "members/{member}", "reservations/{id}"]
)
def test_a_record_costs_little(api, path):
    loan = lent()
    place = ReservationFactory(book=loan.book)
    names = {"book": loan.book_id, "barcode": loan.copy.barcode, "loan": loan.pk, "member": loan.member_id}

    statements = trips(api, "get", f"/api/{path.format(id=place.pk, **names)}/")

    assert len(statements) <= {"books/{book}/copies": 2, "reservations/{id}": 3}.get(path, 1), statements


def test_a_cookie_costs_two(db):
    client = Client()
    client.force_login(UserFactory(staff=True))
    member = MemberFactory()

    assert len(trips(client, "get", f"/api/members/{member.pk}/")) == 3


def test_a_refusal_before_the_locks_costs_nothing(api):
    with CaptureQueriesContext(connection) as captured:
        api.post("/api/circulation/checkout/", {})
        api.get("/api/nothing/")
        api.put("/api/books/")
        api.options("/api/books/")

    assert len(captured) == 0


def test_a_renewal_of_a_lent_copy_counts_its_line_once(api):
    """However many wait, nobody is looked at one by one."""
    loan = lent()
    ReservationFactory.create_batch(20, book=loan.book)
    with CaptureQueriesContext(connection) as captured:
        api.post("/api/circulation/renew/", {"loan_id": loan.pk})

    assert len(captured) <= 9
