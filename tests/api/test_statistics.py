"""GET /api/statistics/: figures as JSON and as CSV."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from circulation.models import Loan
from tests.api.asking import data_of, invalid_fields, open_loan
from tests.factories import BookFactory, CopyFactory, LoanFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/statistics/"
NOT_COUNTED = dict.fromkeys(["open_loans", "overdue", "waiting", "ready"])


def day(moment):
    return moment.date().isoformat()


def test_figures_of_the_last_30_days_and_of_now(api):
    now = timezone.now()
    often, once = BookFactory(title="Emma", copies=1), BookFactory(title="Persuasion")
    yesterday, week = now - timedelta(days=1), now - timedelta(days=7)
    for _ in range(2):
        LoanFactory(book=often, lent_at=week, returned=True, returned_at=yesterday)
    LoanFactory(book=once, lent_at=yesterday)
    LoanFactory(book=once, lent_at=now - timedelta(days=40))
    CopyFactory(book=once, withdrawn=True)
    BookFactory(withdrawn=True)
    ReservationFactory.create_batch(2, book=once)
    ReservationFactory(book=often)
    ready = ReservationFactory(ready=True)
    LoanFactory(book=ready.book, lent_at=now - timedelta(days=99), returned=True)
    ReservationFactory(book=often, suspended=True)

    data = data_of(api.get(URL))

    since, as_of = data.pop("since"), data.pop("as_of")
    assert now <= timezone.datetime.fromisoformat(as_of) <= timezone.now()
    assert now - timedelta(days=30, minutes=1) < timezone.datetime.fromisoformat(since) < now - timedelta(days=29)
    assert data == {
        "days": [
            {"day": day(week), "loans": 2, "returns": 0} | NOT_COUNTED,
            {"day": day(yesterday), "loans": 1, "returns": 2} | NOT_COUNTED,
        ],
        "top_titles": [
            {"book_id": often.pk, "title": "Emma", "loans": 2},
            {"book_id": once.pk, "title": "Persuasion", "loans": 1},
        ],
        "longest_lines": [
            {"book_id": once.pk, "title": "Persuasion", "waiting": 2},
            {"book_id": often.pk, "title": "Emma", "waiting": 1},
        ],
        "titles": 3,
        "copies": 7,
        "open_loans": 2,
        "overdue": 1,
        "waiting": 3,
        "ready": 1,
        "turnover": 0.429,
    }
    assert Loan.objects.count() == 5


def test_an_empty_library_has_figures_too(api):
    data = data_of(api.get(f"{URL}?format=json"))

    assert (data["days"], data["top_titles"], data["longest_lines"]) == ([], [], [])
    assert (data["titles"], data["copies"], data["turnover"]) == (0, 0, 0.0)


def test_the_days_as_a_table(api):
    now = timezone.now()
    open_loan()
    LoanFactory(lent_at=now - timedelta(days=3), returned=True, returned_at=now)

    response = api.get(f"{URL}?format=csv")

    assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert response["Content-Disposition"] == 'attachment; filename="loans-per-day.csv"'
    before = day(now - timedelta(days=3))
    assert response.content.decode() == (
        f"day,loans,returns,open_loans,overdue,waiting,ready\r\n{before},1,0,,,,\r\n{day(now)},1,1,,,,\r\n"
    )


@pytest.mark.parametrize("form", ["xml", "CSV", "", "%00", "../../etc/passwd"])
def test_other_forms_are_refused(api, form):
    assert invalid_fields(api.get(f"{URL}?format={form}")) == {"format": "invalid"}


def test_figures_are_counted_once_a_minute(api):
    first = data_of(api.get(URL))
    LoanFactory()

    assert data_of(api.get(URL)) == first
    assert api.get(f"{URL}?format=csv").content.decode().count("\n") == 1 + len(first["days"])
    cache.clear()  # as after a minute
    again = data_of(api.get(URL))
    assert again["titles"] == first["titles"] + 1
    assert again["as_of"] > first["as_of"]
