"""Exports and anonymising by jobs: the same as by the commands."""

import io
import threading
import zipfile
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from circulation.jobs.lease import Lease
from circulation.models import Job, Loan
from events.models import Event
from library.models import Book, Member
from library.services import add_title
from reservations.models import Reservation
from tests.api.asking import data_of, error_of
from tests.circulation.commands import run as run_command
from tests.factories import LoanFactory, ReservationFactory
from tests.imports import library
from tests.jobs.conftest import done

pytestmark = pytest.mark.django_db(transaction=True)


def asked(client, path, **fields):
    return data_of(client.post(path, fields), 202)["id"]


def archive_of(response):
    assert response.status_code == 200
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


@pytest.mark.parametrize("form", ["csv", "json", "marcxml"])
def test_an_export_is_what_the_command_writes(admin, tmp_path, form):
    library.build()
    run_command("export", tmp_path / "by command", "--format", form)

    job = done(asked(admin, "/api/exports/", format=form))

    assert job.state == "done"
    response = admin.get(f"/api/jobs/{job.pk}/result/")
    name = f"circdesk-{job.created_at:%Y-%m-%d}.zip"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    with archive_of(response) as archive:
        assert archive.testzip() is None
        written = {path.name: path.read_bytes() for path in (tmp_path / "by command").iterdir()}
        assert {name: archive.read(name) for name in archive.namelist()} == written
    assert job.result["titles"] == Book.objects.held().count()
    assert job.result["members"] == Member.objects.count()
    assert job.done == job.total == sum(job.result.values())
    assert job.message.startswith("Exported. branches: 2, policies: 2, titles: ")


def test_an_export_comes_back_as_an_equal_library(admin, tmp_path):
    library.build()
    before = library.described()
    job = done(asked(admin, "/api/exports/"))
    with archive_of(admin.get(f"/api/jobs/{job.pk}/result/")) as archive:
        archive.extractall(tmp_path / "out")
    library.clear()

    assert run_command("import_library", tmp_path / "out").failure is None

    assert library.described() == before


def test_what_one_has_already_is_not_sent_again(admin):
    job = done(asked(admin, "/api/exports/"))
    url = f"/api/jobs/{job.pk}/result/"
    tag = admin.get(url)["ETag"]

    unchanged = admin.get(url, HTTP_IF_NONE_MATCH=tag)
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", tag)
    assert admin.get(url, HTTP_IF_NONE_MATCH='"0"').status_code == 200
    assert admin.get(f"/api/jobs/{done(asked(admin, '/api/exports/')).pk}/result/")["ETag"] != tag
    assert admin.head(url)["ETag"] == tag


def test_a_file_may_be_asked_for_as_such(admin):
    job = done(asked(admin, "/api/exports/"))
    url = f"/api/jobs/{job.pk}/result/"

    response = admin.get(url, HTTP_ACCEPT="application/octet-stream")

    assert (response.status_code, response["Content-Type"]) == (200, "application/octet-stream")
    error_of(admin.get("/api/jobs/47110815/result/", HTTP_ACCEPT="application/octet-stream"), 404, "NOT_FOUND")


def past():
    """Loans and reservations, of which some ended long ago."""
    ago = timezone.now() - timedelta(days=400)
    for _ in range(3):
        LoanFactory(returned=True)
    Loan.objects.update(lent_at=ago, due_at=ago, returned_at=ago)
    LoanFactory()
    ReservationFactory(cancelled=True)
    Reservation.objects.update(closed_at=ago)
    ReservationFactory()


def remembered():
    return (
        [loan.member_id is None for loan in Loan.objects.order_by("pk")],
        [reservation.member_id is None for reservation in Reservation.objects.order_by("pk")],
        list(Event.objects.order_by("pk").values_list("member_id", flat=True)),
    )


def test_anonymising_is_what_the_command_does(admin):
    past()
    before = remembered()

    rehearsed = done(asked(admin, "/api/anonymisations/", older_than_days=365, dry_run=True))
    assert rehearsed.message == "3 loans and 1 reservations would say no longer whose they were."
    assert remembered() == before

    job = done(asked(admin, "/api/anonymisations/", older_than_days=365))

    assert job.message == "3 loans and 1 reservations say no longer whose they were."
    assert job.result == {"loans": 3, "reservations": 1, "actors": 0, "edits": 0}
    assert job.done == job.total == 4
    assert remembered()[:2] == ([True] * 3 + [False], [True, False])
    again = run_command("anonymise_history", "--older-than", 365)
    assert again.out == ["0 loans and 0 reservations say no longer whose they were."]


def test_how_old_it_is_counts_from_when_it_was_asked_for(admin):
    past()
    job_id = asked(admin, "/api/anonymisations/", older_than_days=0)
    Job.objects.update(created_at=timezone.now() - timedelta(days=500))

    assert done(job_id).result == {"loans": 0, "reservations": 0, "actors": 0, "edits": 0}


def test_nothing_to_forget(admin):
    job = done(asked(admin, "/api/anonymisations/", older_than_days=1))

    assert (job.state, job.message) == ("done", "0 loans and 0 reservations say no longer whose they were.")


def test_an_export_shows_one_moment_whatever_happens_meanwhile(admin, monkeypatch):
    job_id = asked(admin, "/api/exports/")
    usual = Lease.check

    def check(self):
        thread = threading.Thread(target=add)
        thread.start()
        thread.join()
        usual(self)

    def add():
        try:
            add_title(title="Emma", at=timezone.now())
        finally:
            connection.close()

    add_title(title="Dracula", at=timezone.now())
    monkeypatch.setattr(Lease, "check", check)

    job = done(job_id)

    assert Book.objects.count() > 5
    assert (job.result["titles"], job.result["copies"]) == (1, 1)
    assert (job.done, job.total) == (sum(job.result.values()),) * 2
