"""Partner libraries: two real services, and servers that behave as they are told."""

import logging
import os
from urllib.parse import quote

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection

from circulation.simulation.own_database import drop
from events import redis
from integrations.partners import asking, reserving
from integrations.partners.models import Partner
from tests.stores.sides import Side
from tests.webhooks.receiving import Receiver


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """The cache outlives the rows that a test rolls back."""
    cache.clear()
    redis._away, redis._silent_until = False, 0.0
    yield
    redis._away, redis._silent_until = False, 0.0


# A partner that is well has all the time that a busy machine needs; one that is not is given its own limit.
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(asking, "TOTAL", PATIENCE)
    monkeypatch.setattr(reserving, "WAIT", PATIENCE)


@pytest.fixture
def server():
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def log(caplog):
    """What was logged of partners, line by line."""
    caplog.set_level(logging.INFO, "integrations.partners")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("integrations.partners")]


def at(server, **fields):
    """A partner, not saved, where this server listens."""
    fields = {"name": "library 2", "allows_private": True, "base_url": f"http://127.0.0.1:{server.port}"} | fields
    return Partner(**fields)


def saved(server, **fields):
    partner = at(server, **fields)
    partner.full_clean()
    partner.timeout = fields.get("timeout", PATIENCE)
    partner.save()
    return partner


class Library(Side):
    """Another Circdesk, with what its desk does."""

    def __init__(self, name, database):
        super().__init__("all", _url_of(database), os.environ["REDIS_URL"], os.environ["EVENTS_REDIS_URL"], database)
        self.name = name

    def has(self, **book):
        """A title of theirs: its id."""
        answer = self.ask("POST", "/api/books/", {"title": "Middlemarch", "author": "George Eliot", **book})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]["id"]

    def key(self, *scopes):
        """An API key of theirs that is good for these."""
        self.manage("createsuperuser", "--noinput", "--username", "grace", "--email", "grace@example.org")
        code, said = self.manage("create_key", "grace", "partner", *scopes)
        assert code == 0, said
        return next(word for word in said.split() if word.startswith("cdk_"))


def _url_of(database):
    before, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{before}/{quote(database)}"


@pytest.fixture(scope="session")
def libraries():
    """Two other libraries that answer, each with a database of its own; what is in them stays until the end."""
    first, second = (f"partner_{number}_{os.getpid()}" for number in (2, 3))
    made = [Library("library 2", first), Library("library 3", second)]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        try:
            server.execute(f'CREATE DATABASE "{first}"')
            code, said = made[0].manage("migrate", "--verbosity", "0")
            assert code == 0, said
            server.execute(f'CREATE DATABASE "{second}" TEMPLATE "{first}"')
            for library in made:
                library.start("web")
            yield made
        finally:
            for library in made:
                library.kill()
            for name in (first, second):
                drop(server, name)


@pytest.fixture
def partners(libraries, transactional_db):
    """Both of them, registered here."""
    made = []
    for position, library in enumerate(libraries):
        partner = Partner(
            name=library.name,
            position=position,
            base_url=f"http://127.0.0.1:{library.port}",
            allows_private=True,
        )
        partner.full_clean()
        partner.timeout = PATIENCE
        partner.save()
        made.append(partner)
    return made


@pytest.fixture
def unconnected():
    """Says whether this process holds no connection to PostgreSQL."""
    return lambda: connection.connection is None
