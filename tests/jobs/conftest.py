"""Jobs asked for over the API, and done by a worker in this process."""

import threading

import pytest
from django.db import connection

from circulation.imports.loading import BATCH, Loading
from circulation.jobs import importing, lease
from circulation.jobs.models import Job
from circulation.jobs.running import run
from tests.api.conftest import _nothing_remembered
from tests.api.signing import signed_in
from tests.factories import UserFactory

__all__ = ["_nothing_remembered"]


@pytest.fixture
def staff(db):
    return UserFactory(staff=True)


@pytest.fixture
def librarian(staff):
    """Signed in."""
    return signed_in(staff)


@pytest.fixture
def admin(db):
    return signed_in(UserFactory(admin=True))


@pytest.fixture
def quick(monkeypatch):
    """What is asked for meanwhile is noticed at once."""
    monkeypatch.setattr(lease, "EVERY", 0.01)


@pytest.fixture
def between(monkeypatch):
    """Does something after each batch of an import, with how many there were."""
    monkeypatch.setattr(importing, "FIRST", BATCH)
    then = []
    usual = Loading.take_in
    count = 0

    def take_in(self, some):
        nonlocal count
        usual(self, some)
        count += 1
        for call in then:
            call(count)

    monkeypatch.setattr(Loading, "take_in", take_in)
    return then


def elsewhere(call):
    """In another thread, which has a connection of its own."""

    def run():
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def done(job_id):
    """The job, after a worker was at it."""
    run(job_id)
    return Job.objects.get(pk=job_id)
