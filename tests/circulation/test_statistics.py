"""The figures of a small library, counted by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest

from circulation.models import DayFigures, Loan
from circulation.services import check_out, return_copy
from circulation.statistics import DAYS, TOP, count_days, statistics
from tests.concurrency.races import race
from tests.factories import NOW, BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

NOT_COUNTED = dict.fromkeys(["open_loans", "overdue", "waiting", "ready"])


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
            {"day": date(2026, 2, 20), "loans": 2, "returns": 0} | NOT_COUNTED,
            {"day": date(2026, 2, 21), "loans": 1, "returns": 1} | NOT_COUNTED,
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
        {"day": date(2026, 3, 2), "loans": 1, "returns": 0} | NOT_COUNTED,
        {"day": date(2026, 3, 3), "loans": 1, "returns": 0} | NOT_COUNTED,
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


# --- Day by day ---------------------------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 3, 3, 0, 10, tzinfo=UTC)


def counted():
    return {row.day: row for row in DayFigures.objects.all()}


def test_a_day_is_counted_when_it_has_ended():
    LoanFactory(lent_at=MIDNIGHT - timedelta(hours=1))
    LoanFactory(overdue=True, returned=True, returned_at=MIDNIGHT - timedelta(hours=2))
    LoanFactory(lent_at=MIDNIGHT)  # of the next day, but still standing
    ReservationFactory()
    ReservationFactory(ready=True)
    ReservationFactory(cancelled=True)

    count_days(at=MIDNIGHT)

    row = counted()[date(2026, 3, 2)]
    assert (row.loans, row.returns) == (1, 1)
    assert (row.open_loans, row.overdue, row.waiting, row.ready) == (2, 0, 1, 1)
    assert max(counted()) == date(2026, 3, 2)


def test_overdue_is_what_was_overdue_when_the_day_ended():
    LoanFactory(lent_at=MIDNIGHT - timedelta(days=9), due_at=MIDNIGHT - timedelta(minutes=11))
    LoanFactory(lent_at=MIDNIGHT - timedelta(days=9), due_at=MIDNIGHT - timedelta(minutes=9))

    count_days(at=MIDNIGHT)
    assert counted()[date(2026, 3, 2)].overdue == 1


def test_days_that_nobody_counted_are_counted_later_but_not_how_things_stood():
    LoanFactory(lent_at=MIDNIGHT - timedelta(days=400))
    LoanFactory(lent_at=MIDNIGHT - timedelta(hours=1))

    count_days(at=MIDNIGHT + timedelta(hours=6))

    rows = counted()
    assert len(rows) == 400  # from the first loan's day on
    assert (rows[date(2025, 1, 27)].loans, rows[date(2026, 3, 2)].loans) == (1, 1)
    assert {row.open_loans for row in rows.values()} == {None}


def test_counting_again_takes_in_what_came_later_with_a_date_of_the_past():
    count_days(at=MIDNIGHT)
    LoanFactory(lent_at=MIDNIGHT - timedelta(hours=1))
    LoanFactory(lent_at=MIDNIGHT - timedelta(days=20), returned=True, returned_at=MIDNIGHT - timedelta(days=9))

    count_days(at=MIDNIGHT + timedelta(hours=1))
    count_days(at=MIDNIGHT + timedelta(days=1))

    rows = counted()
    assert (rows[date(2026, 3, 2)].loans, rows[date(2026, 3, 2)].open_loans) == (1, 0)
    assert (rows[date(2026, 2, 11)].loans, rows[date(2026, 2, 22)].returns) == (1, 1)


def test_days_are_those_of_the_librarys_time_zone_when_they_are_counted(settings):
    settings.TIME_ZONE = "Asia/Tokyo"  # where it is nine in the morning of the third
    LoanFactory(lent_at=MIDNIGHT.replace(day=2, hour=14))

    count_days(at=MIDNIGHT)
    assert (counted()[date(2026, 3, 2)].loans, counted()[date(2026, 3, 2)].open_loans) == (1, None)


@pytest.mark.django_db(transaction=True)
def test_two_workers_count_a_day_once():
    LoanFactory(lent_at=MIDNIGHT - timedelta(hours=1))
    race([lambda: count_days(at=MIDNIGHT)] * 2)

    assert (len(counted()), counted()[date(2026, 3, 2)].loans) == (30, 1)


def test_older_days_come_from_what_was_kept():
    LoanFactory(lent_at=NOW - timedelta(days=200))
    LoanFactory(lent_at=NOW - timedelta(days=5), returned=True, returned_at=NOW - timedelta(days=30, hours=1))
    count_days(at=NOW - timedelta(days=100))
    Loan.objects.filter(lent_at__lt=NOW - timedelta(days=100)).delete()
    count_days(at=NOW)

    figures = statistics(at=NOW, days=300)
    assert figures["since"] == NOW - timedelta(days=300)
    assert [(day["day"], day["loans"], day["returns"]) for day in figures["days"]] == [
        (date(2025, 8, 14), 1, 0),
        (date(2026, 1, 31), 0, 1),
        (date(2026, 2, 25), 1, 0),
    ]
    assert [day["day"] for day in statistics(at=NOW)["days"]] == [date(2026, 1, 31), date(2026, 2, 25)]
