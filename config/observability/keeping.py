"""Warnings and errors, kept in the database by a thread of their own, over a connection of its own.

Whoever logs only puts an entry into a queue: nobody waits, and nobody fails. What the queue cannot hold, because
PostgreSQL is away or slower than the trouble, is counted, and the count is the next entry that is written.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import psycopg
from celery.signals import worker_process_shutdown
from django.db import connections

from config.observability import logs

LIMIT = 1_000  # entries that wait
BATCH = 200  # entries of one statement
GATHER = 0.05  # seconds: what is logged in one go is written in one go
RETRY = 2.0  # seconds until PostgreSQL is asked again
IDLE = 10.0  # seconds without an entry after which its connection is given back
PATIENCE = 2.0  # seconds that the end of a process may wait for what is left
MESSAGE, TRACE = 4_000, 20_000  # characters

_INSERT = (
    "INSERT INTO logbook_entry (at, level, logger, message, request_id, route, trace)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)


class Entry(NamedTuple):
    at: datetime
    level: int
    logger: str
    message: str
    request_id: str
    route: str
    trace: str


class DatabaseHandler(logging.Handler):
    """Its thread begins with the first entry of a process, whichever process that was forked from."""

    def __init__(self, level: int | str = logging.NOTSET, *, traced: bool = False, limit: int = LIMIT) -> None:
        super().__init__(level)
        self._limit = limit
        self._steps = logs.plain_steps(traced)
        self._begin_anew()
        _handlers.add(self)

    def _begin_anew(self) -> None:
        # This queue, unlike others, may be filled by a signal's handler in the middle of being filled.
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._is_away = False
        # Each is counted in one place, by one thread at a time.
        self._queued = self._settled = 0  # settled: written or refused
        self._lost = self._refused = self._told = 0  # lost by the queue, refused by PostgreSQL; how many were told of

    def emit(self, record: logging.LogRecord) -> None:
        thread = self._thread
        if thread is threading.current_thread():
            return  # it would write about its own trouble for ever
        try:
            if self._queued - self._settled >= self._limit:
                self._lost += 1
                return
            self._queue.put(self._entry(record))
            self._queued += 1
            if thread is None or not thread.is_alive():
                self._begin_to_write()
        except Exception:  # whoever logs has other worries; and at the end of a process no thread begins any more
            self._lost += 1

    def flush(self) -> None:
        """Waits for what is left, two seconds at most, and not for a database that is away."""
        give_up = time.monotonic() + PATIENCE
        while self._is_busy() and not self._is_away and time.monotonic() < give_up:
            time.sleep(0.01)

    def close(self) -> None:
        self.flush()
        self._end.set()
        self._queue.put(None)  # wakes the thread
        super().close()

    def _is_busy(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive() and self._queued > self._settled

    def _begin_to_write(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write, args=[self._queue, self._end], name="log", daemon=True)
        self._thread.start()
        Finalize(None, self.flush, exitpriority=0)  # a process that was forked ends without atexit

    def _entry(self, record: logging.LogRecord) -> Entry:
        """In the thread that logs, which knows the request."""
        event: Any = {"event": record.getMessage(), "_record": record, "exc_info": record.exc_info}
        for step in self._steps:
            event = step(None, "", event)
        said = str(event["event"])
        if sql := event.get("sql"):
            said = f"{said}\n{sql}"
        return Entry(
            datetime.fromtimestamp(record.created, UTC),
            min(max(record.levelno // 10 * 10, logging.WARNING), logging.CRITICAL),
            _storable(record.name, 100),
            _storable(said, MESSAGE),
            _storable(event.get("request_id") or "", 64),
            _storable(event.get("route") or "", 200),
            _storable(event.get("exception") or "", TRACE),
        )

    # --- The thread that writes ---------------------------------------------------------------------------

    def _write(self, queue: SimpleQueue[Entry | None], end: threading.Event) -> None:
        connection: psycopg.Connection[Any] | None = None
        waiting: list[Entry] = []
        while waiting or not (end.is_set() and queue.empty()):
            waiting = waiting or _gathered(queue, end)
            if not waiting:
                _close(connection)
                connection = None
                continue
            try:
                connection = connection or _connected()
                self._insert(connection, waiting)
            except Exception as error:
                self._is_away = True
                _close(connection)
                connection = None
                if not isinstance(error, psycopg.OperationalError):  # what it refuses, it would refuse again
                    self._refused += len(waiting)
                    self._settled += len(waiting)
                    waiting = []
                if end.wait(RETRY):
                    break
            else:
                self._is_away = False
                self._settled += len(waiting)
                waiting = []
        _close(connection)

    def _insert(self, connection: psycopg.Connection[Any], waiting: list[Entry]) -> None:
        dropped = self._lost + self._refused - self._told
        rows = [*waiting, *([_of_dropped(dropped)] if dropped else [])]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_INSERT, rows)
        self._told += dropped


def _gathered(queue: SimpleQueue[Entry | None], end: threading.Event) -> list[Entry]:
    """What is in the queue, or comes within a while."""
    found: list[Entry | None] = []
    try:
        found.append(queue.get(timeout=IDLE))
        end.wait(GATHER)
        while len(found) < BATCH:
            found.append(queue.get_nowait())
    except Empty:
        pass
    return [entry for entry in found if entry]


def _connected() -> psycopg.Connection[Any]:
    parameters = connections["default"].get_connection_params()
    return psycopg.connect(
        **{**parameters, "connect_timeout": 2, "application_name": "circdesk log", "prepare_threshold": None},
        autocommit=True,
    )


def _close(connection: psycopg.Connection[Any] | None) -> None:
    if connection is not None:
        connection.close()


def _of_dropped(number: int) -> Entry:
    said = f"{number} entries were dropped: the database was away, or there were more than it could take."
    return Entry(datetime.now(UTC), logging.WARNING, __name__, said, "", "", "")


def _storable(said: str, length: int) -> str:
    """PostgreSQL keeps no NUL and no half characters."""
    return said.encode(errors="replace").decode().replace("\0", "�")[:length]


# What was in the queue of a process that forks is written by that process, and its thread is not in the new one.
_handlers: weakref.WeakSet[DatabaseHandler] = weakref.WeakSet()


def counts() -> dict[str, int]:
    """How many entries this process has kept, and how many it dropped."""
    handlers = list(_handlers)
    return {
        "kept": sum(handler._settled - handler._refused for handler in handlers),
        "dropped": sum(handler._lost + handler._refused for handler in handlers),
    }


def _after_fork() -> None:
    for handler in list(_handlers):
        handler._begin_anew()


os.register_at_fork(after_in_child=_after_fork)


@worker_process_shutdown.connect
def _flush(**_: Any) -> None:
    for handler in list(_handlers):
        handler.flush()
