"""How much one question can cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.daia import holdings
from library.models import Copy
from tests.daia.asking import answer_of, ask, documents, items_of, open_for
from tests.factories import BookFactory, BranchFactory, CopyFactory, LoanFactory, ReservationFactory, main_branch


def statements(client, *identifiers):
    with CaptureQueriesContext(connection) as captured:
        answer = answer_of(ask(client, *identifiers))
    return len(captured), len(answer["document"])


def many(number):
    """So many titles, each known by an ISBN and with copies at two branches, a loan and a line."""
    ostend = BranchFactory()
    found = []
    for each in range(number):
        body = f"978{each:09d}"
        check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10
        book = BookFactory(isbn=f"{body}{check}", copies=1)
        CopyFactory(book=book, branch=ostend)
        LoanFactory(book=book)
        ReservationFactory(book=book)
        found.append(book)
    return found


def test_a_hundred_cost_as_many_statements_as_one(catalogue):
    books = many(99)
    identifiers = [
        (book.isbn, f"http://testserver/api/books/{book.pk}", book.copies.first().barcode)[number % 3]
        for number, book in enumerate(books)
    ]

    assert statements(catalogue, identifiers[0], identifiers[2]) == (4, 2)
    assert statements(catalogue, *identifiers, "unknown") == (4, 99)


@pytest.mark.parametrize(
    ("identifiers", "number"),
    [
        (["unknown"], 1),
        (["isbn:9780141439549"], 1),
        (["nothing at all"], 0),
        (["http://testserver/api/books/47110815"], 1),
        ([], 0),
    ],
)
def test_what_is_not_there_costs_less(catalogue, identifiers, number):
    assert statements(catalogue, *identifiers, "|") == (number, 0)


def test_of_a_title_with_thousands_of_copies_those_on_the_shelf_are_shown(catalogue):
    book, branch = BookFactory(), main_branch()
    states = ["damaged"] * 990 + ["available"] * 20
    Copy.objects.bulk_create(
        Copy(book=book, branch=branch, barcode=f"c-{number}", status=state) for number, state in enumerate(states)
    )

    items = items_of(catalogue, book)

    assert len(items) == holdings.MOST == 1000
    assert list(items)[:20] == [f"c-{number}" for number in range(990, 1010)]


def test_how_many_are_free_is_counted_before_the_rest_is_left_out(catalogue, monkeypatch):
    monkeypatch.setattr(holdings, "MOST", 5)
    book = BookFactory(copies=8)
    ReservationFactory.create_batch(4, book=book)

    [document] = documents(catalogue, f"http://testserver/api/books/{book.pk}")

    assert len(document["item"]) == len(open_for("presentation", document)) == 5
    assert len(open_for("loan", document)) == 4
