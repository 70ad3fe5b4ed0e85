"""Each specification is told twice: at an open desk, where nobody signs in, and by a librarian at a closed one."""

import pytest
from django.core.cache import cache

from tests.api.conftest import Client
from tests.api.signing import signed_in
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """The cache outlives the rows that a test rolls back."""
    cache.clear()


@pytest.fixture(params=["open desk", "signed in"])
def desk(request, settings, db):
    """A client that may do what the desk may."""
    settings.OPEN_DESK = request.param == "open desk"
    return Client() if settings.OPEN_DESK else signed_in(UserFactory(staff=True))
