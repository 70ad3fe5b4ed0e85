"""The schedule: complete, sound, and the librarians' own once it was there."""

import inspect
import json

import pytest
from celery.schedules import crontab, schedule
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.beat import Scheduler
from config.celery import app
from config.schedule import SCHEDULE

pytestmark = pytest.mark.django_db(transaction=True)  # the scheduler closes connections


def scheduler():
    return Scheduler(app=app)


def test_a_new_database_gets_the_schedule_of_the_code():
    scheduler()

    rows = {row.name: row for row in PeriodicTask.objects.all()}
    assert rows.keys() == SCHEDULE.keys()
    lines = rows["Serve the lines"]
    assert (lines.task, str(lines.interval), lines.expire_seconds) == (
        "circulation.tasks.serve_lines",
        "every 60 seconds",
        60,
    )
    assert lines.description.startswith("Ends what was not collected")
    day = rows["Count the day"].crontab
    assert (day.hour, day.minute, str(day.timezone)) == ("00", "10", timezone.get_default_timezone_name())


def test_what_was_changed_in_the_admin_stays_at_the_next_start():
    scheduler()
    slower = IntervalSchedule.objects.create(every=5, period="minutes")
    PeriodicTask.objects.filter(name="Serve the lines").update(interval=slower)
    PeriodicTask.objects.filter(name="Count the day").update(enabled=False)

    started = scheduler()

    row = PeriodicTask.objects.get(name="Serve the lines")
    assert (row.interval, row.enabled) == (slower, True)
    assert started.schedule["Serve the lines"].schedule.run_every.total_seconds() == 300
    assert "Count the day" not in started.schedule


def test_what_is_new_in_the_code_comes_in_at_the_next_start():
    scheduler()
    PeriodicTask.objects.filter(name="Forget old sign-ins").delete()

    assert "Forget old sign-ins" in scheduler().schedule


def test_every_task_of_ours_is_in_the_schedule_or_takes_what_it_is_about():
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}

    scheduled = {entry["task"] for entry in SCHEDULE.values()}
    assert scheduled <= ours.keys()
    for name in ours.keys() - scheduled:
        assert inspect.signature(ours[name].run).parameters, name


@pytest.mark.parametrize("name", SCHEDULE)
def test_a_round_that_comes_too_late_is_left_out(name):
    entry = SCHEDULE[name]

    expires = entry["options"]["expire_seconds"]
    match entry["schedule"]:
        case crontab():
            assert 3600 <= expires < 24 * 3600
        case schedule() as every:
            assert expires == every.run_every.total_seconds()


def test_times_of_day_are_written_so_that_they_are_found_in_every_time_zone():
    scheduler()

    assert {row.crontab.hour for row in PeriodicTask.objects.exclude(crontab=None)} <= {
        f"{hour:02}" for hour in range(24)
    }
    assert {json.loads(row.args or "[]") == [] for row in PeriodicTask.objects.all()} == {True}
