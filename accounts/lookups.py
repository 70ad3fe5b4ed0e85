"""Whose credential it is: one statement for every request that presents one.

SQL rather than the ORM: building the query takes three times as long as asking it, and would make a check-out by
somebody who signed in a quarter slower (`make bench`).
"""

from __future__ import annotations

from typing import Any

from django.db import OperationalError, connection

from accounts.models import APIKey, User
from events.operations import discard_dead_connections, left_dead

_USER = [field.attname for field in User._meta.concrete_fields]
_KEY = [field.attname for field in APIKey._meta.concrete_fields]
_OWNER_COLUMNS = ", ".join(f"u.{name}" for name in _USER)

_ACCOUNT = f"SELECT {_OWNER_COLUMNS} FROM accounts_user u WHERE u.id = %s"
_LIVING_KEY = f"""
    SELECT {", ".join(f"k.{name}" for name in _KEY)}, {_OWNER_COLUMNS}
    FROM accounts_apikey k JOIN accounts_user u ON u.id = k.owner_id
    WHERE k.digest = %s AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > statement_timestamp())
"""


def account(user_id: int) -> User | None:
    """The account with this id."""
    row = _asked(_ACCOUNT, user_id)
    return User.from_db("default", _USER, row) if row else None


def living_key(digest: str) -> APIKey | None:
    """The key with this digest, unless it was revoked or has expired, and its owner with it."""
    row = _asked(_LIVING_KEY, digest)
    if row is None:
        return None
    key = APIKey.from_db("default", _KEY, row[: len(_KEY)])
    key.owner = User.from_db("default", _USER, row[len(_KEY) :])
    return key


def _asked(statement: str, value: int | str) -> Any:
    """The row, asked for once more on another connection when a restarted server left this one dead.

    So that who signed in notices a restart no more than who comes to an open desk. Inside an operation that begins
    again, with everything it did.
    """
    try:
        return _row(statement, value)
    except OperationalError as error:
        if connection.in_atomic_block or not left_dead(error):
            raise
    discard_dead_connections()
    return _row(statement, value)


def _row(statement: str, value: int | str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, [value])
        return cursor.fetchone()
