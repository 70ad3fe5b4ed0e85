"""Room for many desks at once, and a way to see who had to begin again."""

import itertools

import pytest
from django.db import connection

from events import operations
from tests.concurrency.races import DESKS


@pytest.fixture(scope="package", autouse=True)
def room_for_every_desk(django_db_setup, django_db_blocker):
    """More connections and more patience than a web server gives its requests.

    Here they must crowd, and on a slow machine the last of forty may wait for longer than a client would.
    """
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    with django_db_blocker.unblock():
        connection.close()
        connection.close_pool()
        options["pool"] = {**before["pool"], "max_size": DESKS + 2}
        options["options"] = f"{before['options']} -c lock_timeout=30s"
        yield
        connection.close()
        connection.close_pool()
        options.update(before)


@pytest.fixture
def begun_again(monkeypatch):
    """Grows by one whenever an operation is begun again, after a deadlock or for other locks."""
    again: list[int] = []
    in_transaction = operations._in_transaction

    def counting(run):
        attempts = itertools.count()

        def counted():
            if attempt := next(attempts):
                again.append(attempt)
            return run()

        return in_transaction(counted)

    monkeypatch.setattr(operations, "_in_transaction", counting)
    return again
