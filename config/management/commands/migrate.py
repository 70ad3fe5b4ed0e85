"""Django's migrate, for a database that is at work.

A statement that waits for a lock makes everybody wait who comes after it. So it waits for a much shorter time than the
desk does, gives up, and tries again.
"""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg import errors

from config.pgbouncer.base import DatabaseWrapper

LOCK_TIMEOUT = "500ms"  # of the three seconds that the desk has
ATTEMPTS = 30
PAUSE = 1.0  # seconds; after every attempt half as long again, LONGEST at most. All together five minutes.
LONGEST = 12.0


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> str | None:
        """Raises CommandError behind PgBouncer, where what is set for a session is soon somebody else's."""
        if isinstance(connections[options["database"]], DatabaseWrapper):
            raise CommandError(
                "Migrations go past PgBouncer: give the DATABASE_URL of PostgreSQL itself, and PGBOUNCER=off."
            )
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError where a lock is not to be had."""
        database = connections[options["database"]]
        pause = PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            with database.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, errors.LockNotAvailable):
                    raise
                if attempt == ATTEMPTS:
                    raise CommandError(
                        "Somebody holds a lock that this migration needs: see pg_stat_activity for old transactions. "
                        "What was done until here stays; run it again to go on."
                    ) from error
            else:
                return
            finally:
                with database.cursor() as cursor:
                    cursor.execute("RESET lock_timeout")
            self.stderr.write(
                f"\nSomebody holds a lock that this migration needs. Trying again in {pause:.0f} s, "
                f"so that the desk need not wait ({attempt} of {ATTEMPTS})."
            )
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST)
