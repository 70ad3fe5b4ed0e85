"""What the log says of a server that is away: that it is, and not how each who asked for it came to ask."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

# Tried again by whoever says so in their log.
PATIENT = ("celery.", "django_celery_beat.")


class WithoutTraces(logging.Filter):
    """One line for a database or a Redis that a worker or beat cannot reach; everything else keeps its trace."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and record.name.startswith(PATIENT) and _is_of_connection(error):
            record.exc_info = record.exc_text = None
        return True


class WithoutUnavailable(logging.Filter):
    """Not that an answer was 503: who gave it has said why, and who asks for our health is told just that."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != 503


def _is_of_connection(error: BaseException) -> bool:
    if isinstance(error, (OperationalError, InterfaceError)):  # of what the database itself refuses, there is a code
        code = getattr(error.__cause__, "sqlstate", None)
        return code is None or code.startswith(("08", "57P"))
    return isinstance(error, (RedisError, BrokerError))
