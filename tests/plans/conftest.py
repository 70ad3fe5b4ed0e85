"""A library of 100,000 titles in a database of its own, which nothing changes: built once, for all tests in here."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection
from rest_framework.test import APIClient

from benchmarks.library import fill
from tests.factories import UserFactory
from tests.plans.explaining import Plans, explaining


@pytest.fixture(scope="session")
def big_library(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The name of its database."""
    with django_db_blocker.unblock():
        connection.creation.clone_test_db(suffix="big", verbosity=0, autoclobber=True)
        name = connection.creation.get_test_db_clone_settings("big")["NAME"]
        with _connected_to(name), connection.cursor() as cursor:
            fill(cursor)
            # Nobody else takes another sample meanwhile; and this one is of every title, so that each run plans alike.
            cursor.execute(
                "SELECT format('ALTER TABLE %s SET (autovacuum_enabled = off)', oid::regclass) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)
            cursor.execute("SET default_statistics_target = 400")
            cursor.execute("VACUUM ANALYZE")
    yield name
    with django_db_blocker.unblock():
        connection.creation.destroy_test_db(suffix="big", verbosity=0)


@contextmanager
def _connected_to(name: str) -> Iterator[None]:
    usual = connection.settings_dict["NAME"]
    _connect_to(name)
    try:
        yield
    finally:
        _connect_to(usual)


def _connect_to(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


@pytest.fixture(scope="module")
def in_big_library(big_library, django_db_blocker) -> Iterator[None]:
    """The tests of a module work in there. What they change is rolled back."""
    with django_db_blocker.unblock(), _connected_to(big_library):
        yield


@pytest.fixture
def plans_of(in_big_library, db, settings):
    """The plans of what a GET asks of the database, with nothing in the cache. Who asks may do everything."""
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    client = APIClient()
    client.force_login(UserFactory(staff=True, is_superuser=True))

    def get(path: str) -> Plans:
        settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": uuid4().hex}}
        with explaining() as plans:
            response = client.get(path)
        assert response.status_code == 200, response.content
        return plans

    return get
