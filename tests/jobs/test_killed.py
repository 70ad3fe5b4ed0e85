"""Workers as processes, killed in the middle of an import: in the end it is as if nothing had been."""

import signal
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from circulation.invariants import broken
from circulation.jobs import running
from circulation.models import Job
from events.models import Event
from library.models import Book, Copy
from tests.imports.library import clear
from tests.jobs.sending import file, sent
from tests.jobs.working import worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROWS = 3_000


def catalogue():
    """With rows that are refused for every reason: on their own, for what the library has, for what stands before."""
    lines = ["id,title,author,isbn,barcodes,circdesk_id"]
    for n in range(ROWS):
        row = [str(n), f"Title number {n}", f"Author {n % 97}", "", f"B-{n}", ""]
        match n % 200:
            case 7 | 57 | 107 | 157:
                row[1] = ""
            case 13 | 63 | 113 | 163:
                row[0] = str(n % 1000)  # stands there already, from the second thousand on
            case 19:
                row[4] = f"B-{n - 1}"  # a barcode of another title
            case 23:
                row[5] = "not a number"
        lines.append(",".join(row))
    return "\n".join(lines) + "\n"


def came_in():
    return (
        list(Book.objects.order_by("source_id").values_list("source_id", "title", "authors")),
        list(Copy.objects.order_by("barcode").values_list("barcode", "book__source_id")),
        Event.objects.count(),
    )


def said(job):
    report = [b"".join(bytes(chunk.data) for chunk in file.chunks.order_by("number")) for file in reports(job)]
    return job.state, job.result, job.refused, job.notes, job.message, job.done, job.total, report


def reports(job):
    return job.files.filter(role="refused")


def wait_for_rows(more, process):
    goal = Book.objects.count() + more
    while Book.objects.count() < goal and process.poll() is None:
        time.sleep(0.01)


def as_after_a_while():
    """As after the seconds that a dead worker holds its job."""
    Job.objects.filter(state="running").update(held_until=timezone.now() - timedelta(seconds=1))


def test_killed_again_and_again_an_import_ends_like_one_that_nobody_disturbed(librarian):
    undisturbed = Job.objects.get(pk=sent(librarian, file(catalogue())))
    running.run(undisturbed.pk)
    undisturbed.refresh_from_db()
    expected = came_in(), said(undisturbed)
    assert undisturbed.state == "done"
    assert undisturbed.refused == ROWS // 200 * 6 + 40
    clear()

    job_id = sent(librarian, file(catalogue()))
    kills = 0
    while Job.objects.get(pk=job_id).state in ("queued", "running"):
        process = worker(job_id)
        wait_for_rows(600, process)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        assert process.wait(60) in (0, -signal.SIGKILL)
        as_after_a_while()
        assert kills < 20

    assert kills >= 2
    job = Job.objects.get(pk=job_id)
    assert (came_in(), said(job)) == expected
    assert job.attempts <= 1  # the last one may have found nothing left to do
    assert broken() == []


def test_a_worker_that_is_told_to_end_lets_go_after_the_batch(librarian):
    job_id = sent(librarian, file(catalogue()))
    process = worker(job_id)
    wait_for_rows(400, process)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0

    job = Job.objects.get(pk=job_id)
    assert (job.state, job.holder, job.held_until <= timezone.now()) == ("queued", "", True)
    assert 0 < job.done < ROWS
    running.run(job_id)
    job.refresh_from_db()
    assert job.state == "done"
    assert job.result["added"] == Book.objects.count()


def test_two_workers_in_two_processes_do_a_job_once(librarian):
    job_id = sent(librarian, file(catalogue()))

    processes = [worker(job_id) for _ in range(2)]

    assert [process.wait(60) for process in processes] == [0, 0]
    job = Job.objects.get(pk=job_id)
    assert job.state == "done"
    assert job.result["added"] == Book.objects.count()
    assert broken() == []


def test_a_rehearsal_that_is_killed_begins_again(librarian):
    job_id = sent(librarian, file(catalogue()), dry_run="true")
    process = worker(job_id)
    while Job.objects.get(pk=job_id).done < 1000 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    as_after_a_while()

    running.run(job_id)

    job = Job.objects.get(pk=job_id)
    assert (job.state, job.done) == ("done", ROWS)
    assert Book.objects.count() == 0
    rehearsed = said(job)
    other = sent(librarian, file(catalogue()))
    running.run(other)
    in_earnest = said(Job.objects.get(pk=other))
    assert rehearsed[1:4] == in_earnest[1:4]
    assert rehearsed[7] == in_earnest[7]
