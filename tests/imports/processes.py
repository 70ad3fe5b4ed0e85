"""Commands in processes of their own, which can be killed."""

import os
import subprocess
import sys

from django.conf import settings
from django.db import connection

OURS = "a command in a process of its own"  # what its connections are called in pg_stat_activity


def in_a_process(*arguments: str) -> subprocess.Popen:
    """manage.py on the database of these tests."""
    start = (
        "import sys, django; from django.conf import settings; "
        f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r}; "
        "django.setup(); from django.core.management import execute_from_command_line; "
        "execute_from_command_line(['manage.py', *sys.argv[1:]])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "PGAPPNAME": OURS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end_its_connections() -> int:
    """As an administrator may, in the midst of whatever they do. Returns how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = %s AND datname = current_database()",
            [OURS],
        )
        return cursor.rowcount
