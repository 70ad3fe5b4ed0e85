from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction

from config.databases import SESSION
from config.pgbouncer.session import make_default


class Command(BaseCommand):
    help = (
        "Make what the service asks of its sessions the default of its role in PostgreSQL, for PgBouncer. "
        "Run it with DATABASE_URL past PgBouncer and PGBOUNCER=off; again after restoring a backup."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--role", help="the role that the service connects as (now: the one that DATABASE_URL names)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            role = options["role"] or cursor.fetchone()[0]
            make_default(cursor, role)
        said = ", ".join(f"{name} {value}" for name, value in SESSION.items())
        self.stdout.write(f"Sessions of {role} now begin with {said}.")
