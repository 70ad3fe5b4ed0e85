"""When a branch is open, and what is due when."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from library.models import Branch

# 2 March 2026 is a Monday.
MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
WEEKDAYS = [time(18)] * 5 + [time(13)] + [None]


def branch(**fields):
    return Branch(**{"name": "Harbour", "time_zone": "UTC", "closing_times": WEEKDAYS, **fields})


@pytest.mark.parametrize(
    ("days", "closed_on", "due"),
    [
        (0, [], datetime(2026, 3, 2, 18, tzinfo=UTC)),
        (5, [], datetime(2026, 3, 7, 13, tzinfo=UTC)),  # Saturday, until one o'clock
        (6, [], datetime(2026, 3, 9, 18, tzinfo=UTC)),  # Sunday: closed, so Monday
        (6, [date(2026, 3, 9)], datetime(2026, 3, 10, 18, tzinfo=UTC)),  # and that is a holiday
        (1, [date(2026, 3, 2)], datetime(2026, 3, 3, 18, tzinfo=UTC)),
    ],
)
def test_nothing_is_due_on_a_closed_day(days, closed_on, due):
    assert branch(closed_on=closed_on).closing_after(MONDAY, days=days) == due


def test_what_is_kept_until_today_is_kept_until_tomorrow_after_closing_time():
    assert branch().closing_after(MONDAY.replace(hour=18), days=0) == datetime(2026, 3, 3, 18, tzinfo=UTC)


def test_it_closes_by_its_own_clock_in_summer_and_in_winter():
    berlin = branch(time_zone="Europe/Berlin")

    assert berlin.closing_after(MONDAY, days=1) == datetime(2026, 3, 3, 17, tzinfo=UTC)
    assert berlin.closing_after(MONDAY, days=28) == datetime(2026, 3, 30, 16, tzinfo=UTC)


def test_a_branch_that_is_closed_for_good_is_taken_to_be_open():
    closed = branch(closed_on=[date(2026, 3, 1) + timedelta(days=day) for day in range(400)])

    assert closed.closing_after(MONDAY, days=3) == datetime(2026, 3, 5, 23, 59, 59, tzinfo=UTC)


def test_a_branch_that_never_opens_is_refused():
    with pytest.raises(ValidationError, match="on at least one day"):
        branch(closing_times=[None] * 7).full_clean(validate_unique=False, validate_constraints=False)


@given(
    at=st.integers(0, 10 * 365 * 86_400).map(
        lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    days=st.integers(0, 60),
    open_on=st.sets(st.integers(0, 6), min_size=1),
    closed_on=st.lists(st.dates(date(2020, 1, 1), date(2030, 3, 1)), max_size=20),
    zone=st.sampled_from(["UTC", "America/St_Johns", "Pacific/Kiritimati", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_it_is_the_first_closing_that_is_late_enough(at, days, open_on, closed_on, zone):
    place = branch(
        time_zone=zone,
        closing_times=[time(17, 30) if day in open_on else None for day in range(7)],
        closed_on=closed_on,
    )

    due = place.closing_after(at, days=days)

    day = place.today(due)
    assert due > at
    assert day >= place.today(at) + timedelta(days=days)
    assert day.weekday() in open_on
    assert day not in closed_on
    earlier = (place.closes(place.today(at) + timedelta(days=n)) for n in range(days, (day - place.today(at)).days))
    assert all(closing is None or closing <= at for closing in earlier)
