"""The OpenAPI document, and a service at which clients made of it can be tried."""

import pytest
from django.core.management import call_command

from accounts.models import User
from tests.simulation.service import service

LIBRARIAN = ("marian", "madam librarian, if you please")


@pytest.fixture(scope="session")
def document(tmp_path_factory):
    """The document, as a file."""
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    call_command("spectacular", file=str(path), format="openapi-json", fail_on_warn=True)
    return path


@pytest.fixture
def desk(django_db_blocker):
    """The URL of a service with a librarian and nothing else, and how the librarian signs in."""
    username, password = LIBRARIAN
    with django_db_blocker.unblock(), service(OPEN_DESK="false", OPEN_DESK_I_UNDERSTAND="false") as url:
        User.objects.create_user(username, password=password, is_staff=True)
        yield url, username, password
