"""Jobs that somebody cancels, before they begin and in the middle."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from circulation import anonymising
from circulation.imports.loading import BATCH
from circulation.jobs import lease
from circulation.models import Job, Loan
from library.models import Book
from tests.api.asking import data_of, refusals_of
from tests.factories import LoanFactory
from tests.jobs.conftest import done, elsewhere
from tests.jobs.sending import file, sent, titles

pytestmark = pytest.mark.django_db(transaction=True)


def cancel(client, job_id):
    return data_of(client.post(f"/api/jobs/{job_id}/cancel/"))


def test_cancelled_before_it_began(librarian):
    job_id = sent(librarian, file(titles(1)))

    job = cancel(librarian, job_id)

    assert (job["state"], job["message"]) == ("cancelled", "Cancelled.")
    assert job["ended_at"] is not None
    done(job_id)
    assert Book.objects.count() == 0


def test_cancelled_in_the_middle_it_ends_with_the_batch_and_says_how_much_went_in(librarian, between, quick):
    job_id = sent(librarian, file(titles(1).replace("Title number 1", "") + titles(4 * BATCH, 2).partition("\n")[2]))

    def ask(count):
        if count == 2:
            thread = elsewhere(lambda: cancel(librarian, job_id))
            thread.join()
            time.sleep(0.1)

    between.append(ask)

    job = done(job_id)

    assert job.state == "cancelled"
    assert Book.objects.count() == job.result["added"] == 2 * BATCH - 1
    assert job.message == (
        f"books.csv: {2 * BATCH - 1} added, 0 changed, 0 unchanged, 1 refused.\nCancelled. What was done before stays."
    )
    assert (job.done, job.total) == (2 * BATCH, 4 * BATCH + 1)


def test_a_rehearsal_that_is_cancelled_changed_nothing(librarian, between, quick):
    job_id = sent(librarian, file(titles(3 * BATCH)), dry_run="true")

    def ask(count):
        thread = elsewhere(lambda: Job.objects.update(cancel_asked_at=timezone.now()))
        thread.join()
        time.sleep(0.1)

    between.append(ask)

    job = done(job_id)

    assert (job.state, job.message) == ("cancelled", "Cancelled. Nothing was changed.")
    assert Book.objects.count() == 0


def test_the_report_of_a_cancelled_import_can_be_read(librarian, between, quick):
    rows = ",".join(f'{{"id": {n}, "title": ""}}' for n in range(3 * BATCH))
    job_id = sent(librarian, file(f"[{rows}]", "books.json"))

    def ask(count):
        elsewhere(lambda: Job.objects.update(cancel_asked_at=timezone.now())).join()
        time.sleep(0.1)

    between.append(ask)
    assert done(job_id).state == "cancelled"

    report = librarian.get(f"/api/jobs/{job_id}/errors/")
    text = b"".join(report.streaming_content).decode()
    assert text.startswith('[\n{"id": 0, ')
    assert text.endswith("}\n]\n")
    assert text.count("refused_because") == BATCH


def test_what_is_over_cannot_be_cancelled(librarian):
    job_id = sent(librarian, file(titles(1)))
    done(job_id)

    [refusal] = refusals_of(librarian.post(f"/api/jobs/{job_id}/cancel/"), 422, "INVALID_TRANSITION")

    assert refusal["message"] == f"Job {job_id} is over already: done."
    assert refusal["state"] == "done"


def test_cancelled_while_its_worker_is_dead(librarian):
    job_id = sent(librarian, file(titles(1)))
    lease.Lease.take(job_id, lambda: False)
    assert cancel(librarian, job_id)["state"] == "running"
    Job.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    assert cancel(librarian, job_id)["state"] == "cancelled"


def test_an_export_that_is_cancelled_leaves_nothing(admin):
    job_id = data_of(admin.post("/api/exports/", {}), 202)["id"]
    Job.objects.update(cancel_asked_at=timezone.now())

    job = done(job_id)

    assert (job.state, job.message) == ("cancelled", "Cancelled. Nothing was written.")
    assert job.files.count() == 0
    assert admin.get(f"/api/jobs/{job_id}/result/").status_code == 404


def test_anonymising_that_is_cancelled_says_how_far_it_came(admin, monkeypatch, quick):
    monkeypatch.setattr(anonymising, "BATCH", 2)
    for _ in range(5):
        LoanFactory(returned=True)
    job_id = data_of(admin.post("/api/anonymisations/", {"older_than_days": 0}), 202)["id"]
    Loan.objects.update(
        lent_at=timezone.now() - timedelta(2), due_at=timezone.now(), returned_at=timezone.now() - timedelta(1)
    )
    usual = lease.Lease.save

    def save(self, **fields):
        usual(self, **fields)
        if "state" not in fields:
            elsewhere(lambda: Job.objects.update(cancel_asked_at=timezone.now())).join()
            time.sleep(0.1)

    monkeypatch.setattr(lease.Lease, "save", save)

    job = done(job_id)

    assert job.state == "cancelled"
    assert job.result["loans"] == Loan.objects.filter(member=None).count() == 2
    assert job.message == (
        "2 loans and 0 reservations say no longer whose they were.\nCancelled. What was done before stays."
    )
    monkeypatch.undo()
    again = done(data_of(admin.post("/api/anonymisations/", {"older_than_days": 0}), 202)["id"])
    assert again.result["loans"] == 3
