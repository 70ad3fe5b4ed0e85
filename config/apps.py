from collections import deque
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as of_the_admin
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import reset_queries
from django.db.backends.signals import connection_created


class ProjectConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        import config.celery  # whoever wakes a worker must know where the broker is
        import config.observability.tasks
        import config.observability.tracing  # noqa: F401
        from config.labels import translate_labels
        from config.observability import metrics
        from config.recorded_tasks import watch  # the models are there only now
        from library import cache

        cache.watchers.append(metrics.read_from_cache)

        connection_created.connect(keep_no_statements)
        # A fifteenth of the CPU of a kept answer's request, for nothing: no statements are kept, and connections to
        # Redis stay open.
        request_started.disconnect(reset_queries)
        request_finished.disconnect(close_caches)
        watch()
        translate_labels()


class DeskConfig(of_the_admin.AdminConfig):
    default = False
    default_site = "config.admin_site.DeskSite"


def keep_no_statements(connection: Any, **_: Any) -> None:
    """With DEBUG, Django would keep what each connection said, nine thousand statements long: whole files among it."""
    if settings.DEBUG:
        connection.queries_log = deque(maxlen=0)
