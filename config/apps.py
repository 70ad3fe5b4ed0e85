from collections import deque
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created


class ProjectConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        import config.celery  # noqa: F401  # whoever wakes a worker must know where the broker is

        connection_created.connect(keep_no_statements)


def keep_no_statements(connection: Any, **_: Any) -> None:
    """With DEBUG, Django would keep what each connection said, nine thousand statements long: whole files among it."""
    if settings.DEBUG:
        connection.queries_log = deque(maxlen=0)
