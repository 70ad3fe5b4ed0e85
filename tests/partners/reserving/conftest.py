"""Two libraries that let us in, and staff who ask."""

import pytest

from tests.api.conftest import Client
from tests.factories import (
    UserFactory,
)
from tests.partners.reserving.asking import ISBNS, SCOPES


@pytest.fixture(autouse=True)
def _main_branch(transactional_db):
    """Comes with the migrations; other tests may have emptied the tables."""


@pytest.fixture(scope="session")
def keys(libraries):
    return {library.name: library.key(*SCOPES) for library in libraries}


@pytest.fixture
def partners(partners, keys):
    """Both let us in."""
    for partner in partners:
        partner.api_key = keys[partner.name]
        partner.save()
    return partners


@pytest.fixture
def theirs(libraries):
    """A new title at the first of them, with copies: its ISBN and its number there."""

    def has(library=libraries[0], **book):
        isbn = next(ISBNS)
        return isbn, library.has(isbn=isbn, **book)

    return has


@pytest.fixture
def staff(transactional_db):
    client = Client()
    client.force_authenticate(UserFactory(staff=True))
    return client
