"""Heavy reads on a streaming replica, where DATABASE_REPLICA_URL names one; elsewhere they are plain calls.

Whoever reads there reads nothing old: the primary is asked how far its log goes, and the replica is only read when it
has come as far. So a caller finds what was answered to anybody before, and what is read may be kept in the cache as if
it had been read from the primary. A replica that is away or behind costs one warning, and the primary is read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

T = TypeVar("T")

REPLICA = "replica"
WAIT = 0.03  # seconds in which it may come as far as the primary; in quiet times it takes one or two milliseconds
STEP = 0.002  # seconds between two looks
PAUSE = 5.0  # seconds for which a replica that is away or behind is left alone

_reading: ContextVar[str] = ContextVar("reading", default=DEFAULT_DB_ALIAS)
_silent_until = 0.0
_away = False

# A commit is seen by others once its record is on disk, unless commits do not wait for that.
_PRIMARY_IS_AT = """
SELECT CASE current_setting('synchronous_commit')
    WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END::text
"""
_REPLICA_IS_AS_FAR = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
_STATE = """
SELECT pg_is_in_recovery(), CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
    ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float
"""


class Router:
    """The ORM reads where `read` says, and writes to the primary."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return _reading.get()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, *args: Any, **hints: Any) -> bool:
        return True  # they are the same rows

    def allow_migrate(self, db: str, *args: Any, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS


def reading() -> BaseDatabaseWrapper:
    """The connection for statements written by hand that only read."""
    return connections[_reading.get()]


def read(compute: Callable[[], T]) -> T:
    """What `compute` returns, from the replica if it has all that the primary has. It must only read.

    Inside a transaction it is the primary that is asked: what was locked or written there is nowhere else.
    """
    if REPLICA not in connections.settings or connection.in_atomic_block or time.monotonic() < _silent_until:
        return compute()
    position = _primary_is_at()
    try:
        is_as_far = _is_as_far(position)
    except (OperationalError, InterfaceError) as error:
        _leave_alone("does not answer", error)
        is_as_far = False
    if not is_as_far:
        return compute()
    token = _reading.set(REPLICA)
    try:
        return compute()
    except (OperationalError, InterfaceError) as error:  # it ended, or what it replays was in the way of the read
        _leave_alone("failed", error)
    finally:
        _reading.reset(token)
    return compute()


@dataclass(frozen=True)
class State:
    """Whether the replica follows, and by how many seconds it is behind."""

    up: bool
    lag: float = 0.0


def replica_state() -> State | None:
    """How the replica is, None where there is none. Waits half a second at most for one that is away."""
    if REPLICA not in connections.settings:
        return None
    try:
        with connections[REPLICA].cursor() as cursor:
            cursor.execute(_STATE)
            follows, lag = cursor.fetchone()
    except (OperationalError, InterfaceError):
        connections[REPLICA].close()
        return State(up=False)
    return State(up=follows, lag=max(0.0, lag))


def _primary_is_at() -> str:
    """What it raises is the primary's failure, and says nothing of the replica."""
    with connection.cursor() as cursor:
        cursor.execute(_PRIMARY_IS_AT)
        position: str = cursor.fetchone()[0]
    return position


def _is_as_far(position: str) -> bool:
    global _away
    give_up = time.monotonic() + WAIT
    with connections[REPLICA].cursor() as cursor:
        while True:
            cursor.execute(_REPLICA_IS_AS_FAR, [position])
            if cursor.fetchone()[0]:
                break
            if time.monotonic() > give_up:
                _leave_alone("is behind", None)
                return False
            time.sleep(STEP)
    if _away:
        logger.info("The replica has all that the primary has again.")
        _away = False
    return True


def _leave_alone(what: str, error: Exception | None) -> None:
    global _away, _silent_until
    if not _away:
        reason = f" ({str(error).strip()})" if error else ""
        logger.warning("The replica %s%s. Reading from the primary.", what, reason)
    _away, _silent_until = True, time.monotonic() + PAUSE
    replica = connections[REPLICA]
    replica.close()
    pool = getattr(replica, "pool", None)
    if error and pool is not None and not pool.closed:
        pool.drain()  # a server that ended left dead ones there
