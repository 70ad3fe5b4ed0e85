"""Those who edit: an admin at the pages, an admin and a librarian over the API."""

import pytest
from django.test import Client as Pages

from tests.admin.browser import Browser
from tests.api.conftest import Client
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _static_files_uncollected(settings):
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture
def boss(db):
    return UserFactory(admin=True, username="boss")


@pytest.fixture
def desk(boss):
    """The boss at the admin's pages."""
    client = Pages()
    client.force_login(boss)
    return Browser(client)


@pytest.fixture
def api(boss):
    """The boss over the API."""
    client = Client()
    client.force_authenticate(boss)
    return client
