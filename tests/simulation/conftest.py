"""Simulations in this process, which work in databases of their own."""

import os
from copy import deepcopy

import psycopg
import pytest
from django.db import connection

from circulation.simulation.own_database import own_database
from tests.circulation.commands import run
from tests.simulation.runs import SMALL, left, others


@pytest.fixture(scope="session")
def migrated(django_db_blocker):
    """A migrated database that the simulations of this process are copied from: that is faster than to migrate each."""
    name = f"migrated_for_simulations_{os.getpid()}"
    with django_db_blocker.unblock(), own_database(workers=1, keep=True) as first:
        pass
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{first}" RENAME TO "{name}"')
        yield name
        server.execute(f'DROP DATABASE "{name}"')


@pytest.fixture
def simulate(django_db_setup, migrated, django_db_blocker):
    """Runs the command; afterwards this process has the database that it had before, and nothing else is there."""
    connection.settings_dict["TEST"]["TEMPLATE"] = migrated
    others.clear()
    others.update(left(os.getpid()))
    before = deepcopy(connection.settings_dict)
    with django_db_blocker.unblock():
        yield lambda **options: run("simulate", **(SMALL | options))
        assert connection.settings_dict == before
        connection.ensure_connection()
        assert connection.connection.info.dbname == before["NAME"]
        connection.close()
    # Others make their databases from scratch, and some of them at another server.
    del connection.settings_dict["TEST"]["TEMPLATE"]
    assert left(os.getpid()) == []
