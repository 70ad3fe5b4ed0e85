"""The log of deliveries: sent again by staff, kept consistent by the table itself, and its mails sent by tasks."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from events.models import Event
from integrations.notifications import sending, tasks
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice
from integrations.notifications.queueing import queue
from integrations.notifications.sending import send_again, send_due
from integrations.publishing.messages import described
from library.services import enrol
from tests.factories import NOW
from tests.notifications.matters import notice_of

pytestmark = pytest.mark.django_db


def now(notice):
    notice.refresh_from_db()
    return notice


@pytest.fixture
def asked(monkeypatch):
    """The names of the tasks that workers were asked to do."""
    asked = []
    for task in (tasks.send_notices, tasks.queue_notices):
        monkeypatch.setattr(task, "apply_async", lambda *args, name=task.name, **kwargs: asked.append(name))
    return asked


def test_staff_send_again_as_a_mail_of_its_own(post):
    notice = notice_of(Kind.READY)
    send_due(NOW)
    before = now(notice).message_id

    assert send_again(notice_ids=[notice.pk], at=NOW + timedelta(hours=1)) == 1
    assert (now(notice).state, notice.times, notice.attempts, notice.sent_at) == ("queued", 1, 0, None)
    assert send_due(NOW).sent == 0  # not before it is due
    assert send_due(NOW + timedelta(hours=1)).sent == 1

    assert post.ids == [before, notice.message_id]
    assert before.replace(".0@", ".1@") == notice.message_id


def test_what_is_queued_is_not_sent_again(post):
    notice = notice_of(Kind.READY)

    assert send_again(notice_ids=[notice.pk], at=NOW) == 0
    assert now(notice).times == 0


def test_a_notice_has_a_next_attempt_exactly_while_it_is_queued():
    notice = notice_of(Kind.READY)

    for wrong in ({"due_at": None}, {"state": "sent"}):
        with pytest.raises(IntegrityError, match="next_attempt_exactly_while_queued"), transaction.atomic():
            Notice.objects.filter(pk=notice.pk).update(**wrong)


def test_a_notice_is_about_what_its_kind_is_about():
    notice = notice_of(Kind.READY)

    with pytest.raises(IntegrityError, match="matter_fits_kind"):
        Notice.objects.filter(pk=notice.pk).update(kind="overdue")


@pytest.mark.parametrize("kind", list(Kind))
def test_there_is_one_notice_of_a_kind_for_each_matter_and_moment(kind):
    notice = notice_of(kind)
    notice.pk, notice.message_id = None, "<another@example.org>"

    with pytest.raises(IntegrityError, match="one_notice_per_matter"):
        notice.save(force_insert=True)


# --- Tasks ----------------------------------------------------------------------------------------------------------

SEND = "integrations.notifications.tasks.send_notices"


def test_a_worker_is_woken_once_what_is_queued_is_committed(asked, django_capture_on_commit_callbacks):
    enrol(first_name="Ada", email="ada@example.org", at=timezone.now())

    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        queue(described(Event.objects.all()))
        assert asked == []

    assert asked == [SEND]


def test_a_task_goes_on_with_another_while_more_is_due(
    post, asked, monkeypatch, time_machine, django_capture_on_commit_callbacks
):
    time_machine.move_to(NOW)
    monkeypatch.setattr(sending, "BATCH", 2)
    for _ in range(3):
        notice_of(Kind.REGISTRATION)

    with django_capture_on_commit_callbacks(execute=True):
        assert tasks.send_notices() == 2
    assert asked == [SEND]
    with django_capture_on_commit_callbacks(execute=True):
        assert tasks.send_notices() == 1
    assert (asked, len(post.mails)) == ([SEND], 3)


def test_a_task_drops_what_is_old(time_machine):
    notice_of(Kind.READY)
    time_machine.move_to(NOW + timedelta(days=90, minutes=-1))
    assert tasks.forget_notices() == 0
    time_machine.move_to(NOW + timedelta(days=90, minutes=1))

    assert tasks.forget_notices() == 1
