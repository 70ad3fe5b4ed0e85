"""A librarian in the admin, as their browser would act."""

import pytest
from django.core.cache import cache
from django.test import Client

from tests.admin.browser import Browser
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """The cache outlives the rows that a test rolls back."""
    cache.clear()


@pytest.fixture(autouse=True)
def _static_files_uncollected(settings):
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture
def librarian(db):
    return UserFactory(admin=True, username="librarian")


@pytest.fixture
def desk(librarian):
    client = Client()
    client.force_login(librarian)
    return Browser(client)
