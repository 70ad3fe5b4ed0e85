"""What is said of a copy in each state, and of a title with a line."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from tests.daia.asking import documents, items_of, open_for
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
)

BOTH = [{"service": "presentation"}, {"service": "loan"}]


def only_item(catalogue, book):
    [item] = items_of(catalogue, book).values()
    return item


def services(item):
    return item["available"], item["unavailable"]


def both(**facts):
    """Neither service, for the same reasons."""
    return [service | facts for service in BOTH]


def lent(book, days=10, **fields):
    return LoanFactory(book=book, lent_at=timezone.now(), due_at=timezone.now() + timedelta(days=days), **fields)


def due(loan):
    return timezone.localdate(loan.due_at).isoformat()


# --- Each state ------------------------------------------------------------------------------------------------------


def test_a_copy_on_the_shelf_is_there_for_everything(catalogue):
    copy = CopyFactory(barcode="7-1")

    item = only_item(catalogue, copy.book)

    assert item == {
        "id": "http://testserver/api/copies/7-1/",
        "href": "http://testserver/api/copies/7-1/",
        "label": "7-1",
        "department": {"content": "Main Library"},
        "available": BOTH,
        "unavailable": [],
    }


def test_a_copy_on_loan_is_expected_on_the_day_it_is_due(catalogue):
    loan = lent(BookFactory())

    assert services(only_item(catalogue, loan.book)) == ([], both(expected=due(loan)))


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Kiritimati", 2), ("UTC", 1), ("Pacific/Honolulu", 1)])
def test_it_is_the_day_at_the_branch(catalogue, zone, day):
    branch = BranchFactory(name=zone, time_zone=zone)
    year = timezone.now().year + 1
    copy = CopyFactory(on_loan=True, branch=branch, due_at=datetime(year, 5, 1, 14, 30, tzinfo=UTC))

    [presentation, loan] = only_item(catalogue, copy.book)["unavailable"]

    assert presentation["expected"] == loan["expected"] == f"{year}-05-0{day}"


def test_when_an_overdue_copy_comes_back_is_unknown(catalogue):
    copy = CopyFactory(on_loan=True, due_at=timezone.now() - timedelta(seconds=1))

    assert services(only_item(catalogue, copy.book)) == ([], both(expected="unknown"))


def test_a_copy_that_is_set_aside_is_for_somebody_else(catalogue):
    ready = ReservationFactory(ready=True)

    item = only_item(catalogue, ready.book)

    assert services(item) == ([], both(expected="unknown"))
    assert item["storage"] == {"content": "Hold shelf"}


def test_a_copy_in_transit_will_be_back(catalogue):
    item = only_item(catalogue, CopyFactory(in_transit=True).book)

    assert services(item) == ([], both(expected="unknown"))
    assert item["storage"] == {"content": "Between branches"}


def test_whether_a_damaged_copy_will_be_back_nobody_knows(catalogue):
    item = only_item(catalogue, CopyFactory(damaged=True).book)

    assert services(item) == ([], both(limitation=[{"content": "Damaged"}]))
    assert "storage" not in item


@pytest.mark.parametrize("state", ["lost", "missing", "withdrawn"])
def test_what_the_library_does_not_have_is_left_out(catalogue, state):
    book = BookFactory()
    CopyFactory(book=book, **{state: True})
    here = CopyFactory(book=book)

    assert list(items_of(catalogue, book)) == [here.barcode]


def test_a_title_without_copies_is_a_document_without_items(catalogue):
    book = BookFactory(title="Emma", authors="Jane Austen")
    address = f"http://testserver/api/books/{book.pk}/"

    assert documents(catalogue, address) == [
        {"id": address, "requested": address, "href": address, "about": "Emma / Jane Austen", "item": []}
    ]


def test_of_a_title_out_of_circulation_nothing_can_be_had(catalogue):
    book = BookFactory(out_of_circulation=True, copies=1)
    lent(book)
    CopyFactory(book=book, damaged=True)

    items = items_of(catalogue, book)

    assert len(items) == 3
    for item in items.values():
        assert services(item) == ([], both(limitation=[{"content": "Out of circulation"}]))


# --- Titles ----------------------------------------------------------------------------------------------------------


def test_copies_at_two_branches_each_say_where_they_are(catalogue):
    book, ostend = BookFactory(copies=1), BranchFactory(name="Ostend")
    there = CopyFactory(book=book, branch=ostend)

    items = items_of(catalogue, book)

    assert [item["department"] for item in items.values()] == [{"content": "Main Library"}, {"content": "Ostend"}]
    assert items[there.barcode]["available"] == BOTH


def test_copies_on_the_shelf_come_first_then_the_eldest(catalogue):
    book = BookFactory()
    lent(book)
    copies = [CopyFactory(book=book), CopyFactory(book=book, in_transit=True), CopyFactory(book=book)]

    labels = list(items_of(catalogue, book))

    assert labels[:2] == [copies[0].barcode, copies[2].barcode]
    assert labels[3] == copies[1].barcode


def test_text_is_in_the_form_that_daia_wants(catalogue, settings):
    settings.LIBRARY_NAME = "Bu\u0308cherei"
    book = BookFactory(title="Ko\u0301d")
    CopyFactory(book=book, branch=BranchFactory(name="Po\u0302le"))

    response = catalogue.get(f"/daia?format=json&id=http://testserver/api/books/{book.pk}").json()

    assert response["institution"]["content"] == "B\u00fccherei"
    assert response["document"][0]["about"] == "K\u00f3d"
    assert response["document"][0]["item"][0]["department"] == {"content": "P\u00f4le"}


# --- The line --------------------------------------------------------------------------------------------------------


def test_those_who_wait_are_counted_where_one_waits(catalogue):
    loan = lent(BookFactory())
    ReservationFactory.create_batch(2, book=loan.book)
    ReservationFactory(book=loan.book, suspended=True)
    ReservationFactory(book=loan.book, cancelled=True)

    presentation, borrowing = only_item(catalogue, loan.book)["unavailable"]

    assert presentation == {"service": "presentation", "expected": due(loan)}
    assert borrowing == {"service": "loan", "expected": due(loan), "queue": 2}


def test_free_copies_that_others_wait_for_are_not_for_loan(catalogue):
    book = BookFactory(copies=3)
    ReservationFactory.create_batch(2, book=book)

    [document] = documents(catalogue, f"http://testserver/api/books/{book.pk}")

    assert len(open_for("presentation", document)) == 3
    [first, *others] = document["item"]
    assert open_for("loan", document) == [first["label"]]
    for item in others:
        assert item["unavailable"] == [{"service": "loan", "expected": "unknown", "queue": 2}]


def test_more_people_than_copies_leave_none(catalogue):
    book = BookFactory(copies=2)
    ReservationFactory.create_batch(5, book=book)
    lent(book)

    [document] = documents(catalogue, f"http://testserver/api/books/{book.pk}")

    assert (len(open_for("presentation", document)), open_for("loan", document)) == (2, [])


@pytest.mark.parametrize(
    "who",
    [
        {"member__blocked_reason": "lost a card"},
        {"member__expired": True},
        {"needed_by": timezone.now() - timedelta(minutes=1)},
        {"suspended": True},
    ],
)
def test_whoever_cannot_be_served_holds_no_copy_back(catalogue, who):
    book = BookFactory(copies=1)
    ReservationFactory(book=book, **who)

    [document] = documents(catalogue, f"http://testserver/api/books/{book.pk}")

    assert len(open_for("loan", document)) == 1


def test_nobody_is_named(catalogue):
    member = MemberFactory(first_name="Ada", last_name="Lovelace", email="ada@example.org", card_number="C00000026")
    book = lent(BookFactory(), member=member).book
    ReservationFactory(book=book, member=MemberFactory(last_name="Hopper", card_number="C00000027"))
    ReservationFactory(book=book, ready=True, member=MemberFactory(last_name="Curie"))

    text = catalogue.get(f"/daia?format=json&id=http://testserver/api/books/{book.pk}").content.decode()

    assert "Hold shelf" in text
    for secret in ("Ada", "Lovelace", "Hopper", "Curie", "C000000", "example.org", "member", "holder"):
        assert secret not in text
