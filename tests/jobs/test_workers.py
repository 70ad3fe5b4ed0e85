"""Workers: one at a time for a job, cancelled, told to stop, kept from their work; and who comes next."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from circulation.imports.loading import BATCH, Loading
from circulation.jobs import importing, lease, running
from circulation.jobs.tasks import resume_jobs, run_job
from circulation.models import Job
from events.models import Event
from library.models import Book, Copy
from tests.circulation.commands import run as run_command
from tests.factories import JobFactory, MemberFactory
from tests.jobs.conftest import done, elsewhere
from tests.jobs.sending import file, sent, titles
from tests.sessions import waiting_at_most

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_workers_on_one_job_do_it_once(librarian):
    job_id = sent(librarian, file(titles(3 * BATCH)))

    threads = [elsewhere(lambda: running.run(job_id)) for _ in range(3)]
    for thread in threads:
        thread.join()

    job = Job.objects.get()
    assert (job.state, job.attempts) == ("done", 0)
    assert job.result["added"] == Book.objects.count() == Copy.objects.count() == 3 * BATCH


def test_who_comes_second_goes_at_once(librarian):
    job_id = sent(librarian, file(titles(1)))
    first = lease.Lease.take(job_id, lambda: False)
    before = Job.objects.values().get()

    running.run(job_id)

    assert first is not None
    assert Job.objects.values().get() == before
    assert Book.objects.count() == 0


def test_a_job_that_is_over_is_not_begun_again(librarian):
    job_id = sent(librarian, file(titles(1)))
    done(job_id)
    before = Job.objects.values().get()

    running.run(job_id)

    assert Job.objects.values().get() == before


def test_what_a_worker_has_it_keeps_for_as_long_as_it_works(librarian, between, monkeypatch, quick):
    monkeypatch.setattr(lease, "HOLD", timedelta(seconds=0.3))
    job_id = sent(librarian, file(titles(3 * BATCH)))
    others = []

    def later(count):
        time.sleep(0.5)
        others.append(lease.Lease.take(job_id, lambda: False))

    between.append(later)

    assert done(job_id).state == "done"
    assert others == [None, None, None]


def test_whoever_lost_a_job_takes_nothing_in(librarian, between):
    """Its process slept, say, for longer than it held the job."""
    job_id = sent(librarian, file(titles(2 * BATCH)))

    def steal(count):
        if count == 2:
            thread = elsewhere(
                lambda: Job.objects.filter(pk=job_id).update(
                    holder="another", held_until=timezone.now() - timedelta(seconds=1)
                )
            )
            thread.join()

    between.append(steal)

    running.run(job_id)

    assert Book.objects.count() == BATCH
    assert Job.objects.get().state == "running"
    between.clear()
    job = done(job_id)
    assert job.result["added"] == Book.objects.count() == 2 * BATCH


def test_progress_is_seen_while_it_runs(librarian, between, quick):
    job_id = sent(librarian, file(titles(2 * BATCH) + "x,,\n"))
    seen = []

    def look(count):
        time.sleep(0.1)
        thread = elsewhere(lambda: seen.append(Job.objects.get()))
        thread.join()

    between.append(look)
    done(job_id)

    assert [(job.state, job.done, job.total) for job in seen] == [
        ("running", number * BATCH, 2 * BATCH + 1) for number in range(3)
    ]
    assert [job.result.get("added", 0) for job in seen] == [0, BATCH, 2 * BATCH]


def test_progress_of_a_rehearsal_is_seen_too(librarian, between, quick):
    job_id = sent(librarian, file(titles(2 * BATCH)), dry_run="true")
    seen = []

    def look(count):
        time.sleep(0.1)
        thread = elsewhere(lambda: seen.append(Job.objects.get().done))
        thread.join()

    between.append(look)
    done(job_id)

    assert seen == [0, BATCH]
    assert Book.objects.count() == 0


# --- Stopped, failed, tried again ------------------------------------------------------------------------------------


def test_told_to_stop_it_leaves_the_rest_to_another(librarian, between):
    job_id = sent(librarian, file(titles(3 * BATCH)))
    stop = threading.Event()
    between.append(lambda count: stop.set())

    running.run(job_id, stopping=stop.is_set)

    job = Job.objects.get()
    assert (job.state, job.holder, job.attempts, job.done) == ("queued", "", 0, BATCH)
    running.run(job_id, stopping=stop.is_set)  # at once, before it got on
    assert Job.objects.get().attempts == 0
    assert Book.objects.count() == BATCH
    between.clear()
    resume_jobs()
    job = Job.objects.get()
    assert job.message == f"books.csv: {3 * BATCH} added, 0 changed, 0 unchanged, 0 refused."


def test_the_sweep_takes_what_nobody_has_and_nothing_else():
    JobFactory(kind="export", options={"format": "csv"})
    JobFactory(kind="export", options={"format": "csv"}, state="running", holder="dead", held_until=timezone.now())
    soon = timezone.now() + timedelta(seconds=20)
    busy = JobFactory(kind="export", options={"format": "csv"}, state="running", holder="busy", held_until=soon)
    JobFactory(kind="export", options={"format": "csv"}, held_until=soon)
    JobFactory(over=True)

    def states():
        return list(Job.objects.order_by("pk").values_list("state", flat=True))

    before = states()
    resume_jobs()  # which leaves the other workers free for the rest
    run_job(Job.objects.earliest("pk").pk)
    assert states() == before == ["queued", "running", "running", "queued", "done"]
    Job.objects.filter(pk=busy.pk).update(state="queued", holder="")

    resume_jobs()

    assert states() == ["done", "done", "queued", "queued", "done"]


def test_whoever_is_woken_for_one_does_those_that_wait_as_well():
    first, second = (JobFactory(kind="export", options={"format": "csv"}).pk for _ in range(2))

    run_job(second)

    assert list(Job.objects.order_by("started_at").values_list("pk", "state")) == [(second, "done"), (first, "done")]


def test_what_others_hold_is_tried_again_later_and_not_for_ever(librarian, monkeypatch):
    done(sent(librarian, file(titles(1))))
    monkeypatch.setattr(running, "PAUSE", timedelta(0))
    job_id = sent(librarian, file(titles(1).replace("Title", "Titel"), "books.csv"))
    held, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            Book.objects.select_for_update().get()
            held.set()
            over.wait(60)

    thread = elsewhere(hold)
    held.wait(10)
    try:
        with waiting_at_most("50ms"):
            for attempt in range(1, 6):
                job = done(job_id)
                assert (job.state, job.attempts) == ("queued", attempt)
                assert job.message.startswith("Waits to be tried again. ")
            job = done(job_id)
    finally:
        over.set()
        thread.join()
    assert job.state == "failed"
    assert job.message.endswith("Given up after 5 attempts.")
    assert Book.objects.get().title == "Title number 1"


def test_after_a_failure_it_waits_a_little(librarian, monkeypatch):
    job_id = sent(librarian, file(titles(1)))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE library_book RENAME TO library_book_away")
    try:
        job = done(job_id)
        assert job.state == "failed"  # which is no outage, but a defect
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE library_book_away RENAME TO library_book")
    assert job.message == "Something went wrong on our side. It was logged. What was done before stays."
    again = sent(librarian, file(titles(1)))
    Job.objects.filter(pk=again).update(held_until=timezone.now() + timedelta(seconds=20))
    assert done(again).state == "queued"


def test_a_worker_that_dies_each_time_does_not_begin_for_ever(librarian):
    job_id = sent(librarian, file(titles(1)))
    for _ in range(5):
        assert lease.Lease.take(job_id, lambda: False) is not None
        Job.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    job = done(job_id)

    assert (job.state, job.message) == ("failed", "Given up after 5 attempts.")
    assert Book.objects.count() == 0


@pytest.mark.parametrize("changed", [0, 300])
def test_a_batch_that_takes_long_is_a_short_one(librarian, monkeypatch, changed):
    """What it changes is locked, and somebody at the desk may want it."""
    monkeypatch.setattr(importing, "SHORT", 0.15 if changed else 60)
    done(sent(librarian, file(titles(changed))) if changed else sent(librarian, file(titles(1, 9000))))
    sizes = []
    usual = lease.Lease.save

    def save(self, **fields):
        usual(self, **fields)
        sizes.append(self.done - sum(sizes))

    monkeypatch.setattr(lease.Lease, "save", save)
    if changed:
        take_in = Loading.take_in
        monkeypatch.setattr(Loading, "take_in", lambda self, some: (time.sleep(0.2), take_in(self, some)))

    job = done(sent(librarian, file(titles(300).replace("Title", "Titel"))))

    assert [size for size in sizes if size] == ([100, 100, 100] if changed else [300])
    assert job.result["changed" if changed else "added"] == 300


def test_a_job_and_the_command_say_the_same_of_what_clashes(librarian, tmp_path):
    """In one transaction as well as in many."""
    MemberFactory(card_number="A-1", email="ada@example.org")
    text = "id,name,card_number,email\n1,Bo,B-1,ada@example.org\n2,Cy,C-1,cy@example.org\n3,Di,D-1,CY@example.org\n"
    path = tmp_path / "members.csv"
    path.write_text(text)
    ran = run_command("import_members", path, "--dry-run")

    job = done(sent(librarian, file(text, "members.csv"), kind="members"))

    assert [f"{tmp_path}/{note}" for note in job.notes] == ran.err
    assert job.refused == 2
    assert Event.objects.filter(kind="member.enrolled").count() == 1
