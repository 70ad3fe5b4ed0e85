"""Jobs asked for over the API, and done by a worker in this process."""

import pytest

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


def done(job_id):
    """The job, after a worker was at it."""
    run(job_id)
    return Job.objects.get(pk=job_id)
