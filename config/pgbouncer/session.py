"""What must hold in a session, made the default of a role: PgBouncer takes no such options from who connects."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from config.databases import SESSION


def differences(cursor: Any) -> list[str]:
    """What a session has that it should not have, such as `lock_timeout 0 in place of 3s`."""
    asked = ", ".join("current_setting(%s, true)" for _ in SESSION)
    cursor.execute(f"SELECT {asked}", list(SESSION))
    return [
        f"{name} {value or 'unset'} in place of {wanted}"
        for (name, wanted), value in zip(SESSION.items(), cursor.fetchone(), strict=True)
        if value != wanted
    ]


def make_default(cursor: Any, role: str) -> None:
    """From the next session on, for this role in the database of the cursor.

    Who is no superuser may only do so for the role that it is.
    """
    cursor.execute("SELECT word_similarity('', '')")  # PostgreSQL then knows whose setting that is, and lets us
    cursor.execute("SELECT current_database()")
    database = sql.Identifier(cursor.fetchone()[0])
    for name, value in SESSION.items():
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
            sql.Identifier(role), database, sql.Identifier(*name.split(".")), sql.Literal(value)
        )
        cursor.execute(statement.as_string(cursor.connection))
