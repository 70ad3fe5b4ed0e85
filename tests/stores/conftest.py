"""Two empty services, and a Valkey of their own."""

import os
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
import pytest

from circulation.simulation.own_database import drop
from tests.servers import own_valkey
from tests.stores.sides import Side


@pytest.fixture(scope="session")
def template():
    """A migrated database to copy."""
    name = f"stores_template_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')
        server.execute(f'CREATE DATABASE "{name}"')
        code, said = Side("all", url_of(name), os.environ["REDIS_URL"], os.environ["EVENTS_REDIS_URL"], name).manage(
            "migrate", "--verbosity", "0"
        )
        assert code == 0, said
        yield name
        server.execute(f'DROP DATABASE "{name}"')


def url_of(database):
    before, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{before}/{quote(database)}"


@pytest.fixture
def valkey():
    """A running Valkey that remembers what it held when it was stopped."""
    with own_valkey() as server:
        yield server


@contextmanager
def two_sides(template, valkey):
    """The public and the admin's service, not started yet. Whatever is started is stopped afterwards."""
    made = []
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        for service in ("public", "admin"):
            database = f"stores_{service}_{os.getpid()}"
            drop(server, database)
            server.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
            made.append(Side(service, url_of(database), valkey.url(db=1), valkey.url(db=2), "stores"))
        yield made
        for side in made:
            side.kill()
            drop(server, side.database_url.rpartition("/")[2])


@pytest.fixture
def sides(template, valkey):
    with two_sides(template, valkey) as made:
        yield made


@pytest.fixture
def public(sides):
    return sides[0]


@pytest.fixture
def admin(sides):
    return sides[1]
