"""A process that sends, killed in the middle of hundreds of notices."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice, new_notice
from library.models import Member
from tests.factories import NOW, main_branch, standard_category
from tests.simulation.runs import ROOT
from tests.simulation.service import url_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COUNT = 300
# As a worker does, without the worker.
SEND = """
import django; django.setup()
from integrations.notifications.tasks import send_notices
while send_notices(): pass
"""


def sender(post):
    environment = {
        "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
        "EMAIL_URL": f"smtp://127.0.0.1:{post.port}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.Popen([sys.executable, "-c", SEND], cwd=ROOT, env=os.environ | environment)


def welcome_many():
    """So many new members, each to be welcomed."""
    members = Member.objects.bulk_create(
        Member(
            card_number=f"K{number}",
            first_name="Ada",
            email=f"ada{number}@example.org",
            category=standard_category(),
            branch=main_branch(),
        )
        for number in range(COUNT)
    )
    at = timezone.now()
    return Notice.objects.bulk_create(new_notice(Kind.REGISTRATION, member.pk, moment=NOW, at=at) for member in members)


def is_waiting():
    return Notice.objects.filter(state="queued").exists()


def test_each_of_many_is_sent_however_often_senders_are_killed_and_counts_once_by_its_message_id(post):
    post.delay = 0.003
    notices = welcome_many()
    kills = 0
    while is_waiting():
        process = sender(post)
        goal = len(post.mails) + 70
        try:
            post.wait_for(lambda goal=goal: len(post.mails) >= goal or not is_waiting(), 60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
        kills += 1
        # As after the time for which it held them.
        Notice.objects.filter(state="queued").update(held_until=timezone.now() - timedelta(seconds=1))
        assert kills < 15

    assert set(post.ids) == {notice.message_id for notice in notices}
    assert len(set(post.ids)) == COUNT
    assert len(post.mails) <= COUNT + kills  # only what was under way
    assert kills >= 3
    assert set(Notice.objects.values_list("state", flat=True)) == {"sent"}
