"""Five hundred notices on their way from an event to a mailbox, and everything that carries them is killed."""

import os
import signal
import threading
import time
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config.beat import Scheduler
from config.celery import app
from events.models import Consumer, Event, FailedMessage
from events.relay import unpublished
from integrations.notifications.models import Notice
from library.services import enrol
from tests.faults.carriers import Carriers
from tests.notifications.post import Post
from tests.servers import own_valkey
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

COUNT = 300
COMMANDS = {
    "relay": ["manage.py", "relay_events"],
    "consumers": ["manage.py", "consume_events"],
    "worker": ["-m", "config.work"],  # with beat
    "other worker": ["-m", "celery", "--app=config.celery", "worker", "--concurrency=2"],
}


def kill(valkey):
    with redis.Redis.from_url(valkey.url(db=2)) as client:
        os.kill(client.info("server")["process_id"], signal.SIGKILL)


def start(valkey):
    valkey.stop()  # what is left of it
    valkey.start(print)


def send_every_second():
    Scheduler(app=app)
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    PeriodicTask.objects.filter(name="Send notices").update(interval=second)


def test_each_mail_arrives_and_counts_once_whatever_is_killed_on_its_way():
    send_every_second()
    enrolled = []

    def desk():
        for number in range(COUNT):
            member = enrol(at=timezone.now(), first_name="Ada", email=f"ada{number}@example.org")
            enrolled.append(member.pk)
            time.sleep(0.03)  # so that it lasts longer than what is done to the carriers
        connection.close()

    with own_valkey() as valkey, Post(delay=0.01) as post:
        carriers = Carriers(valkey, COMMANDS, EMAIL_URL=f"smtp://127.0.0.1:{post.port}")
        carriers.start("relay", "consumers", "worker", "other worker")
        thread = threading.Thread(target=desk)
        try:
            until(lambda: Consumer.objects.filter(group="notices", position__isnull=False).exists())
            thread.start()
            for part, strike in [
                (0.1, lambda: carriers.restart("worker")),
                (0.3, lambda: carriers.restart("consumers", "other worker")),
                (0.5, lambda: kill(valkey)),
                (0.6, lambda: start(valkey)),
                (0.7, lambda: carriers.restart("relay", "worker")),
                (0.8, lambda: redis.Redis.from_url(valkey.url(db=2)).flushall()),
                (0.9, lambda: carriers.restart("worker", "other worker")),
            ]:
                until(lambda part=part: len(enrolled) >= COUNT * part, seconds=120)
                strike()
            thread.join(120)
            until(lambda: unpublished() == 0, seconds=60)
            until(lambda: Notice.objects.count() == COUNT, lambda: str(Notice.objects.count()), seconds=60)
            # As after the time for which those that were killed held them.
            Notice.objects.filter(state="queued").update(held_until=timezone.now() - timedelta(seconds=1))
            until(lambda: not Notice.objects.filter(state="queued").exists(), seconds=90)
        finally:
            carriers.kill(*list(carriers.running))
            if thread.is_alive():
                thread.join(60)

        assert set(Notice.objects.values_list("state", "why")) == {("sent", "")}
        assert set(post.ids) == set(Notice.objects.values_list("message_id", flat=True))
        assert len(set(post.ids)) == COUNT
        assert {mail["To"] for mail in post.mails} == {f"ada{number}@example.org" for number in range(COUNT)}
        assert len(post.mails) <= COUNT + 8  # only what was under way when a worker was killed
    assert Event.objects.filter(kind="member.enrolled").count() == COUNT
    assert not FailedMessage.objects.exists()
