"""What else hears of a process: a collector of traces (OpenTelemetry), a collector of errors (Sentry).

Neither is even loaded where it is not set up.
"""

from __future__ import annotations

from typing import Any

from celery.signals import worker_process_init
from django.conf import settings
from django.utils.module_loading import import_string


def start() -> None:
    """Once for each process, after it was forked: both have threads of their own."""
    if settings.TRACED:
        import_string("config.observability.spans.start")()
    if settings.SENTRY_DSN:
        import_string("config.observability.reports.start")()


@worker_process_init.connect
def _start_in_worker(**_: Any) -> None:
    start()
