"""How long a place in the line may take."""

from datetime import timedelta

import pytest

from reservations.estimates import DAYS_A_TURN, wait_in_days
from tests.factories import NOW

DUE = [NOW + timedelta(days=3), NOW + timedelta(days=10)]


@pytest.mark.parametrize(
    ("position", "days"),
    [(0, 0), (1, 3), (2, 10), (3, 3 + DAYS_A_TURN), (4, 10 + DAYS_A_TURN), (5, 3 + 2 * DAYS_A_TURN)],
)
def test_each_place_waits_for_the_next_copy_due_and_later_ones_for_another_turn(position, days):
    assert wait_in_days(position, DUE, at=NOW) == days


def test_the_order_of_the_due_dates_does_not_matter():
    assert wait_in_days(1, DUE[::-1], at=NOW) == 3


def test_a_begun_day_counts_as_a_day():
    assert wait_in_days(1, [NOW + timedelta(hours=1)], at=NOW) == 1


def test_an_overdue_copy_is_expected_today():
    assert wait_in_days(1, [NOW - timedelta(days=9)], at=NOW) == 0


def test_with_nothing_on_loan_nobody_can_tell():
    assert wait_in_days(1, [], at=NOW) is None
