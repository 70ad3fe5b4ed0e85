"""What holds for every process of the project."""

import pytest
from django.db import connections

from config.apps import keep_no_statements


@pytest.mark.django_db
def test_no_statements_are_kept_while_it_is_developed(settings, monkeypatch):
    settings.DEBUG = True
    connection = connections["default"]
    monkeypatch.setattr(connection, "queries_log", connection.queries_log)

    keep_no_statements(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", ["x" * 1_000_000])

    assert connection.queries_logged
    assert not connection.queries_log
