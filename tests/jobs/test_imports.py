"""Imports over the API: what goes in, what is refused, what the job says of it."""

import pytest

from library.models import Book
from tests.api.asking import data_of
from tests.jobs.conftest import done
from tests.jobs.sending import file, send, titles

pytestmark = pytest.mark.django_db(transaction=True)


def test_titles_come_in(librarian, staff):
    response = send(librarian, file(titles(3)))

    job = data_of(response, 202)
    assert response["Location"] == f"/api/jobs/{job['id']}/"
    assert response.json()["message"] == f"Accepted as job {job['id']}: /api/jobs/{job['id']}/ tells how far it is."
    assert (job["kind"], job["state"], job["asked_by"]) == ("import_books", "queued", staff.username)
    assert Book.objects.count() == 0

    done(job["id"])

    job = data_of(librarian.get(response["Location"]))
    assert job["state"] == "done"
    assert job["result"] == {"added": 3, "changed": 0, "unchanged": 0, "refused": 0}
    assert job["message"] == "books.csv: 3 added, 0 changed, 0 unchanged, 0 refused."
    assert job["progress"] == {"done": 3, "total": 3}
    assert job["links"] == {"result": None, "errors": None}
    assert job["notes"] == []
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert set(Book.objects.values_list("source", flat=True)) == {"books"}
