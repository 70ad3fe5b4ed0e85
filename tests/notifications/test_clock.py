"""What is due soon, overdue, or on the shelf for its last days, by the calendar of the branch."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from circulation.models import Loan
from integrations.notifications import clock, tasks
from integrations.notifications.clock import queue_due_notices
from integrations.notifications.models import Notice, Preferences
from library.models import Branch
from reservations.models import Reservation
from tests.factories import BranchFactory, LoanFactory, MemberFactory, ReservationFactory
from tests.notifications.matters import reader

pytestmark = pytest.mark.django_db


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def branch(zone):
    return BranchFactory(time_zone=zone)


def lent(due, zone="UTC", *, days=28, where=None, **fields):
    """A loan that is due at the end of this day, at a branch in this zone."""
    due_at = at(f"{due}T23:59:59", zone)
    fields.setdefault("member", reader())
    return LoanFactory(
        due_at=due_at, lent_at=due_at - timedelta(days=days), copy__branch=where or branch(zone), **fields
    )


def set_aside(until, zone="UTC", *, where=None):
    """A copy on the shelf until the end of this day."""
    where = where or branch(zone)
    moment = at(f"{until}T23:59:59", zone)
    return ReservationFactory(ready=True, member=reader(), branch=where, shelf_until=moment)


def first_told(begin, hours=24 * 9):
    """At which moment, asked every half hour from one on, something is queued first."""
    moment = begin
    while moment < begin + timedelta(hours=hours):
        if queue_due_notices(moment):
            return moment
        moment += timedelta(minutes=30)
    return None


def kinds():
    return list(Notice.objects.order_by("pk").values_list("kind", flat=True))


def test_due_soon_is_two_days_before_from_eight_in_the_morning():
    loan = lent("2026-03-10")

    assert first_told(utc("2026-03-04")) == utc("2026-03-08T08:00")
    notice = Notice.objects.get()
    assert (notice.kind, notice.loan, notice.member) == ("due_soon", loan, loan.member)
    assert (notice.moment, notice.due_at, notice.created_at) == (loan.due_at, *[utc("2026-03-08T08:00")] * 2)


def test_overdue_is_the_day_after_from_eight_in_the_morning():
    loan = lent("2026-03-10", days=1)

    assert first_told(utc("2026-03-07"), 24 * 7) == utc("2026-03-11T08:00")
    assert (kinds(), Notice.objects.get().moment) == (["overdue"], loan.due_at)


def test_expiring_is_the_day_before_from_eight_in_the_morning():
    reservation = set_aside("2026-03-10")

    assert first_told(utc("2026-03-07"), 24 * 7) == utc("2026-03-09T08:00")
    notice = Notice.objects.get()
    assert (notice.kind, notice.reservation, notice.moment) == ("expiring", reservation, reservation.shelf_until)


def test_everything_is_queued_once():
    lent("2026-03-10")
    set_aside("2026-03-10")
    for hour in range(24 * 14):
        queue_due_notices(utc("2026-03-01") + timedelta(hours=hour))

    assert kinds() == ["due_soon", "expiring", "overdue"]


def test_the_hour_and_the_days_are_settings(settings):
    settings.NOTICE_HOUR, settings.DUE_SOON_DAYS = 17, 5
    lent("2026-03-10")

    assert first_told(utc("2026-03-04")) == utc("2026-03-05T17:00")


# --- Whose day it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "due", "soon", "overdue"),
    [
        # Clocks go forward on March 29: eight is seven by the old time.
        ("Europe/Berlin", "2026-03-30", "2026-03-28T07:00", "2026-03-31T06:00"),
        ("Europe/Berlin", "2026-03-28", "2026-03-26T07:00", "2026-03-29T06:00"),
        # And back on October 25.
        ("Europe/Berlin", "2026-10-26", "2026-10-24T06:00", "2026-10-27T07:00"),
        ("Europe/Berlin", "2026-10-24", "2026-10-22T06:00", "2026-10-25T07:00"),
        ("America/New_York", "2026-03-08", "2026-03-06T13:00", "2026-03-09T12:00"),
        ("America/New_York", "2026-11-01", "2026-10-30T12:00", "2026-11-02T13:00"),
        ("Asia/Kolkata", "2026-05-05", "2026-05-03T02:30", "2026-05-06T02:30"),
        ("Pacific/Auckland", "2026-04-05", "2026-04-02T19:00", "2026-04-05T20:00"),
        ("Pacific/Kiritimati", "2026-05-05", "2026-05-02T18:00", "2026-05-05T18:00"),
        ("Pacific/Pago_Pago", "2026-05-05", "2026-05-03T19:00", "2026-05-06T19:00"),
        # There is no midnight there on the day on which clocks go forward.
        ("Asia/Beirut", "2026-03-28", "2026-03-26T06:00", "2026-03-29T05:00"),
        ("Africa/Cairo", "2026-04-23", "2026-04-21T06:00", "2026-04-24T05:00"),
        # Half an hour of difference.
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-02T21:00", "2026-04-05T21:30"),
    ],
)
def test_the_day_and_the_hour_are_those_of_the_branch(zone, due, soon, overdue):
    lent(due, zone)

    assert first_told(utc(soon) - timedelta(days=1)) == utc(soon)
    assert first_told(utc(soon)) == utc(overdue)
    assert kinds() == ["due_soon", "overdue"]


@pytest.mark.parametrize(
    ("zone", "until", "told"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T07:00"),
        ("Europe/Berlin", "2026-03-30", "2026-03-29T06:00"),
        ("Europe/Berlin", "2026-10-26", "2026-10-25T07:00"),
        ("Pacific/Auckland", "2026-04-06", "2026-04-04T20:00"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T06:00"),
    ],
)
def test_the_last_days_on_the_shelf_are_those_of_the_branch_where_it_is_collected(zone, until, told):
    set_aside(until, zone)

    assert first_told(utc(told) - timedelta(days=1)) == utc(told)


def test_branches_in_several_zones_have_each_their_morning():
    far, near = lent("2026-05-05", "Asia/Tokyo"), lent("2026-05-05", "America/Los_Angeles")

    assert first_told(utc("2026-05-02")) == utc("2026-05-02T23:00")
    assert Notice.objects.get().loan == far
    assert first_told(utc("2026-05-02T23:30")) == utc("2026-05-03T15:00")
    assert Notice.objects.latest("pk").loan == near


def test_the_branch_is_that_of_the_copy_not_of_the_member():
    lent("2026-05-05", "Asia/Tokyo", member=reader(branch=branch("America/Los_Angeles")))

    assert first_told(utc("2026-05-02")) == utc("2026-05-02T23:00")


def test_a_branch_that_moves_to_another_zone_counts_the_days_of_the_new_one():
    """Due at the end of May 5 in Berlin, which is 21:59:59 UTC: in Tokyo, that is the morning of May 6."""
    loan = lent("2026-05-05", "Europe/Berlin")
    Branch.objects.filter(pk=loan.copy.branch_id).update(time_zone="Asia/Tokyo")

    assert first_told(utc("2026-05-02")) == utc("2026-05-03T23:00")  # May 4 there
    assert first_told(utc("2026-05-04")) == utc("2026-05-06T23:00")  # May 7 there
    assert kinds() == ["due_soon", "overdue"]


def test_a_branch_that_moves_meanwhile_says_nothing_twice():
    loan = lent("2026-05-05", "Asia/Tokyo")
    first_told(utc("2026-05-02"))
    Branch.objects.filter(pk=loan.copy.branch_id).update(time_zone="America/Los_Angeles")

    assert first_told(utc("2026-05-03")) == utc("2026-05-06T15:00")
    assert kinds() == ["due_soon", "overdue"]


# --- Who is not told ----------------------------------------------------------------------------------------------


def test_a_loan_no_longer_than_the_reminder_has_none():
    lent("2026-03-10", days=2)
    longer = lent("2026-03-10", days=3)

    queue_due_notices(utc("2026-03-08T08:00"))

    assert Notice.objects.get().loan == longer


def test_what_was_returned_is_not_told_of():
    LoanFactory(returned=True, member=reader(), lent_at=utc("2026-02-20"), due_at=utc("2026-03-10"))

    assert first_told(utc("2026-03-07"), 24 * 7) is None


def test_what_waits_or_was_collected_is_not_told_of():
    for status in ("waiting", "fulfilled"):
        reservation = set_aside("2026-03-10")
        ended = {"closed_at": utc("2026-03-01")} if status == "fulfilled" else {"copy": None}
        Reservation.objects.filter(pk=reservation.pk).update(status=status, **ended)

    assert first_told(utc("2026-03-07"), 24 * 7) is None


def test_who_has_no_address_or_does_not_want_it_is_not_told():
    lent("2026-03-10", member=MemberFactory())
    unwilling = lent("2026-03-10").member
    Preferences.objects.create(member=unwilling, unwanted=["due_soon"])

    assert first_told(utc("2026-03-07"), 24 * 3) is None
    assert first_told(utc("2026-03-10")) == utc("2026-03-11T08:00")
    assert (kinds(), Notice.objects.get().member) == (["overdue"], unwilling)


def test_old_times_are_not_written_about():
    lent("2026-03-06")
    told = lent("2026-03-07")

    queue_due_notices(utc("2026-03-10T12:00"))

    assert Notice.objects.get().loan == told


def test_a_pause_of_the_clock_is_made_good_until_the_end():
    loan, reservation = lent("2026-03-10"), set_aside("2026-03-10")

    assert queue_due_notices(utc("2026-03-10T23:45")) == 2
    assert set(Notice.objects.values_list("kind", "loan", "reservation")) == {
        ("due_soon", loan.pk, None),
        ("expiring", None, reservation.pk),
    }


def test_after_the_end_nothing_is_near_any_more():
    set_aside("2026-03-10")

    assert queue_due_notices(utc("2026-03-11T08:00")) == 0


def test_who_was_told_today_that_a_copy_is_there_is_not_told_today_that_its_time_ends():
    reservation = set_aside("2026-03-10", "Asia/Tokyo")
    Notice.objects.create(
        kind="ready",
        member=reservation.member,
        reservation=reservation,
        moment=reservation.shelf_until,
        state="sent",
        message_id="<ready@example.org>",
        created_at=at("2026-03-09T09:00", "Asia/Tokyo"),
    )

    assert first_told(at("2026-03-09T09:30", "Asia/Tokyo")) == at("2026-03-10T08:00", "Asia/Tokyo")


def test_a_renewed_loan_is_told_of_again():
    loan = lent("2026-03-10")
    queue_due_notices(utc("2026-03-08T08:00"))
    Loan.objects.filter(pk=loan.pk).update(due_at=utc("2026-03-20T23:59:59"))

    assert first_told(utc("2026-03-08T09:00"), 24 * 20) == utc("2026-03-18T08:00")
    assert kinds() == ["due_soon", "due_soon"]


def test_a_loan_that_is_extended_by_a_day_is_told_of_again():
    loan = lent("2026-03-09")
    assert queue_due_notices(utc("2026-03-08T08:00")) == 1
    Loan.objects.filter(pk=loan.pk).update(due_at=utc("2026-03-10T23:59:59"))

    assert queue_due_notices(utc("2026-03-08T09:00")) == 1


def test_at_the_admins_service_there_is_nobody_to_tell(settings):
    lent("2026-03-10")
    settings.SERVICE = "admin"

    assert queue_due_notices(utc("2026-03-08T08:00")) == 0


# --- Many -----------------------------------------------------------------------------------------------------------


def test_many_are_queued_a_batch_at_a_time_none_twice_and_none_left_out(monkeypatch):
    monkeypatch.setattr(clock, "BATCH", 4)
    here = branch("UTC")
    loans = [lent("2026-03-10", where=here) for _ in range(11)]  # all due at one moment
    Preferences.objects.create(member=loans[5].member, unwanted=["due_soon"])

    assert queue_due_notices(utc("2026-03-08T08:00")) == 10
    assert set(Notice.objects.values_list("loan", flat=True)) == {loan.pk for loan in loans} - {loans[5].pk}
    assert queue_due_notices(utc("2026-03-08T08:15")) == 0


def test_loans_that_are_due_at_other_times_are_not_read(monkeypatch):
    here = branch("UTC")
    for day in (1, 15, 25):
        lent(f"2026-03-{day:02}", where=here)
    lent("2026-03-10", where=here)

    with CaptureQueriesContext(connection) as queries:
        queue_due_notices(utc("2026-03-08T08:00"))

    reading = next(query["sql"] for query in queries if 'FROM "circulation_loan"' in query["sql"])
    assert "2026-03-11" in reading
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {reading}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "open_loan_by_due_date" in plan


def test_the_task_queues_and_has_them_sent(monkeypatch, time_machine):
    lent("2026-03-10")
    woken = []
    monkeypatch.setattr(tasks, "wake", lambda task: woken.append(task.name))
    time_machine.move_to(utc("2026-03-08T07:59"), tick=False)
    assert (tasks.queue_notices(), woken) == (0, [])
    time_machine.move_to(utc("2026-03-08T08:00"), tick=False)

    assert tasks.queue_notices() == 1
    assert woken == ["integrations.notifications.tasks.send_notices"]
