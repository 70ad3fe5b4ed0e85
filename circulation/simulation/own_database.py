"""A database of its own for a simulation, beside that of the library, and a corner of its own in the cache."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from copy import deepcopy
from io import StringIO
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test.utils import override_settings
from django_redis import get_redis_connection
from django_redis.exceptions import ConnectionInterrupted
from psycopg import sql
from redis.exceptions import RedisError

from events.relay import outlets

PREFIX = "circdesk_simulation_"
DROP_PAUSES = (0.2, 1.0, 5.0)  # seconds between tries to remove it


class NoDatabase(Exception):
    """Why there is none, in one line."""


@contextmanager
def own_database(*, workers: int, keep: bool = False) -> Iterator[str]:
    """Inside, the default database is a new, migrated one; its name. Afterwards it is gone.

    With `keep` it stays, unless something came in between.

    Raises NoDatabase.
    """
    name = f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    connection = _reachable()
    library = dict(connection.settings_dict)
    cache_settings = deepcopy(settings.CACHES)
    cache_settings["default"]["KEY_PREFIX"] = name
    with _ending_in_order(), _quiet_pool(), _nobody_listening():
        connection.close()
        connection.close_pool()
        connection.settings_dict.update(_settings(library, name, workers))
        try:
            with override_settings(CACHES=cache_settings):
                is_kept = False
                try:
                    _create(connection)
                    yield name
                    is_kept = keep
                finally:
                    with _undisturbed():
                        _forget_cache()
                        _destroy(connection, library["NAME"], name, keep=is_kept)
        finally:
            connection.close()
            connection.close_pool()
            connection.settings_dict.update(library)
            settings.DATABASES[connection.alias]["NAME"] = library["NAME"]


def _settings(library: dict[str, Any], name: str, workers: int) -> dict[str, Any]:
    options = deepcopy(library["OPTIONS"])
    # Nobody needs it after a crash.
    options["options"] = f"{options.get('options', '')} -c synchronous_commit=off".strip()
    if isinstance(options.get("pool"), dict):
        options["pool"]["max_size"] = max(options["pool"].get("max_size", 0), workers + 2)
    return {"TEST": {**library["TEST"], "NAME": name}, "OPTIONS": options}


def _reachable() -> DatabaseWrapper:
    """Tried without the pool, which would try for seconds and complain meanwhile. Raises NoDatabase."""
    connection = connections["default"]
    if not isinstance(connection, DatabaseWrapper):
        raise NoDatabase(f"DATABASE_URL names {connection.vendor}: a simulation needs PostgreSQL.")
    try:
        with psycopg.connect(**{"connect_timeout": 5, **connection.get_connection_params()}) as probe:
            row = probe.execute(
                "SELECT current_user, rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rpartition("failed: ")[2]
        raise NoDatabase(
            f"A simulation makes a database beside the library's, which does not answer: {reason}"
        ) from None
    if row is not None and not row[1]:
        raise NoDatabase(
            f"A simulation makes a database of its own, and the account {row[0]} may not: ALTER ROLE {row[0]} CREATEDB."
        )
    return connection


def _create(connection: DatabaseWrapper) -> None:
    said = StringIO()
    try:
        with redirect_stderr(said):
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    except SystemExit:  # Django's way of saying that it could not
        if not said.getvalue():
            raise
        raise NoDatabase(said.getvalue().strip().splitlines()[0]) from None


def _destroy(connection: DatabaseWrapper, library: str, name: str, *, keep: bool) -> None:
    connection.close()
    connection.close_pool()
    if keep:
        return
    parameters = {**connection.get_connection_params(), "dbname": library}
    try:
        with psycopg.connect(**parameters, autocommit=True) as server:
            drop(server, name)
    except psycopg.Error as error:
        print(f"The database {name} could not be removed: {error}", file=sys.stderr)


def drop(server: psycopg.Connection[Any], name: str) -> None:
    """Remove a database, whoever still uses it."""
    # By force, because a connection that was interrupted may take a moment to end; on a busy machine longer than the
    # five seconds that PostgreSQL gives it (ObjectInUse). And a worker of autovacuum belongs to nobody, so that it may
    # not be ended by force, but it is done soon (InsufficientPrivilege).
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for pause in DROP_PAUSES:
        try:
            server.execute(statement)
            return
        except (psycopg.errors.ObjectInUse, psycopg.errors.InsufficientPrivilege):
            time.sleep(pause)
    server.execute(statement)


def _forget_cache() -> None:
    with suppress(RedisError, ConnectionInterrupted, OSError):
        redis = get_redis_connection("default")
        for key in redis.scan_iter(f"{settings.CACHES['default']['KEY_PREFIX']}*", count=1000):
            redis.delete(key)


@contextmanager
def _nobody_listening() -> Iterator[None]:
    """What happens in a simulation is no news."""
    before, outlets[:] = outlets[:], []
    try:
        yield
    finally:
        outlets[:] = before


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Lets `kill` and a closed terminal end this process as Ctrl-C does, with everything put in order."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet_pool() -> Iterator[None]:
    """A connection that Ctrl-C met in the midst of a statement is closed: nobody need hear of it."""
    logger = logging.getLogger("psycopg.pool")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C waits: this is short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
