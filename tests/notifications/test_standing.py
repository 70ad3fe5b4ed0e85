"""Whether a notice is still true and wanted is asked when it is sent, and what is dropped says why."""

from datetime import timedelta

import pytest

from circulation.models import Loan
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice, Preferences
from integrations.notifications.sending import send_again, send_due
from library.models import Branch, Member
from reservations.models import Reservation
from tests.factories import NOW, MemberFactory
from tests.notifications.matters import DUE, notice_of

pytestmark = pytest.mark.django_db

every_kind = pytest.mark.parametrize("kind", list(Kind))
DAY = timedelta(days=1)


def dropped(notice, at=NOW):
    """Why it is not sent."""
    send_due(at)
    notice.refresh_from_db()
    assert (notice.state, notice.due_at, notice.attempts) == ("dropped", None, 0)
    assert (notice.holder, notice.held_until) == ("", None)
    return notice.why


def is_sent(notice, post, at=NOW):
    send_due(at)
    notice.refresh_from_db()
    return notice.state == "sent" and post.ids == [notice.message_id]


@every_kind
def test_what_is_true_is_sent(post, kind):
    assert is_sent(notice_of(kind), post)


@every_kind
def test_a_member_without_an_address_is_not_written_to(kind):
    notice = notice_of(kind)
    Member.objects.update(email="")

    assert dropped(notice) == "The member has no e-mail address."


@every_kind
def test_a_member_who_does_not_want_it_is_not_written_to(kind):
    notice = notice_of(kind)
    Preferences.objects.create(member=notice.member, unwanted=[kind])

    assert dropped(notice) == "The member does not want mails of this kind."


def test_a_member_who_does_not_want_other_things_is_written_to(post):
    notice = notice_of(Kind.READY)
    Preferences.objects.create(member=notice.member, unwanted=["returned", "expiring"])

    assert is_sent(notice, post)


def test_the_address_is_that_of_now(post):
    notice = notice_of(Kind.READY)
    Member.objects.filter(pk=notice.member_id).update(email="new@example.org")

    assert is_sent(notice, post)
    assert (post.mail["To"], notice.address) == ("new@example.org", "new@example.org")


@pytest.mark.parametrize("kind", [Kind.DUE_SOON, Kind.OVERDUE, Kind.RENEWED])
def test_a_loan_that_ended_is_not_written_about(kind):
    notice = notice_of(kind)
    Branch.objects.update(time_zone="Asia/Tokyo")
    Loan.objects.update(returned_at=NOW + timedelta(hours=6))  # at one in the morning there

    assert dropped(notice) == "Returned on 2026-03-03."


@pytest.mark.parametrize("kind", [Kind.DUE_SOON, Kind.OVERDUE, Kind.RENEWED])
def test_a_loan_that_got_another_due_date_is_not_written_about(kind):
    notice = notice_of(kind)
    Loan.objects.update(due_at=DUE + 3 * DAY)

    assert dropped(notice) == "The due date is now 2026-03-07."


def test_what_is_overdue_by_now_is_not_due_soon():
    assert dropped(notice_of(Kind.DUE_SOON), DUE + timedelta(seconds=1)) == "It is overdue already."


def test_what_is_not_overdue_is_not_said_to_be():
    notice = notice_of(Kind.OVERDUE, at=NOW - DAY)

    assert dropped(notice, notice.moment) == "It is not overdue."


def test_a_return_stays_true(post):
    notice = notice_of(Kind.RETURNED)
    Loan.objects.update(due_at=DUE + DAY)

    assert is_sent(notice, post)


@pytest.mark.parametrize("kind", [Kind.RETURNED, Kind.OVERDUE])
def test_a_loan_of_somebody_else_is_not_written_about(kind):
    notice = notice_of(kind)
    Loan.objects.update(member=MemberFactory())

    assert dropped(notice) == "The loan does not say any more whose it was."


@pytest.mark.parametrize("kind", [Kind.RESERVED, Kind.READY, Kind.EXPIRING, Kind.CANCELLED])
def test_a_reservation_of_somebody_else_is_not_written_about(kind):
    notice = notice_of(kind)
    Reservation.objects.update(member=MemberFactory())

    assert dropped(notice) == "The reservation does not say any more whose it was."


@pytest.mark.parametrize("kind", [Kind.RESERVED, Kind.READY, Kind.EXPIRING])
@pytest.mark.parametrize(
    ("status", "told"), [("fulfilled", "Fulfilled"), ("cancelled", "Cancelled"), ("expired", "Expired")]
)
def test_a_reservation_that_ended_is_not_written_about(kind, status, told):
    notice = notice_of(kind)
    Reservation.objects.update(status=status, closed_at=NOW)

    assert dropped(notice) == f"{told} on 2026-03-02."


def test_who_is_given_a_copy_before_the_first_mail_gets_only_the_second(post):
    notice = notice_of(Kind.READY)
    Notice.objects.update(kind=Kind.RESERVED)

    assert dropped(notice) == "A copy was set aside meanwhile."


def test_who_is_suspended_still_learns_that_they_stand_in_the_line(post):
    notice = notice_of(Kind.RESERVED)
    Reservation.objects.update(status="suspended")

    assert is_sent(notice, post)


@pytest.mark.parametrize("kind", [Kind.READY, Kind.EXPIRING])
def test_a_copy_that_is_no_longer_set_aside_is_not_written_about(kind):
    notice = notice_of(kind)
    Reservation.objects.update(status="waiting", copy=None, shelf_until=None)

    assert dropped(notice) == "The copy is no longer set aside."


@pytest.mark.parametrize("kind", [Kind.READY, Kind.EXPIRING])
def test_a_copy_that_is_set_aside_until_another_day_is_not_written_about(kind):
    notice = notice_of(kind)
    Reservation.objects.update(shelf_until=NOW + 9 * DAY)

    assert dropped(notice) == "It is now set aside until 2026-03-11."


@pytest.mark.parametrize("kind", [Kind.READY, Kind.EXPIRING])
def test_a_pick_up_time_that_is_over_is_not_written_about(kind):
    notice = notice_of(kind)

    assert dropped(notice, notice.moment + timedelta(seconds=1)) == "The pick-up time is over."


@pytest.mark.parametrize("kind", [Kind.REGISTRATION, Kind.RESERVED, Kind.RETURNED, Kind.RENEWED, Kind.CANCELLED])
def test_what_a_member_did_is_not_news_after_three_days(post, kind):
    notice = notice_of(kind)
    Loan.objects.update(due_at=notice.moment)

    why = dropped(notice, NOW + timedelta(days=3, seconds=1))

    assert why == "It could not be sent for 3 days, and says nothing that must be known."


def test_what_a_member_must_know_is_news_while_it_is_true(post):
    assert is_sent(notice_of(Kind.READY), post, NOW + 5 * DAY)


def test_what_staff_send_again_is_sent_however_old_but_only_while_it_is_true(post):
    returned, overdue = notice_of(Kind.RETURNED), notice_of(Kind.OVERDUE)
    send_due(NOW)
    Loan.objects.filter(pk=overdue.loan_id).update(returned_at=NOW)

    send_again(notice_ids=[returned.pk, overdue.pk], at=NOW + 30 * DAY)
    send_due(NOW + 30 * DAY)

    assert [Notice.objects.get(pk=notice.pk).state for notice in (returned, overdue)] == ["sent", "dropped"]
