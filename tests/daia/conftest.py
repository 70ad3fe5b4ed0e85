"""Another catalogue, which is nobody in particular; and the desk."""

import pytest

from tests.api.conftest import Client, _nothing_remembered, api, librarian

__all__ = ["_nothing_remembered", "api", "librarian"]


@pytest.fixture
def catalogue(db):
    return Client()
