"""A consumer as a process of its own: what it heard, it keeps in two tables."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402

from events import consuming  # noqa: E402
from events.stopping import when_told_to_stop  # noqa: E402
from events.stream import EVENTS  # noqa: E402


def handle(messages):
    with connection.cursor() as cursor:
        for message in messages:
            cursor.execute(
                "INSERT INTO heard_events VALUES (%s, 1) "
                "ON CONFLICT (event) DO UPDATE SET times = heard_events.times + 1",
                [message["id"]],
            )
            if message["copy"] is not None:
                cursor.execute(
                    "INSERT INTO heard_copies VALUES (%s, %s, %s) "
                    "ON CONFLICT (barcode) DO UPDATE SET status = excluded.status, version = excluded.version "
                    "WHERE heard_copies.version <= excluded.version",
                    [message["copy"]["barcode"], message["copy"]["status"], message["book"]["version"]],
                )


if __name__ == "__main__":
    consuming.work(when_told_to_stop(), [consuming.Group("listening", EVENTS, handle)])
