"""The overview and the lists behind its numbers: nothing reads a history to its beginning."""

import pytest
from django.utils.timezone import now

from circulation.overview import figures
from tests.plans.explaining import explaining

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_big_library")]

# What is counted of all copies is kept for an hour; figures by day are a row a day.
KEPT = {"library_copy", "library_book", "circulation_dayfigures"}


def test_todays_numbers_are_counted_by_indexes():
    with explaining() as plans:
        figures.today(now())
        figures.week_ago(now())

    assert {"loan_by_date", "loan_by_return"} <= plans.indexes, str(plans)
    assert plans.scanned <= {"circulation_dayfigures"}, str(plans)
    assert plans.pages <= 2_000, str(plans)


@pytest.mark.parametrize("days", [7, 30, 365])
def test_charts_read_the_last_thirty_days_and_what_was_kept(days):
    with explaining() as plans:
        at = now()
        figures._days(at, days)
        figures._wanted()
        figures._lines()
        figures._late(at)
        loans = plans[:]
        figures._holdings()

    assert {name for plan in loans for name in plan.scanned} <= {"circulation_dayfigures"}, str(plans)
    assert plans.scanned <= KEPT, str(plans)


def test_turnover_finds_loans_by_their_date():
    with explaining() as plans:
        figures._turnover(now())

    [loans] = [plan for plan in plans if "circulation_loan" in plan.sql]
    assert "loan_by_date" in loans.indexes, str(plans)
    assert plans.scanned <= KEPT, str(plans)
