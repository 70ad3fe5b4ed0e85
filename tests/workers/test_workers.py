"""Workers at work: woken by beat and by hand, killed, cut off, without Redis, and two at the same thing."""

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta

import psutil
import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from circulation.tasks import serve_lines
from config.beat import Scheduler
from config.celery import app
from events.models import Event
from events.waking import wake
from reservations.models import Reservation
from tests.factories import BookFactory, ReservationFactory
from tests.servers import own_valkey
from tests.waiting import until
from tests.workers.working import worker

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ONE_WORKER = ["celery", "--app=config.celery", "worker", "--concurrency=2", "--without-gossip", "--without-mingle"]


@pytest.fixture(autouse=True)
def broker():
    """Empty, before and after."""
    with redis.Redis.from_url(settings.EVENTS_REDIS_URL) as broker:
        broker.flushdb()
        yield broker
        broker.flushdb()


def stranded_reservation():
    """Somebody waits beside a free copy, as a change that touched no title may leave them."""
    return ReservationFactory(book=BookFactory(copies=1))


def lapsed_line():
    """A copy that was not collected, and somebody who waits for it."""
    hold = ReservationFactory(ready=True)
    Reservation.objects.filter(pk=hold.pk).update(shelf_until=timezone.now() - timedelta(days=1))
    return hold, ReservationFactory(book=hold.book)


def status_of(reservation):
    return Reservation.objects.get(pk=reservation.pk).status


def every_second(name):
    Scheduler(app=app)
    second, _ = IntervalSchedule.objects.get_or_create(every=1, period="seconds")
    PeriodicTask.objects.filter(name=name).update(interval=second)
    PeriodicTasks.update_changed()


def test_beat_wakes_a_worker_as_often_as_the_admin_says():
    every_second("Serve the lines")
    first = stranded_reservation()

    with worker():
        until(lambda: status_of(first) == "ready")
        second = stranded_reservation()
        until(lambda: status_of(second) == "ready", seconds=10)


def test_beat_is_begun_again_when_it_is_killed():
    every_second("Serve the lines")

    def processes():
        return psutil.Process(one.pid).children()

    with worker() as one:
        first = stranded_reservation()
        until(lambda: status_of(first) == "ready")
        assert len(processes()) == 3
        for _ in range(2):
            for process in processes():  # beat among them, and whoever is at something
                process.kill()
            waiting = stranded_reservation()
            until(lambda waiting=waiting: status_of(waiting) == "ready", seconds=20)
            until(lambda: len(processes()) == 3)
    assert one.returncode == 0


def test_a_worker_is_woken_after_the_commit_and_not_without_one():
    with worker(*ONE_WORKER):
        first = stranded_reservation()
        wake(serve_lines)
        until(lambda: status_of(first) == "ready")
        with transaction.atomic():
            second = stranded_reservation()
            wake(serve_lines)
            time.sleep(1)  # a worker that was woken now would find nothing
        until(lambda: status_of(second) == "ready", seconds=10)
        third = stranded_reservation()
        with suppress(InterruptedError), transaction.atomic():
            wake(serve_lines)
            raise InterruptedError
        time.sleep(1)
        assert status_of(third) == "waiting"


def test_two_workers_on_the_same_sweep_killed_and_flushed_do_everything_once(broker):
    lines = [lapsed_line() for _ in range(60)]
    chance = random.Random(7)

    with worker() as first, worker(*ONE_WORKER) as second:
        until(lambda: all(len(psutil.Process(one.pid).children()) >= 2 for one in (first, second)))
        every_second("Serve the lines")
        for _ in range(20):
            wake(serve_lines)
        until(lambda: Reservation.objects.filter(status="expired").exists())
        broker.flushdb()
        victim = chance.choice(psutil.Process(second.pid).children())  # the process that has a task in hand, or not
        victim.kill()
        second.kill()
        until(lambda: Reservation.objects.filter(status="expired").count() == 60)
        until(lambda: Reservation.objects.filter(status="ready").count() == 60)
        assert first.poll() is None

    for hold, following in lines:
        told = Event.objects.filter(book_id=hold.book_id).order_by("id")
        assert [(event.kind, event.reservation_id) for event in told] == [
            ("release", hold.pk),
            ("expire", hold.pk),
            ("hold", following.pk),
        ]


def test_without_redis_nobody_is_woken_and_nobody_waits_for_it():
    with own_valkey() as valkey:
        process = redis.Redis.from_url(valkey.url(db=2)).info("server")["process_id"]
        waking = subprocess.run(
            [sys.executable, "-m", "tests.workers.waking", str(process)],
            env=os.environ | {"EVENTS_REDIS_URL": valkey.url(db=2)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    first, others = map(float, waking.stdout.split())
    assert first < 2
    assert others < 0.5  # all hundred of them
    assert waking.stderr.count("Redis does not answer") == 1, waking.stderr
