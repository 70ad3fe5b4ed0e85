"""Warnings and errors in the database: whoever logs neither waits nor fails, whatever becomes of PostgreSQL."""

import logging
import os
import socket
from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from config.observability import keeping
from config.observability.keeping import DatabaseHandler
from integrations.logbook.models import Entry
from integrations.logbook.tasks import forget_entries
from tests.waiting import until

pytestmark = pytest.mark.django_db

PATIENCE = 20  # seconds, for a slow machine
connected = keeping._connected


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(keeping, "RETRY", 0.05)
    monkeypatch.setattr(keeping, "PATIENCE", PATIENCE)


@pytest.fixture(autouse=True)
def _emptied(db):
    """Entries are written outside of the transaction of a test."""
    yield
    with closing(connected()) as connection:
        connection.execute("DELETE FROM logbook_entry")


@pytest.fixture
def kept():
    """Makes loggers whose warnings are kept. Their connections are given back at the end."""
    made = []

    def make(**options):
        handler = DatabaseHandler(logging.WARNING, **options)
        logger = logging.Logger("tests.kept")
        logger.addHandler(handler)
        made.append(handler)
        return logger, handler

    yield make
    for handler in made:
        thread = handler._thread
        handler.close()
        if thread is not None:
            thread.join(PATIENCE)


@pytest.fixture
def away():
    """Moves the database to a port where nobody answers, and back."""
    settings = connections["default"].settings_dict
    before = settings["HOST"], settings["PORT"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    class Away:
        def __enter__(self):
            settings["HOST"], settings["PORT"] = "127.0.0.1", port

        def __exit__(self, *_):
            settings["HOST"], settings["PORT"] = before

    yield Away()
    settings["HOST"], settings["PORT"] = before


def messages():
    return list(Entry.objects.order_by("pk").values_list("message", flat=True))


def test_a_warning_is_kept_with_its_request_and_its_trace(kept):
    logger, handler = kept()

    with bound_contextvars(request_id="r1", route="api/books/"):
        logger.info("not this")
        try:
            raise ValueError("Bearer abcdefghijk of ada@example.org \0\ud800")
        except ValueError:
            logger.exception("It %s", "failed")
    handler.flush()

    entry = Entry.objects.get()
    assert (entry.level, entry.logger, entry.message) == (Entry.Level.ERROR, "tests.kept", "It failed")
    assert (entry.request_id, entry.route) == ("r1", "api/books/")
    assert entry.trace.startswith("Traceback (most recent call last):")
    assert entry.trace.endswith("ValueError: Bearer [redacted] of [redacted] �?")
    assert timezone.now() - entry.at < timedelta(minutes=1)


def test_while_the_database_is_away_nobody_waits_and_what_was_dropped_is_told_afterwards(kept, away):
    logger, handler = kept(limit=5)

    with away:
        for number in range(12):
            logger.warning("Number %d", number)
        until(lambda: handler._is_away)
        handler.flush()  # does not wait for it
        assert handler._queued == 5
    handler._is_away = False
    handler.flush()

    assert messages() == [
        *[f"Number {number}" for number in range(5)],
        "7 entries were dropped: the database was away, or there were more than it could take.",
    ]
    logger.warning("Once more")
    handler.flush()
    assert messages()[6:] == ["Once more"]


def test_what_the_database_refuses_is_counted_and_stops_nothing(kept, monkeypatch):
    logger, handler = kept()
    insert = keeping._INSERT
    monkeypatch.setattr(keeping, "_INSERT", insert.replace("logbook_entry", "no_such_table"))
    logger.warning("refused")
    until(lambda: handler._refused)
    monkeypatch.setattr(keeping, "_INSERT", insert)

    logger.warning("taken")
    until(lambda: Entry.objects.count() == 2)

    assert messages() == [
        "taken",
        "1 entries were dropped: the database was away, or there were more than it could take.",
    ]


def test_the_thread_that_writes_is_not_heard_itself(kept, monkeypatch):
    logger, handler = kept()

    def noisy():
        logger.warning("of the writer")
        return connected()

    monkeypatch.setattr(keeping, "_connected", noisy)
    logger.warning("of a request")
    handler.flush()

    assert messages() == ["of a request"]
    assert handler._lost == 0


def test_a_process_that_was_forked_writes_its_own_and_nothing_twice(kept):
    logger, handler = kept()
    logger.warning("parent")

    child = os.fork()
    if not child:  # no test goes on in here
        logger.warning("child")
        handler.flush()
        os._exit(handler._queued - handler._settled)
    assert os.waitpid(child, 0)[1] == 0
    handler.flush()

    assert sorted(messages()) == ["child", "parent"]


def test_an_idle_thread_gives_its_connection_back(kept, monkeypatch):
    monkeypatch.setattr(keeping, "IDLE", 0.05)
    logger, handler = kept()
    logger.warning("said")
    handler.flush()

    def of_the_log():
        with closing(connected()) as connection:  # a transaction would see the same ones again
            return connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'circdesk log' "
                "AND datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchone()[0]

    until(lambda: of_the_log() == 0)
    logger.warning("said again")
    handler.flush()
    assert messages() == ["said", "said again"]


def test_entries_go_after_the_days_that_are_set(settings):
    settings.LOG_DAYS = 3
    now = timezone.now()
    for days in (2, 4):
        Entry.objects.create(at=now - timedelta(days=days), level=30, logger="x", message=f"{days} days old")

    forget_entries()

    assert messages() == ["2 days old"]
