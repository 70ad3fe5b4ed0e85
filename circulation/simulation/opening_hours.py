"""When people come: by day of the week and hour of the day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from circulation.simulation.chance import Chance, running_sums

OPENED = datetime(2024, 1, 1, tzinfo=UTC)  # the first day of every simulation, a Monday
WEEK = (0.9, 1.0, 1.0, 1.1, 1.2, 1.6, 0.2)  # on Sundays only the book drop and the web site
# From midnight: quiet nights, peaks at noon and after work.
_DAY = running_sums((1, 0, 0, 0, 0, 1, 2, 4, 8, 30, 40, 50, 70, 45, 40, 50, 75, 90, 60, 25, 8, 6, 4, 2))


def time_of_day(chance: Chance) -> timedelta:
    return timedelta(hours=chance.weighted(_DAY), seconds=chance.below(3600), microseconds=chance.below(1_000_000))


def arrivals(chance: Chance, day: datetime, *, a_day: float) -> Iterator[datetime]:
    """When somebody comes on this day, given how many come on an average one. In no order."""
    expected = a_day * WEEK[day.weekday()]
    count = int(expected) + chance.happens(expected - int(expected))
    for _ in range(count):
        yield day + time_of_day(chance)


def some_days_later(chance: Chance, at: datetime, days: int) -> datetime:
    """A moment on the day that lies so many days ahead; today means soon."""
    if days <= 0:
        return at + timedelta(minutes=chance.between(5, 120))
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=days) + time_of_day(chance)
