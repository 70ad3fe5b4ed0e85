"""What DAIA says is what the service says elsewhere, and what happens at the desk."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from library.models import Copy
from tests.api.asking import data_of
from tests.daia.asking import documents, id_of, open_for
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)

KINDS = ["shelf", "shelf", "shelf", "shelf", "lent", "overdue", "ready", "in_transit", "missing", "lost", "damaged"]
KINDS += ["withdrawn"]
PEOPLE = ["waiting", "waiting", "waiting", "suspended", "blocked", "expired", "too late", "cancelled"]


def title(chance, branches):
    """A title with whatever copies and line, and how many in it could be given a copy now."""
    now = timezone.now()
    book = BookFactory(in_circulation=chance.random() < 0.85)
    for kind in chance.choices(KINDS, k=chance.randint(0, 8)):
        branch = chance.choice(branches)
        match kind:
            case "shelf":
                CopyFactory(book=book, branch=branch)
            case "lent" | "overdue":
                LoanFactory(book=book, lent_at=now - timedelta(days=40 * (kind == "overdue")), copy__branch=branch)
            case "ready":
                ReservationFactory(book=book, ready=True)
            case _:
                CopyFactory(book=book, branch=branch, **{kind: True})
    line = chance.choices(PEOPLE, k=chance.randint(0, 4))
    for who in line:
        match who:
            case "waiting":
                ReservationFactory(book=book)
            case "blocked" | "expired":
                ReservationFactory(book=book, **{f"member__{who}": True})
            case "too late":
                ReservationFactory(book=book, needed_by=now - timedelta(hours=1))
            case _:
                ReservationFactory(book=book, **{who: True})
    return book, line.count("waiting")


def borrowed_by_whoever_comes(api, book):
    """How many people who walk in get a copy, one after the other."""
    for number in range(100):
        sent = {"member_id": MemberFactory().pk, "book_id": book.pk, "on_unavailable": "refuse"}
        if api.post("/api/circulation/checkout/", sent).status_code != 201:
            return number
    raise AssertionError("there is no end of copies")


@pytest.mark.parametrize("seed", range(4))
def test_a_random_library_is_described_as_it_is(api, catalogue, seed):
    chance = random.Random(seed)
    general_policy()
    branches = BranchFactory.create_batch(3)
    titles = dict(title(chance, branches) for _ in range(40))
    found = {
        id_of(document): document
        for document in documents(catalogue, *(f"http://testserver/api/books/{book.pk}" for book in titles))
    }
    assert set(found) == {book.pk for book in titles}
    kinds = set()

    for book, eligible in titles.items():
        numbers = data_of(catalogue.get(f"/api/books/{book.pk}/availability/"))
        document = found[book.pk]
        here, loan = open_for("presentation", document), open_for("loan", document)
        assert len(document["item"]) == numbers["total"]
        assert len(here) == numbers["available"]
        assert len(loan) == max(0, numbers["available"] - eligible)
        assert set(loan) <= set(here)
        for branch in numbers["branches"]:
            there = [item for item in document["item"] if item["department"]["content"] == branch["branch"]]
            assert len(there) == branch["total"]
            assert len([item for item in there if item["label"] in here]) == branch["available"]
        for item in document["item"]:
            for service in item["unavailable"]:
                assert service.get("queue", 0) == (numbers["waiting"] if service["service"] == "loan" else 0)
        states = dict(Copy.objects.filter(book=book).values_list("barcode", "status"))
        assert all(states[barcode] == "available" for barcode in here)
        assert borrowed_by_whoever_comes(api, book) == len(loan)
        kinds.add((len(here) > 0, len(loan) > 0, len(loan) < len(here), book.in_circulation))

    assert len(kinds) == 5  # nothing, or nothing for loan, or less than there is, or all of it; or out of circulation


def test_borrowing_and_bringing_back_show_at_once(api, catalogue):
    book, member = BookFactory(copies=1, isbn="9780141439549"), MemberFactory()
    general_policy(loan_days=28)

    def status():
        [document] = documents(catalogue, book.isbn)
        [item] = document["item"]
        return len(item["available"]), [service.get("queue", 0) for service in item["unavailable"]]

    assert status() == (2, [])
    data_of(api.post("/api/circulation/checkout/", {"member_id": member.pk, "book_id": book.pk}), 201)
    assert status() == (0, [0, 0])
    data_of(api.post("/api/reservations/", {"member_id": MemberFactory().pk, "book_id": book.pk}), 201)
    assert status() == (0, [0, 1])
    data_of(api.post("/api/circulation/return/", {"member_id": member.pk, "book_id": book.pk}))
    assert status() == (0, [0, 0])  # set aside for whoever waited
