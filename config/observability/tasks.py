"""Tasks carry the number of the request that woke a worker, so that what follows from it is found under it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.conf import settings
from django.db import connection
from structlog.contextvars import bound_contextvars, get_contextvars

from config.observability.requests import Queries

_open: dict[str, ExitStack] = {}  # of the tasks that this process has in hand


@before_task_publish.connect
def _take_along(headers: dict[str, Any], **_: Any) -> None:
    if number := get_contextvars().get("request_id"):
        headers["request_id"] = number


@task_prerun.connect
def _begin(task_id: str, task: Any, **_: Any) -> None:
    headers: Mapping[str, Any] = task.request.headers or {}
    number = getattr(task.request, "request_id", None) or headers.get("request_id")
    stack = _open[task_id] = ExitStack()
    stack.enter_context(bound_contextvars(request_id=number, route=task.name))
    stack.enter_context(connection.execute_wrapper(Queries(settings.SLOW_QUERY_MS / 1000)))


@task_postrun.connect
def _end(task_id: str, **_: Any) -> None:
    if stack := _open.pop(task_id, None):
        stack.close()
