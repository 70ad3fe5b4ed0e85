"""Heavy reads on a real streaming replica: never old, and never missed when it is behind or gone."""

import logging
import signal
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection, connections, router, transaction
from django.test import Client

from library.models import Member
from library.services import add_title, enrol
from reservations.api import books
from reservations.titles import edit_title
from rest import replica as reading
from rest.replica import REPLICA, Router, State, read, replica_state
from tests.factories import NOW
from tests.replicas import a_library_on, asked, primary_and_replica
from tests.waiting import until


@pytest.fixture(scope="module")
def servers(django_db_blocker):
    with django_db_blocker.unblock(), primary_and_replica() as servers, a_library_on(*servers):
        yield servers


@pytest.fixture
def desk(servers, settings, monkeypatch, django_db_blocker):
    """A client, whose reads go where they may."""
    settings.OPEN_DESK = True
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    monkeypatch.setattr(router, "routers", [Router()])
    monkeypatch.setattr(reading, "PAUSE", 0.0)
    monkeypatch.setattr(reading, "WAIT", 10.0)  # what is asked here is where it reads, however busy the machine is
    monkeypatch.setattr(reading, "_silent_until", 0.0)
    monkeypatch.setattr(reading, "_away", False)
    cache.clear()
    with django_db_blocker.unblock():
        yield Client()
        connections[REPLICA].close()
        connection.close()


@contextmanager
def read_there():
    """What is asked of the replica about the library, beside how far it has come."""
    statements = []

    def note(execute, sql, params, many, context):
        if "pg_last_wal" not in sql:
            statements.append(sql)
        return execute(sql, params, many, context)

    with connections[REPLICA].execute_wrapper(note):
        yield statements


@contextmanager
def paused(replica):
    asked(replica, "SELECT pg_wal_replay_pause()")
    try:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(reading, "WAIT", 0.03)
            yield
    finally:
        asked(replica, "SELECT pg_wal_replay_resume()")


def titles(desk, path="/api/books/?search=emma"):
    answer = desk.get(path)
    assert answer.status_code == 200
    return [row.get("title") for row in answer.json()["data"]["results"]]


def wait_until_it_follows():
    until(lambda: read(lambda: reading.reading().alias == REPLICA))


@pytest.mark.parametrize(
    "path",
    [
        "/api/books/?search=emma&facets=true",
        "/api/books/?available=true",
        "/api/loans/",
        "/api/circulation/events/",
        "/api/members/?search=ada",
        "/api/statistics/",
    ],
)
def test_what_is_heavy_is_read_there(desk, path):
    wait_until_it_follows()
    with read_there() as statements:
        assert desk.get(path).status_code == 200

    assert statements


@pytest.mark.parametrize("path", ["/api/books/{}/", "/api/books/{}/availability/", "/api/books/{}/queue/"])
def test_what_a_desk_decides_by_is_not(desk, path):
    book = add_title(title="Sanditon", at=NOW)
    wait_until_it_follows()
    with read_there() as statements:
        assert desk.get(path.format(book.pk)).status_code == 200

    assert statements == []


def test_a_replica_that_is_behind_is_not_read_and_says_so_once(desk, servers, caplog):
    caplog.set_level(logging.INFO, logger=reading.__name__)
    wait_until_it_follows()
    with paused(servers[1]):
        before = titles(desk)
        answer = desk.post("/api/books/", {"title": "Emma", "author": "Jane Austen"}, content_type="application/json")
        assert answer.status_code == 201
        with read_there() as statements:
            assert titles(desk) == [*before, "Emma"]
            assert titles(desk, "/api/books/?search=emma&available=true") == [*before, "Emma"]
        assert statements == []
    wait_until_it_follows()
    with read_there() as statements:
        cache.clear()
        assert titles(desk) == [*before, "Emma"]
    assert statements

    assert [record.getMessage() for record in caplog.records] == [
        "The replica is behind. Reading from the primary.",
        "The replica has all that the primary has again.",
    ]


def test_what_is_kept_in_the_cache_is_never_older_than_its_token(desk, servers, monkeypatch):
    """A title changes after its list was asked for and before it is read: what is kept has the change."""
    book = add_title(title="Persuasion", at=NOW)
    wait_until_it_follows()
    usual = books._catalogue_page

    def changed_meanwhile(*asked):
        edit_title(book_id=book.pk, fields={"title": "Persuaded"}, at=NOW)
        return usual(*asked)

    monkeypatch.setattr(books, "_catalogue_page", changed_meanwhile)
    with paused(servers[1]):
        assert titles(desk, "/api/books/?search=persua") == ["Persuaded"]
    monkeypatch.setattr(books, "_catalogue_page", usual)

    assert titles(desk, "/api/books/?search=persua") == ["Persuaded"]


def test_in_a_transaction_the_primary_is_asked(desk):
    wait_until_it_follows()
    with read_there() as statements, transaction.atomic():
        enrol.__wrapped__(first_name="Ada", last_name="Within", at=NOW)
        assert read(lambda: Member.objects.filter(last_name="Within").exists())

    assert statements == []


def test_how_the_replica_is_can_be_asked(desk, servers, monkeypatch):
    wait_until_it_follows()
    assert replica_state() == State(up=True, lag=0.0)
    with paused(servers[1]):
        add_title(title="Lady Susan", at=NOW)
        until(lambda: replica_state().lag != 0.0)

    monkeypatch.delitem(connections.settings, REPLICA)
    assert replica_state() is None


def test_a_replica_that_is_killed_costs_a_warning_and_no_answer(desk, servers, caplog):
    _, replica = servers
    add_title(title="Emma", at=NOW)
    wait_until_it_follows()
    replica._process.send_signal(signal.SIGQUIT)  # at once, as a machine that loses its power
    replica.stop()

    with read_there() as statements:
        for _ in range(3):
            assert "Emma" in titles(desk)
            cache.clear()
    assert statements == []
    assert [record.message.partition(" (")[0] for record in caplog.records if record.name == reading.__name__] == [
        "The replica does not answer"
    ]
    assert replica_state() == State(up=False)

    replica.start(lambda _: None)
    wait_until_it_follows()
    with read_there() as statements:
        assert "Emma" in titles(desk)
    assert statements


def test_that_the_primary_is_away_is_not_said_of_the_replica(desk, caplog):
    def away(execute, sql, params, many, context):
        raise OperationalError("The primary is away.")

    wait_until_it_follows()
    with connection.execute_wrapper(away), pytest.raises(OperationalError, match=r"^The primary is away\.$"):
        read(lambda: "nothing")
    assert caplog.records == []
    assert read(lambda: reading.reading().alias) == REPLICA


def test_a_read_that_fails_there_is_answered_by_the_primary(desk, caplog):
    """Such as one that what is replayed was in the way of, or whose server ended in the middle."""
    add_title(title="Emma", at=NOW)
    wait_until_it_follows()

    def end_the_session(execute, sql, params, many, context):
        if "pg_last_wal" not in sql:
            execute("SELECT pg_terminate_backend(pg_backend_pid())", None, False, context)
        return execute(sql, params, many, context)

    with connections[REPLICA].execute_wrapper(end_the_session):
        assert "Emma" in titles(desk)
    assert [record.message.partition(" (")[0] for record in caplog.records] == ["The replica failed"]
