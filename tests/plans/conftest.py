"""A library of 100,000 titles in a database of its own, built once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, models
from django.apps import apps


@contextmanager
def bulk_loading() -> Iterator[None]:
    """Takes indexes, foreign keys and triggers of the tables away, and puts the same ones back afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                   format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace
            UNION ALL
            SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
            WHERE relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            UNION ALL
            SELECT 'ALTER TABLE events_event DISABLE TRIGGER USER', 'ALTER TABLE events_event ENABLE TRIGGER USER'
        """)
        away, back = zip(*cursor.fetchall(), strict=True)
        for statement in away:
            cursor.execute(statement)
        yield
        for statement in reversed(back):
            cursor.execute(statement)


@pytest.fixture(scope="session")
def big_library(django_db_setup, django_db_blocker):
    """The name of the database."""
    import time

    with django_db_blocker.unblock():
        connection.close()
        t = time.time()
        connection.creation.clone_test_db(suffix="big", verbosity=0, autoclobber=True)
        name = connection.creation.get_test_db_clone_settings("big")["NAME"]
        with using(name), bulk_loading(), connection.cursor() as cursor:
            print("clone", time.time() - t)
            t = time.time()
            for statement in Path(__file__).with_name("library.sql").read_text().split(";\n"):
                cursor.execute(statement)
            print("load", time.time() - t)
            t = time.time()
        with using(name), connection.cursor() as cursor:
            print("index", time.time() - t)
            t = time.time()
            cursor.execute("VACUUM ANALYZE")
            print("vacuum", time.time() - t)
            t = time.time()
    yield name
    with django_db_blocker.unblock():
        connection.creation.destroy_test_db(suffix="big", verbosity=0)


@contextmanager
def using(name: str) -> Iterator[None]:
    """The default connection goes to another database."""
    before = connection.settings_dict["NAME"]
    _connect_to(name)
    try:
        yield
    finally:
        _connect_to(before)


def _connect_to(name: str) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict["NAME"] = name


@pytest.fixture(scope="module")
def in_big_library(big_library, django_db_blocker):
    with using(big_library):
        yield
