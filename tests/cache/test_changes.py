"""Whatever changes a title is seen at once; what did not happen drops nothing."""

from datetime import timedelta

import pytest

from circulation.copies import mark_damaged, mark_found, mark_lost, repair, withdraw
from circulation.exceptions import LoanLimitReached
from circulation.services import check_out, fulfil_head, return_copy
from library.services import edit_copy
from reservations import availability
from reservations.exceptions import CopyAvailable
from reservations.services import cancel, expire, reserve
from reservations.titles import add_copies, edit_title, withdraw_title
from tests.factories import (
    NOW,
    BookFactory,
    BranchFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(book):
    now = availability.of(book.pk)
    return now["total"], now["available"], now["on_loan"], now["on_hold_shelf"], now["waiting"]


def test_check_out_return_and_the_line_between_them():
    book, ada, grace = BookFactory(copies=1), MemberFactory(), MemberFactory()
    assert numbers(book) == (1, 1, 0, 0, 0)

    check_out(member_id=ada.pk, book_id=book.pk, at=NOW)
    assert numbers(book) == (1, 0, 1, 0, 0)
    check_out(member_id=grace.pk, book_id=book.pk, at=NOW)
    assert numbers(book) == (1, 0, 1, 0, 1)
    return_copy(member_id=ada.pk, book_id=book.pk, at=NOW)
    assert numbers(book) == (1, 0, 0, 1, 0)
    fulfil_head(book_id=book.pk, at=NOW)
    assert numbers(book) == (1, 0, 1, 0, 0)


def test_reserving_and_cancelling():
    loan, member = LoanFactory(), MemberFactory()
    assert numbers(loan.book) == (1, 0, 1, 0, 0)

    reservation = reserve(member_id=member.pk, book_id=loan.book_id, at=NOW)
    assert numbers(loan.book) == (1, 0, 1, 0, 1)
    cancel(reservation_id=reservation.pk, at=NOW)
    assert numbers(loan.book) == (1, 0, 1, 0, 0)


def test_a_hold_that_expires():
    reservation = ReservationFactory(ready=True)
    assert numbers(reservation.book) == (1, 0, 0, 1, 0)

    expire(book_id=reservation.book_id, at=NOW + timedelta(days=30))
    assert numbers(reservation.book) == (1, 1, 0, 0, 0)


def test_copies_that_are_lost_found_damaged_repaired_and_withdrawn():
    copy = CopyFactory()
    assert numbers(copy.book) == (1, 1, 0, 0, 0)

    mark_lost(barcode=copy.barcode, at=NOW)
    assert numbers(copy.book) == (0, 0, 0, 0, 0)
    mark_found(barcode=copy.barcode, at=NOW)
    assert numbers(copy.book) == (1, 1, 0, 0, 0)
    mark_damaged(barcode=copy.barcode, at=NOW)
    assert numbers(copy.book) == (1, 0, 0, 0, 0)
    repair(barcode=copy.barcode, at=NOW)
    assert numbers(copy.book) == (1, 1, 0, 0, 0)
    withdraw(barcode=copy.barcode, at=NOW)
    assert numbers(copy.book) == (0, 0, 0, 0, 0)


def test_copies_that_are_added_and_moved():
    book, branch = BookFactory(copies=1), BranchFactory(name="Harbour")
    assert numbers(book) == (1, 1, 0, 0, 0)

    [copy] = add_copies(book_id=book.pk, at=NOW)
    assert numbers(book) == (2, 2, 0, 0, 0)
    edit_copy(barcode=copy.barcode, fields={"branch": branch}, at=NOW)
    assert [row["branch"] for row in availability.of(book.pk)["branches"]] == ["Harbour", "Main Library"]


def test_a_withdrawn_title_is_gone_from_the_cache(client):
    book = BookFactory(copies=1)
    assert client.get(f"/api/books/{book.pk}/").status_code == 200

    withdraw_title(book_id=book.pk, at=NOW)
    assert client.get(f"/api/books/{book.pk}/").status_code == 404
    assert client.get(f"/api/books/{book.pk}/availability/").status_code == 404


def test_an_edited_title_is_new_in_its_page_and_in_every_list(client):
    book = BookFactory(title="Midlemarch")
    client.get("/api/books/")
    client.get(f"/api/books/{book.pk}/")

    edit_title(book_id=book.pk, fields={"title": "Middlemarch"}, at=NOW)
    assert client.get(f"/api/books/{book.pk}/").json()["data"]["title"] == "Middlemarch"
    assert client.get("/api/books/").json()["data"]["results"][0]["title"] == "Middlemarch"


def test_lists_show_the_present_availability_though_they_are_cached(client):
    book, member = BookFactory(copies=1), MemberFactory()
    assert client.get("/api/books/").json()["data"]["results"][0]["available"] == 1

    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    assert client.get("/api/books/").json()["data"]["results"][0]["available"] == 0
    assert client.get("/api/books/?available=true").json()["data"]["results"] == []


def test_what_was_refused_or_rehearsed_drops_nothing(django_assert_num_queries):
    general_policy(max_loans=0)
    book, member = BookFactory(copies=1), MemberFactory()
    availability.of(book.pk)

    with pytest.raises(LoanLimitReached):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    with pytest.raises(CopyAvailable):
        reserve(member_id=member.pk, book_id=book.pk, at=NOW)
    add_copies.rehearse(book_id=book.pk, at=NOW)

    with django_assert_num_queries(0):
        assert numbers(book) == (1, 1, 0, 0, 0)
