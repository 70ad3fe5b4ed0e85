"""Statements that no single plan fits."""

from collections.abc import Iterator
from contextlib import contextmanager

from rest import replica


@contextmanager
def planned_for_its_values() -> Iterator[None]:
    """PostgreSQL plans each statement of the block for the very values that it asks for.

    Statements that come often are prepared and soon share one plan. For a list there is none that fits both what is
    rare and what is frequent, and no shared plan may use an index that covers some rows only.
    """
    database = replica.reading()
    database.ensure_connection()
    session = database.connection
    usual, session.prepare_threshold = session.prepare_threshold, None
    try:
        yield
    finally:
        session.prepare_threshold = usual
