"""The list of jobs, who sees which, and how long they stay."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from circulation.jobs.models import JobChunk, JobFile
from circulation.jobs.retention import forget_old_jobs
from circulation.jobs.tasks import forget_jobs
from circulation.models import Job
from config.celery import app
from config.schedule import SCHEDULE
from tests.admin.browser import Browser, change_page, page
from tests.api.asking import data_of, error_of, invalid_fields
from tests.api.signing import signed_in, with_key
from tests.factories import NOW, JobFactory, UserFactory
from tests.jobs.sending import file, sent, titles

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(client, query=""):
    return [job["id"] for job in data_of(client.get(f"/api/jobs/{query}"))["results"]]


def test_the_newest_come_first_page_by_page(librarian, staff):
    jobs = [JobFactory(asked_by=staff).pk for _ in range(3)]

    assert numbers(librarian) == jobs[::-1]
    assert numbers(librarian, "?ordering=created_at") == jobs
    first = data_of(librarian.get("/api/jobs/?limit=2&count=true"))
    assert first["count"] == 3
    assert [job["id"] for job in data_of(librarian.get(first["next"]))["results"]] == jobs[:1]


def test_by_state_and_by_kind(librarian, staff):
    waiting = JobFactory(asked_by=staff).pk
    failed = JobFactory(asked_by=staff, kind="import_members", state="failed", ended_at=NOW).pk

    assert numbers(librarian, "?state=queued") == [waiting]
    assert numbers(librarian, "?kind=import_members") == [failed]
    assert numbers(librarian, "?kind=import_members&state=queued") == []
    assert invalid_fields(librarian.get("/api/jobs/?state=lost")) == {"state": "invalid_choice"}


def test_librarians_see_their_own_and_admins_everybodys(librarian, admin, staff):
    own, others = JobFactory(asked_by=staff).pk, JobFactory().pk

    assert numbers(librarian) == [own]
    assert numbers(admin) == [others, own]
    for path in ("", "result/", "errors/"):
        error_of(librarian.get(f"/api/jobs/{others}/{path}"), 404, "NOT_FOUND")
    error_of(librarian.post(f"/api/jobs/{others}/cancel/"), 404, "NOT_FOUND")
    assert librarian.post(f"/api/jobs/{own}/cancel/").status_code == 200
    assert admin.post(f"/api/jobs/{others}/cancel/").status_code == 200


def test_a_key_sees_what_it_asked_for_and_its_owner_too(staff):
    one, other = with_key(staff, "catalogue:write"), with_key(staff, "catalogue:write", "members:write")
    job_id = sent(one, file(titles(1)))

    assert numbers(one) == numbers(signed_in(staff)) == [job_id]
    assert numbers(other) == []
    error_of(other.post(f"/api/jobs/{job_id}/cancel/"), 404, "NOT_FOUND")
    assert data_of(one.post(f"/api/jobs/{job_id}/cancel/"))["state"] == "cancelled"


def test_an_admins_key_is_an_admin_only_with_that_scope():
    owner = UserFactory(admin=True)
    JobFactory()
    exported = data_of(with_key(owner, "admin").post("/api/exports/", {}), 202)["id"]

    assert len(numbers(with_key(owner, "admin"))) == 2
    assert numbers(with_key(owner, "catalogue:write")) == []
    owner.is_superuser = False
    owner.save()
    assert numbers(signed_in(owner)) == []
    error_of(signed_in(owner).get(f"/api/jobs/{exported}/result/"), 404, "NOT_FOUND")


def test_a_job_outlives_the_account_that_asked_for_it(admin, staff):
    job_id = JobFactory(asked_by=staff).pk
    staff.delete()

    assert data_of(admin.get(f"/api/jobs/{job_id}/"))["asked_by"] is None


def test_while_it_is_not_over_there_is_no_report(librarian, staff):
    job = JobFactory(asked_by=staff, state="running")
    JobFile.objects.create(job=job, role="refused", number=0, name="x.csv")

    assert data_of(librarian.get(f"/api/jobs/{job.pk}/"))["links"]["errors"] is None
    response = librarian.get(f"/api/jobs/{job.pk}/errors/")
    error_of(response, 404, "NOT_FOUND")
    assert response.json()["error"]["message"] == f"Job {job.pk} is not over yet."


def test_jobs_are_forgotten_with_their_files_thirty_days_after_they_ended(librarian):
    at = timezone.now()
    old = JobFactory(over=True, ended_at=at - timedelta(days=30, seconds=1))
    kept = JobFactory(over=True, ended_at=at - timedelta(days=29))
    waiting = JobFactory(created_at=at - timedelta(days=99))

    assert forget_old_jobs(at=at) == 1

    assert set(Job.objects.all()) == {kept, waiting}
    assert set(JobFile.objects.values_list("job", flat=True)) == {kept.pk}
    assert JobChunk.objects.count() == 2
    assert old.pk not in {kept.pk, waiting.pk}
    Job.objects.filter(pk=kept.pk).update(ended_at=at - timedelta(days=31))
    forget_jobs()
    assert Job.objects.get() == waiting


def test_a_worker_is_woken_once_the_job_is_written_down(librarian):
    with app.connection_for_read() as broker:
        queue = broker.SimpleQueue(app.conf.task_default_queue)
        queue.clear()

        job_id = sent(librarian, file(titles(1)))

        message = queue.get(timeout=5)
        message.ack()
        assert message.headers["task"] == "circulation.jobs.tasks.run_job"
        assert message.payload[0] == [job_id]


def test_the_schedule_knows_what_workers_know():
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
    assert "circulation.jobs.tasks.run_job" in app.tasks


def browsing(user):
    client = Client()
    client.force_login(user)
    return Browser(client)


def test_in_the_admin_a_job_shows_what_came_of_it_and_can_be_cancelled(staff):
    job = JobFactory(asked_by=staff, done=25, total=100, notes=["books.csv:2: <b>There is no title.</b>"])
    others = JobFactory()
    desk = browsing(staff)

    listed = desk.open(page(Job)).content.decode()
    assert "25 of 100" in listed
    assert f"/job/{others.pk}/" not in listed
    assert "&lt;b&gt;There is no title." in desk.open(change_page(job)).content.decode()

    desk.act("cancel", job, others)

    job.refresh_from_db()
    others.refresh_from_db()
    assert (job.state, others.state) == ("cancelled", "queued")


def test_in_the_admin_files_are_linked_and_only_admins_see_what_they_are_made_of(staff):
    job = JobFactory(over=True)
    shown = browsing(UserFactory(admin=True)).open(change_page(job)).content.decode()

    assert f'href="/api/jobs/{job.pk}/result/"' in shown
    assert f'href="/api/jobs/{job.pk}/errors/"' in shown
    librarian = browsing(staff).client
    for model in (JobFile, JobChunk):
        assert librarian.get(page(model)).status_code == 403
