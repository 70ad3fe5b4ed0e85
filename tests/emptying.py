"""Empties the database after a test whose transactions were committed.

Django would truncate every table and write content types and permissions anew, which takes longer than most of these
tests. Here only tables with rows in them are emptied, and what every library starts with is written again.
"""

from django.apps import apps
from django.db import connection

from library.apps import ensure_base_rows

EMPTY = """
DO $$
DECLARE
    name text;
    has_rows boolean;
    names text[];
BEGIN
    FOR name IN
        SELECT quote_ident(tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO has_rows;
        IF has_rows THEN
            names := names || name;
        END IF;
    END LOOP;
    IF names IS NOT NULL THEN
        EXECUTE 'TRUNCATE ' || array_to_string(names, ', ') || ' CASCADE';
    END IF;
END $$
"""


def empty(test_case: object) -> None:
    """In place of `TransactionTestCase._fixture_teardown`."""
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    ensure_base_rows(apps.get_app_config("library"), using="default")
