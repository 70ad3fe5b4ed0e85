"""Migrations of a database that is at work: they wait for others, and the desk does not wait for them."""

import threading
import time
from contextlib import contextmanager
from io import StringIO

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from circulation.services import check_out, return_copy
from circulation.simulation.own_database import own_database
from config.management.commands import migrate
from library.services import add_title, enrol
from tests.events.desks import OtherDesk
from tests.factories import NOW
from tests.waiting import until

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
COLUMN = 'operations = [migrations.RunSQL("ALTER TABLE library_member ADD COLUMN {} text")]'
INDEX = 'atomic = False\noperations = [{}("note", models.Index(fields=["text"], name="note_text"))]'


@pytest.fixture(scope="module")
def library(django_db_blocker):
    with django_db_blocker.unblock(), own_database(workers=2):
        connection.ensure_connection()
        yield enrol(first_name="Ada", at=NOW), add_title(title="Emma", at=NOW)


@pytest.fixture
def unblocked(library, django_db_blocker, monkeypatch):
    monkeypatch.setattr(migrate, "PAUSE", 0.1)
    with django_db_blocker.unblock():
        yield
        connection.close()


class Migrating(threading.Thread):
    """`manage.py migrate` of one app, beside us."""

    def __init__(self, label, name=None):
        super().__init__()
        self.arguments = [label] if name is None else [label, name]
        self.said = StringIO()
        self.failure = None
        self.asked_again = threading.Event()

    def run(self):
        try:
            call_command("migrate", *self.arguments, stdout=StringIO(), stderr=self, no_color=True)
        except Exception as error:
            self.failure = error
        finally:
            connection.close()

    def write(self, text):
        self.said.write(text)
        if "Trying again" in text:
            self.asked_again.set()


@contextmanager
def a_long_report():
    """A transaction that goes on, and has read members."""
    with OtherDesk() as report:
        report.execute("SELECT count(*) FROM library_member")
        yield


def lend_and_take_back(library):
    """Raises Busy if the desk had to wait for longer than it does."""
    member, book = library
    lent = check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    return_copy(loan_id=lent.loan.pk, at=NOW)


def is_valid(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
        row = cursor.fetchone()
    return row and row[0]


def columns():
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, "library_member")}


def test_a_migration_that_waits_gives_way_to_the_desk_and_comes_again(late, library, unblocked):
    migrating = Migrating(late(COLUMN.format("late_note")))
    with a_long_report():
        migrating.start()
        assert migrating.asked_again.wait(30)
        for _ in range(5):
            lend_and_take_back(library)
        assert "late_note" not in columns()
    migrating.join(60)

    assert migrating.failure is None
    assert "late_note" in columns()
    assert "Somebody holds a lock that this migration needs. Trying again in 0 s, " in migrating.said.getvalue()


def test_without_that_the_desk_is_busy(late, library, unblocked, monkeypatch):
    """The control: behind a migration that waits as long as the desk does, the desk waits in vain."""
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "60s")
    migrating = Migrating(late(COLUMN.format("late_control")))
    with a_long_report():
        migrating.start()
        wait_until_somebody_waits()
        with pytest.raises(Exception, match="The desk is busy"):
            lend_and_take_back(library)
    migrating.join(60)
    assert migrating.failure is None


def test_who_waits_in_vain_is_told_to_look_for_old_transactions(late, unblocked, monkeypatch):
    monkeypatch.setattr(migrate, "ATTEMPTS", 2)
    label = late(COLUMN.format("never"))
    with a_long_report(), pytest.raises(CommandError, match=r"^Somebody holds a lock .* see pg_stat_activity for old"):
        call_command("migrate", label, stdout=StringIO(), stderr=StringIO())

    assert "never" not in columns()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        assert cursor.fetchone() == ("3s",)


def test_an_index_waits_for_as_long_as_it_takes_while_the_desk_goes_on(late, library, unblocked, monkeypatch):
    label = late(INDEX.format("AddIndexConcurrently").replace("note_text", "late_patient"))
    call_command("migrate", label, "0001", stdout=StringIO())
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "1ms")  # whoever can be seen to wait has waited longer
    migrating = Migrating(label)
    with OtherDesk() as report:
        report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        report.execute(f"SELECT count(*) FROM {label}_note")
        migrating.start()
        wait_until_somebody_waits()
        lend_and_take_back(library)
        assert not is_valid("late_patient")
    migrating.join(60)

    assert migrating.failure is None
    assert migrating.said.getvalue() == ""
    assert is_valid("late_patient")


def test_an_index_that_was_interrupted_is_built_anew(late, library, unblocked):
    label = late(INDEX.format("AddIndexConcurrently").replace("note_text", "late_broken"))
    call_command("migrate", label, "0001", stdout=StringIO())
    with OtherDesk() as report:
        report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        report.execute(f"SELECT count(*) FROM {label}_note")
        with psycopg.connect(**{**connection.get_connection_params(), "context": None}, autocommit=True) as other:
            other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(f"CREATE INDEX CONCURRENTLY late_broken ON {label}_note (text)")
    assert is_valid("late_broken") is False

    call_command("migrate", label, stdout=StringIO())
    assert is_valid("late_broken") is True


def wait_until_somebody_waits():
    with psycopg.connect(**{**connection.get_connection_params(), "context": None}, autocommit=True) as watching:
        until(lambda: watching.execute(WAITING).fetchone()[0])
