"""The figures of a small library, counted by hand."""

from datetime import date, timedelta

import pytest

from circulation.services import check_out, return_copy
from circulation.statistics import DAYS, TOP, statistics
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db


def test_an_empty_library_has_none():
    assert statistics(at=NOW) == {
        "as_of": NOW,
        "since": NOW - timedelta(days=DAYS),
        "days": [],
        "top_titles": [],
        "longest_lines": [],
        "titles": 0,
        "copies": 0,
        "open_loans": 0,
        "overdue": 0,
        "waiting": 0,
        "ready": 0,
        "turnover": 0.0,
    }


def test_a_small_library_counted_by_hand():
    emma, ulysses = BookFactory(title="Emma", copies=2), BookFactory(title="Ulysses", copies=1)
    BookFactory(title="Gone", withdrawn=True)
    CopyFactory(book=ulysses, withdrawn=True)
    ada, grace = MemberFactory(), MemberFactory()
    for days, member, book in ((10, ada, emma), (10, grace, ulysses), (9, grace, emma)):
        check_out(member_id=member.pk, book_id=book.pk, at=NOW - timedelta(days=days))
    return_copy(member_id=ada.pk, book_id=emma.pk, at=NOW - timedelta(days=9))
    LoanFactory(book=emma, overdue=True)  # lent 40 days ago, with a copy of its own
    ReservationFactory(book=ulysses)
    ReservationFactory(book=ulysses)
    ReservationFactory(book=ulysses, suspended=True)
    ReservationFactory(book=emma)
    ReservationFactory(book=emma, ready=True)  # with a copy of its own
    ReservationFactory(book=emma, fulfilled=True)

    assert statistics(at=NOW) == {
        "as_of": NOW,
        "since": NOW - timedelta(days=DAYS),
        "days": [
            {"day": date(2026, 2, 20), "loans": 2, "returns": 0},
            {"day": date(2026, 2, 21), "loans": 1, "returns": 1},
        ],
        "top_titles": [
            {"book_id": emma.pk, "title": "Emma", "loans": 2},
            {"book_id": ulysses.pk, "title": "Ulysses", "loans": 1},
        ],
        "longest_lines": [
            {"book_id": ulysses.pk, "title": "Ulysses", "waiting": 2},
            {"book_id": emma.pk, "title": "Emma", "waiting": 1},
        ],
        "titles": 2,
        "copies": 5,
        "open_loans": 3,
        "overdue": 1,
        "waiting": 3,
        "ready": 1,
        "turnover": 0.6,
    }


def test_a_day_is_one_of_the_librarys_time_zone(settings):
    settings.TIME_ZONE = "Asia/Tokyo"  # nine hours ahead
    LoanFactory(lent_at=NOW.replace(hour=14, minute=59))
    LoanFactory(lent_at=NOW.replace(hour=15))

    days = statistics(at=NOW + timedelta(days=1))["days"]
    assert days == [
        {"day": date(2026, 3, 2), "loans": 1, "returns": 0},
        {"day": date(2026, 3, 3), "loans": 1, "returns": 0},
    ]


def test_only_the_last_days_count():
    LoanFactory(lent_at=NOW - timedelta(days=DAYS))
    LoanFactory(lent_at=NOW - timedelta(days=DAYS, seconds=1))

    assert [day["loans"] for day in statistics(at=NOW)["days"]] == [1]


def test_the_top_is_short_and_equals_stand_in_order_of_their_number():
    books = [BookFactory() for _ in range(TOP + 2)]
    for book in books:
        LoanFactory(book=book)
        ReservationFactory(book=book)

    figures = statistics(at=NOW)
    assert [row["book_id"] for row in figures["top_titles"]] == [book.pk for book in books[:TOP]]
    assert [row["book_id"] for row in figures["longest_lines"]] == [book.pk for book in books[:TOP]]
