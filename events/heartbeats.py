"""Signs of life of the processes that nobody asks anything, so that one that is gone is missed."""

from __future__ import annotations

import time

from django.db import connection

EVERY = 10.0  # seconds, at most so often in each process

_written: dict[str, float] = {}


def beat(name: str) -> None:
    """Write down that a process of this name is at work. Outside transactions: what is rolled back is no sign.

    Raises what the database raises while it is away.
    """
    now = time.monotonic()
    if now < _written.get(name, -EVERY) + EVERY:
        return
    with connection.cursor() as cursor:
        # By the clock of the database, which all of them share.
        cursor.execute(
            """
            INSERT INTO events_heartbeat (name, at) VALUES (%s, clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET at = excluded.at
            """,
            [name],
        )
    _written[name] = now


def ages() -> dict[str, float]:
    """How many seconds ago each was heard of last."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, extract(epoch FROM clock_timestamp() - at)::float FROM events_heartbeat")
        return dict(cursor.fetchall())
