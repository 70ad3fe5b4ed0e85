"""What differs from Django's PostgreSQL. Django finds the engine of a database under this name."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from config.pgbouncer.session import differences


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections to PgBouncer."""

    _looked_at: ClassVar[set[str]] = set()  # databases of this process whose sessions are as they must be

    def chunked_cursor(self) -> Any:
        """One of the server's where it lives long enough, else one that brings all rows at once.

        Outside of a transaction the next rows would be asked of another session, which has no such cursor.
        """
        return super().chunked_cursor() if self.in_atomic_block else self.cursor()

    def init_connection_state(self) -> None:
        """Raises ImproperlyConfigured, rather than serve a desk that waits for locks without end."""
        super().init_connection_state()
        name = f"{self.alias} {self.settings_dict['NAME']}"
        if name in self._looked_at:
            return
        with self.cursor() as cursor:
            found = differences(cursor)
        if found:
            self.close()  # or whoever asks next would find a connection, and use it
            raise ImproperlyConfigured(
                f"Sessions behind PgBouncer have {', '.join(found)}. Run `manage.py session_defaults` past PgBouncer, "
                "then RECONNECT on its console."
            )
        self._looked_at.add(name)
