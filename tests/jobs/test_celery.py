"""Celery's workers at jobs: woken by a request, and told to end in the middle."""

import pytest

from circulation.imports.loading import BATCH
from circulation.jobs import running
from circulation.models import Job
from library.models import Book
from tests.jobs.sending import file, sent, titles
from tests.waiting import until
from tests.workers.working import worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ROWS = 30_000


def state():
    return Job.objects.values_list("state", flat=True).get()


def test_a_worker_comes_when_a_job_is_asked_for(librarian):
    with worker():
        sent(librarian, file(titles(3)))

        until(lambda: state() == "done")
    assert Book.objects.count() == 3


def test_a_worker_that_is_told_to_end_leaves_the_job_to_the_next_one(librarian):
    job_id = sent(librarian, file(titles(ROWS)))
    with worker() as process:
        until(lambda: Book.objects.count() > BATCH)
        process.terminate()
        process.wait(20)

    job = Job.objects.get()
    assert (job.state, job.holder) == ("queued", "")
    assert BATCH <= job.done == Book.objects.count() < ROWS
    running.run(job_id, stopping=lambda: Job.objects.get().done > job.done)
    assert Book.objects.count() > job.done
