"""Sessions in PostgreSQL that are not as usual, and none of which is left to the tests after this one."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def waiting_at_most(lock_timeout: str) -> Iterator[None]:
    """Nobody waits longer than so for a lock, whichever session of the pool they have. Outside transactions only."""
    options = connection.settings_dict["OPTIONS"]
    usual = options["options"]
    _begin_anew()
    options["options"] = f"{usual} -c lock_timeout={lock_timeout}"
    try:
        yield
    finally:
        _begin_anew()
        options["options"] = usual


def _begin_anew() -> None:
    connection.close()
    connection.close_pool()
